//! Clients come in: connections and requests, each counted; the way to stop.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderValue, Request, header};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::egress::Broker;
use crate::egress::answer::Reply;
use crate::egress::failure::{Failed, Failure};
use crate::egress::forward::forward;
use crate::egress::limits::Limits;

/// Between two looks for connections that have been idle for too long.
const SWEEP: Duration = Duration::from_secs(15);
/// After the system had no descriptor for a client.
const BREATH: Duration = Duration::from_millis(50);

/// Where clients come from.
#[derive(Debug)]
pub enum Entrance {
    /// A listening socket.
    Listener(UnixListener),
    /// Connections that were made elsewhere and handed over.
    Handed(mpsc::Receiver<UnixStream>),
}

impl Entrance {
    async fn next(&mut self) -> Option<io::Result<UnixStream>> {
        match self {
            Self::Listener(listener) => Some(listener.accept().await.map(|(stream, _)| stream)),
            Self::Handed(streams) => streams.recv().await.map(Ok),
        }
    }
}

/// The places for requests under way, and the queue before them.
pub(super) struct Doors {
    places: Arc<Semaphore>,
    all: usize,
    waiting: AtomicUsize,
    queue: usize,
    patience: Duration,
}

/// One that waits; counted until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Doors {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits.requests)),
            all: limits.requests,
            waiting: AtomicUsize::new(0),
            queue: limits.queue,
            patience: limits.queue_wait,
        }
    }

    async fn enter(&self) -> Result<OwnedSemaphorePermit, Failure> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.queue {
            return Err(Failure::Overloaded);
        }
        match timeout(self.patience, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Failure::Overloaded),
        }
    }

    /// When nothing is under way any more: WebSockets outlive the connections they began on.
    async fn empty(&self) {
        let all = u32::try_from(self.all).unwrap_or(u32::MAX);
        drop(self.places.acquire_many(all).await);
    }
}

/// A signal that is given once, to everyone.
pub(super) struct Ending(Semaphore);

impl Ending {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(0))
    }

    fn give(&self) {
        self.0.close();
    }

    pub(super) async fn wait(&self) {
        // It holds no permits; only its closing ends the wait.
        drop(self.0.acquire().await);
    }
}

/// Whether a connection is within the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Welcome,
    Excess,
}

/// Whether more clients can come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    Shut,
}

/// Serves clients until `stop` is ready, or until the last one has gone and no more can come. After a stop, what is under way has its grace
/// to end.
pub async fn serve(broker: Arc<Broker>, mut entrance: Entrance, stop: impl Future<Output = ()>) {
    let limits = broker.limits;
    let mut clients = JoinSet::new();
    let mut sweep = interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = pin!(stop);
    let mut door = Door::Open;
    while door == Door::Open || !clients.is_empty() {
        let room = door == Door::Open && clients.len() < limits.connections + limits.excess_connections;
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(ended) = clients.join_next() => report(ended),
            _ = sweep.tick() => broker.pool.sweep(),
            client = entrance.next(), if room => match client {
                None => door = Door::Shut,
                Some(Ok(stream)) => {
                    let standing = if clients.len() < limits.connections { Standing::Welcome } else { Standing::Excess };
                    clients.spawn(client_connection(Arc::clone(&broker), stream, standing));
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "a client could not be accepted");
                    sleep(BREATH).await;
                }
            },
        }
    }
    drop(entrance);
    broker.ending.give();
    let ended = async {
        while let Some(ended) = clients.join_next().await {
            report(ended);
        }
        broker.doors.empty().await;
    };
    // What has not ended by then is dropped with the set.
    drop(timeout(limits.grace, ended).await);
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended.filter_panic() {
        tracing::error!(%error, "a client's connection brought its task down");
    }
}

trait FilterPanic {
    fn filter_panic(self) -> Result<(), tokio::task::JoinError>;
}

impl FilterPanic for Result<(), tokio::task::JoinError> {
    fn filter_panic(self) -> Self {
        self.or_else(|error| if error.is_panic() { Err(error) } else { Ok(()) })
    }
}

async fn client_connection(broker: Arc<Broker>, stream: UnixStream, standing: Standing) {
    let limits = broker.limits;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.client_head)
        .max_buf_size(limits.head_bytes)
        .max_headers(limits.header_lines)
        .auto_date_header(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX));
    let greeted = AtomicBool::new(false);
    let service = service_fn(|request| {
        greeted.store(true, Ordering::Relaxed);
        let broker = Arc::clone(&broker);
        async move { Ok::<_, Infallible>(answer(&broker, request, standing).await) }
    });
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // The library's clock for a head starts only when it knows which HTTP is spoken.
    let mute = async {
        sleep(limits.client_head).await;
        if greeted.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        // A client that goes away ends its requests with it.
        ended = connection.as_mut() => return drop(ended),
        () = mute => return,
        () = broker.ending.wait() => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(connection.await);
}

async fn answer(broker: &Arc<Broker>, request: Request<Incoming>, standing: Standing) -> Reply {
    let entered = match standing {
        Standing::Welcome => broker.doors.enter().await,
        Standing::Excess => Err(Failure::Overloaded),
    };
    match entered {
        Ok(permit) => forward(broker, request, permit).await,
        Err(failure) => {
            let http1 = request.version() < http::Version::HTTP_2;
            let mut reply = Failed::unsent(failure).reply().map(Either::Left);
            if standing == Standing::Excess && http1 {
                reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            reply
        }
    }
}
