//! What the broker costs: reqwest straight to a loopback server, and through the broker to the same one, in turns in one run.
//!
//! `cargo run --release -p hearth-vault --example broker_speed [latency|first-byte|throughput]`. Server, broker and client have a thread each, as they have a process each in
//! the product; so each one's processor time is told apart.
//!
//! | way | decides | looks for secrets | says so |
//! |---|---|---|---|
//! | bare | admits everything | never | no |
//! | vault | keeper, one of 200 secrets in a header | leak guard with 200 secrets | in frames to the house, as the product |

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use hearth_domain::ids::{Ids, MemberId};
use hearth_domain::secret::{Principal, SecretName, SecretPolicy};
use hearth_domain::time::{Clock, Mono, Timestamp};
use hearth_domain::vault::{MESSAGE_BYTES, Tell};
use hearth_supervisor::process::channel::channel;
use hearth_supervisor::process::frame::Frame as Message;
use hearth_vault::egress::connect::SystemResolver;
use hearth_vault::egress::limits::{Bounds, Limits};
use hearth_vault::egress::ports::{Gate, Head, Hop, Pass, Refused, Scheme, Target, Watch, Why, Written};
use hearth_vault::egress::server::{Entrance, serve};
use hearth_vault::egress::{Broker, Settings};
use hearth_vault::keeper::change::{Begun, targets};
use hearth_vault::keeper::gate::KeeperGate;
use hearth_vault::keeper::watch::{Blind, Guarded, judge};
use hearth_vault::keeper::{Keeper, Ports};
use hearth_vault::seal::crypto::SystemEntropy;
use hearth_vault::seal::folder::KeyFolder;
use hearth_vault::seal::source::set_up;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use secrecy::SecretSlice;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

/// Requests of each kind for the latencies; the issue asks for 5 000 at least.
const SAMPLES: usize = 6_000;
/// Requests in a row before the other way has its turn.
const TURN: usize = 200;
/// Connections for the throughput.
const CONNECTIONS: usize = 64;
/// Requests of one throughput round.
const ROUND: usize = 300 * CONNECTIONS;
/// Rounds of each way.
const ROUNDS: usize = 5;
/// Secrets that the vault keeps.
const SECRETS: usize = 200;
/// Bytes of an answer.
const ANSWER_BYTES: usize = 1024;
/// What is asked: JSON, so that placeholders are looked for in it.
const BODY: &str = concat!(
    r#"{"model":"instant","stream":false,"messages":[{"role":"system","content":"You keep the lists of this house. Be brief, and name "#,
    r#"things as the household does."},{"role":"user","content":"put milk, two lemons and the good bread on the list for Saturday"},"#,
    r#"{"role":"assistant","content":"Done: milk, two lemons, the good bread."},{"role":"user","content":"and what else is on it?"}]}"#
);

type Error = Box<dyn std::error::Error + Send + Sync>;

struct Open;

impl Gate for Open {
    fn admit(&self, head: &Head, _body_len: Option<u64>) -> Result<Pass, Refused> {
        let unclear = |_| Refused { why: Why::BadTarget, code: "target", sentence: "the target is unclear".into() };
        let authority: http::uri::Authority = head.authority.parse().map_err(unclear)?;
        Ok(Pass {
            target: Target { scheme: Scheme::Http, host: authority.host().to_owned(), port: authority.port_u16().unwrap_or(80) },
            written: Written {
                method: head.method.clone(),
                path_and_query: head.path_and_query.parse().map_err(unclear)?,
                headers: head.headers.clone(),
            },
            rewriter: None,
            sign: None,
            lan: true,
            authority_pem: None,
            bounds: Bounds::default(),
        })
    }

    fn redirect(&self, _: &Pass, _: &Head, _: u16, _: &str, _: u32) -> Result<Option<Hop>, Refused> {
        Ok(None)
    }
}

fn main() -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    let port = server()?;
    let bare = folder.path().join("bare");
    broker("bare", bare.clone(), None)?;
    let vault = folder.path().join("vault");
    broker("vault", vault.clone(), Some(keeper(&folder.path().join("keys"), port)?))?;
    let only = std::env::args().nth(1);
    runtime()?.block_on(async {
        measure("bare", &bare, port, only.as_deref()).await?;
        measure("vault", &vault, port, only.as_deref()).await
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Runs something on a thread of its own, which ends with the process.
#[expect(clippy::disallowed_methods, reason = "stands for a process")]
fn apart<F: Future<Output = Result<(), Error>>>(name: &str, work: impl FnOnce() -> F + Send + 'static) -> Result<(), Error> {
    let runtime = runtime()?;
    drop(std::thread::Builder::new().name(name.to_owned()).spawn(move || runtime.block_on(work()))?);
    Ok(())
}

/// Processor time of each thread so far, by name.
fn processor() -> Result<BTreeMap<String, Duration>, Error> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir("/proc/self/task")? {
        let path = entry?.path();
        let spent = std::fs::read_to_string(path.join("schedstat"))?;
        let nanos = spent.split(' ').next().map(str::parse).transpose()?.unwrap_or(0);
        all.insert(std::fs::read_to_string(path.join("comm"))?.trim().to_owned(), Duration::from_nanos(nanos));
    }
    Ok(all)
}

#[derive(Debug)]
struct Now(std::time::Instant);

impl Clock for Now {
    fn mono(&self) -> Mono {
        Mono(self.0.elapsed())
    }

    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.0.elapsed()
    }
}

