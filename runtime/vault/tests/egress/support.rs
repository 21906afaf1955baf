//! A broker on a socket, a gate with one secret, servers of all kinds.
//!
//! 127.0.0.1 and ::1 stand for addresses that are refused unless the host is one of the LAN; 127.0.0.2 stands for one outside.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hearth_vault::egress::limits::{Bounds, Limits};
use hearth_vault::egress::ports::{
    Asked, Gate, Head, Held, Hop, Leak, NoAddress, Pass, Refused, Resolve, Resolving, Rewrite, Rewriter, Scan, Scheme, Sign, Target, Watch,
    Why, Written,
};
use hearth_vault::egress::server::{Entrance, serve};
use hearth_vault::egress::{Broker, Settings};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

pub(crate) const PLACEHOLDER: &str = "hearth.secret.key";
pub(crate) const SECRET: &str = "sk-not-to-be-seen-0123456789";
pub(crate) const OUTSIDE: &str = "127.0.0.2";
pub(crate) const INSIDE: &str = "127.0.0.1";

pub(crate) fn put_in(text: &str) -> String {
    text.replace(PLACEHOLDER, SECRET)
}

/// Admits every host but `refused.test`; `lan` ones by plain HTTP.
#[derive(Default)]
pub(crate) struct OneSecret {
    pub(crate) lan: BTreeSet<String>,
    pub(crate) authority_pem: Option<Arc<str>>,
    pub(crate) bounds: Bounds,
    pub(crate) sign: Option<Arc<dyn Sign>>,
    pub(crate) admitted: Mutex<Vec<Head>>,
}

fn refused(code: &'static str) -> Refused {
    Refused { why: Why::Denied, code, sentence: "the secret's policy does not allow this".into() }
}

impl OneSecret {
    fn pass(&self, head: &Head, scheme: Scheme, authority: &str, path: &str) -> Result<Pass, Refused> {
        let authority: http::uri::Authority = authority.parse().map_err(|_| refused("target"))?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host == "refused.test" {
            return Err(refused("policy"));
        }
        let lan = self.lan.contains(&host);
        let port = authority.port_u16().unwrap_or(if scheme == Scheme::Https { 443 } else { 80 });
        let mut headers = HeaderMap::new();
        for (name, value) in &head.headers {
            let text = value.to_str().map_err(|_| refused("header"))?;
            let mut value = HeaderValue::try_from(put_in(text)).map_err(|_| refused("header"))?;
            value.set_sensitive(text.contains(PLACEHOLDER));
            headers.append(name, value);
        }
        Ok(Pass {
            target: Target { scheme, host, port },
            written: Written { method: head.method.clone(), path_and_query: put_in(path).parse().map_err(|_| refused("path"))?, headers },
            rewriter: Some(Arc::new(PutIn)),
            sign: self.sign.clone(),
            lan,
            authority_pem: self.authority_pem.clone(),
            bounds: self.bounds,
        })
    }
}

impl Gate for OneSecret {
    fn admit(&self, head: &Head, _body_len: Option<u64>) -> Result<Pass, Refused> {
        let scheme = if head.asked == Asked::Plain { Scheme::Http } else { Scheme::Https };
        let pass = self.pass(head, scheme, &head.authority, &head.path_and_query)?;
        self.admitted.lock().unwrap().push(head.clone());
        Ok(pass)
    }

    fn redirect(&self, pass: &Pass, head: &Head, _status: u16, location: &str, _count: u32) -> Result<Option<Hop>, Refused> {
        let uri: http::Uri = location.parse().map_err(|_| refused("location"))?;
        let (scheme, authority) = match (uri.scheme_str(), uri.authority()) {
            (Some("https"), Some(authority)) => (Scheme::Https, authority.to_string()),
            (Some("http"), Some(authority)) => (Scheme::Http, authority.to_string()),
            (None, None) => (pass.target.scheme, pass.target.authority()),
            _ => return Err(refused("location")),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Some(Hop { pass: self.pass(head, scheme, &authority, path)? }))
    }
}

struct PutIn;

impl Rewriter for PutIn {
    fn start(&self) -> Box<dyn Rewrite> {
        Box::new(PuttingIn(Vec::new()))
    }
}

struct PuttingIn(Vec<u8>);

/// How many bytes at the end of `seen` may begin `word`.
fn beginning(seen: &[u8], word: &[u8]) -> usize {
    (1..word.len()).rev().find(|n| seen.ends_with(&word[..*n])).unwrap_or(0)
}

