//! I-2, as far as the house can keep it: the end of a tool's process loses the call in hand and no other; a result is that of its own call;
//! nothing is served beyond a grant; a tool that fails too often is quarantined, and one whose grant was taken back is not called.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use hearth_domain::ids::ReminderId;
use hearth_domain::sandbox::Fault;
use hearth_domain::store::Write;
use hearth_domain::time::Timestamp;
use hearth_domain::tool::record::{ToolInfo, ToolState};
use hearth_domain::tool::{ToolError, ToolOutput};
use serde_json::Value;

use super::{Checker, Rest, Seen};
use crate::plan::Plan;

/// The name of the invariant.
pub const NAME: &str = "I-2 a tool's end loses its call in hand and no other, and nothing is served beyond a grant";

/// Numbers from here on are of calls that models make.
pub const MODELS: u64 = 1 << 40;
/// How far apart failures and calls have to be for their order to be certain.
const MARGIN: Duration = Duration::from_secs(2);
/// How long the process of a call that is over may live.
const LINGER: Duration = Duration::from_secs(2);

/// How a process broke over a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The sandbox says so, or the house finds it in the result.
    Fault(Fault),
    /// It ends, must be ended, or never answers.
    Lost,
}

impl How {
    /// Of a fault, if it is one.
    #[must_use]
    pub fn of(fault: Option<Fault>) -> Self {
        fault.map_or(Self::Lost, Self::Fault)
    }
}

/// What the checker knows of a tool.
#[derive(Debug, Default)]
struct Tool {
    /// Whether its grant was taken back, or it was quarantined.
    closed: bool,
    failures: VecDeque<Duration>,
    /// Somebody wants its grant back: calls may be denied from now on.
    closing: bool,
    /// When it failed once too often.
    fallen: Option<Duration>,
}

/// The checker.
#[derive(Debug)]
pub struct Sandboxes {
    /// Whether only the tools themselves fail, so that every word of the house about a call is certain.
    exact: bool,
    failures_max: usize,
    window: Duration,
    processes: u64,
    /// Which call runs in which process.
    running: BTreeMap<u64, u64>,
    began: BTreeMap<u64, usize>,
    broke: BTreeMap<u64, How>,
    answered: BTreeSet<u64>,
    /// Calls that are over for their asker.
    ended: BTreeMap<u64, Duration>,
    tools: BTreeMap<usize, Tool>,
    /// Of which quarantine an adult has to be told, by tool.
    untold: BTreeMap<usize, (ReminderId, Timestamp)>,
    requests: i64,
}

