//! What a person is shown: drawn from the exact call, in the house's words.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Asked, Why};
use crate::flow::address::place;
use crate::flow::call::{Function, is_inside, is_target};
use crate::flow::canonical::{mixes_alphabets, shown, visible};
use crate::flow::value::{Chosen, Leaf, Origin, Source};
use crate::household::Member;
use crate::label::{Integrity, Label, Readers};
use crate::sandbox::Role;
use crate::time::Timestamp;
use crate::tool::Effect;

/// One argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Argument {
    /// Its JSON pointer.
    pub pointer: String,
    /// What it is for; none when the tool does not say.
    pub role: Option<Role>,
    /// The value, with what would hide in it written out.
    pub shown: String,
    /// Where it comes from.
    pub from: String,
    /// Whether letters of two alphabets are in a target.
    pub mixed: bool,
    /// Who may read the value. Nobody but the member, where that was not kept.
    #[serde(default = "Readers::nobody")]
    pub readers: Readers,
    /// What the tool calls it. A model may write pointers of its own below that.
    #[serde(default)]
    pub declared: String,
    /// Where the page is that is to be read: what an "always" is for.
    #[serde(default)]
    pub place: Option<String>,
}

/// What a person is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// For whom.
    pub member: String,
    /// What it does to the world.
    pub effect: Effect,
    /// With which tool.
    pub tool: String,
    /// With which function of it.
    pub function: String,
    /// Every argument.
    pub arguments: Vec<Argument>,
    /// Why it is asked.
    pub whys: BTreeSet<Why>,
    /// When it is void.
    pub expires: Timestamp,
}

impl Card {
    /// The card of a call.
    #[must_use]
    pub fn of(asked: Asked<'_>, whys: BTreeSet<Why>, expires: Timestamp) -> Self {
        Self {
            member: visible(&asked.member.name),
            effect: asked.function.effect,
            tool: visible(&asked.function.tool),
            function: visible(&asked.function.name),
            arguments: asked.leaves.iter().map(|leaf| argument(leaf, asked.function)).collect(),
            whys,
            expires,
        }
    }

    /// To how many it goes.
    #[must_use]
    pub fn recipients(&self) -> usize {
        self.arguments.iter().filter(|argument| argument.role == Some(Role::Recipient)).count()
    }

    /// The card for somebody else, who decides for its member: what it hits, and not what the member says. Of what the tool does not
    /// explain, and of what stays inside the house and is the member's own, nothing. Arguments have the names that the tool has for them.
    #[must_use]
    pub fn for_others(&self) -> Self {
        let shown_as = |pointer: &str| self.hits().find(|one| one.pointer == pointer).map(|one| one.declared.clone());
        let mut card = self.clone();
        card.whys = self.whys.iter().filter_map(|why| why.renamed(shown_as)).collect();
        for argument in &mut card.arguments {
            let declared = shown_as(&argument.pointer);
            if declared.is_none() {
                argument.shown = "theirs alone to read".to_owned();
                argument.mixed = false;
            }
            argument.pointer = declared.unwrap_or_default();
        }
        card
    }

    /// The arguments of which others are shown the value.
    pub(super) fn hits(&self) -> impl Iterator<Item = &Argument> {
        self.arguments.iter().filter(|one| !is_inside(self.effect) && one.role.is_some() && is_target(one.role))
    }

    /// Whether somebody may read every value that others are shown.
    pub(super) fn is_readable_for(&self, who: &Member) -> bool {
        self.hits().all(|one| one.readers.allow(who.id, who.role))
    }

    /// The question in plain sentences, one line each.
    #[must_use]
    pub fn sentence(&self) -> String {
        let of = if self.tool.is_empty() { String::new() } else { format!(" of {}", self.tool) };
        let mut lines = vec![format!("May `{}`{of} {} for {}?", self.function, does(self.effect), self.member)];
        for argument in &self.arguments {
            let mixed = if argument.mixed { "; letters of two alphabets: look closely" } else { "" };
            let name = visible(argument.pointer.trim_start_matches('/'));
            let name = if name.is_empty() { name } else { format!(" ({name})") };
            lines.push(format!("- {}{name}: {} — {}{mixed}", purpose(argument.role), argument.shown, argument.from));
        }
        let cost: Vec<_> = self.arguments.iter().filter(|one| one.role == Some(Role::Amount)).map(|one| one.shown.as_str()).collect();
        if self.effect == Effect::Pay {
            lines.push(if cost.is_empty() {
                "It costs: not said by the call.".to_owned()
            } else {
                format!("It costs: {}.", cost.join(" + "))
            });
        }
        match self.recipients() {
            0 => {}
            1 => lines.push("It goes to one recipient.".to_owned()),
            many => lines.push(format!("It goes to {many} recipients.")),
        }
        let places = self.arguments.iter().filter_map(|one| one.place.as_ref());
        lines.extend(places.map(|place| format!("Always is for every page of {place}.")));
        lines.extend(reasons(&self.whys).map(|reason| format!("Asked because {reason}.")));
        lines.push(format!("The question is void at {}.", self.expires));
        lines.join("\n")
    }
}

