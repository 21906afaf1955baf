//! One question and its answer, for `--once`.
//!
//! ```text
//! said ──accepted──▶ answered ──▶ printed and confirmed, alone
//!   ▲ the room restarts, or the house goes: said again with the same nonce, by which it is accepted once
//! ```
//!
//! A question to a person that comes of it is shown on standard error, with how to answer it: the answer waits for the yes, and this for it.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use hearth_adapters::system::SystemIds;
use hearth_domain::ids::Ids as _;
use hearth_domain::message::{Part, Purpose};
use tokio::time::Instant;

use super::{COME_AGAIN, PATIENCE, Seat, open};
use crate::client::Client;
use crate::terminal::harmless;
use crate::wire::{ClientFrame, HouseFrame, Said, TooBig};

/// How long one answer is waited for: as long as a question to a person waits, and then some.
const ONCE: Duration = Duration::from_secs(1_200);
/// Connections that may be lost on the way to it.
const LOST: u32 = 20;

/// A question to a house that may go and come while it answers.
#[derive(Debug)]
pub struct Question {
    seat: Seat,
    nonce: String,
    text: String,
    images: Vec<Part>,
    until: Instant,
    progress: Progress,
    lost: u32,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// No house has taken it.
    New,
    /// A house has opened the conversation, so one that does not open it is only restarting.
    Welcome,
    /// A house has accepted it, so one that refuses it is only restarting.
    Accepted,
}

/// How waiting for the answer ended.
enum Waited {
    Answered(Said),
    /// The room has restarted, or takes nothing just now.
    Again,
    Gone,
}

impl Question {
    /// A question, of now.
    #[must_use]
    pub fn new(seat: Seat, text: String, images: Vec<Part>) -> Self {
        let nonce = SystemIds.fresh().to_string();
        Self { seat, nonce, text, images, until: Instant::now() + ONCE, progress: Progress::New, lost: 0 }
    }

    /// Asks the house that listens there. `None` when it went before it answered: the question can be asked again.
    pub async fn ask(&mut self, socket: &Path) -> anyhow::Result<Option<Said>> {
        let Ok(said) = tokio::time::timeout_at(self.until, self.attempt(socket)).await else {
            bail!("no answer within {} minutes; it will be in the conversation when it comes", ONCE.as_secs() / 60);
        };
        let said = said?;
        if said.is_none() {
            self.lost = self.lost.saturating_add(1);
            if self.lost >= LOST {
                bail!("the house has gone {LOST} times before it answered; its log says why. What was accepted will be answered");
            }
        }
        Ok(said)
    }

    async fn attempt(&mut self, socket: &Path) -> anyhow::Result<Option<Said>> {
        let Some(mut client) = Client::connect(socket).await? else {
            return Ok(None);
        };
        loop {
            if !self.open(&mut client).await? {
                return Ok(None);
            }
            let say = ClientFrame::Say { nonce: self.nonce.clone(), text: self.text.clone(), images: self.images.clone() };
            match client.send(&say).await {
                Ok(()) => {}
                Err(error) if error.is::<TooBig>() => return Err(error),
                Err(_) => return Ok(None),
            }
            match self.wait(&mut client).await? {
                Waited::Answered(said) => {
                    confirm(&mut client, &said).await;
                    return Ok(Some(said));
                }
                Waited::Again => tokio::time::sleep(COME_AGAIN).await,
                Waited::Gone => return Ok(None),
            }
        }
    }

    /// Whether the conversation is open; not when the house has gone.
    async fn open(&mut self, client: &mut Client) -> anyhow::Result<bool> {
        let began = Instant::now();
        loop {
            match open(client, &self.seat, None).await {
                Err(_) => return Ok(false),
                Ok(Ok(_)) => {
                    self.progress = if self.progress == Progress::New { Progress::Welcome } else { self.progress };
                    return Ok(true);
                }
                Ok(Err(error)) if self.progress == Progress::New || began.elapsed() > PATIENCE => bail!(error),
                Ok(Err(_)) => tokio::time::sleep(COME_AGAIN).await,
            }
        }
    }

    /// Shows a question, and how it is answered from elsewhere. Anything else that the house says is left for whoever looks.
    fn show(&self, said: &Said) {
        let Some(code) = question(said) else { return };
        let by = self.seat.member.as_ref().map(|member| format!(" --as {member}")).unwrap_or_default();
        let how = format!("From another terminal: hearth approvals yes {code}{by} (or no, or always). The answer waits for it here.");
        // Nobody reads a standard error that is gone.
        drop(writeln!(std::io::stderr(), "{}\n{}", harmless(&said.text), harmless(&how)));
    }

    async fn wait(&mut self, client: &mut Client) -> anyhow::Result<Waited> {
        let mut expected = None;
        // The answer can be quicker than the word that the message was accepted.
        let mut early = Vec::new();
        while let Ok(Some(frame)) = client.next().await {
            match frame {
                HouseFrame::Accepted { nonce, answer, .. } if nonce == self.nonce => {
                    self.progress = Progress::Accepted;
                    expected = Some(answer);
                }
                HouseFrame::Refused { nonce, again: true, .. } if nonce == self.nonce && self.progress == Progress::Accepted => {
                    return Ok(Waited::Again);
                }
                HouseFrame::Refused { nonce, error, .. } if nonce == self.nonce => bail!(error),
                HouseFrame::Message(said) => {
                    self.show(&said);
                    early.extend(said.answer.is_some().then_some(said));
                }
                HouseFrame::Gone => return Ok(Waited::Again),
                _ => {}
            }
            if let Some(said) = early.iter().find(|said| expected.is_some() && said.answer == expected) {
                return Ok(Waited::Answered(said.clone()));
            }
        }
        Ok(Waited::Gone)
    }
}

/// The code of the question that is asked, if one is.
fn question(said: &Said) -> Option<&str> {
    let how = said.text.rsplit_once("/yes ").filter(|_| said.house && said.purpose == Purpose::Notice)?.1;
    how.split_whitespace().next()
}

/// Confirms the answer alone: what else was said meanwhile is not shown here.
async fn confirm(client: &mut Client, said: &Said) {
    // Lost with the connection; whoever shows more confirms it. The house takes frames in order: when the second is answered, the first
    // has been taken.
    if client.send(&ClientFrame::SeenOnly { seq: said.seq }).await.is_ok() {
        client.ask(&ClientFrame::Ping).await.ok();
    }
}