impl Sandboxes {
    /// Nothing was called yet.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let (wires, store, house) = (&plan.wires, &plan.store, &plan.house);
        let faults = wires.crash + wires.refuse + wires.lose_reply + wires.delay + store.crash + store.fail + store.fail_after + store.slow;
        let tools = plan.tools.crash;
        Self {
            exact: faults + tools == 0 && house.kills.is_empty() && house.stops.is_empty(),
            failures_max: plan.limits.tool_failures,
            window: plan.limits.tool_window,
            processes: 0,
            running: BTreeMap::new(),
            began: BTreeMap::new(),
            broke: BTreeMap::new(),
            answered: BTreeSet::new(),
            ended: BTreeMap::new(),
            tools: BTreeMap::new(),
            untold: BTreeMap::new(),
            requests: 0,
        }
    }

    /// Somebody asks for the end of a tool's grant.
    pub fn closing(&mut self, tool: usize) {
        self.tools.entry(tool).or_default().closing = true;
    }

    /// A process began; its number.
    pub const fn started(&mut self) -> u64 {
        self.processes += 1;
        self.processes
    }

    /// A process is gone.
    pub fn gone(&mut self, process: u64) {
        self.running.remove(&process);
    }

    /// A process has said that it broke over its call, and lives.
    pub fn over(&mut self, process: u64) {
        self.running.remove(&process);
    }

    /// Requests began, or ended.
    pub const fn requests(&mut self, more: i64) {
        self.requests += more;
    }

    /// A process is told to do a call.
    ///
    /// # Errors
    ///
    /// When it may not be.
    pub fn began(&mut self, now: Duration, process: u64, tool: usize, n: u64, operation: &str) -> Result<(), String> {
        if let Some(other) = self.running.insert(process, n) {
            return Err(format!("process {process} is told call {n} while it does {other}"));
        }
        let times = self.began.entry(n).or_default();
        *times += 1;
        if *times > 1 && (n < MODELS || operation == "mark") {
            return Err(format!("call {n}, which must not be repeated, runs again"));
        }
        let known = self.tools.entry(tool).or_default();
        if known.closed {
            return Err(format!("call {n} runs in tool {tool}, which nobody grants"));
        }
        if self.exact && known.fallen.is_some_and(|fallen| now.saturating_sub(fallen) > MARGIN) {
            return Err(format!("call {n} runs in tool {tool}, which failed too often at {:?}", known.fallen));
        }
        if let Some(ended) = self.ended.get(&n).filter(|_| n < MODELS) {
            return Err(format!("call {n} begins, and was over at {ended:?}"));
        }
        Ok(())
    }

    /// A process has said the result of its call.
    pub fn answered(&mut self, n: u64) {
        self.answered.insert(n);
        self.running.retain(|_, running| *running != n);
    }

    /// A process breaks over its call. What only ends with the call's deadline is counted when the call is over.
    pub fn broke(&mut self, now: Duration, tool: usize, n: u64, how: How) {
        self.broke.insert(n, how);
        let (window, most) = (self.window, self.failures_max);
        let known = self.tools.entry(tool).or_default();
        known.failures.retain(|at| now.saturating_sub(*at) + MARGIN < window);
        known.failures.push_back(now);
        // One that hangs fails later, or not at all when its asker goes first: a margin for those is left.
        if known.failures.len() >= most * 3 {
            known.fallen.get_or_insert(now);
        }
    }

    /// The asker of a call has its answer.
    ///
    /// # Errors
    ///
    /// When it cannot be that.
    pub fn ended(&mut self, now: Duration, n: u64, tool: usize, answer: &Result<ToolOutput, ToolError>) -> Result<(), String> {
        self.ended.insert(n, now);
        let (ran, broke) = (self.began.contains_key(&n), self.broke.get(&n));
        let wrong = match answer {
            Ok(output) => !self.answered.contains(&n) || !is_of(&output.value, n, tool),
            Err(ToolError::Busy | ToolError::Unknown | ToolError::Spent(_)) => ran,
            Err(ToolError::Lost) => self.exact && broke != Some(&How::Lost),
            Err(ToolError::TimedOut) => self.exact && !ran,
            Err(ToolError::Failed(sentence)) => !matches!(broke, Some(How::Fault(fault)) if fault.to_string() == *sentence),
            Err(ToolError::Denied(_)) => self.exact && ran && !self.tools.get(&tool).is_some_and(|tool| tool.closing),
            Err(ToolError::Stopped | ToolError::BadArguments(_)) => false,
        };
        if wrong { Err(format!("call {n} of tool {tool} was answered {answer:?}; ran: {ran}, broke: {broke:?}")) } else { Ok(()) }
    }

    fn lingers(&self, now: Duration) -> Result<(), String> {
        let late = |n: &u64| self.ended.get(n).is_some_and(|ended| now.saturating_sub(*ended) > LINGER);
        match self.running.iter().find(|(_, n)| late(n)) {
            Some((process, n)) => Err(format!("process {process} still does call {n}, which is over")),
            None => Ok(()),
        }
    }

    fn written(&mut self, write: &Write) {
        match write {
            Write::Tool(row) => self.info(&row.info),
            Write::ToolInfo(info) => self.info(info),
            Write::RemoveTool(name) => {
                if let Some(tool) = number(name) {
                    self.untold.remove(&tool);
                    self.tools.insert(tool, Tool { closed: true, closing: true, ..Tool::default() });
                }
            }
            _ => {}
        }
    }

    fn info(&mut self, info: &ToolInfo) {
        let Some(tool) = number(&info.name) else { return };
        let known = self.tools.entry(tool).or_default();
        // Whoever changes it knows.
        self.untold.remove(&tool);
        if let ToolState::Quarantined { .. } = info.state {
            self.untold.insert(tool, (ReminderId::derived(&["quarantine", &info.name, &info.at.to_string()]), info.at));
        }
        match info.state {
            ToolState::Granted => *known = Tool::default(),
            ToolState::Revoked => known.closed = true,
            // Calls that were taken before an update end as ever; what is quarantined may be told so a moment later.
            ToolState::Waiting => known.fallen = None,
            ToolState::Quarantined { .. } => (known.fallen, known.closing) = (None, true),
        }
    }
}

fn number(name: &str) -> Option<usize> {
    name.strip_prefix("sim/t")?.parse().ok()
}

/// Whether a value is what the tool says to that call.
fn is_of(value: &Value, n: u64, tool: usize) -> bool {
    let said = value.get("n").and_then(Value::as_u64) == Some(n) && value.get("t").and_then(Value::as_u64) == u64::try_from(tool).ok();
    said || value.get("tool_says").and_then(Value::as_str) == Some(&format!("n{n}"))
}

impl Checker for Sandboxes {
    fn name(&self) -> &'static str {
        NAME
    }

    fn on_event(&mut self, now: Duration, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Written(group) => group.writes.iter().for_each(|write| self.written(write)),
            Seen::Picture(_) => return self.lingers(now),
            _ => {}
        }
        Ok(())
    }

    fn unrest(&self, rest: &Rest<'_>) -> Option<String> {
        if let Some((tool, _)) = self.untold.iter().find(|(_, notice)| !rest.rows.claims.contains_key(notice)) {
            return Some(format!("no adult is told that tool {tool} is quarantined"));
        }
        self.running.iter().next().map(|(process, n)| format!("process {process} does call {n}"))
    }

    fn at_rest(&self, _: &Rest<'_>) -> Result<(), String> {
        if self.requests == 0 { Ok(()) } else { Err(format!("{} requests are open for nobody", self.requests)) }
    }
}
