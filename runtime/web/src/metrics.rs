//! Figures for a collector, as OpenMetrics text. Labels are few and closed: all conversations are one room.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_domain::journal::FactKind;
use hearth_domain::meter::Meter;
use hearth_domain::model::Usage;
use hearth_domain::store::Counts;
use hearth_supervisor::tree::{Event, EventKind, NodeState, Observer, TreeNode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Different labels of one metric; what comes later is counted as `other`.
const LABELS: usize = 64;
/// Rooms with one child for each of something unbounded, and the child that is not such.
const CROWDS: [(&str, &str); 1] = [("conversations", "directory")];

/// The facts that begin or end a turn, and what it is counted as.
const TURNS: [(FactKind, &str); 5] = [
    (FactKind::MessageAccepted, "accepted"),
    (FactKind::TurnAnswered, "answered"),
    (FactKind::TurnFailed, "failed"),
    (FactKind::TurnStopped, "stopped"),
    (FactKind::OutcomeUnknown, "unknown"),
];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Room {
    room: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Exit {
    room: String,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Provider {
    provider: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

/// How long policy took. From 10 µs on, each bound twice the one before.
struct Decisions(Histogram);

impl Default for Decisions {
    fn default() -> Self {
        Self(Histogram::new(exponential_buckets(10e-6, 2.0, 12)))
    }
}

/// The figures. Filled by the tree's events ([`Observer`]), by what the house does ([`Meter`]), and at each look at them.
#[derive(Default)]
pub struct Metrics {
    exits: Family<Exit, Counter>,
    restarts: Family<Room, Counter>,
    gave_up: Family<Room, Counter>,
    depth: Family<Room, Gauge>,
    high_water: Family<Room, Gauge>,
    running: Family<Room, Gauge>,
    rows: Family<Kind, Gauge>,
    turns: Family<Outcome, Counter>,
    tokens_in: Family<Provider, Counter>,
    tokens_out: Family<Provider, Counter>,
    cost: Family<Provider, Counter<f64, AtomicU64>>,
    decisions: Decisions,
    requests: Family<Outcome, Counter>,
    streams: Gauge,
    /// Label values that were seen, and one look at a time.
    known: Mutex<Vec<String>>,
    looking: Mutex<()>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Figures that are all zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A request was answered with this status.
    pub(crate) fn answered(&self, status: u16) {
        let outcome = match status {
            0..=299 => "ok",
            300..=399 => "redirected",
            400..=499 => "refused",
            _ => "failed",
        };
        self.requests.get_or_create(&Outcome { outcome }).inc();
    }

    /// A stream began (1) or ended (-1).
    pub(crate) fn stream(&self, change: i64) {
        self.streams.inc_by(change);
    }

    /// Everything as text.
    #[must_use]
    pub fn text(&self, tree: &TreeNode, counts: Option<&Counts>) -> String {
        let _one = lock(&self.looking);
        for family in [&self.depth, &self.high_water, &self.running] {
            family.clear();
        }
        self.look(tree);
        if let Some(counts) = counts {
            self.count(counts);
        }
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry());
        text
    }

    fn look(&self, node: &TreeNode) {
        let room = Room { room: self.bounded(room(&node.path)) };
        let count = |figure: usize| i64::try_from(figure).unwrap_or(i64::MAX);
        if node.mailbox_capacity > 0 {
            self.depth.get_or_create(&room).inc_by(count(node.mailbox_depth));
            let known = self.high_water.get_or_create_owned(&room);
            known.set(known.get().max(count(node.mailbox_high_water)));
            self.running.get_or_create(&room).inc_by(i64::from(node.state == NodeState::Running));
        }
        for child in &node.children {
            self.look(child);
        }
    }

    fn count(&self, counts: &Counts) {
        let rows = [
            ("conversations", counts.conversations),
            ("messages", counts.messages),
            ("open_turns", counts.open_turns),
            ("memories", counts.memories),
            ("pending_reminders", counts.pending_reminders),
            ("pending_deliveries", counts.pending_deliveries),
            ("unknown_deliveries", counts.unknown_deliveries),
        ];
        for (kind, rows) in rows {
            self.rows.get_or_create(&Kind { kind }).set(i64::try_from(rows).unwrap_or(i64::MAX));
        }
    }

    fn registry(&self) -> Registry {
        let mut all = Registry::with_prefix("hearth");
        all.register("actor_exits", "How often an actor ended, by room and reason", self.exits.clone());
        all.register("actor_restarts", "How often an actor was started again", self.restarts.clone());
        all.register("supervisor_gave_up", "How often a supervisor had one restart too many", self.gave_up.clone());
        all.register("mailbox_depth", "Messages that wait", self.depth.clone());
        all.register("mailbox_high_water", "The most messages that have waited", self.high_water.clone());
        all.register("actors_running", "Actors that take messages", self.running.clone());
        all.register("store_rows", "Rows of the store", self.rows.clone());
        all.register("turns", "Turns by what became of them", self.turns.clone());
        all.register("model_input_tokens", "Tokens sent to a provider", self.tokens_in.clone());
        all.register("model_output_tokens", "Tokens that a provider wrote", self.tokens_out.clone());
        all.register("model_cost_usd", "Cost at the configured prices", self.cost.clone());
        all.register("policy_decision_seconds", "What a decision upon a call took", self.decisions.0.clone());
        all.register("web_requests", "Requests to the page", self.requests.clone());
        all.register("web_streams", "Open streams", self.streams.clone());
        all
    }

    /// The label itself, as long as there are not too many.
    fn bounded(&self, label: String) -> String {
        let mut known = lock(&self.known);
        if known.contains(&label) {
            return label;
        }
        if known.len() >= LABELS {
            return "other".to_owned();
        }
        known.push(label.clone());
        label
    }
}

impl Meter for Metrics {
    fn committed(&self, kind: FactKind) {
        if let Some((_, outcome)) = TURNS.iter().find(|(fact, _)| *fact == kind) {
            self.turns.get_or_create(&Outcome { outcome }).inc();
        }
    }

    fn used(&self, provider: &str, usage: &Usage) {
        let provider = Provider { provider: self.bounded(provider.to_owned()) };
        self.tokens_in.get_or_create(&provider).inc_by(usage.input_tokens);
        self.tokens_out.get_or_create(&provider).inc_by(usage.output_tokens);
        let micro = u32::try_from(usage.micro_usd).unwrap_or(u32::MAX);
        self.cost.get_or_create(&provider).inc_by(f64::from(micro) / 1_000_000.0);
    }

    fn decided(&self, took: Duration) {
        self.decisions.0.observe(took.as_secs_f64());
    }
}

impl Observer for Metrics {
    fn on_event(&self, event: &Event) {
        let room = || self.bounded(room(&event.path));
        match &event.kind {
            EventKind::Exited { reason } => drop(self.exits.get_or_create(&Exit { room: room(), reason: reason.label() }).inc()),
            EventKind::Restarting { .. } => drop(self.restarts.get_or_create(&Room { room: room() }).inc()),
            EventKind::GaveUp => drop(self.gave_up.get_or_create(&Room { room: room() }).inc()),
            EventKind::Started | EventKind::Stuck | EventKind::Killed | EventKind::Escalated | EventKind::Stopped => (),
        }
    }
}

/// The room of a path: below the house, with all of a crowd as `each`.
fn room(path: &str) -> String {
    let below = path.split_once('/').map_or(path, |(_, below)| below);
    match below.split_once('/') {
        Some((room, child)) if CROWDS.iter().any(|(crowd, single)| *crowd == room && *single != child) => format!("{room}/each"),
        _ => below.to_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use hearth_supervisor::tree::NodeKind;

    use super::*;

    fn node(path: &str, depth: usize, children: Vec<TreeNode>) -> TreeNode {
        TreeNode {
            name: path.rsplit('/').next().unwrap().to_owned(),
            path: path.to_owned(),
            kind: NodeKind::Worker,
            state: NodeState::Running,
            restarts: 0,
            last_exit: None,
            last_exit_label: None,
            mailbox_depth: depth,
            mailbox_high_water: depth,
            mailbox_capacity: 256,
            uptime_ms: 0,
            children,
        }
    }

    #[test]
    fn all_conversations_are_one_room() {
        assert_eq!(room("house/conversations/cnv_1"), "conversations/each");
        assert_eq!(room("house/conversations/directory"), "conversations/directory");
        assert_eq!(room("house/models/1-fast"), "models/1-fast");
        assert_eq!(room("house"), "house");
    }

    #[test]
    fn conversations_are_summed_up_anew_at_each_look() {
        let metrics = Metrics::new();
        let tree = node("house", 0, vec![node("house/conversations/cnv_1", 2, vec![]), node("house/conversations/cnv_2", 3, vec![])]);
        for _ in 0..2 {
            let text = metrics.text(&tree, Some(&Counts { messages: 7, ..Counts::default() }));
            assert!(text.contains("hearth_mailbox_depth{room=\"conversations/each\"} 5"), "{text}");
            assert!(text.contains("hearth_mailbox_high_water{room=\"conversations/each\"} 3"), "{text}");
            assert!(text.contains("hearth_store_rows{kind=\"messages\"} 7"), "{text}");
            assert!(text.ends_with("# EOF\n"));
        }
    }

    #[test]
    fn labels_are_bounded() {
        let metrics = Metrics::new();
        for n in 0..1_000 {
            metrics.used(&format!("provider-{n}"), &Usage { input_tokens: 1, micro_usd: 500_000, ..Usage::default() });
        }
        let text = metrics.text(&node("house", 0, vec![]), None);
        assert!(text.lines().filter(|line| line.starts_with("hearth_model_input_tokens_total")).count() <= LABELS + 1);
        assert!(text.contains("hearth_model_cost_usd_total{provider=\"provider-0\"} 0.5"), "{text}");
    }
}
