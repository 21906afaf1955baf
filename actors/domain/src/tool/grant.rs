//! What an adult granted to a tool, and what the house decides by it for each request of the tool's sandbox.
//!
//! ```text
//! ask(manifest) ─▶ an adult's Answer ─▶ Grant::given ─▶ may, secret, keyvalue, memory …   for each thing that the sandbox asks for
//! update: widening(grant, manifest) ─▶ nothing: Grant::updated    something: ask, then Grant::given anew
//! ```
//!
//! Invariants: a grant allows nothing that its manifest did not want; an update that widens nothing allows nothing that was refused
//! before (both property-tested below). Pure: the same grant and request have the same answer everywhere.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ToolSpec;
use super::manifest::{Manifest, effect_allows};
use super::name::{AuthorKey, ToolName};
use super::reach::{Place, Reach};
use super::request::RequestParts;
use crate::ids::MemberId;
use crate::journal::Digest;
use crate::sandbox::{Refusal, RefusalKind, SandboxLimits};
use crate::secret::{NAME_MAX, PLACEHOLDER_BEGIN, PLACEHOLDER_END, SecretName};
use crate::time::Timestamp;

mod ask;

pub use ask::{Kind, Question, ask, widening};

/// Which release of a tool: what exactly is installed, and whose signature it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// SHA-256 of the component.
    pub component: Digest,
    /// SHA-256 of the manifest as it was written.
    pub manifest: Digest,
    /// The key whose signature it has; none when it is not signed.
    pub author: Option<AuthorKey>,
}

/// What an adult answers to [`ask`] or [`widening`]: yes to the rules, and this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The secret of each slot; a slot that is left out gets none.
    pub slots: BTreeMap<String, SecretName>,
    /// The host of each place; a place that is left out leads nowhere.
    pub places: BTreeMap<String, Place>,
    /// Whether it may search the house's memory, if it wants to.
    pub memory: bool,
    /// Who answers.
    pub by: MemberId,
    /// When.
    pub at: Timestamp,
}

/// That a grant was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// By whom.
    pub by: MemberId,
    /// When.
    pub at: Timestamp,
}

/// What an adult granted to a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// What the tool declared when it was granted.
    pub manifest: Manifest,
    /// For which release.
    pub release: Release,
    /// Where it may send requests, and how.
    pub reaches: BTreeSet<Reach>,
    /// The hosts that the adult named.
    pub places: BTreeMap<String, Place>,
    /// The secrets that the adult named.
    pub slots: BTreeMap<String, SecretName>,
    /// Bytes that it may keep for each member.
    pub keyvalue_bytes: u64,
    /// Whether it may search the house's memory.
    pub memory: bool,
    /// What a process of it may use.
    pub limits: SandboxLimits,
    /// Who granted it.
    pub by: MemberId,
    /// When.
    pub at: Timestamp,
    /// Whether it was taken back.
    #[serde(default)]
    pub revoked: Option<Revoked>,
}

impl Grant {
    /// The grant of this answer. Never more than the manifest wants: what the answer names besides is left out.
    #[must_use]
    pub fn given(manifest: Manifest, release: Release, answer: Answer) -> Self {
        let wants = &manifest.wants;
        let places: BTreeMap<_, _> = answer.places.into_iter().filter(|(place, _)| wants.places.contains_key(place)).collect();
        Self {
            reaches: wants.http.iter().flat_map(|rule| rule.reaches(&places)).collect(),
            slots: answer.slots.into_iter().filter(|(slot, _)| wants.secrets.contains_key(slot)).collect(),
            keyvalue_bytes: wants.keyvalue_bytes,
            memory: wants.memory && answer.memory,
            limits: manifest.limits,
            places,
            release,
            by: answer.by,
            at: answer.at,
            revoked: None,
            manifest,
        }
    }

    /// The grant after an update that widens nothing: no adult is asked.
    ///
    /// # Errors
    ///
    /// What has to be asked first.
    pub fn updated(&self, manifest: Manifest, release: Release) -> Result<Self, Vec<Question>> {
        let questions = widening(self, &manifest, &release);
        if !questions.is_empty() {
            return Err(questions);
        }
        let (slots, places, memory) = (self.slots.clone(), self.places.clone(), self.memory);
        Ok(Self::given(manifest, release, Answer { slots, places, memory, by: self.by, at: self.at }))
    }

    /// The grant, taken back. One that was taken back before stays as it is.
    #[must_use]
    pub fn revoked(mut self, by: MemberId, at: Timestamp) -> Self {
        self.revoked = self.revoked.or(Some(Revoked { by, at }));
        self
    }

