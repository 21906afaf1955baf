//! I-9: an account that no adult has let in is nobody: it is shown a code, or nothing, and no row of the house is about what it said.

use std::collections::BTreeSet;
use std::time::Duration;

use hearth_actors::household::Unpaired;
use hearth_domain::household::record::HouseholdWrite;
use hearth_domain::ids::{IdentityId, MemberId};
use hearth_domain::message::Author;
use hearth_domain::store::Write;

use super::privacy::is_private;
use super::{Checker, Seen};
use crate::plan::Plan;

/// The checker.
#[derive(Debug)]
pub struct Strangers {
    members: BTreeSet<MemberId>,
    names: Vec<String>,
    /// Accounts that a grown-up asked to let in.
    paired: BTreeSet<IdentityId>,
}

impl Strangers {
    /// Who is none.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let (members, names) = plan.members.iter().map(|member| (member.id, member.name.clone())).unzip();
        Self { members, names, paired: BTreeSet::new() }
    }

    fn shown(&self, text: &str) -> Result<(), String> {
        let tells = is_private(text) || self.names.iter().any(|name| text.contains(name.as_str()));
        if tells { Err(format!("a stranger was told: {text}")) } else { Ok(()) }
    }
}

impl Checker for Strangers {
    fn name(&self) -> &'static str {
        "I-9 a stranger is nobody"
    }

    fn on_event(&mut self, _: Duration, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Pairs { account, .. } => drop(self.paired.insert(*account)),
            Seen::Arrived { account, answer } => match answer {
                Ok(resolved) if !self.paired.contains(account) => {
                    return Err(format!("an account that nobody let in is {}", resolved.member.name));
                }
                Err(Unpaired::Show(text)) => return self.shown(text),
                Ok(_) | Err(Unpaired::Nothing) => {}
            },
            Seen::Written(group) => {
                for write in &group.writes {
                    if let Write::Household(HouseholdWrite::Identity(row)) = write
                        && self.paired.contains(&row.id)
                    {
                        self.members.insert(row.member);
                    }
                    if let Write::Message(row) = write
                        && let Author::Member(author) = row.author
                        && !self.members.contains(&author)
                    {
                        return Err(format!("{} is a message of {author}, who is nobody", row.id));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
