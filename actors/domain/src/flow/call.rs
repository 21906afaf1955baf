//! What can be called, and one exact call of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canonical::{canonical, digest};
use super::value::{annotated, annotation};
use crate::ids::{ConversationId, MemberId};
use crate::journal::Digest;
use crate::sandbox::{Role, Trust};
use crate::tool::Effect;
use crate::tool::manifest::{Declared, Manifest};

/// A function that a model may call, with what its manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// The tool that it belongs to. What one function of a tool vouches for, another one of it believes.
    pub tool: String,
    /// The name by which a model calls it.
    pub name: String,
    /// Digest of the tool's release: another release is another effect.
    pub release: Digest,
    /// JSON Schema of the arguments.
    pub parameters: Value,
    /// What it does to the world.
    pub effect: Effect,
    /// What arguments are for, by JSON pointer.
    pub arguments: BTreeMap<String, Role>,
    /// How far fields of the result are trusted, by JSON pointer.
    pub fields: BTreeMap<String, Trust>,
}

impl Function {
    /// An operation of a manifest. None when its schema is no JSON.
    #[must_use]
    pub fn of(manifest: &Manifest, operation: &Declared, release: Digest) -> Option<Self> {
        Some(Self {
            tool: manifest.name.to_string(),
            name: manifest.name.function(&operation.name),
            release,
            parameters: serde_json::from_str(&operation.parameters).ok()?,
            effect: operation.effect,
            arguments: operation.arguments.clone(),
            fields: operation.fields.clone(),
        })
    }

    /// What an argument is for: what is said of it, or of the nearest container of it. None when nothing is said.
    #[must_use]
    pub fn role(&self, pointer: &str) -> Option<Role> {
        self.annotated(pointer).map(|(_, role)| role)
    }

    /// Whether an argument is the address of a page that is only read.
    #[must_use]
    pub fn is_page(&self, pointer: &str) -> bool {
        self.effect == Effect::Read && self.role(pointer) == Some(Role::Url)
    }

    /// The manifest's own pointer of an argument: a closed word, whatever a model writes below it.
    #[must_use]
    pub fn declared(&self, pointer: &str) -> Option<&str> {
        self.annotated(pointer).map(|(declared, _)| declared)
    }

    fn annotated(&self, pointer: &str) -> Option<(&str, Role)> {
        let mut at = pointer;
        loop {
            if let Some((declared, role)) = annotated(&self.arguments, at) {
                return Some((declared, *role));
            }
            at = at.rsplit_once('/').map(|(before, _)| before).filter(|before| !before.is_empty())?;
        }
    }

    /// How far a field of a result is trusted. Nothing is inherited: what is not named is from outside.
    #[must_use]
    pub fn trust(&self, pointer: &str) -> Trust {
        annotation(&self.fields, pointer).copied().unwrap_or(Trust::Outside)
    }
}

/// The functions that can be called just now, by name.
pub type Catalog = BTreeMap<String, Function>;

/// Whether an argument says what an effect hits. One of which nothing is said counts as one that does.
#[must_use]
pub const fn is_target(role: Option<Role>) -> bool {
    match role {
        Some(Role::Content) => false,
        Some(Role::Recipient | Role::Url | Role::Path | Role::Amount | Role::Id | Role::Schedule | Role::Code | Role::SecretRef) | None => {
            true
        }
    }
}

/// Whether such an argument has to be named by the member, beside not being from outside. When something happens, and with which of the
/// secrets that an adult gave to the tool, a model may choose.
#[must_use]
pub const fn is_named(role: Option<Role>) -> bool {
    is_target(role) && !matches!(role, Some(Role::Schedule | Role::SecretRef))
}

/// Whether an effect stays inside the house and can be undone.
#[must_use]
pub const fn is_inside(effect: Effect) -> bool {
    match effect {
        Effect::Read | Effect::WriteOwn => true,
        Effect::ExternalSend | Effect::Pay | Effect::Physical | Effect::Delete | Effect::Admin => false,
    }
}

/// One exact call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The tool.
    pub tool: String,
    /// The function.
    pub function: String,
    /// The release.
    pub release: Digest,
    /// The arguments, a JSON object, every reference replaced by its value.
    pub arguments: Value,
    /// On whose behalf.
    pub member: MemberId,
    /// From where.
    pub conversation: ConversationId,
}

impl Call {
    /// A call of this function.
    #[must_use]
    pub fn new(function: &Function, arguments: Value, member: MemberId, conversation: ConversationId) -> Self {
        let (tool, release) = (function.tool.clone(), function.release);
        Self { tool, function: function.name.clone(), release, arguments, member, conversation }
    }

    /// The digest of exactly this effect.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        let (release, member, conversation) = (self.release.to_string(), self.member.to_string(), self.conversation.to_string());
        digest(&["effect", &self.tool, &self.function, &release, &canonical(&self.arguments), &member, &conversation])
    }
}