#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Ids for Counter {
    fn fresh(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

/// A keeper of [`SECRETS`] secrets; the first may be used at the server.
#[expect(clippy::disallowed_methods, reason = "the clock of a program that measures")]
fn keeper(keys: &Path, port: u16) -> Result<Keeper, Error> {
    let ports =
        Ports { clock: Arc::new(Now(std::time::Instant::now())), ids: Arc::new(Counter::default()), entropy: Arc::new(SystemEntropy) };
    let keeper = Keeper::new(ports)?;
    keeper.open(set_up(KeyFolder::open(keys)?, None, Box::new(SystemEntropy))?);
    keeper.load(Vec::new());
    for number in 0..SECRETS {
        let name = SecretName::new(&format!("key{number}"))?;
        let policy = SecretPolicy {
            users: BTreeSet::from([Principal::Provider("bench".into())]),
            members: None,
            targets: targets(&[format!("POST http://127.0.0.1:{port}/** lan")], &name)?,
            rate: None,
            bytes_out_max: 1 << 20,
            until: None,
            canary: false,
        };
        let value = SecretSlice::from(format!("sk-{number:03}-Qz7rT1vWk9Xp2LmN8bYc4HdJ6fGs5{number:03}").into_bytes());
        let Begun { write, mut done } = keeper.begin_add(&name, MemberId::from_uuid(Uuid::from_u128(1)), policy, &value)?;
        if let Tell::Write { ticket, .. } = write {
            keeper.written(ticket, true);
        }
        done.try_recv()??;
    }
    Ok(keeper)
}

/// What is used, on its way to a house that only reads it.
async fn tell(keeper: Keeper, socket: UnixStream) -> Result<(), Error> {
    let (mut to, _from) = channel(socket, MESSAGE_BYTES)?;
    let events = keeper.events();
    loop {
        to.send(&Message::Message(Tell::Used { uses: events.gathered().await }), &[]).await?;
    }
}

fn house() -> Result<UnixStream, Error> {
    let (here, there) = UnixStream::pair()?;
    apart("house", move || async move {
        let (_to, mut from) = channel(there, MESSAGE_BYTES)?;
        while from.recv::<Tell>().await?.is_some() {}
        Ok(())
    })?;
    Ok(here)
}

fn server() -> Result<u16, Error> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    apart("server", move || async move {
        let listener = TcpListener::from_std(listener)?;
        let mut clients = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = hyper::service::service_fn(answer);
            clients.spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })?;
    Ok(port)
}

async fn answer(request: http::Request<Incoming>) -> Result<http::Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    if request.uri().path() != "/stream" {
        return Ok(http::Response::new(Full::new(Bytes::from_static(&[b'x'; ANSWER_BYTES])).boxed_unsync()));
    }
    let events = futures_util::stream::iter(0..3).then(|number: u8| async move {
        tokio::time::sleep(Duration::from_millis(u64::from(number))).await;
        Ok(Frame::data(Bytes::from(format!("data: {number}\n\n"))))
    });
    Ok(http::Response::new(StreamBody::new(events).boxed_unsync()))
}