impl Rewrite for PuttingIn {
    fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        self.0.extend_from_slice(piece);
        while let Some(at) = self.0.windows(PLACEHOLDER.len()).position(|window| window == PLACEHOLDER.as_bytes()) {
            out.extend(self.0.drain(..at));
            out.extend_from_slice(SECRET.as_bytes());
            self.0.drain(..PLACEHOLDER.len());
        }
        let sure = self.0.len() - beginning(&self.0, PLACEHOLDER.as_bytes());
        out.extend(self.0.drain(..sure));
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Refused> {
        out.append(&mut self.0);
        Ok(())
    }
}

/// Finds the secret as it is.
pub(crate) struct Plain;

impl Watch for Plain {
    fn outgoing(&self) -> Box<dyn Scan> {
        Box::new(Tail(Vec::new()))
    }

    fn incoming(&self) -> Box<dyn Scan> {
        Box::new(Tail(Vec::new()))
    }
}

struct Tail(Vec<u8>);

impl Scan for Tail {
    fn feed(&mut self, piece: &[u8]) -> Result<Held, Leak> {
        self.0.extend_from_slice(piece);
        if self.0.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()) {
            return Err(Leak { what: "key".into() });
        }
        let held = beginning(&self.0, SECRET.as_bytes());
        self.0.drain(..self.0.len() - held);
        Ok(Held(held))
    }

    fn finish(&mut self) -> Result<(), Leak> {
        Ok(())
    }
}

/// Answers by a table; the last answer stays.
#[derive(Default)]
pub(crate) struct Table(pub(crate) Mutex<BTreeMap<String, VecDeque<Vec<IpAddr>>>>);

impl Resolve for Table {
    fn resolve(&self, host: &str, _port: u16) -> Resolving {
        let mut table = self.0.lock().unwrap();
        let answer = table.get_mut(host).ok_or(NoAddress).map(|answers| {
            let last = answers.len() == 1;
            if last { answers[0].clone() } else { answers.pop_front().unwrap() }
        });
        Box::pin(std::future::ready(answer))
    }
}

fn judge(found: &[IpAddr], lan: bool) -> Result<Vec<IpAddr>, Refused> {
    let inside =
        |address: &&IpAddr| address.to_string() == INSIDE || address.to_string() == "::1" || address.to_string().starts_with("169.254");
    let kept: Vec<IpAddr> = found.iter().filter(|address| lan || !inside(address)).copied().collect();
    if kept.is_empty() { Err(refused("address")) } else { Ok(kept) }
}

/// A broker that is running.
pub(crate) struct World {
    pub(crate) gate: Arc<OneSecret>,
    socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    tasks: JoinSet<()>,
    _folder: tempfile::TempDir,
}

#[derive(Default)]
pub(crate) struct Setting {
    pub(crate) gate: OneSecret,
    pub(crate) limits: Limits,
    pub(crate) hosts: Vec<(&'static str, Vec<Vec<&'static str>>)>,
    pub(crate) roots: Option<CertificateDer<'static>>,
}

impl Setting {
    /// `plain.test` of the LAN, `away.test` outside.
    pub(crate) fn new() -> Self {
        let gate = OneSecret { lan: BTreeSet::from(["plain.test".to_owned()]), ..OneSecret::default() };
        let hosts = vec![("plain.test", vec![vec![INSIDE]]), ("away.test", vec![vec![OUTSIDE]])];
        Self { gate, hosts, ..Self::default() }
    }

    pub(crate) fn broker(self) -> (Arc<Broker>, Arc<OneSecret>) {
        let mut roots = RootCertStore::empty();
        if let Some(root) = self.roots {
            roots.add(root).unwrap();
        }
        let answers = |found: Vec<Vec<&str>>| found.iter().map(|one| one.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
        let table = self.hosts.into_iter().map(|(host, found)| (host.to_owned(), answers(found))).collect();
        let gate = Arc::new(self.gate);
        let settings = Settings {
            gate: gate.clone(),
            watch: Arc::new(Plain),
            resolver: Arc::new(Table(Mutex::new(table))),
            judge: Arc::new(judge),
            roots,
            limits: self.limits,
        };
        (Broker::new(settings), gate)
    }

    pub(crate) fn start(self) -> World {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("broker");
        let listener = UnixListener::bind(&socket).unwrap();
        let (broker, gate) = self.broker();
        let (stop, stopped) = oneshot::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(broker, Entrance::Listener(listener), async move { drop(stopped.await) }));
        World { gate, socket, stop: Some(stop), tasks, _folder: folder }
    }
}

impl World {
    pub(crate) fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    pub(crate) fn client(&self) -> reqwest::Client {
        reqwest::Client::builder().unix_socket(self.socket()).build().unwrap()
    }

