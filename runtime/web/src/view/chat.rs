//! The chat page. It works without its script: forms, and a page that loads itself again while an answer is on its way.

use std::collections::BTreeSet;

use hearth_domain::household::Member;
use hearth_domain::household::glass::Opening;
use hearth_domain::ids::TurnId;
use hearth_domain::message::{Author, Message, Purpose};
use hearth_domain::time::TimeZone;
use maud::{Markup, html};

use super::whole;
use crate::assets::Assets;
use crate::chat::Draft;
use crate::markdown;
use crate::principal::Principal;

/// What one can say, for an empty chat. Each is a house command (tested), so it works without a language model.
const EXAMPLES: [(&str, &str, &str); 6] = [
    (BELL, "Reminders", "Remind me tomorrow at 6pm to call mum"),
    ("M9 6h11M9 12h11M9 18h11M3.5 6l1 1 2-2M3.5 12l1 1 2-2M3.5 18l1 1 2-2", "Lists", "Add milk, eggs and bread to the shopping list"),
    ("M6 3h12v18l-6-4-6 4z", "Memory", "Remember that the bins go out on Tuesday"),
    ("M14 4l6 6L9 21H3v-6zM12 6l6 6", "Notes", "Note: the plumber came today"),
    ("M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3.5 2", "Time", "What time is it in Tokyo"),
    ("M3 11l9-8 9 8M5 10v11h14V10M10 21v-6h4v6", "The house", "Status"),
];
/// The line of a bell, on a field of 24.
const BELL: &str = "M6 16V10a6 6 0 0 1 12 0v6l2 2H4zM10 21h4";

/// A picture of one line.
fn icon(line: &str) -> Markup {
    html! { svg.icon viewBox="0 0 24 24" aria-hidden="true" { path d=(line) {} } }
}

/// What the page shows.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) household: &'a str,
    pub(crate) assets: &'a Assets,
    pub(crate) who: &'a Principal,
    pub(crate) messages: &'a [Message],
    /// Who else may read what is said here just now.
    pub(crate) readers: &'a [(Member, Opening)],
    /// An earlier part, to be read only.
    pub(crate) archive: bool,
    pub(crate) nonce: &'a str,
    pub(crate) limit: usize,
    pub(crate) draft: &'a Draft,
}

impl Shown<'_> {
    /// The turns whose answers are on their way.
    fn open(&self) -> BTreeSet<TurnId> {
        let mut open = BTreeSet::new();
        for message in self.messages.iter().filter(|_| !self.archive) {
            if let Some(turn) = message.turn {
                if message.purpose == Purpose::Said {
                    open.insert(turn)
                } else {
                    open.remove(&turn)
                };
            }
        }
        open
    }

    fn last(&self) -> u64 {
        self.messages.last().map_or(0, |message| message.seq)
    }
}

/// The whole page.
pub(crate) fn page(shown: &Shown<'_>) -> Markup {
    let open = shown.open();
    let head = html! {
        @if !open.is_empty() {
            noscript { meta http-equiv="refresh" content="3"; }
        }
    };
    let body = html! {
        body.chat {
            a.skip href="#text" { "Skip to your message" }
            (header(shown))
            // The first child of a reversed column: a browser shows its end first, and stays there while it grows.
            main #thread tabindex="0" aria-label="Conversation" {
                div.sheet {
                    @for (reader, opening) in shown.readers {
                        p.glass role="alert" { (opening.told(reader, shown.who.member())) }
                    }
                    (log(shown, &open))
                }
            }
            @if shown.archive {
                footer { p.hint { a.button href="/" { "Back to the newest messages" } } }
            } @else {
                (composer(shown, &open))
            }
        }
    };
    whole(shown.household, Some(shown.assets), &head, &body)
}

fn header(shown: &Shown<'_>) -> Markup {
    html! {
        header {
            img src=(shown.assets.icon) alt="" width="28" height="28";
            h1 { (shown.household) }
            a.who href="/sessions" title="Where you are logged in" { (shown.who.member().name) }
            form method="post" action="/logout" {
                (csrf(shown))
                button.quiet type="submit" { "Log out" }
            }
        }
    }
}

fn log(shown: &Shown<'_>, open: &BTreeSet<TurnId>) -> Markup {
    let (member, zone) = (shown.who.member(), shown.who.member().time_zone());
    let days = shown.messages.iter().map(|message| day(message, &zone));
    let before = std::iter::once(String::new()).chain(days.clone());
    let earlier = shown.messages.first().map(|message| message.seq).filter(|seq| *seq > 1);
    let turns: Vec<String> = open.iter().map(ToString::to_string).collect();
    html! {
        @if let Some(seq) = earlier {
            p.earlier { a href={ "/?before=" (seq) } { "Earlier messages" } }
        }
        ol #log role="log" aria-live="polite" aria-label="What was said"
            data-last=(shown.last()) data-open=(turns.join(" ")) data-archive[shown.archive] {
            @if shown.messages.is_empty() && !shown.archive {
                (welcome(shown))
            }
            @for ((entry, day), before) in shown.messages.iter().zip(days).zip(before) {
                @if day != before { li.day { span { (day_name(entry, &zone)) } } }
                (message(entry, member, &zone))
            }
            li #working .msg.house aria-live="off" hidden[open.is_empty()] {
                div.bubble {
                    p #stream .stream {}
                    p.dots { span.sr { "The house is thinking" } i {} i {} i {} }
                }
            }
        }
    }
}

