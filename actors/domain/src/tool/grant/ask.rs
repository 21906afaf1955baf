//! What an adult is asked before a tool gets anything, in plain words, and again before it gets more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Grant, Release};
use crate::sandbox::SandboxLimits;
use crate::tool::Effect;
use crate::tool::manifest::{Declared, Manifest, is_safe};
use crate::tool::reach::{Host, Rule};

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Who made it.
    Author,
    /// It is another tool, or an older version.
    Release,
    /// How it is described to people.
    Description,
    /// Where it sends requests.
    Network,
    /// A host that the adult names.
    Place,
    /// A secret that the adult names.
    Secret,
    /// What it keeps.
    Keep,
    /// The house's memory.
    Memory,
    /// Memory, time and the like.
    Limits,
    /// What the model can call, and what it is told about that.
    Operation,
}

/// One question: to be read by an adult, who says yes or no.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// What it is about.
    pub kind: Kind,
    /// In plain words. What stands in “…” is the author's words.
    pub sentence: String,
}

/// A fresh list of questions, each once and in the order of their kinds.
#[derive(Debug, Default)]
struct Questions(BTreeSet<Question>);

impl Questions {
    fn put(&mut self, kind: Kind, sentence: impl fmt::Display) {
        self.0.insert(Question { kind, sentence: sentence.to_string() });
    }
}

/// What an adult is asked when a tool is installed. The manifest has been checked.
#[must_use]
pub fn ask(manifest: &Manifest, release: &Release) -> Vec<Question> {
    let mut questions = Questions::default();
    match &release.author {
        Some(key) => questions.put(Kind::Author, format_args!("It is signed with the key {key}.")),
        None => questions.put(Kind::Author, "Nobody signed it: it may come from anybody."),
    }
    network(&mut questions, manifest, |_, _| true);
    let wants = &manifest.wants;
    wants.places.keys().for_each(|name| place(&mut questions, manifest, name));
    wants.secrets.keys().for_each(|name| secret(&mut questions, manifest, name));
    if wants.keyvalue_bytes > 0 {
        keep(&mut questions, wants.keyvalue_bytes);
    }
    if wants.memory {
        memory(&mut questions);
    }
    limits(&mut questions, &manifest.limits, &SandboxLimits::default());
    for operation in &manifest.operations {
        questions.put(Kind::Operation, format_args!("The model may call {}", describe(operation)));
    }
    questions.0.into_iter().collect()
}

/// What an adult is asked before an update: everything that is more than what was granted, or other than what was said. Nothing when
/// the update needs no asking. The manifest has been checked.
#[must_use]
pub fn widening(grant: &Grant, manifest: &Manifest, release: &Release) -> Vec<Question> {
    if grant.revoked.is_some() {
        return ask(manifest, release);
    }
    let mut questions = Questions::default();
    provenance(&mut questions, grant, manifest, release);
    let old = &grant.manifest;
    if (&old.title, &old.author, &old.description) != (&manifest.title, &manifest.author, &manifest.description) {
        let Manifest { title, author, description, .. } = manifest;
        questions.put(Kind::Description, format_args!("It is described in other words now: “{title}” by “{author}”: “{description}”"));
    }
    network(&mut questions, manifest, |rule, method| {
        let mut reaches = rule.reaches(&grant.places).filter(|reach| reach.method == method).peekable();
        reaches.peek().is_none() || reaches.any(|reach| !grant.reaches.iter().any(|granted| granted.covers(&reach)))
    });
    let wants = &manifest.wants;
    for (name, wanted) in &wants.places {
        if !grant.places.contains_key(name) || old.wants.places.get(name) != Some(wanted) {
            place(&mut questions, manifest, name);
        }
    }
    for (name, wanted) in &wants.secrets {
        if !grant.slots.contains_key(name) || old.wants.secrets.get(name) != Some(wanted) {
            secret(&mut questions, manifest, name);
        }
    }
    if wants.keyvalue_bytes > grant.keyvalue_bytes {
        keep(&mut questions, wants.keyvalue_bytes);
    }
    if wants.memory && !grant.memory {
        memory(&mut questions);
    }
    limits(&mut questions, &manifest.limits, &grant.limits);
    for operation in &manifest.operations {
        operation_widening(&mut questions, old.operation(&operation.name), operation);
    }
    questions.0.into_iter().collect()
}

fn provenance(questions: &mut Questions, grant: &Grant, manifest: &Manifest, release: &Release) {
    if grant.manifest.name != manifest.name {
        questions.put(Kind::Release, format_args!("This is another tool, {}.", manifest.name));
    }
    if manifest.version < grant.manifest.version {
        let (old, new) = (grant.manifest.version, manifest.version);
        questions.put(
            Kind::Release,
            format_args!("This is an older version, {new} instead of {old}: it may have faults that were mended since."),
        );
    }
    match (&grant.release.author, &release.author) {
        (Some(old), Some(new)) if old == new => {}
        // Without a signature, nothing ties an update to what was granted but its bytes.
        (None, None) if grant.release.component == release.component => {}
        (_, None) => questions.put(Kind::Author, "Nobody signed this update: it may come from anybody."),
        (None, Some(new)) => {
            questions.put(Kind::Author, format_args!("This update is signed with the key {new}; what is installed is not signed."));
        }
        (Some(old), Some(new)) => {
            questions.put(Kind::Author, format_args!("This update is signed with another key, {new}; what is installed with {old}."));
        }
    }
}

