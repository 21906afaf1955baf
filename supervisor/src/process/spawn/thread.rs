//! The thread of a spawner that has no starter.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::WaitIdOptions;
use tokio::sync::oneshot;

use super::{Keeper, Log, Process, Program, SpawnError, Spawned, command, launch, status};

/// How often the thread looks after children that were dropped and have not ended yet.
const REAP_EVERY: Duration = Duration::from_millis(20);

pub(in super::super) enum Order {
    Spawn(Box<Request>),
    Reap(Arc<OwnedFd>),
}

pub(in super::super) struct Request {
    program: Program,
    /// The child's way back to the thread. The thread has none of its own, and so ends with the last of them.
    orders: Sender<Order>,
    reply: oneshot::Sender<Result<Spawned, SpawnError>>,
}

#[expect(clippy::disallowed_methods, reason = "the parent-death signal follows a thread, which must live as long as its children")]
pub(in super::super) fn start() -> Result<Sender<Order>, SpawnError> {
    let (orders, taken) = channel();
    let thread = std::thread::Builder::new().name("spawner".to_owned());
    thread.spawn(move || serve(&taken)).map_err(|error| SpawnError::NoThread(Some(error)))?;
    Ok(orders)
}

pub(in super::super) fn order(
    orders: &Sender<Order>,
    program: Program,
) -> Result<oneshot::Receiver<Result<Spawned, SpawnError>>, SpawnError> {
    let (reply, answer) = oneshot::channel();
    let request = Request { program, orders: orders.clone(), reply };
    orders.send(Order::Spawn(Box::new(request))).map_err(|_| SpawnError::NoThread(None))?;
    Ok(answer)
}

fn serve(orders: &Receiver<Order>) {
    let mut ending = Vec::new();
    loop {
        let order =
            if ending.is_empty() { orders.recv().map_err(|_| RecvTimeoutError::Disconnected) } else { orders.recv_timeout(REAP_EVERY) };
        match order {
            // Whoever does not wait for the answer any more drops the child, which kills it.
            Ok(Order::Spawn(request)) => drop(request.reply.send(spawn(&request.program, request.orders))),
            Ok(Order::Reap(handle)) => ending.push(handle),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        ending.retain(|handle| matches!(status(handle, WaitIdOptions::NOHANG), Ok(None)));
    }
    // All of them were sent SIGKILL.
    for handle in ending {
        let _ = status(&handle, WaitIdOptions::empty());
    }
}

fn spawn(program: &Program, orders: Sender<Order>) -> Result<Spawned, SpawnError> {
    let (ours, theirs) = UnixStream::pair().map_err(SpawnError::Socket)?;
    let log = match program.log {
        Log::Null => Stdio::null(),
        Log::Inherit => Stdio::inherit(),
        Log::Pipe => Stdio::piped(),
    };
    let (mut child, pid, handle) = launch(command(program, theirs.into(), log))?;
    let log = child.stderr.take().map(OwnedFd::from);
    let process = Process::new(pid, handle, Keeper::Thread { end: Mutex::new(None), orders });
    Ok(Spawned { process, socket: ours, log })
}