fn argument(leaf: &Leaf, function: &Function) -> Argument {
    let role = function.role(&leaf.pointer);
    let mixed = role != Some(Role::Content) && leaf.traced.value.as_str().is_some_and(mixes_alphabets);
    Argument {
        pointer: leaf.pointer.clone(),
        role,
        shown: shown(&leaf.traced.value),
        from: from(&leaf.traced.origin, &leaf.traced.label),
        mixed,
        readers: leaf.traced.label.readers.clone(),
        declared: function.declared(&leaf.pointer).unwrap_or_default().to_owned(),
        place: function.is_page(&leaf.pointer).then(|| leaf.traced.value.as_str().and_then(place)).flatten(),
    }
}

fn from(origin: &Origin, label: &Label) -> String {
    if !origin.outside.is_empty() {
        return format!("written by somebody outside, from {}", names(&origin.outside));
    }
    if !origin.services.is_empty() {
        let by = match origin.chosen {
            Chosen::Found => "",
            Chosen::Bounded => ", a part of it chosen by the model",
            Chosen::ByModel => ", chosen by the model",
        };
        let picked = if origin.picked.is_empty() {
            String::new()
        } else {
            format!(", found by text of {}", names(origin.picked.keys().map(|pick| &pick.source)))
        };
        return format!("kept by {}{picked}{by}", origin.services.iter().map(|tool| visible(tool)).collect::<Vec<_>>().join(", "));
    }
    if label.integrity == Integrity::Outside {
        return "from outside".to_owned();
    }
    match origin.chosen {
        Chosen::Found => "in your words".to_owned(),
        Chosen::Bounded => "a part of what is in your words, chosen by the model".to_owned(),
        Chosen::ByModel => "chosen by the model".to_owned(),
    }
}

/// The names of sources, without what would hide in them.
pub(crate) fn names<'a>(sources: impl IntoIterator<Item = &'a Source>) -> String {
    sources.into_iter().map(|source| visible(&source.to_string())).collect::<Vec<_>>().join(", ")
}

const fn does(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "look something up at an address",
        Effect::WriteOwn => "write something down",
        Effect::ExternalSend => "send something out of the house",
        Effect::Pay => "spend money",
        Effect::Physical => "move something in the house",
        Effect::Delete => "delete something for good",
        Effect::Admin => "change how things are set up",
    }
}

const fn purpose(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::Content) => "what is said",
        Some(Role::Recipient) => "to whom",
        Some(Role::Url) => "to which address",
        Some(Role::Path) => "where",
        Some(Role::Amount) => "how much",
        Some(Role::Id) => "which",
        Some(Role::Schedule) => "when",
        Some(Role::Code) => "what is run",
        Some(Role::SecretRef) => "with which secret",
        None => "something that the tool does not explain",
    }
}

/// Why it is asked, each reason once, with all the arguments that it is about.
fn reasons(whys: &BTreeSet<Why>) -> impl Iterator<Item = String> {
    let mut grouped: Vec<(String, Vec<String>)> = Vec::new();
    for why in whys {
        let (reason, about) = (because(why), why.pointer().map(visible));
        match grouped.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, all)) => all.extend(about),
            None => grouped.push((reason, about.into_iter().collect())),
        }
    }
    grouped.into_iter().map(|(reason, about)| match &*about {
        [] => reason,
        [one] => format!("{one} {reason}"),
        _ => format!("each of {} {reason}", about.join(", ")),
    })
}

/// A reason, to be read after the argument that it is about.
fn because(why: &Why) -> String {
    match why {
        Why::Tainted { sources } => format!("what is done may be what somebody outside wants: {} was read", names(sources)),
        Why::Outside { sources, .. } => format!("comes from outside: {}", names(sources)),
        Why::Foreign { .. } => "comes from another service".to_owned(),
        Why::NotSaid { .. } => "is not in your words".to_owned(),
        Why::Link { .. } => "has a link in it that you did not name".to_owned(),
        Why::Contested { .. } => "stands in your words less often than it would be used".to_owned(),
        Why::Picked { sources, .. } => format!("was found by text of {}", names(sources)),
        Why::Wider => "it is more than what you asked for at first".to_owned(),
        Why::NotNamed => "nothing in it is named in your words".to_owned(),
        Why::Readers { .. } => "has not been shown before to some to whom it goes".to_owned(),
        Why::Standing => "it would be done again and again, and something from outside was read".to_owned(),
        Why::Minor => "this is an adult's to decide".to_owned(),
    }
}
