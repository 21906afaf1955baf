//! What the broker costs: reqwest straight to a loopback server, and through the broker to the same one, in turns in one run.
//!
//! `cargo run --release -p hearth-vault --example broker_speed`. Server, broker and client have a thread each, as they have a process each in
//! the product. The gate admits everything and the scans find nothing: decisions and leak guard are measured by themselves.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use hearth_vault::egress::connect::SystemResolver;
use hearth_vault::egress::limits::{Bounds, Limits};
use hearth_vault::egress::ports::{Gate, Head, Hop, Pass, Refused, Scheme, Target, Why, Written};
use hearth_vault::egress::server::{Entrance, serve};
use hearth_vault::egress::{Broker, Settings};
use hearth_vault::keeper::watch::Blind;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Requests of each kind for the latencies; the issue asks for 5 000 at least.
const SAMPLES: usize = 6_000;
/// Requests in a row before the other way has its turn.
const TURN: usize = 200;
/// Connections for the throughput.
const CONNECTIONS: usize = 64;
/// Requests of one throughput round.
const ROUND: usize = 20_000;
/// Rounds of each way.
const ROUNDS: usize = 5;
/// Bytes of an answer.
const ANSWER_BYTES: usize = 1024;

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
    let socket = folder.path().join("broker");
    let port = server()?;
    broker(&socket)?;
    runtime()?.block_on(measure(&socket, port))
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Runs something on a thread of its own, which ends with the process.
#[expect(clippy::disallowed_methods, reason = "stands for a process")]
fn apart<F: Future<Output = Result<(), Error>>>(work: impl FnOnce() -> F + Send + 'static) -> Result<(), Error> {
    let runtime = runtime()?;
    drop(std::thread::spawn(move || runtime.block_on(work())));
    Ok(())
}

fn server() -> Result<u16, Error> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    apart(move || async move {
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

fn broker(socket: &Path) -> Result<(), Error> {
    let listener = std::os::unix::net::UnixListener::bind(socket)?;
    listener.set_nonblocking(true)?;
    apart(move || async move {
        let broker = Broker::new(Settings {
            gate: Arc::new(Open),
            watch: Arc::new(Blind),
            resolver: Arc::new(SystemResolver),
            judge: Arc::new(|found: &[IpAddr], _| Ok(found.to_vec())),
            roots: RootCertStore::empty(),
            limits: Limits::default(),
        });
        serve(broker, Entrance::Listener(UnixListener::from_std(listener)?), std::future::pending()).await;
        Ok(())
    })
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn measure(socket: &Path, port: u16) -> Result<(), Error> {
    let direct = reqwest::Client::builder().no_proxy().build()?;
    let through = reqwest::Client::builder().unix_socket(socket.to_owned()).build()?;
    let (plain, stream) = (format!("http://127.0.0.1:{port}/"), format!("http://127.0.0.1:{port}/stream"));
    let (one, other) = in_turns(&direct, &through, &plain, whole).await?;
    let (p50, p99) = (apart_by(&one, &other, 0.5), apart_by(&one, &other, 0.99));
    println!("latency, n = {SAMPLES} each: direct {}, through the broker {}: +{p50} µs p50, +{p99} µs p99", shown(&one), shown(&other));
    let (one, other) = in_turns(&direct, &through, &stream, first).await?;
    let (p50, p99) = (apart_by(&one, &other, 0.5), apart_by(&one, &other, 0.99));
    println!("first byte, n = {SAMPLES} each: direct {}, through the broker {}: +{p50} µs p50, +{p99} µs p99", shown(&one), shown(&other));
    let (mut rates, mut others) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        rates.push(rate(&direct, &plain).await?);
        others.push(rate(&through, &plain).await?);
    }
    let (one, other) = (middle(&mut rates), middle(&mut others));
    println!(
        "throughput, {CONNECTIONS} connections, median of {ROUNDS} rounds of {ROUND}: direct {one:.0}/s, through the broker {other:.0}/s: {:.0} %",
        100.0 * other / one
    );
    Ok(())
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
    Ok(client.get(url).header("hearth-scheme", "http").send().await?.error_for_status()?)
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

async fn rate(client: &reqwest::Client, url: &str) -> Result<f64, Error> {
    let mut tasks = JoinSet::new();
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
    Ok((ROUND / CONNECTIONS * CONNECTIONS) as f64 / begun.elapsed().as_secs_f64())
}
