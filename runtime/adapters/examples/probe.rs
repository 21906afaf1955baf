#![recursion_limit = "256"]
use std::time::Instant;
use surrealdb_core::kvs::Datastore;
use surrealdb::{Surreal, engine::local::Db};
use surrealdb_cnf::ConfigMap;
use surrealdb::types::*;

fn cpu() -> f64 { let s=std::fs::read_to_string("/proc/self/stat").unwrap(); let f: Vec<&str>=s.rsplit(')').next().unwrap().split_whitespace().collect(); (f[11].parse::<f64>().unwrap()+f[12].parse::<f64>().unwrap())/100.0 }
fn rss() -> String { std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("VmRSS")||l.starts_with("Threads")).collect::<Vec<_>>().join(" ") }

async fn exec(ds: &Surreal<Db>, q: &str, v: Variables) -> surrealdb::Result<Vec<Result<Value, surrealdb::Error>>> {
    let mut r = ds.query(q.to_string()).bind(Object::from(v)).await?;
    Ok((0..r.num_statements()).map(|i| r.take::<Value>(i)).collect())
}
async fn run(ds: &Surreal<Db>, _s: &(), q: &str, v: Variables) {
    let r = exec(ds, q, v).await;
    println!("--- {q}");
    match r { Ok(v) => for x in v { match x { Ok(v) => println!("  ok {}", v.to_sql()), Err(e) => println!("  ERR {e:?}") } }, Err(e) => println!("  REJECTED {e:?}") }
}

fn main() {
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_stack_size(10<<20).enable_all().build().unwrap();
    rt.block_on(async { tokio::spawn(go()).await.unwrap() });
}
async fn go() {
    println!("start {}", rss());
    let dir = std::env::args().nth(1).unwrap_or("/tmp/probe-db".into());
    let _ = std::fs::remove_dir_all(&dir);
    let t = Instant::now();
    let mut c = ConfigMap::empty();
    for (k,v) in [("surrealkv_block_cache_capacity","16777216"),("surrealkv_max_memtable_size","8388608"),("surrealkv_vlog_max_file_size","67108864"),("datastore_sync","every"),("datastore_versioned","false")] { c = c.with_key_value(k,v); }
    let kv = Datastore::builder().with_config(c).without_maintenance_tasks().build_with_path(&format!("surrealkv://{dir}?sync=every")).await.unwrap();
    kv.check_version().await.unwrap();
    kv.bootstrap().await.unwrap();
    kv.start_maintenance_tasks(); let ds = Surreal::<Db>::unstable_from_datastore(kv.clone(), None).await.unwrap(); ds.use_ns("hearth").use_db("house").await.unwrap();
    println!("open {:?} {}", t.elapsed(), rss());
    let s=();
    let n = Variables::new;

    let conv = Uuid::new_v4(); let mut v = n(); v.insert("c", conv); v.insert("words","milk unicorn teas"); v.insert("g", true); v.insert("people", Array::new()); v.insert("none", Array::new());
    let mut rows = vec![]; for i in 1..40 { rows.push(message(conv, i)); } v.insert("rows", Array::from(rows));
    for q in std::fs::read_to_string("/tmp/queries.txt").unwrap().split("\n\n") { let t=Instant::now(); run(&ds,&s,q,v.clone()).await; println!("  {:?}", t.elapsed()); }
    speed(&ds,&s).await;
    println!("end {}", rss());
    let t=Instant::now();
    kv.shutdown().await.unwrap();
    println!("shutdown {:?} {}", t.elapsed(), rss());
}

fn turn(id: Uuid, conv: Uuid, st: &str) -> Value { let mut t=Object::new();
 t.insert("id", RecordId::new("turn", id)); t.insert("conversation",conv); t.insert("message",Uuid::new_v4()); t.insert("state", st.to_string()); t.insert("sources", Array::new());
 let mut u=Object::new(); for k in ["input_tokens","cached_tokens","output_tokens","micro_usd"] { u.insert(k, 0i64);} t.insert("usage",u); t.insert("at",Datetime::now()); Value::Object(t) }
fn message(conv: Uuid, i: i64) -> Value {
        let mut o = Object::new();
        o.insert("id", RecordId::new("message", Array::from(vec![Value::Uuid(conv), Value::Number(i.into())])));
        o.insert("name", Uuid::new_v4()); o.insert("purpose","said".to_string()); o.insert("text", format!("text {i} lorem ipsum dolor sit amet consectetur")); o.insert("images", Array::new());
        o.insert("guests", false); o.insert("readers", Value::Array(vec![conv].into())); o.insert("integrity","member".to_string()); o.insert("at", Datetime::now());
        Value::Object(o) }
fn msgi(conv: Uuid, i: i64) -> Value { let mut o=Object::new(); o.insert("id", RecordId::new("msgi", Uuid::new_v4())); o.insert("conversation",conv); o.insert("seq", i); o.insert("text", "x".to_string()); Value::Object(o) }
fn entry(i: i64) -> Value { let mut o=Object::new(); o.insert("id", RecordId::new("entry", i)); o.insert("kind","message_accepted".to_string()); o.insert("who",Uuid::new_v4()); o.insert("subject","msg_adasdasdasdasdasdasd".to_string()); o.insert("detail","".to_string());
 o.insert("digest", Bytes::from(vec![7u8;32])); o.insert("previous", Bytes::from(vec![7u8;32])); o.insert("at",Datetime::now()); Value::Object(o) }

async fn speed(ds: &Surreal<Db>, _s: &()) {
    let conv = Uuid::new_v4();
    let mut i = 1000i64;
    let text = std::fs::read_to_string("/tmp/shapes.txt").unwrap();
    let shapes: Vec<(&str,&str)> = text.lines().filter(|l| l.contains('|')).map(|l| l.split_once('|').unwrap()).collect();
    for size in [1usize, 32] {
      for (name, q) in &shapes {
        let mut times = vec![]; let cpu0 = cpu();
        let count = if size==1 {400} else {60};
        for _ in 0..count {
            let mut m=vec![]; let mut mi=vec![]; let mut t=vec![]; let mut e=vec![]; let mut ids=vec![]; let mut tid=Value::None;
            for _ in 0..size { i+=1; let id=Uuid::new_v4(); m.push(message(conv,i)); mi.push(msgi(conv,i)); t.push(turn(id,conv,"open")); e.push(entry(i)); tid=Value::RecordId(RecordId::new("turn", id)); ids.push(tid.clone()); }
            let mut v=Variables::new(); 
            for (k,val) in [("message",m),("msgi",mi),("turn",t),("entry",e),("tids",ids)] { if q.contains(&format!("${k}")) { v.insert(k, Value::Array(val.into())); } }
            v.insert("tid", tid); v.insert("i", i);
            let at=Instant::now();
            let r = exec(ds, q, v).await.unwrap();
            times.push(at.elapsed().as_secs_f64()*1e3);
            for x in r { if let Err(e) = x { println!("{q}: {e}"); return; } }
        }
        times.sort_by(f64::total_cmp);
        println!("{size:3} {name:34} min {:.3} p10 {:.3} p50 {:.3} ms | cpu per op {:.3} ms, per commit {:.3}", times[0], times[times.len()/10], times[times.len()/2], (cpu()-cpu0)*1e3/count as f64, (cpu()-cpu0)*1e3/(count*size) as f64);
      }
    }
}
