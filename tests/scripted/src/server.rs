//! The server: queues of steps per provider, threads, and what was asked.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{Asked, Connection};
use crate::script::{Reply, Step};
pub use crate::wire::Format;

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has not.
    Open,
    /// The answer was sent as scripted.
    Sent,
    /// The client closed the connection before.
    Gone,
}

/// A request and what came of it.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The provider: what stands in the path before the format's own, without slashes.
    pub provider: String,
    /// The format.
    pub format: Format,
    /// Path and query.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Value,
    /// The body as it came.
    pub text: String,
    /// When it had come, since the server's start.
    pub received: Duration,
    /// When the answer was sent or the client gone, since the server's start.
    pub finished: Option<Duration>,
    /// How it ended.
    pub outcome: Outcome,
}

/// Answers a request when no step is queued.
pub type Responder = Box<dyn FnMut(&Recorded) -> Step + Send>;

#[derive(Default)]
struct State {
    steps: BTreeMap<String, VecDeque<Step>>,
    responders: BTreeMap<String, Responder>,
    requests: Vec<Recorded>,
    connections: usize,
    /// Requests that are kept; the oldest bodies are forgotten beyond.
    kept: Option<usize>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stopped: AtomicBool,
    started: Instant,
}

/// A running server. Dropping it stops it.
pub struct Scripted {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scripted").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Scripted {
    /// A server on a free port of the loopback.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub fn start() -> io::Result<Self> {
        Self::start_at(0)
    }

    /// A server on this port of the loopback.
    ///
    /// # Errors
    ///
    /// When the port cannot be had.
    pub fn start_at(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let shared =
            Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), stopped: AtomicBool::new(false), started: Instant::now() });
        let accepting = Arc::clone(&shared);
        let acceptor = std::thread::Builder::new().name("scripted".to_owned()).spawn(move || accept(&listener, &accepting))?;
        Ok(Self { shared, address, acceptor: Some(acceptor) })
    }

    /// The address of the provider without a name, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of a provider of this name, with a queue of its own.
    #[must_use]
    pub fn url_of(&self, provider: &str) -> String {
        format!("http://{}/{provider}", self.address)
    }

    /// Queues a step for the provider without a name.
    pub fn push(&self, step: Step) {
        self.push_to("", step);
    }

    /// Queues a step for a provider.
    pub fn push_to(&self, provider: &str, step: Step) {
        self.shared.state().steps.entry(provider.to_owned()).or_default().push_back(step);
    }

    /// What a provider does when nothing is queued; without one it says `ok`.
    pub fn respond(&self, provider: &str, responder: impl FnMut(&Recorded) -> Step + Send + 'static) {
        self.shared.state().responders.insert(provider.to_owned(), Box::new(responder));
    }

    /// Keeps the last so many requests only, for long runs.
    pub fn keep(&self, requests: usize) {
        self.shared.state().kept = Some(requests);
    }

    /// What was asked so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.state().requests.clone()
    }

    /// Connections that were opened so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }

    /// Waits until `enough` holds for what was asked, for at most five seconds; what was asked by then.
    #[must_use]
    pub fn wait_until(&self, enough: impl Fn(&[Recorded]) -> bool) -> Vec<Recorded> {
        let state = self.shared.state();
        let limit = Duration::from_secs(5);
        let waited = self.shared.changed.wait_timeout_while(state, limit, |state| !enough(&state.requests));
        waited.unwrap_or_else(PoisonError::into_inner).0.requests.clone()
    }

    /// Stops the server: open exchanges are broken off.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.end();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    for stream in listener.incoming() {
        if shared.stopped() {
            break;
        }
        let Ok(stream) = stream else { continue };
        let serving = Arc::clone(shared);
        let thread = std::thread::Builder::new().name("scripted-connection".to_owned());
        // A connection that breaks is an ordinary end.
        threads.extend(thread.spawn(move || drop(serve(stream, &serving))));
        threads.retain(|thread| !thread.is_finished());
    }
    for thread in threads {
        drop(thread.join());
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let stopped = || shared.stopped();
    let mut connection = Connection::new(stream, &stopped)?;
    shared.state().connections += 1;
    while let Some(asked) = connection.next()? {
        let Some((provider, format)) = Format::of(&asked.path).filter(|_| asked.method == "POST") else {
            connection.answer(404, &[("content-type", "text/plain")], b"no such path", usize::MAX)?;
            continue;
        };
        let (at, step, recorded) = shared.received(provider, format, asked);
        let outcome = play(&mut connection, &step, &recorded);
        let open = matches!(outcome, Ok(Kept::Alive));
        shared.finished(at, if matches!(outcome, Ok(Kept::Alive | Kept::Broken)) { Outcome::Sent } else { Outcome::Gone });
        if !open {
            break;
        }
    }
    Ok(())
}

/// Whether the connection goes on.
enum Kept {
    Alive,
    Broken,
    Gone,
}

