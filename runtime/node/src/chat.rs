//! The terminal chat.
//!
//! ```text
//! (prompt) ──line──▶ sent ──accepted──▶ answer streams ──▶ answered ──▶ (prompt)
//!    ▲ notices are printed above it        │ Ctrl-C: stop the turn, not the house
//! ```
//!
//! The line editor blocks, so it has a thread of its own; everything else is one loop over the socket, the lines and Ctrl-C.
//! The editor's history is made from the conversation itself: there is no file.

pub mod once;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hearth_domain::ids::{AnswerId, Ids as _, TurnId};
use hearth_domain::message::Purpose;
use indicatif::ProgressBar;
use rustyline::error::ReadlineError;
use tokio::sync::mpsc;

use crate::client::Client;
use crate::terminal::{Terminal, harmless};
use crate::wire::{ClientFrame, HouseFrame, Said, TooBig};

/// Messages of before that are shown at the beginning.
const SHOWN_BEFORE: usize = 6;
/// How long a house whose rooms restart is asked again.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause before a house is looked for again.
pub const COME_AGAIN: Duration = Duration::from_millis(100);

/// Who talks, and where.
#[derive(Debug, Clone, Default)]
pub struct Seat {
    /// As whom; none for the owner.
    pub member: Option<String>,
    /// The thread; empty for the main conversation.
    pub thread: String,
}

/// Opens a conversation: the member's name, or why the house does not open it now. Fails when the house has gone.
async fn open(client: &mut Client, seat: &Seat, cursor: Option<u64>) -> anyhow::Result<Result<String, String>> {
    client.send(&ClientFrame::Open { member: seat.member.clone(), thread: seat.thread.clone(), cursor }).await?;
    while let Some(frame) = client.next().await? {
        match frame {
            HouseFrame::Opened { member } => return Ok(Ok(member)),
            HouseFrame::Error { error } => return Ok(Err(error)),
            // What was still on its way for what was asked before.
            _ => {}
        }
    }
    bail!("the house closed the connection")
}

/// What comes from the line editor.
enum Line {
    Text(String),
    Interrupt,
    End,
}

/// The chat until the person leaves.
pub async fn interactive(socket: &Path, seat: Seat) -> anyhow::Result<()> {
    let mut client = Client::connect(socket).await?.context("the house does not run")?;
    let member = open(&mut client, &seat, None).await?.map_err(anyhow::Error::msg)?;
    let terminal = Terminal::new();
    let before = read_before(&mut client).await?;
    show_before(terminal, &before);
    let (lines, mut typed) = mpsc::channel(1);
    let (go, prompts) = std::sync::mpsc::channel();
    let spoken = before.iter().filter(|said| !said.house).map(|said| harmless(&said.text)).collect();
    let printer = edit_lines(format!("{member} › "), spoken, lines, prompts)?;
    let mut chat = Chat {
        client,
        seat,
        terminal,
        printer,
        cursor: before.last().map_or(0, |said| said.seq),
        waiting: None,
        spinner: None,
        shown: String::new(),
    };
    chat.seen().await;
    loop {
        // The editor waits for this word before it shows its prompt again.
        go.send(()).ok();
        match chat.until_line(&mut typed).await? {
            Line::Text(text) if text.trim().is_empty() => {}
            Line::Text(text) if matches!(text.trim(), "/quit" | "/exit") => return Ok(()),
            Line::Text(text) => chat.say(text).await?,
            Line::Interrupt => terminal.line(&terminal.faint("(Ctrl-D leaves)")),
            Line::End => return Ok(()),
        }
    }
}

/// Everything up to `CaughtUp`.
async fn read_before(client: &mut Client) -> anyhow::Result<Vec<Said>> {
    let mut before = Vec::new();
    while let Some(frame) = client.next().await? {
        match frame {
            HouseFrame::Message(said) => before.push(said),
            HouseFrame::CaughtUp => return Ok(before),
            _ => {}
        }
    }
    bail!("the house closed the connection")
}

