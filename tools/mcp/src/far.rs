//! The conversation with one server, as the port wants it: asks go in by a queue, what is told comes out as a stream, the end is the last.
//!
//! ```text
//! greeting ─▶ Ready ─▶ (Call ─▶ Said* ─▶ Done)* ─▶ Ended        one call at a time; one that is late ends the server
//! ```

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hearth_domain::sandbox::{Ask, Call, Ended, Fault, Heard, Line, Outcome, SandboxLimits, SandboxLine, Tell, ToolRefusalKind, Usage};
use hearth_supervisor::process::spawn::{Exit, Process};
use rmcp::RoleClient;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{Peer, ServiceError};
use rmcp::transport::streamable_http_client::StreamableHttpError;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver};
use tokio::time::{Sleep, sleep};

use crate::config::Server;
use crate::greeting::{Refused, Up};
use crate::guard::{Event, Shared};
use crate::results;
use crate::server::{ARGUMENTS, NO_COMMAND, NOT_CONFINED};

/// Asks that wait to be looked at; there is one call at a time.
pub(crate) const ASKS: usize = 64;
/// Questions whether it is alive that wait for the end of a call.
const BEATS: usize = 16;
/// How long a process that says nothing more may take to end by itself.
const GRACE: Duration = Duration::from_millis(300);
pub(crate) const UNREACHABLE: &str = "the MCP server cannot be reached, or does not answer as one";

/// The near end.
pub(crate) struct Near {
    asks: Option<Sender<Ask>>,
    process: Option<Arc<Process>>,
}

impl Near {
    pub(crate) const fn new(asks: Sender<Ask>, process: Option<Arc<Process>>) -> Self {
        Self { asks: Some(asks), process }
    }
}

impl SandboxLine for Near {
    fn ask(&mut self, ask: Ask) -> bool {
        self.asks.as_ref().is_some_and(|asks| asks.try_send(ask).is_ok())
    }

    fn kill(&mut self) {
        self.asks = None;
        if let Some(process) = &self.process
            && let Err(error) = process.kill()
        {
            tracing::debug!(target: "hearth::tools", %error, "it is gone already");
        }
    }

    /// 0 for a server elsewhere.
    fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, |process| process.pid().as_raw_nonzero().get().unsigned_abs())
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What confines a server, part by part.
pub(crate) type Confined = Vec<(String, String)>;
/// A greeting that is under way.
pub(crate) type Greeting = BoxFuture<'static, Result<(Up, Confined), Refused>>;

/// The far end.
pub(crate) struct Far {
    pub(crate) asked: Option<Receiver<Ask>>,
    pub(crate) events: UnboundedReceiver<Event>,
    pub(crate) shared: Shared,
    pub(crate) process: Option<Arc<Process>>,
    pub(crate) server: Arc<Server>,
    pub(crate) limits: SandboxLimits,
    pub(crate) state: State,
    pub(crate) said: VecDeque<Heard>,
    pub(crate) beats: VecDeque<u64>,
}

pub(crate) enum State {
    Greeting(Greeting, Pin<Box<Sleep>>),
    Idle(Up),
    Calling(Up, Running),
    Over,
}

pub(crate) struct Running {
    call: u64,
    answer: BoxFuture<'static, Came>,
    late: Pin<Box<Sleep>>,
}

/// What came of a call.
enum Came {
    Outcome(Outcome),
    /// The server is gone.
    Gone,
}

enum Next {
    Event(Option<Event>),
    Ask(Option<Ask>),
    Greeted(Result<(Up, Confined), Refused>),
    Came(Came),
    Late,
}

impl Far {
    pub(crate) async fn next(mut self) -> Option<(Heard, Self)> {
        loop {
            if let Some(heard) = self.said.pop_front() {
                return Some((heard, self));
            }
            if matches!(self.state, State::Over) {
                return None;
            }
            let next = self.wait().await;
            self.take(next).await;
        }
    }

