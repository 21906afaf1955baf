//! The starter's own side: one thread that waits for the house and for the ends of its children.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitIdOptions, kill_process_group, pidfd_send_signal};

use super::super::spawn::{Exit, Log, Program, SpawnError, command, launch, status};
use super::wire::{ANSWER_BYTES, ASK_BYTES, Answer, Ask, Looked, Message, Reader, Refusal, errno, send};
use super::{Allowed, RunError};

struct Child {
    pid: Pid,
    handle: OwnedFd,
}

type Children = BTreeMap<u64, Child>;

pub(super) fn serve(socket: &UnixStream, allowed: &Allowed) -> Result<(), RunError> {
    let mut children = Children::new();
    let mut reader = Reader::new(ASK_BYTES);
    loop {
        let (asked, ended) = wait(socket, &children).map_err(RunError::Wait)?;
        if asked {
            match reader.look(socket)? {
                Looked::Part => {}
                Looked::Whole(message) => answer(socket, allowed, &mut children, message)?,
                Looked::End => return Ok(()),
            }
        }
        for id in ended {
            reap(socket, &mut children, id)?;
        }
    }
}

/// Whether the house says something, and which children have ended.
fn wait(socket: &UnixStream, children: &Children) -> io::Result<(bool, Vec<u64>)> {
    let handles = children.values().map(|child| child.handle.as_fd());
    let mut polled: Vec<_> = std::iter::once(socket.as_fd()).chain(handles).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    rustix::io::retry_on_intr(|| poll(&mut polled, None))?;
    let mut ready = polled.iter().map(|one| !one.revents().is_empty());
    let asked = ready.next().unwrap_or(false);
    Ok((asked, children.keys().zip(ready).filter_map(|(id, ended)| ended.then_some(*id)).collect()))
}

fn answer(socket: &UnixStream, allowed: &Allowed, children: &mut Children, message: Message<Ask>) -> Result<(), RunError> {
    let Message { said, with, lost } = message;
    match said {
        Ask::Start { id, program } => match start(allowed, program.into(), with, lost) {
            Ok(child) => {
                let pid = child.pid.as_raw_nonzero().get();
                send(socket, &Answer::Started { id, pid }, ANSWER_BYTES, &[child.handle.as_fd()])?;
                children.insert(id, child);
            }
            Err(why) => send(socket, &Answer::NotStarted { id, why }, ANSWER_BYTES, &[])?,
        },
        // One that has ended in the meantime, or whose end is being told, is no error.
        Ask::Terminate { id } => drop(children.get(&id).map(|child| pidfd_send_signal(&child.handle, Signal::TERM))),
        Ask::Kill { id } => {
            if let Some(child) = children.get(&id) {
                let _ = kill_process_group(child.pid, Signal::KILL);
                let _ = pidfd_send_signal(&child.handle, Signal::KILL);
            }
        }
    }
    Ok(())
}

fn start(allowed: &Allowed, program: Program, with: Vec<OwnedFd>, lost: bool) -> Result<Child, Refusal> {
    if !allowed.has(&program) {
        return Err(Refusal::NotAllowed);
    }
    let mut with = with.into_iter();
    let (socket, log, more) = (with.next(), with.next(), with.next());
    let (Some(socket), None, false) = (socket, more, lost) else { return Err(Refusal::Descriptors) };
    let log = match (program.log, log) {
        (Log::Null, None) => Stdio::null(),
        (Log::Inherit, None) => Stdio::inherit(),
        (Log::Pipe, Some(pipe)) => pipe.into(),
        _ => return Err(Refusal::Descriptors),
    };
    // It is reaped by its handle.
    match launch(command(&program, socket, log)) {
        Ok((_, pid, handle)) => Ok(Child { pid, handle }),
        Err(SpawnError::Handle(error)) => Err(Refusal::Handle { errno: errno(&error) }),
        Err(SpawnError::Start(error)) => Err(Refusal::Start { errno: errno(&error) }),
        Err(_) => Err(Refusal::Descriptors),
    }
}

/// Ends what is left of its group, which has its number as long as it has not been reaped; reaps it; tells the house.
fn reap(socket: &UnixStream, children: &mut Children, id: u64) -> Result<(), RunError> {
    let Some(child) = children.get(&id) else { return Ok(()) };
    let _ = kill_process_group(child.pid, Signal::KILL);
    let ended = status(&child.handle, WaitIdOptions::NOHANG).map_err(RunError::Wait)?;
    if let Some(exit) = ended.as_ref().and_then(Exit::of) {
        children.remove(&id);
        send(socket, &Answer::Ended { id, exit }, ANSWER_BYTES, &[])?;
    }
    Ok(())
}