fn show_before(terminal: Terminal, before: &[Said]) {
    for said in before.iter().skip(before.len().saturating_sub(SHOWN_BEFORE)) {
        let who = if said.house { "  " } else { "› " };
        terminal.line(&terminal.faint(&format!("{who}{}", harmless(&said.text).replace('\n', "\n  "))));
    }
}

/// The line editor on its thread. Gives what prints above its prompt.
#[expect(clippy::disallowed_methods, reason = "the editor blocks; the only thread of the terminal's own")]
fn edit_lines(
    prompt: String,
    history: Vec<String>,
    lines: mpsc::Sender<Line>,
    prompts: std::sync::mpsc::Receiver<()>,
) -> anyhow::Result<Box<dyn rustyline::ExternalPrinter + Send>> {
    let mut editor = rustyline::DefaultEditor::new().context("the terminal cannot be used for editing")?;
    for line in history {
        // A line that does not fit the history is only missing from it.
        drop(editor.add_history_entry(line));
    }
    let printer: Box<dyn rustyline::ExternalPrinter + Send> = match editor.create_external_printer() {
        Ok(printer) => Box::new(printer),
        // Not a terminal: nothing is being edited, so lines may simply be written.
        Err(_) => Box::new(Plain),
    };
    std::thread::Builder::new().name("editor".to_owned()).spawn(move || {
        while prompts.recv().is_ok() {
            let line = match editor.readline(&prompt) {
                Ok(text) => {
                    drop(editor.add_history_entry(&text));
                    Line::Text(text)
                }
                Err(ReadlineError::Interrupted) => Line::Interrupt,
                Err(_) => Line::End,
            };
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    })?;
    Ok(printer)
}

/// Writes to standard output.
struct Plain;

impl rustyline::ExternalPrinter for Plain {
    fn print(&mut self, text: String) -> rustyline::Result<()> {
        Terminal::new().text(&text);
        Ok(())
    }
}

/// What the chat waits for.
#[derive(Debug, Default)]
struct Waiting {
    nonce: String,
    text: String,
    turn: Option<TurnId>,
    answer: Option<AnswerId>,
    /// An answer that was quicker than the word that the message was accepted.
    early: Vec<Said>,
}

struct Chat {
    client: Client,
    seat: Seat,
    terminal: Terminal,
    printer: Box<dyn rustyline::ExternalPrinter + Send>,
    cursor: u64,
    waiting: Option<Waiting>,
    spinner: Option<ProgressBar>,
    /// What has been shown of the answer that is being written.
    shown: String,
}

impl Chat {
    /// Serves the socket until a line is typed.
    async fn until_line(&mut self, typed: &mut mpsc::Receiver<Line>) -> anyhow::Result<Line> {
        loop {
            tokio::select! {
                biased;
                line = typed.recv() => return Ok(line.unwrap_or(Line::End)),
                frame = self.client.next() => self.frame_at_prompt(frame?).await?,
            }
        }
    }

    async fn frame_at_prompt(&mut self, frame: Option<HouseFrame>) -> anyhow::Result<()> {
        match frame {
            Some(HouseFrame::Message(said)) => {
                self.cursor = self.cursor.max(said.seq);
                if said.house {
                    self.printer.print(format!("{}\n", self.terminal.bold(&harmless(&said.text)))).ok();
                }
                self.seen().await;
                Ok(())
            }
            Some(HouseFrame::Gone) | None => self.come_again().await,
            Some(_) => Ok(()),
        }
    }

    /// Says a line and shows its answer. Ctrl-C stops the turn.
    async fn say(&mut self, text: String) -> anyhow::Result<()> {
        let nonce = hearth_adapters::system::SystemIds.fresh().to_string();
        let say = ClientFrame::Say { nonce: nonce.clone(), text: text.clone(), images: Vec::new() };
        match self.client.send(&say).await {
            Ok(()) => {}
            Err(error) if error.is::<TooBig>() => {
                self.terminal.line(&format!("Not sent: {error}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        self.waiting = Some(Waiting { nonce, text, ..Waiting::default() });
        self.shown.clear();
        let spinner = ProgressBar::new_spinner();
        spinner.enable_steady_tick(Duration::from_millis(120));
        self.spinner = Some(spinner);
        while self.waiting.is_some() {
            tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => self.client.send(&ClientFrame::Stop).await?,
                frame = self.client.next() => self.frame_of_answer(frame?).await?,
            }
        }
        Ok(())
    }

    async fn frame_of_answer(&mut self, frame: Option<HouseFrame>) -> anyhow::Result<()> {
        let Some(waiting) = self.waiting.as_mut() else {
            return Ok(());
        };
        match frame {
            Some(HouseFrame::Accepted { nonce, turn, answer, .. }) if nonce == waiting.nonce => {
                waiting.turn = Some(turn);
                waiting.answer = Some(answer);
                for said in std::mem::take(&mut waiting.early) {
                    self.message(said).await;
                }
            }
            Some(HouseFrame::Refused { nonce, error, .. }) if nonce == waiting.nonce => {
                self.quiet();
                self.terminal.line(&format!("Not sent: {}", harmless(&error)));
                self.waiting = None;
            }
            Some(HouseFrame::Delta { turn, text }) if waiting.turn == Some(turn) => {
                self.quiet();
                let text = harmless(&text);
                self.terminal.text(&text);
                self.shown.push_str(&text);
            }
            Some(HouseFrame::Reset { turn }) if waiting.turn == Some(turn) && !self.shown.is_empty() => {
                self.terminal.line(&self.terminal.faint(" … (again)"));
                self.shown.clear();
            }
            Some(HouseFrame::Message(said)) if waiting.answer.is_none() => waiting.early.push(said),
            Some(HouseFrame::Message(said)) => self.message(said).await,
            Some(HouseFrame::Gone) | None => self.come_again().await?,
            Some(_) => {}
        }
        Ok(())
    }

    /// A message while an answer is waited for: the answer itself, or something else that the house says.
    async fn message(&mut self, said: Said) {
        self.cursor = self.cursor.max(said.seq);
        if !said.house {
            return;
        }
        self.quiet();
        let text = harmless(&said.text);
        let ours = self.waiting.as_ref().is_some_and(|waiting| waiting.answer == said.answer);
        if ours && self.shown.trim_end() == text.trim_end() {
            self.terminal.line("");
        } else {
            let begin = if self.shown.is_empty() { "" } else { "\n" };
            let text = if said.purpose == Purpose::Notice { self.terminal.bold(&text) } else { text };
            self.terminal.line(&format!("{begin}{text}"));
        }
        self.seen().await;
        if ours {
            self.waiting = None;
        }
    }

    async fn seen(&mut self) {
        // Lost with the connection; the next one confirms it.
        self.client.send(&ClientFrame::Seen { upto: self.cursor }).await.ok();
    }

    fn quiet(&mut self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
    }

    /// Opens the conversation again where it was; what was said and not accepted is said again with the same nonce.
    async fn come_again(&mut self) -> anyhow::Result<()> {
        self.quiet();
        let began = tokio::time::Instant::now();
        // A room that is started again is back within moments; a house that has gone is not.
        while let Err(error) = open(&mut self.client, &self.seat, Some(self.cursor)).await.context("the house has stopped")? {
            if began.elapsed() > PATIENCE {
                bail!(error);
            }
            tokio::time::sleep(COME_AGAIN).await;
        }
        self.shown.clear();
        if let Some(waiting) = self.waiting.as_mut() {
            waiting.early.clear();
            let say = ClientFrame::Say { nonce: waiting.nonce.clone(), text: waiting.text.clone(), images: Vec::new() };
            self.client.send(&say).await?;
        }
        Ok(())
    }
}