    async fn wait(&mut self) -> Next {
        let asked = async {
            match &mut self.asked {
                Some(asked) => asked.recv().await,
                None => std::future::pending().await,
            }
        };
        let own = async {
            match &mut self.state {
                State::Greeting(greeting, late) => tokio::select! {
                    biased;
                    greeted = greeting => Next::Greeted(greeted),
                    () = late => Next::Late,
                },
                State::Calling(_, running) => tokio::select! {
                    biased;
                    came = &mut running.answer => Next::Came(came),
                    () = &mut running.late => Next::Late,
                },
                State::Idle(_) | State::Over => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            event = self.events.recv() => Next::Event(event),
            ask = asked => Next::Ask(ask),
            next = own => next,
        }
    }

    async fn take(&mut self, next: Next) {
        match next {
            Next::Event(Some(Event::Line(line))) => self.line(line),
            Next::Event(Some(Event::Broke(why))) => {
                self.answered_before();
                self.end(Some(why)).await;
            }
            Next::Event(Some(Event::Closed) | None) => {
                self.answered_before();
                self.end(None).await;
            }
            Next::Ask(ask) => self.asks(ask).await,
            Next::Greeted(Ok((up, confined))) => {
                let operations = up.listed.operations.clone();
                self.state = State::Idle(up);
                self.said.push_back(Heard::Tell(Tell::Ready { operations, confined }));
            }
            Next::Greeted(Err(Refused::Unfit(fault))) => self.unfit(fault).await,
            Next::Greeted(Err(Refused::Ended(why))) => self.end(Some(why)).await,
            Next::Greeted(Err(Refused::Gone)) | Next::Came(Came::Gone) => self.gone().await,
            Next::Came(Came::Outcome(outcome)) => self.came(outcome).await,
            Next::Late => match &self.state {
                State::Greeting(..) => self.unfit(Fault::Deadline).await,
                State::Calling(..) => {
                    self.done(Outcome::Fault(Fault::Deadline));
                    // Whatever it still does of that call, nobody waits for.
                    self.end_by_force().await;
                }
                State::Idle(_) | State::Over => {}
            },
        }
    }

    async fn asks(&mut self, ask: Option<Ask>) {
        match ask {
            None => {
                self.asked = None;
                self.end_by_force().await;
            }
            Some(Ask::Call(call)) => match std::mem::replace(&mut self.state, State::Over) {
                State::Idle(up) => self.state = self.begin(up, call),
                State::Greeting(..) => self.end(Some(Ended::Protocol("a call before it is ready".to_owned()))).await,
                State::Calling(..) => self.end(Some(Ended::Protocol("a second call while one runs".to_owned()))).await,
                State::Over => {}
            },
            Some(Ask::Beat { id }) => {
                if self.beats.len() < BEATS {
                    self.beats.push_back(id);
                }
                self.beat();
            }
            // A server asks the house for nothing, and loads nothing.
            Some(Ask::Given { .. } | Ask::Load { .. }) => {}
        }
    }

    fn beat(&mut self) {
        if matches!(self.state, State::Idle(_)) {
            self.said.extend(self.beats.drain(..).map(|id| Heard::Tell(Tell::Beat { id })));
        }
    }

    fn begin(&self, up: Up, call: Call) -> State {
        self.shared.lock().begin();
        let late = Box::pin(sleep(Duration::from_millis(call.deadline_ms.into())));
        let name = up.listed.names.get(&call.operation).cloned();
        let arguments = serde_json::from_str(&call.arguments);
        let (peer, bytes) = (up.service.peer().clone(), self.limits.result_bytes);
        let answer = async move {
            let refused = |kind, why| Came::Outcome(results::refused(kind, why));
            match (name, arguments) {
                (Some(name), Ok(arguments)) => ask(&peer, CallToolRequestParams::new(name).with_arguments(arguments), bytes).await,
                (None, _) => refused(ToolRefusalKind::NotFound, "the MCP server has no such operation"),
                (Some(_), Err(_)) => refused(ToolRefusalKind::BadArguments, "the arguments of an MCP server's operation are an object"),
            }
        };
        State::Calling(up, Running { call: call.id, answer: answer.boxed(), late })
    }

    /// The call that runs has this outcome.
    fn done(&mut self, outcome: Outcome) {
        if let State::Calling(up, running) = std::mem::replace(&mut self.state, State::Over) {
            let lines_lost = self.shared.lock().end();
            let used = Usage { lines_lost, ..Usage::default() };
            self.said.push_back(Heard::Tell(Tell::Done { call: running.call, outcome, used }));
            self.state = State::Idle(up);
            self.beat();
        }
    }

    /// What was said before the answer is said before it, whichever thread was faster.
    async fn came(&mut self, outcome: Outcome) {
        while let Ok(event) = self.events.try_recv() {
            let why = match event {
                Event::Line(line) => {
                    self.line(line);
                    continue;
                }
                Event::Broke(why) => Some(why),
                Event::Closed => None,
            };
            self.done(outcome);
            return self.end(why).await;
        }
        self.done(outcome);
    }

    fn line(&mut self, line: Line) {
        if let State::Calling(_, running) = &self.state {
            self.said.push_back(Heard::Tell(Tell::Said { call: running.call, line }));
        }
    }

    /// An answer that came before the end counts.
    fn answered_before(&mut self) {
        if let State::Calling(_, running) = &mut self.state
            && let Some(Came::Outcome(outcome)) = (&mut running.answer).now_or_never()
        {
            self.done(outcome);
        }
    }

    async fn unfit(&mut self, fault: Fault) {
        self.said.push_back(Heard::Tell(Tell::Unfit(fault)));
        self.end_by_force().await;
    }

    /// The client knows that the server is gone; why, the transport may have told.
    async fn gone(&mut self) {
        let why = match self.events.try_recv() {
            Ok(Event::Broke(why)) => Some(why),
            Ok(Event::Line(_) | Event::Closed) | Err(_) => None,
        };
        self.end(why).await;
    }

    async fn end_by_force(&mut self) {
        if let Some(process) = &self.process {
            kill(process);
        }
        self.end(None).await;
    }

    /// It has ended, or is ended for this.
    async fn end(&mut self, why: Option<Ended>) {
        self.state = State::Over;
        let ended = match &self.process {
            Some(process) => {
                if why.is_some() {
                    kill(process);
                }
                ended(process, &self.server.name).await
            }
            None => Ended::Unknown,
        };
        self.said.push_back(Heard::Ended(why.unwrap_or(ended)));
    }
}

/// One call, to its end.
async fn ask(peer: &Peer<RoleClient>, params: CallToolRequestParams, result_bytes: usize) -> Came {
    match peer.call_tool_once(params).await {
        Ok(response) => Came::Outcome(results::outcome(response, result_bytes)),
        Err(ServiceError::McpError(error)) => Came::Outcome(results::of_error(&error)),
        Err(ServiceError::TransportSend(error)) => match error.error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
            // What it can do now has to be compared anew.
            None | Some(StreamableHttpError::SessionExpired) => Came::Gone,
            Some(_) => Came::Outcome(results::refused(ToolRefusalKind::Unavailable, UNREACHABLE)),
        },
        Err(ServiceError::UnexpectedResponse) => Came::Outcome(Outcome::Fault(Fault::Malformed)),
        Err(_) => Came::Gone,
    }
}

