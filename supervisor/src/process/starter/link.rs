//! The house's side of its starter: one thread that asks, one that hears.
//!
//! A [`Link`] lives as long as a spawner or a process of it. With the last of them the asking thread ends and closes the
//! socket, which ends the starter, which ends the hearing thread; that one reaps the starter.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::process::Pid;
use tokio::sync::{oneshot, watch};

use super::super::frame::{EncodeError, WriteError};
use super::super::spawn::{Exit, Keeper, Log, Process, Program, Reaper, SpawnError, Spawned};
use super::Starter;
use super::wire::{ANSWER_BYTES, ASK_BYTES, Answer, Ask, Message, Reader, Refusal, send};

/// Starts that are asked for and not answered. Descriptors on their way count against the user's limit (unix(7)).
const IN_FLIGHT: usize = 16;

type Reply = oneshot::Sender<Result<Spawned, SpawnError>>;

enum Order {
    Spawn(Box<Request>),
    Ask(Ask),
}

struct Request {
    program: Program,
    way: Way,
}

/// Back to whoever asked. Keeps the starter alive until then.
struct Way {
    link: Arc<Link>,
    reply: Reply,
}

/// What is kept of a start until it is answered.
struct Waiting {
    way: Way,
    socket: UnixStream,
    log: Option<OwnedFd>,
}

#[derive(Default)]
struct Table {
    waiting: BTreeMap<u64, Waiting>,
    ends: BTreeMap<u64, watch::Sender<Option<Exit>>>,
}

struct Shared {
    table: Mutex<Table>,
    /// There is room for another start.
    room: Condvar,
    gone: watch::Sender<bool>,
}

/// The way to the starter.
pub(in super::super) struct Link {
    orders: Sender<Order>,
    shared: Arc<Shared>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("gone", &self.is_gone()).finish_non_exhaustive()
    }
}

impl Link {
    pub(in super::super) fn start(starter: Starter) -> Result<Arc<Self>, SpawnError> {
        let socket = || starter.socket.try_clone().map_err(SpawnError::Socket);
        let (asking, hearing) = (socket()?, socket()?);
        let (orders, taken) = channel();
        let shared = Arc::new(Shared { table: Mutex::default(), room: Condvar::new(), gone: watch::Sender::new(false) });
        let link = Arc::new(Self { orders, shared: Arc::clone(&shared) });
        let asked = Arc::clone(&shared);
        // In this order: without the second thread the starter is dropped, and the first one ends with the link.
        thread("starter asks", move || ask(&taken, &asking, &asked))?;
        thread("starter hears", move || hear(starter, &hearing, &shared))?;
        Ok(link)
    }

    pub(in super::super) fn gone(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut gone = self.shared.gone.subscribe();
        // An error: its last holder has let go of it.
        async move { drop(gone.wait_for(|gone| *gone).await) }
    }

    pub(in super::super) fn order(
        self: &Arc<Self>,
        program: Program,
    ) -> Result<oneshot::Receiver<Result<Spawned, SpawnError>>, SpawnError> {
        let (reply, answer) = oneshot::channel();
        let request = Request { program, way: Way { link: Arc::clone(self), reply } };
        self.orders.send(Order::Spawn(Box::new(request))).map_err(|_| SpawnError::NoStarter(None))?;
        Ok(answer)
    }

    /// Asks after whatever was asked before, if there is still someone to ask.
    fn ask(&self, what: Ask) {
        let _ = self.orders.send(Order::Ask(what));
    }
}

impl Reaper for Link {
    fn is_gone(&self) -> bool {
        *self.shared.gone.borrow()
    }

    fn terminate(&self, id: u64) {
        self.ask(Ask::Terminate { id });
    }

    fn kill(&self, id: u64) {
        self.ask(Ask::Kill { id });
    }
}

#[expect(clippy::disallowed_methods, reason = "reading and writing a socket in order, whether or not there is a runtime")]
fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), SpawnError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(body).map(drop).map_err(|error| SpawnError::NoThread(Some(error)))
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a start, when there is room; gives it back when the starter is gone.
    fn keep(&self, id: u64, waiting: Waiting) -> Result<(), Waiting> {
        let full = |table: &mut Table| table.waiting.len() >= IN_FLIGHT && !*self.gone.borrow();
        let mut table = self.room.wait_while(self.table(), full).unwrap_or_else(PoisonError::into_inner);
        if *self.gone.borrow() {
            return Err(waiting);
        }
        table.waiting.insert(id, waiting);
        Ok(())
    }

    fn take(&self, id: u64) -> Option<Waiting> {
        let waiting = self.table().waiting.remove(&id);
        self.room.notify_one();
        waiting
    }

    /// Every start fails, and every end is that of the starter.
    fn end(&self) {
        let mut table = self.table();
        self.gone.send_replace(true);
        let left = std::mem::take(&mut *table);
        drop(table);
        self.room.notify_all();
        for waiting in left.waiting.into_values() {
            let _ = waiting.way.reply.send(Err(SpawnError::NoStarter(None)));
        }
    }
}

