//! The line to one sandbox: what is asked goes in by a queue, what is told comes out as a stream, and the end is the last of it.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use hearth_domain::sandbox::{Ask, Ended, Heard, SandboxLimits, SandboxLine, Tell};
use hearth_supervisor::process::channel::{FrameReceiver, FrameSender};
use hearth_supervisor::process::frame::{Frame, ReadError};
use hearth_supervisor::process::spawn::Process;
use tokio::sync::mpsc;

use super::ended;
use super::turn::{Say, Turn};

/// Asks that wait to be written; there is one call at a time, and what it is given.
const ASKS: usize = 64;

/// A process that was told what to load.
pub(super) struct Started {
    pub(super) process: Process,
    pub(super) sender: FrameSender,
    pub(super) receiver: FrameReceiver,
    pub(super) limits: SandboxLimits,
}

impl Started {
    pub(super) fn line(self) -> hearth_domain::sandbox::Started {
        let (asks, asked) = mpsc::channel(ASKS);
        let process = Arc::new(self.process);
        let line = Line { asks, process: Arc::clone(&process) };
        let turn = Turn::new(self.limits);
        let far = Far { sender: self.sender, receiver: self.receiver, asked: Some(asked), turn, process, over: false };
        (Box::new(line), stream::unfold(far, Far::next).boxed())
    }
}

/// The near end.
struct Line {
    asks: mpsc::Sender<Ask>,
    process: Arc<Process>,
}

impl SandboxLine for Line {
    fn ask(&mut self, ask: Ask) -> bool {
        self.asks.try_send(ask).is_ok()
    }

    fn kill(&mut self) {
        if let Err(error) = self.process.kill() {
            tracing::debug!(target: "hearth::tools", %error, "it is gone already");
        }
    }

    fn pid(&self) -> u32 {
        self.process.pid().as_raw_nonzero().get().unsigned_abs()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The far end. The kernel's buffer is its queue: a sandbox that nobody listens to waits.
struct Far {
    sender: FrameSender,
    receiver: FrameReceiver,
    /// None when the near end is gone, and with it the process.
    asked: Option<mpsc::Receiver<Ask>>,
    turn: Turn,
    process: Arc<Process>,
    over: bool,
}

enum Next {
    Ask(Option<Ask>),
    Heard(Result<Option<Tell>, Ended>),
}

impl Far {
    async fn next(mut self) -> Option<(Heard, Self)> {
        if self.over {
            return None;
        }
        let heard = match self.until_heard().await {
            Ok(Some(tell)) => Heard::Tell(tell),
            // It closed its end: it is ending, or means to live on without us.
            Ok(None) => Heard::Ended(ended(&self.process, true).await),
            Err(why) => {
                ended(&self.process, true).await;
                Heard::Ended(why)
            }
        };
        self.over = matches!(heard, Heard::Ended(_));
        Some((heard, self))
    }

    async fn until_heard(&mut self) -> Result<Option<Tell>, Ended> {
        loop {
            match self.either().await {
                Next::Heard(heard) => {
                    let Some(tell) = heard? else { return Ok(None) };
                    self.turn.hears(&tell)?;
                    return Ok(Some(tell));
                }
                Next::Ask(None) => self.asked = None,
                Next::Ask(Some(ask)) => match self.turn.asks(&ask) {
                    Say::Drop => {}
                    Say::End(why) => return Err(why),
                    // That it does not hear shows when it is listened to.
                    Say::Pass => drop(self.sender.send(&Frame::Message(ask), &[]).await),
                },
            }
        }
    }

    async fn either(&mut self) -> Next {
        let asked = async {
            match &mut self.asked {
                Some(asked) => asked.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            ask = asked => Next::Ask(ask),
            received = self.receiver.recv::<Tell>() => Next::Heard(match received {
                Ok(None) | Err(ReadError::Io(_)) => Ok(None),
                Err(ReadError::Frame(error)) => Err(Ended::Protocol(error.to_string())),
                Ok(Some(received)) => match received.frame {
                    Frame::Message(tell) if received.descriptors.is_empty() => Ok(Some(tell)),
                    Frame::Message(_) => Err(Ended::Protocol("a descriptor from a sandbox".to_owned())),
                    Frame::Life(_) => Err(Ended::Protocol("a word of another protocol".to_owned())),
                },
            }),
        }
    }
}