fn broker(name: &str, socket: PathBuf, keeper: Option<Keeper>) -> Result<(), Error> {
    let listener = std::os::unix::net::UnixListener::bind(socket)?;
    listener.set_nonblocking(true)?;
    let house = house()?;
    apart(name, move || async move {
        let (gate, watch): (Arc<dyn Gate>, Arc<dyn Watch>) = match keeper.clone() {
            None => (Arc::new(Open), Arc::new(Blind)),
            Some(keeper) => (Arc::new(KeeperGate::new(keeper.clone(), Bounds::default())), Arc::new(Guarded::new(keeper))),
        };
        let (resolver, roots) = (Arc::new(SystemResolver), RootCertStore::empty());
        let broker = Broker::new(Settings { gate, watch, resolver, judge: judge(), roots, limits: Limits::default() });
        let mut telling = JoinSet::new();
        if let Some(keeper) = keeper {
            telling.spawn(tell(keeper, house));
        }
        serve(broker, Entrance::Listener(UnixListener::from_std(listener)?), std::future::pending()).await;
        Ok(())
    })
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn measure(way: &str, socket: &Path, port: u16, only: Option<&str>) -> Result<(), Error> {
    let wanted = |what| only.is_none_or(|only| only == what);
    let direct = reqwest::Client::builder().no_proxy().build()?;
    let through = reqwest::Client::builder().unix_socket(socket.to_owned()).build()?;
    let (plain, stream) = (format!("http://127.0.0.1:{port}/"), format!("http://127.0.0.1:{port}/stream"));
    for (what, url, streams) in [("latency", &plain, false), ("first-byte", &stream, true)] {
        if !wanted(what) {
            continue;
        }
        let (one, other) =
            if streams { in_turns(&direct, &through, url, first).await? } else { in_turns(&direct, &through, url, whole).await? };
        let (p50, p99) = (apart_by(&one, &other, 0.5), apart_by(&one, &other, 0.99));
        println!("{way}: {what}, n = {SAMPLES} each: direct {}, through {}: +{p50} µs p50, +{p99} µs p99", shown(&one), shown(&other));
    }
    if !wanted("throughput") {
        return Ok(());
    }
    let (mut rates, mut others) = (Vec::new(), Vec::new());
    let (mut spent, mut spent_through) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..ROUNDS {
        rates.push(rate(&direct, &plain, &mut spent).await?);
        others.push(rate(&through, &plain, &mut spent_through).await?);
    }
    let (one, other) = (middle(&mut rates), middle(&mut others));
    println!(
        "{way}: throughput, {CONNECTIONS} connections, median of {ROUNDS} rounds of {ROUND}: direct {one:.0}/s, through {other:.0}/s: {:.0} %",
        100.0 * other / one
    );
    println!("{way}: processor time of a request, µs: direct{}, through{}", each(&spent), each(&spent_through));
    Ok(())
}

/// Processor time of one request of all rounds, by thread.
fn each(spent: &BTreeMap<String, Duration>) -> String {
    let all = (ROUNDS * ROUND) as f64;
    let one = |(name, time): (&String, &Duration)| format!(" {name} {:.1}", time.as_secs_f64() * 1e6 / all);
    spent.iter().filter(|(_, time)| time.as_secs_f64() * 1e6 / all >= 0.1).map(one).collect()
}

fn at(sorted: &[u128], share: f64) -> u128 {
    let place = ((sorted.len() as f64) * share) as usize;
    sorted.get(place).or(sorted.last()).copied().unwrap_or(0)
}

fn apart_by(one: &[u128], other: &[u128], share: f64) -> i128 {
    let micros = |sorted: &[u128]| i128::try_from(at(sorted, share)).unwrap_or(i128::MAX);
    micros(other) - micros(one)
}

fn shown(sorted: &[u128]) -> String {
    format!("{}/{} µs", at(sorted, 0.5), at(sorted, 0.99))
}

fn middle(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
}

async fn whole(client: reqwest::Client, url: String) -> Result<u128, Error> {
    let begun = Instant::now();
    let bytes = ask(&client, &url).await?.bytes().await?;
    assert_eq!(bytes.len(), ANSWER_BYTES);
    Ok(begun.elapsed().as_micros())
}

async fn first(client: reqwest::Client, url: String) -> Result<u128, Error> {
    let begun = Instant::now();
    let mut answer = ask(&client, &url).await?;
    assert!(answer.chunk().await?.is_some());
    let first = begun.elapsed().as_micros();
    while answer.chunk().await?.is_some() {}
    Ok(first)
}

async fn ask(client: &reqwest::Client, url: &str) -> Result<reqwest::Response, Error> {
    let request = client.post(url).header("hearth-scheme", "http").header("hearth-as", "provider/bench").body(BODY);
    let request = request.header("content-type", "application/json");
    Ok(request.header("authorization", "Bearer hearth_secret_key0_").send().await?.error_for_status()?)
}

async fn in_turns<F>(
    direct: &reqwest::Client,
    through: &reqwest::Client,
    url: &str,
    one: impl Fn(reqwest::Client, String) -> F,
) -> Result<(Vec<u128>, Vec<u128>), Error>
where
    F: Future<Output = Result<u128, Error>>,
{
    let (mut times, mut others) = (Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES));
    // Not counted: connections are made, pages are touched.
    for _ in 0..TURN {
        one(direct.clone(), url.to_owned()).await?;
        one(through.clone(), url.to_owned()).await?;
    }
    while times.len() < SAMPLES {
        for _ in 0..TURN {
            times.push(one(direct.clone(), url.to_owned()).await?);
        }
        for _ in 0..TURN {
            others.push(one(through.clone(), url.to_owned()).await?);
        }
    }
    times.sort_unstable();
    others.sort_unstable();
    Ok((times, others))
}

async fn rate(client: &reqwest::Client, url: &str, spent: &mut BTreeMap<String, Duration>) -> Result<f64, Error> {
    let mut tasks = JoinSet::new();
    let before = processor()?;
    let begun = Instant::now();
    for _ in 0..CONNECTIONS {
        let (client, url) = (client.clone(), url.to_owned());
        tasks.spawn(async move {
            for _ in 0..ROUND / CONNECTIONS {
                ask(&client, &url).await?.bytes().await?;
            }
            Ok::<_, Error>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let took = begun.elapsed();
    for (name, after) in processor()? {
        let time = after.saturating_sub(before.get(&name).copied().unwrap_or_default());
        *spent.entry(name).or_default() += time;
    }
    Ok(ROUND as f64 / took.as_secs_f64())
}