fn play(connection: &mut Connection<'_>, step: &Step, request: &Recorded) -> io::Result<Kept> {
    match step {
        Step::Reply(reply) => say(connection, request, reply, Pace::default()),
        Step::Slow { reply, every_ms } => {
            say(connection, request, reply, Pace { every: Some(Duration::from_millis(*every_ms)), ..Pace::default() })
        }
        Step::CutAfter { reply, pieces } => say(connection, request, reply, Pace { cut: Some(*pieces), ..Pace::default() }),
        Step::HangAfter { reply, pieces } => say(connection, request, reply, Pace { cut: Some(*pieces), hang: true, ..Pace::default() }),
        Step::Hang => Ok(gone(connection.wait_gone(None))),
        Step::Close => Ok(Kept::Broken),
        Step::ErrorInStream(kind) => {
            connection.begin(request.format.stream_type())?;
            connection.piece(request.format.error_piece(kind).as_bytes(), true)?;
            Ok(Kept::Alive)
        }
        Step::Status { .. } | Step::Html | Step::HalfJson | Step::Flood(_) | Step::Redirect(_) => misbehave(connection, step, request),
    }
}

/// Answers that are whole and no completion.
fn misbehave(connection: &mut Connection<'_>, step: &Step, request: &Recorded) -> io::Result<Kept> {
    let json = ("content-type", "application/json");
    match step {
        Step::Status { code, retry_after, message } => {
            let body = request.format.error("scripted_error", message).to_string();
            let mut headers = vec![json, ("date", "Wed, 21 Oct 2015 07:28:00 GMT")];
            headers.extend(retry_after.as_deref().map(|value| ("retry-after", value)));
            whole(connection, *code, &headers, body.as_bytes())
        }
        Step::HalfJson => {
            let body = request.format.whole(&Reply::text("half of this"), &request.body);
            let half = body.get(..body.len() / 2).unwrap_or_default();
            whole(connection, 200, &[json], half.as_bytes())
        }
        Step::Flood(bytes) => whole(connection, 200, &[("content-type", request.format.stream_type())], &vec![b' '; *bytes]),
        Step::Redirect(to) => whole(connection, 307, &[("location", to)], b""),
        Step::Reply(_)
        | Step::Slow { .. }
        | Step::CutAfter { .. }
        | Step::HangAfter { .. }
        | Step::Hang
        | Step::Close
        | Step::ErrorInStream(_)
        | Step::Html => {
            let page = b"<!doctype html><html><body><h1>Sign in to the hotel's network</h1></body></html>";
            whole(connection, 200, &[("content-type", "text/html")], page)
        }
    }
}

fn whole(connection: &mut Connection<'_>, status: u16, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Kept> {
    connection.answer(status, headers, body, usize::MAX)?;
    Ok(Kept::Alive)
}

const fn gone(gone: bool) -> Kept {
    if gone { Kept::Gone } else { Kept::Broken }
}

/// How a reply is sent.
#[derive(Default)]
struct Pace {
    every: Option<Duration>,
    /// Pieces after which it stops.
    cut: Option<usize>,
    /// Whether the connection stays open then.
    hang: bool,
}

fn say(connection: &mut Connection<'_>, request: &Recorded, reply: &Reply, pace: Pace) -> io::Result<Kept> {
    if !request.format.streamed(&request.path, &request.body) {
        let body = request.format.whole(reply, &request.body);
        if let Some(every) = pace.every
            && connection.wait_gone(Some(every))
        {
            return Ok(Kept::Gone);
        }
        let sent = pace.cut.map_or(usize::MAX, |_| body.len() / 2);
        connection.answer(200, &[("content-type", "application/json")], body.as_bytes(), sent)?;
        return Ok(broken_off(connection, &pace));
    }
    connection.begin(request.format.stream_type())?;
    let pieces = request.format.pieces(reply, &request.body);
    for (at, piece) in pieces.iter().enumerate().take(pace.cut.unwrap_or(usize::MAX)) {
        if let Some(every) = pace.every
            && connection.wait_gone(Some(every))
        {
            return Ok(Kept::Gone);
        }
        connection.piece(piece.as_bytes(), pace.cut.is_none() && at + 1 == pieces.len())?;
    }
    Ok(broken_off(connection, &pace))
}

fn broken_off(connection: &mut Connection<'_>, pace: &Pace) -> Kept {
    match pace.cut {
        Some(_) if pace.hang => gone(connection.wait_gone(None)),
        Some(_) => Kept::Broken,
        None => Kept::Alive,
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    fn received(&self, provider: String, format: Format, asked: Asked) -> (usize, Step, Recorded) {
        let text = String::from_utf8_lossy(&asked.body).into_owned();
        let recorded = Recorded {
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
            path: asked.path,
            headers: asked.headers,
            received: self.started.elapsed(),
            finished: None,
            outcome: Outcome::Open,
            format,
            provider,
        };
        let mut state = self.state();
        let queued = state.steps.get_mut(&recorded.provider).and_then(VecDeque::pop_front);
        let step = queued.unwrap_or_else(|| match state.responders.get_mut(&recorded.provider) {
            Some(responder) => responder(&recorded),
            None => Step::text("ok"),
        });
        let at = state.requests.len();
        state.requests.push(recorded.clone());
        if let Some(old) = state.kept.and_then(|kept| at.checked_sub(kept)).and_then(|old| state.requests.get_mut(old)) {
            (old.text, old.body) = (String::new(), Value::Null);
        }
        drop(state);
        self.changed.notify_all();
        (at, step, recorded)
    }

    fn finished(&self, at: usize, outcome: Outcome) {
        if let Some(request) = self.state().requests.get_mut(at) {
            request.finished = Some(self.started.elapsed());
            request.outcome = outcome;
        }
        self.changed.notify_all();
    }
}