fn welcome(shown: &Shown<'_>) -> Markup {
    html! {
        li #welcome .welcome {
            h2 { "Hello, " (shown.who.member().name) "." }
            p { "Write to your house as you would to a person. To begin with, try one of these:" }
            form method="post" action="/say" {
                (csrf(shown))
                input type="hidden" name="nonce" value=(shown.nonce);
                @for (line, topic, example) in EXAMPLES {
                    button.example type="submit" name="text" value=(example) {
                        (icon(line))
                        span { b { (topic) } " " q { (example) } }
                    }
                }
            }
            p.hint { "Say “help” for everything that the house understands by itself." }
        }
    }
}

/// One message: the same in the page and in the stream.
pub(crate) fn message(message: &Message, reader: &Member, zone: &TimeZone) -> Markup {
    let house = message.author == Author::House;
    let mine = message.author == Author::Member(reader.id);
    let (kind, speaker) = match message.purpose {
        Purpose::Said => ("said", if mine { "You" } else { "A member" }),
        Purpose::Answer => ("answer", "The house"),
        Purpose::Failure => ("failure", "The house, about a problem"),
        Purpose::Notice => ("notice", "The house, by itself"),
    };
    let side = if house { "house" } else { "me" };
    html! {
        li id={ "m-" (message.seq) } .msg.{ (side) }.{ (kind) } data-seq=(message.seq) data-nonce=[nonce(message)]
            data-day=(day(message, zone)) data-day-name=(day_name(message, zone)) {
            span.sr { (speaker) ": " }
            div.bubble {
                @if message.purpose == Purpose::Notice { (icon(BELL)) }
                @if house { div.text { (markdown::render(&message.text)) } }
                @else { p.stream { (markdown::visible(&message.text)) } }
                @if !message.images.is_empty() {
                    p.hint { "With " (message.images.len()) " picture(s)." }
                }
            }
            time datetime=(message.at) { (message.at.to_zoned(zone.clone()).strftime("%H:%M")) }
        }
    }
}

/// The id that the page gave to a message of its own.
pub(crate) fn nonce(message: &Message) -> Option<&str> {
    let external = message.origin.as_ref()?.external.as_str();
    external.split_once('/').map(|(_, nonce)| nonce)
}

fn day(message: &Message, zone: &TimeZone) -> String {
    message.at.to_zoned(zone.clone()).date().to_string()
}

fn day_name(message: &Message, zone: &TimeZone) -> String {
    message.at.to_zoned(zone.clone()).strftime("%A, %-d %B %Y").to_string()
}

fn composer(shown: &Shown<'_>, open: &BTreeSet<TurnId>) -> Markup {
    html! {
        footer {
            p #status role="status" { @if let Some(notice) = &shown.draft.notice { (notice) } }
            form #halt method="post" action="/stop" { (csrf(shown)) }
            form #say method="post" action="/say" data-limit=(shown.limit) {
                (csrf(shown))
                input type="hidden" name="nonce" value=(shown.nonce);
                input type="hidden" name="shown" value=(shown.last());
                label.sr for="text" { "Your message" }
                textarea #text name="text" rows="1" required autofocus placeholder="Message the house"
                    aria-describedby="keys" { (shown.draft.text) }
                button #stop type="submit" form="halt" hidden[open.is_empty()] title="Stop the answer" { span.sr { "Stop the answer" } }
                button #send .primary type="submit" title="Send" { span.sr { "Send" } }
            }
            p #keys .hint { kbd { "Enter" } " sends, " kbd { "Shift" } "+" kbd { "Enter" } " begins a new line" }
        }
    }
}

fn csrf(shown: &Shown<'_>) -> Markup {
    html! { input type="hidden" name="csrf" value=(shown.who.csrf()); }
}

#[cfg(test)]
mod tests {
    use hearth_domain::house::{HouseContext, Interpretation, interpret};
    use hearth_domain::time::Timestamp;

    use super::*;

    #[test]
    fn every_example_is_understood_without_a_model() {
        let now = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
        for (_, _, example) in EXAMPLES {
            let read = interpret(example, &HouseContext { now: &now, member: "Ada" });
            assert!(matches!(read, Interpretation::Call(_)), "{example}: {read:?}");
        }
    }
}
