//! I-1, as far as the house can break it: what only the vault knows is nowhere else, and what it guards reaches no model. And what an
//! owner was told about a change is true: one that is done is in the store, over any crash, and one that is not is not.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_domain::ids::SecretId;
use hearth_domain::journal::check::Attested;
use hearth_domain::secret::SealedRecord;

use super::{Checker, Rest, Seen};
use crate::changed::Changed;
use crate::doubles::models::everything;
use crate::doubles::vault::{DEEP, SAID, said};
use crate::plan::Plan;

/// The name of the invariant.
pub const NAME: &str = "I-1 secrets are in the vault alone, and changes of them are what was said";

/// The checker.
#[derive(Debug)]
pub struct Vault {
    /// Whether there is a vault that can be asked.
    up: bool,
    /// What was said to be stored.
    stored: BTreeMap<SecretId, SealedRecord>,
    /// What was entered and not answered: it may be in the store, or may still come there.
    open: BTreeMap<SecretId, Vec<Option<SealedRecord>>>,
    /// Secrets that were ever entered.
    count: usize,
    /// Whether this plan has anything to do with the vault.
    used: bool,
    /// What it keeps of the journal.
    journal: Option<Attested>,
    /// Whether the values are others.
    changed: Changed,
}

impl Vault {
    /// A vault without secrets.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let (used, changed) = (plan.vault.secrets > 0, plan.changed);
        Self { up: false, stored: BTreeMap::new(), open: BTreeMap::new(), count: 0, used, journal: None, changed }
    }

    /// The newest attested end of the journal, after this one.
    pub fn attest(&mut self, journal: Option<Attested>) -> Option<Attested> {
        if journal.is_some_and(|new| self.journal.is_none_or(|known| new.head.seq > known.head.seq)) {
            self.journal = journal;
        }
        self.journal
    }

    /// A process can be asked, or is gone.
    pub const fn is_up(&mut self, up: bool) {
        self.up = up;
    }

    /// What a person may say that a model must not be shown: values of secrets about which nothing is open.
    #[must_use]
    pub fn guarded(&self) -> Vec<String> {
        let certain = self.stored.values().filter(|record| !self.open.contains_key(&record.id));
        certain.flat_map(|record| (1..=record.version).map(|version| said(self.changed, &record.name, version))).collect()
    }

    /// The number of the next fresh secret.
    pub const fn count(&mut self) -> usize {
        self.count = self.count.saturating_add(1);
        self.count
    }

    /// An owner enters a change.
    pub fn entered(&mut self, put: &[SealedRecord], erase: &[SecretId]) {
        for record in put {
            self.open.entry(record.id).or_default().push(Some(record.clone()));
        }
        for id in erase {
            self.open.entry(*id).or_default().push(None);
        }
    }

    /// The owner is told what became of it.
    pub fn answered(&mut self, put: &[SealedRecord], erase: &[SecretId], ok: bool) {
        for id in put.iter().map(|record| &record.id).chain(erase) {
            self.open.remove(id);
        }
        if ok {
            self.stored.extend(put.iter().map(|record| (record.id, record.clone())));
            erase.iter().for_each(|id| drop(self.stored.remove(id)));
        }
    }

    /// What a fresh process is given: what was said to be stored, and of what is open one or the other, for good.
    ///
    /// # Errors
    ///
    /// When it is something else.
    pub fn given(&mut self, records: &[SealedRecord]) -> Result<(), String> {
        self.compare(&records.iter().map(|record| (record.id, record.clone())).collect())?;
        self.stored = records.iter().map(|record| (record.id, record.clone())).collect();
        self.open.clear();
        Ok(())
    }

    fn compare(&self, actual: &BTreeMap<SecretId, SealedRecord>) -> Result<(), String> {
        for id in self.stored.keys().chain(self.open.keys()).chain(actual.keys()) {
            let (is, told) = (actual.get(id), self.stored.get(id));
            let may_be = self.open.get(id).is_some_and(|open| open.iter().any(|one| one.as_ref() == is));
            if is != told && !may_be {
                let version = |record: Option<&SealedRecord>| record.map(|record| record.version);
                return Err(format!("{id}: version {:?} was said to be stored, and {:?} is", version(told), version(is)));
            }
        }
        Ok(())
    }

    /// Nothing in a text that only the vault knows.
    fn none_deep(text: &str, what: &str) -> Result<(), String> {
        if text.contains(DEEP) { Err(format!("{what} holds a value that only the vault knows: {text:.300}")) } else { Ok(()) }
    }
}

impl Checker for Vault {
    fn name(&self) -> &'static str {
        NAME
    }

    fn on_event(&mut self, _: Duration, seen: &Seen<'_>) -> Result<(), String> {
        if !self.used {
            return Ok(());
        }
        match seen {
            Seen::Written(group) => Self::none_deep(&format!("{group:?}"), "the store"),
            Seen::Prompt(request) => {
                let shown = everything(request);
                Self::none_deep(&shown, "a prompt")?;
                let leak = shown.contains(SAID).then(|| self.guarded().into_iter().find(|value| shown.contains(value)));
                leak.flatten().map_or(Ok(()), |value| Err(format!("a model is shown {value}, which is stored")))
            }
            Seen::Called(call) => Self::none_deep(&call.arguments.to_string(), "a call"),
            Seen::Shown(_, message) => Self::none_deep(&message.text, "a screen"),
            Seen::Preview(_, text) => Self::none_deep(text, "a preview"),
            Seen::Post { post, .. } => Self::none_deep(&post.text, "a channel"),
            Seen::Incoming { .. }
            | Seen::Dealt { .. }
            | Seen::Passed { .. }
            | Seen::Receipt { .. }
            | Seen::Said { .. }
            | Seen::Posted { .. }
            | Seen::Admits(_)
            | Seen::Admitted { .. }
            | Seen::Dismissed(_)
            | Seen::Effect(_)
            | Seen::Connected { .. }
            | Seen::CaughtUp(_)
            | Seen::Disconnected(_)
            | Seen::Asked(..)
            | Seen::Answered(_)
            | Seen::Told { .. }
            | Seen::Tree(_)
            | Seen::Picture(_)
            | Seen::Answers { .. }
            | Seen::Agrees { .. }
            | Seen::Pairs { .. }
            | Seen::Arrived { .. }
            | Seen::Begins => Ok(()),
        }
    }

    fn unrest(&self, _: &Rest<'_>) -> Option<String> {
        (!self.up).then(|| "the vault is not up".to_owned())
    }

    fn at_rest(&self, rest: &Rest<'_>) -> Result<(), String> {
        self.compare(&rest.rows.secrets)
    }
}