fn kill(process: &Process) {
    if let Err(error) = process.kill() {
        tracing::warn!(target: "hearth::tools", %error, "a process cannot be ended");
    }
}

/// How a process ended, which it is made to unless it does so by itself.
async fn ended(process: &Process, server: &str) -> Ended {
    let by_itself = tokio::time::timeout(GRACE, process.wait()).await;
    let exit = match by_itself {
        Ok(exit) => exit,
        Err(_) => {
            kill(process);
            process.wait().await
        }
    };
    match exit {
        Ok(Exit::Code(code)) => {
            if let Some(why) = own_code(code) {
                tracing::warn!(target: "hearth::tools", server, "{why}");
            }
            Ended::Code(code)
        }
        Ok(Exit::Signal { number, .. }) => Ended::Signal(number),
        Err(_) => Ended::Unknown,
    }
}

/// What a code of ours means. A command may end with the same.
pub(crate) fn own_code(code: i32) -> Option<&'static str> {
    match u8::try_from(code).ok()? {
        ARGUMENTS => Some("the MCP server ended as if its configuration could not be read"),
        NOT_CONFINED => Some("the MCP server ended as if it could not be confined; `hearth doctor` shows what this kernel lacks"),
        NO_COMMAND => Some("the MCP server ended as if its command or its folder were not there; look at both in the configuration"),
        _ => None,
    }
}