    /// The tool.
    #[must_use]
    pub fn tool(&self) -> &ToolName {
        &self.manifest.name
    }

    /// What the model can call: nothing when the grant was taken back.
    #[must_use]
    pub fn specs(&self) -> Vec<ToolSpec> {
        if self.revoked.is_some() {
            return Vec::new();
        }
        let of_release = |mut spec: ToolSpec| {
            spec.annotations.release = self.release.component;
            spec
        };
        self.manifest.specs().into_iter().map(of_release).collect()
    }

    /// Whether a call of this operation may make this request, and by which rule: the rule says whether the host is one of the LAN.
    ///
    /// # Errors
    ///
    /// A sentence for the tool: what was not granted.
    pub fn may(&self, operation: &str, request: &RequestParts) -> Result<&Reach, Refusal> {
        self.stands()?;
        let operation = self.manifest.operation(operation).ok_or_else(|| denied("this operation was not granted"))?;
        let reach = self.reaches.iter().find(|reach| reach.allows(request));
        let reach = reach.ok_or_else(|| denied("no granted rule has this method, host and path"))?;
        if effect_allows(operation.effect, &request.method) {
            Ok(reach)
        } else {
            Err(denied("this operation was granted as one that sends nothing out of the house, and the method sends something"))
        }
    }

    /// The secret of a slot.
    ///
    /// # Errors
    ///
    /// There is no such slot, or no secret was named for it.
    pub fn secret(&self, slot: &str) -> Result<&SecretName, Refusal> {
        self.stands()?;
        if !self.manifest.wants.secrets.contains_key(slot) {
            return Err(Refusal { kind: RefusalKind::Unknown, sentence: "the manifest declares no such slot".to_owned() });
        }
        self.slots.get(slot).ok_or_else(|| denied("no secret was granted for this slot"))
    }

    /// Whether a part of a request (address, a header's value, body) may go to the vault: every secret that it mentions is one of the
    /// granted slots. The vault asks the secret's own policy as well.
    ///
    /// # Errors
    ///
    /// It mentions another one, or something that is no mention.
    pub fn may_mention(&self, part: &[u8]) -> Result<(), Refusal> {
        self.stands()?;
        let begin = PLACEHOLDER_BEGIN.as_bytes();
        let mut rest = part;
        while let Some(at) = rest.windows(begin.len()).position(|window| window == begin) {
            rest = rest.get(at.saturating_add(begin.len())..).unwrap_or_default();
            let longest = rest.get(..rest.len().min(NAME_MAX + PLACEHOLDER_END.len())).unwrap_or_default();
            let granted = |name: &SecretName| {
                longest.strip_prefix(name.as_str().as_bytes()).is_some_and(|after| after.starts_with(PLACEHOLDER_END.as_bytes()))
            };
            if !self.slots.values().any(granted) {
                return Err(denied("the request mentions a secret that was not granted"));
            }
        }
        Ok(())
    }

    /// Whether it may look at what it keeps.
    ///
    /// # Errors
    ///
    /// It was granted no place for anything.
    pub fn may_look(&self) -> Result<(), Refusal> {
        self.stands()?;
        if self.keyvalue_bytes > 0 { Ok(()) } else { Err(denied("this tool was granted no place to keep anything")) }
    }

    /// Whether it may keep something, so that it would keep `bytes` in all for this member: keys and values.
    ///
    /// # Errors
    ///
    /// It was granted no place for anything, or less.
    pub fn may_keep(&self, bytes: u64) -> Result<(), Refusal> {
        self.may_look()?;
        if bytes <= self.keyvalue_bytes {
            return Ok(());
        }
        Err(Refusal { kind: RefusalKind::Limit, sentence: format!("this tool may keep {} bytes for a member", self.keyvalue_bytes) })
    }

    /// Whether it may search the house's memory.
    ///
    /// # Errors
    ///
    /// It was not granted.
    pub fn may_search(&self) -> Result<(), Refusal> {
        self.stands()?;
        if self.memory { Ok(()) } else { Err(denied("this tool was not granted a look into the house's memory")) }
    }

    fn stands(&self) -> Result<(), Refusal> {
        if self.revoked.is_none() { Ok(()) } else { Err(denied("the tool's grant was taken back")) }
    }
}

fn denied(sentence: &str) -> Refusal {
    Refusal { kind: RefusalKind::Denied, sentence: sentence.to_owned() }
}

#[cfg(test)]
mod tests;