// === asking ===

fn ask(orders: &Receiver<Order>, socket: &UnixStream, shared: &Shared) {
    for (id, order) in (0_u64..).zip(orders) {
        let sent = match order {
            Order::Spawn(request) => begin(id, *request, socket, shared),
            Order::Ask(what) => send(socket, &what, ASK_BYTES, &[]),
        };
        if sent.is_err() {
            // What stopped halfway cannot be gone on with. The other thread sees that end.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
    let _ = socket.shutdown(Shutdown::Both);
}

/// What belongs to a new child: our end and its end of the socket, the same of its log.
type Ends = (UnixStream, UnixStream, Option<(OwnedFd, OwnedFd)>);

fn ends(log: Log) -> io::Result<Ends> {
    let (ours, theirs) = UnixStream::pair()?;
    let log = match log {
        Log::Null | Log::Inherit => None,
        Log::Pipe => Some(io::pipe().map(|(read, write)| (read.into(), write.into()))?),
    };
    Ok((ours, theirs, log))
}

/// Asks for a start. Whoever asked is answered here only when that fails; an error is one of the socket.
fn begin(id: u64, request: Request, socket: &UnixStream, shared: &Shared) -> Result<(), WriteError> {
    let Request { program, way } = request;
    if way.reply.is_closed() {
        return Ok(());
    }
    let (ours, theirs, log) = match ends(program.log) {
        Ok(ends) => ends,
        Err(error) => {
            let _ = way.reply.send(Err(SpawnError::Socket(error)));
            return Ok(());
        }
    };
    let (read, write) = log.unzip();
    if let Err(waiting) = shared.keep(id, Waiting { way, socket: ours, log: read }) {
        let _ = waiting.way.reply.send(Err(SpawnError::NoStarter(None)));
        return Ok(());
    }
    let with: Vec<_> = std::iter::once(theirs.as_fd()).chain(write.as_ref().map(AsFd::as_fd)).collect();
    let (error, sent) = match send(socket, &Ask::Start { id, program: program.into() }, ASK_BYTES, &with) {
        Ok(()) => return Ok(()),
        Err(WriteError::Encode(EncodeError::TooLarge { .. })) => (SpawnError::TooLarge, Ok(())),
        Err(error @ WriteError::Encode(_)) => (SpawnError::NotAllowed, Err(error)),
        // Nothing was sent: they go with the first byte or not at all.
        Err(WriteError::Io(error)) if Errno::from_io_error(&error) == Some(Errno::TOOMANYREFS) => (SpawnError::Descriptors, Ok(())),
        Err(error) => (SpawnError::NoStarter(None), Err(error)),
    };
    if let Some(waiting) = shared.take(id) {
        let _ = waiting.way.reply.send(Err(error));
    }
    sent
}

// === hearing ===

fn hear(starter: Starter, socket: &UnixStream, shared: &Shared) {
    let mut reader = Reader::new(ANSWER_BYTES);
    while let Ok(Some(message)) = reader.next(socket) {
        if !heard(message, shared) {
            break;
        }
    }
    // Kills it if it still runs, and with it its children; then all is as it is told.
    drop(starter);
    shared.end();
}

/// False: that is not what a starter says.
fn heard(message: Message<Answer>, shared: &Shared) -> bool {
    match message.said {
        Answer::Started { id, pid } => {
            let (Some(waiting), Some(pid)) = (shared.take(id), Pid::from_raw(pid)) else { return false };
            started(id, pid, message.with.into_iter().next(), waiting, shared);
        }
        Answer::NotStarted { id, why } => {
            let Some(waiting) = shared.take(id) else { return false };
            let _ = waiting.way.reply.send(Err(reason(why)));
        }
        Answer::Ended { id, exit } => {
            // There is none of a child whose handle did not arrive.
            let end = shared.table().ends.remove(&id);
            if let Some(end) = end {
                end.send_replace(Some(exit));
            }
        }
    }
    true
}

fn started(id: u64, pid: Pid, handle: Option<OwnedFd>, waiting: Waiting, shared: &Shared) {
    let Waiting { way: Way { link, reply }, socket, log } = waiting;
    let Some(handle) = handle else {
        link.kill(id);
        let _ = reply.send(Err(SpawnError::Descriptors));
        return;
    };
    let (told, end) = watch::channel(None);
    shared.table().ends.insert(id, told);
    let process = Process::new(pid, handle, Keeper::Starter { id, end, link });
    // Whoever does not wait for it any more drops it, which kills it.
    drop(reply.send(Ok(Spawned { process, socket, log })));
}

fn reason(why: Refusal) -> SpawnError {
    match why {
        Refusal::NotAllowed => SpawnError::NotAllowed,
        Refusal::Descriptors => SpawnError::Descriptors,
        Refusal::Start { errno } => SpawnError::Start(io::Error::from_raw_os_error(errno)),
        Refusal::Handle { errno } => SpawnError::Handle(io::Error::from_raw_os_error(errno)),
    }
}