/// Questions about the rules of which the filter says that they have to be asked, method by method: one for each host and method.
fn network(questions: &mut Questions, manifest: &Manifest, asked: impl Fn(&Rule, &str) -> bool) {
    let mut paths: BTreeMap<(&Host, &str), BTreeSet<&str>> = BTreeMap::new();
    for rule in &manifest.wants.http {
        for method in rule.methods().iter().filter(|method| asked(rule, method)) {
            paths.entry((rule.host(), method)).or_default().insert(rule.path());
        }
    }
    for ((host, method), paths) in paths {
        let host = match host {
            Host::Exact { host, port: 443 } => host.clone(),
            Host::Exact { host, port } => format!("{host} on port {port}"),
            Host::Public => "every public host of the internet".to_owned(),
            Host::Place(place) => format!("the host that you name as `{place}`"),
        };
        let paths = if paths.contains("/**") { String::new() } else { format!(": {}", Vec::from_iter(paths).join(", ")) };
        if is_safe(method) {
            questions.put(Kind::Network, format_args!("It may ask {host} for something ({method}){paths}"));
        } else {
            questions.put(Kind::Network, format_args!("It may send {method} requests to {host}{paths}"));
        }
    }
}

fn place(questions: &mut Questions, manifest: &Manifest, name: &str) {
    let purpose = manifest.wants.places.get(name).map_or("", |place| &place.purpose);
    questions.put(Kind::Place, format_args!("It reaches a host that you name as `{name}`: “{purpose}”"));
}

fn secret(questions: &mut Questions, manifest: &Manifest, name: &str) {
    let Some(wanted) = manifest.wants.secrets.get(name) else { return };
    let service = wanted.service.as_ref().map(|service| format!(" (a key of {service})")).unwrap_or_default();
    let purpose = &wanted.purpose;
    questions.put(Kind::Secret, format_args!("It gets the key that you name for `{name}`{service}, without ever seeing it: “{purpose}”"));
}

fn keep(questions: &mut Questions, bytes: u64) {
    questions.put(Kind::Keep, format_args!("It may keep up to {} for each member", Bytes(bytes)));
}

fn memory(questions: &mut Questions) {
    questions.put(Kind::Memory, "It may search what the house remembers, as far as the member who asks may know it");
}

/// One question when anything is more than in `granted`.
fn limits(questions: &mut Questions, wanted: &SandboxLimits, granted: &SandboxLimits) {
    let more = wanted.memory_bytes > granted.memory_bytes
        || wanted.table_elements > granted.table_elements
        || wanted.fuel > granted.fuel
        || wanted.compute > granted.compute
        || wanted.result_bytes > granted.result_bytes
        || wanted.host_calls > granted.host_calls
        || wanted.log_bytes > granted.log_bytes
        || wanted.resources > granted.resources;
    if more {
        let (memory, compute) = (Bytes(wanted.memory_bytes), wanted.compute.as_millis());
        let (result, calls) = (wanted.result_bytes, wanted.host_calls);
        questions.put(
            Kind::Limits,
            format_args!(
                "A call of it may use more than usual or than before: up to {memory} of memory, {compute} ms of computing, {} of fuel, results \
                 of {result} bytes, {calls} requests to the house, {} bytes of log",
                wanted.fuel, wanted.log_bytes
            ),
        );
    }
}

fn operation_widening(questions: &mut Questions, old: Option<&Declared>, new: &Declared) {
    let described = describe(new);
    let name = &new.name;
    let Some(old) = old else {
        return questions.put(Kind::Operation, format_args!("The model may call something new, {described}"));
    };
    if (&old.description, &old.parameters) != (&new.description, &new.parameters) {
        questions.put(Kind::Operation, format_args!("The model is told something else about {described}"));
    }
    if old.effect != new.effect {
        let (old, new) = (effect(old.effect), effect(new.effect));
        questions.put(Kind::Operation, format_args!("`{name}` {new} now; until now it was declared that it {old}"));
    }
    if new.idempotent && !old.idempotent {
        questions.put(Kind::Operation, format_args!("`{name}` may be repeated now when it is not known whether it was done"));
    }
    // A wider pointer can raise what a narrower one held down: every difference is asked.
    if old.arguments != new.arguments {
        questions.put(Kind::Operation, format_args!("It is declared differently what the arguments of `{name}` are for"));
    }
    if old.fields != new.fields {
        questions.put(Kind::Operation, format_args!("It is declared differently how far results of `{name}` can be trusted"));
    }
}

fn describe(operation: &Declared) -> String {
    format!("`{}`, which {}: “{}”", operation.name, effect(operation.effect), operation.description)
}

const fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "only looks something up",
        Effect::WriteOwn => "writes what belongs to the member who asks",
        Effect::ExternalSend => "sends something out of the house",
        Effect::Pay => "spends money",
        Effect::Physical => "moves something in the real world",
        Effect::Delete => "deletes what cannot be brought back",
        Effect::Admin => "changes the house itself",
    }
}

/// Bytes in the largest unit in which they are a whole number.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KIB: u64 = 1024;
        const MIB: u64 = 1024 * KIB;
        match self.0 {
            bytes if bytes >= MIB && bytes.is_multiple_of(MIB) => write!(f, "{} MiB", bytes / MIB),
            bytes if bytes >= KIB && bytes.is_multiple_of(KIB) => write!(f, "{} KiB", bytes / KIB),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}