    pub(crate) fn http2(&self) -> reqwest::Client {
        reqwest::Client::builder().unix_socket(self.socket()).http2_prior_knowledge().build().unwrap()
    }

    pub(crate) fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) async fn stopped(&mut self) {
        self.tell_to_stop();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The broker's own answer in words for a test: status, code, outcome.
pub(crate) fn told(answer: &reqwest::Response) -> (u16, &str, &str) {
    let header = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap());
    (answer.status().as_u16(), header("hearth-broker"), header("hearth-outcome"))
}

pub(crate) type Wrong = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Body = UnsyncBoxBody<Bytes, Wrong>;
pub(crate) type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(Into::into).boxed_unsync()
}

pub(crate) fn text(text: impl Into<Bytes>) -> Response<Body> {
    Response::new(full(text))
}

/// A stream that the test fills.
pub(crate) fn pieces<T: Send + 'static>(room: usize) -> (mpsc::Sender<T>, futures_util::stream::BoxStream<'static, T>) {
    let (sender, receiver) = mpsc::channel(room);
    let next = |mut receiver: mpsc::Receiver<T>| async { receiver.recv().await.map(|piece| (piece, receiver)) };
    (sender, Box::pin(futures_util::stream::unfold(receiver, next)))
}

/// A server outside, which ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Speaks HTTP/1.1 and HTTP/2.
    pub(crate) async fn http(ip: &str, handler: impl Fn(Request<Incoming>) -> Answering + Send + Sync + 'static) -> Self {
        let handler = Arc::new(handler);
        Self::raw(ip, move |stream| Box::pin(speak(stream, handler.clone()))).await
    }

    /// Over TLS; `offer` is what it offers by ALPN.
    pub(crate) async fn https(
        ip: &str,
        certificate: &Certificate,
        offer: &'static [u8],
        handler: impl Fn(Request<Incoming>) -> Answering + Send + Sync + 'static,
    ) -> Self {
        let handler = Arc::new(handler);
        let acceptor = tokio_rustls::TlsAcceptor::from(certificate.config(offer));
        Self::raw(ip, move |stream| {
            let (acceptor, handler) = (acceptor.clone(), handler.clone());
            Box::pin(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    speak(stream, handler).await;
                }
            })
        })
        .await
    }

    /// Does with each connection what it is told.
    pub(crate) async fn raw(ip: &str, each: impl Fn(TcpStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + 'static) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        Self::listening(listener, each)
    }

    pub(crate) fn listening(
        listener: TcpListener,
        each: impl Fn(TcpStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(each(stream));
            }
        });
        Self { address, _tasks: tasks }
    }
}

async fn speak<H>(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, handler: Arc<H>)
where
    H: Fn(Request<Incoming>) -> Answering + Send + Sync + 'static,
{
    let service = service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    drop(builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await);
}

/// Answers everything the same way.
pub(crate) fn always(answer: impl Fn() -> Response<Body> + Send + Sync + 'static) -> impl Fn(Request<Incoming>) -> Answering + Send + Sync {
    move |_| {
        let answer = answer();
        Box::pin(std::future::ready(answer))
    }
}

/// Answers with the request: its line, its headers, its body.
pub(crate) fn mirror(request: Request<Incoming>) -> Answering {
    Box::pin(async move {
        let (parts, body) = request.into_parts();
        let mut lines = format!("{} {} {:?}\n", parts.method, parts.uri, parts.version);
        for (name, value) in &parts.headers {
            lines.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
        let body = body.collect().await.unwrap().to_bytes();
        lines.push_str(&String::from_utf8_lossy(&body));
        // What is stored is found on the way back: the mirror turns it round.
        text(lines.replace(SECRET, "<the secret>"))
    })
}

/// A certificate with its key, and who signed it.
pub(crate) struct Certificate {
    pub(crate) authority: CertificateDer<'static>,
    pub(crate) authority_pem: String,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Certificate {
    pub(crate) fn signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let signed = authority.self_signed(&authority_key).unwrap();
        let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &Issuer::from_params(&authority, &authority_key)).unwrap();
        Self {
            authority: signed.der().clone(),
            authority_pem: signed.pem(),
            chain: vec![leaf.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    pub(crate) fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
        Self {
            authority: leaf.der().clone(),
            authority_pem: leaf.pem(),
            chain: vec![leaf.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    fn config(&self, offer: &'static [u8]) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut config = builder.with_single_cert(self.chain.clone(), self.key.clone_key()).unwrap();
        config.alpn_protocols = vec![offer.to_vec()];
        Arc::new(config)
    }
}
