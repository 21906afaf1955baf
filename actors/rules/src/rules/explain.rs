//! What the rules say to a request, for a person.

use std::fmt::Write as _;

use hearth_domain::household::Role;
use hearth_domain::label::Integrity;

use super::*;
use crate::request::{Order, Setting};

impl Rules {
    /// What is decided and which rules said what, in a few lines.
    #[must_use]
    pub fn explain(&self, request: &Request) -> String {
        let decision = self.decide(request);
        let against = self.speaking(request, |half| &half.forbidding);
        let favour = self.speaking(request, |half| &half.allowing);
        let mut text = match decision.outcome {
            Outcome::Allowed => "Yes. ".to_owned(),
            Outcome::Forbidden | Outcome::NoRule | Outcome::Failed => "No. ".to_owned(),
        };
        text.push_str(&asked(request));
        text.push('\n');
        match decision.outcome {
            Outcome::NoRule => text.push_str("  No rule allows it, and what no rule allows is denied.\n"),
            Outcome::Failed if decision.reasons.is_empty() => {
                text.push_str("  It has more arguments than rules can speak of, so it is denied.\n");
            }
            Outcome::Failed => self.list(&mut text, "could not be evaluated, so it is denied", &decision.reasons),
            Outcome::Allowed | Outcome::Forbidden => {}
        }
        self.list(&mut text, "against it", &against);
        let overruled = if against.is_empty() { "for it" } else { "for it, but what is forbidden stays so" };
        self.list(&mut text, overruled, &favour);
        text
    }

    fn list(&self, text: &mut String, head: &str, reasons: &[Reason]) {
        for Reason { id, says } in reasons {
            let whose = match self.rules.get(id).map(|rule| rule.author) {
                Some(Author::Household) => "your rule",
                Some(Author::House) | None => "the house's rule",
            };
            // A string takes every text.
            let _ = writeln!(text, "  {head}: {says} ({whose} \"{id}\")");
        }
    }
}

/// The request as a sentence.
fn asked(request: &Request) -> String {
    let deed = &request.deed;
    let role = match request.who.role {
        Role::Owner => "an owner",
        Role::Adult => "an adult",
        Role::Teen => "a teen",
        Role::Child => "a child",
        Role::Guest => "a guest",
    };
    let order = match request.order {
        Order::OwnWord => "by their own word",
        Order::Grant => "by a grant",
        Order::None => "without anybody's word",
    };
    let place = match request.setting {
        Setting::Private => "in private",
        Setting::Group => "in a group",
        Setting::Household => "before the household",
    };
    let mut text = format!("{} ({role}) asks for {} of {}", request.who.name, deed.operation, deed.tool);
    let texts = deed.texts.iter().map(|(name, value)| format!("{name} \"{}\"", shown(value)));
    let numbers = deed.numbers.iter().map(|(name, value)| format!("{name} {value}"));
    let arguments: Vec<_> = texts.chain(numbers).collect();
    if !arguments.is_empty() {
        let _ = write!(text, " with {}", arguments.join(", "));
    }
    let _ = write!(text, ", {}, {order}, {place}", request.at);
    if request.guest_present() && request.who.role != Role::Guest {
        text.push_str(", with a guest present");
    }
    if request.child_present() && request.who.role != Role::Child {
        text.push_str(", with a child present");
    }
    if request.integrity == Integrity::Outside {
        text.push_str(", after reading something from outside");
    }
    text.push('.');
    text
}

/// Longest value of an argument in an explanation, in letters.
const SHOWN_MAX: usize = 80;

/// A value without letters that hide or steer others, cut with a word about the rest.
fn shown(value: &str) -> String {
    let plain = |letter: char| if hearth_domain::message::is_harmful(letter) || letter == '\n' { '\u{fffd}' } else { letter };
    let text: String = value.chars().take(SHOWN_MAX).map(plain).collect();
    match value.chars().count().saturating_sub(SHOWN_MAX) {
        0 => text,
        more => format!("{text}… ({more} more letters)"),
    }
}
