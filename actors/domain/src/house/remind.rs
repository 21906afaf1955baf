//! `remind me …`: what, and when.
//!
//! The time stands in front (`remind me at 7 to stretch`) or at the end (`remind me to stretch at 7`). At the end it may
//! be part of the thing itself (`the meeting on friday`), so what comes before it decides whether it counts.

use jiff::Zoned;
use serde_json::{Map, Value, json};

use super::polite::{self, Manner};
use super::when::{self, Problem, When};
use super::words::{Said, Stop};
use super::{HouseContext, Interpretation, call, hint};

/// How a reminder is asked for.
const HEADS: [&str; 4] = [
    "remind me please?",
    "set|create|make|add a|another? reminder for me",
    "set|create|make|add me? a|another? reminder",
    "don't let me forget",
];
/// What stands between the time and the thing.
const LINKS: [&str; 4] = ["to", "about", "that", "of"];
/// Words that a thing cannot end with: the time behind them is part of it.
const DANGLING: [&str; 40] = [
    "for", "by", "before", "after", "until", "till", "since", "from", "of", "about", "with", "between", "than", "the", "a", "an", "to",
    "is", "are", "was", "were", "be", "my", "our", "your", "this", "and", "or", "that", "next", "last", "every", "around", "starts",
    "begins", "ends", "leaves", "arrives", "opens", "closes",
];
/// Asks for the time that is missing.
const NO_TIME: &str = "When should I remind you? For example: remind me tomorrow at 18:00 to call mum.";
/// Longest time in front, in words.
const FRONT_MAX_WORDS: usize = 16;

/// Reads a request for a reminder.
pub(super) fn read(said: Said<'_>, manner: Manner, cx: &HouseContext<'_>) -> Option<Interpretation> {
    if said.eat("remind us|him|her|them|everyone|everybody").is_some() && !said.asks() {
        return hint("I can only remind you yourself, for example: remind me tomorrow at 9 to call mum.");
    }
    if let Some(thing) = said
        .after(&["reminder", "set|create|make|add a|another? reminder"])
        .filter(|thing| said.stop(said.len() - thing.len() - 1) == Stop::Colon)
    {
        let (when, count) = back(thing)?;
        return remind(when, "to", thing.take(count), cx.now);
    }
    let rest = said.after(&HEADS).or_else(|| said.after(&["remind"]).filter(|_| manner.slash))?;
    if rest.asks() || rest.is_empty() {
        return hint(NO_TIME).filter(|_| rest.is_empty());
    }
    let rest = rest.after(&["for"]).unwrap_or(rest);
    match front(rest) {
        Some((when, thing)) => with_front(when, thing, cx.now),
        None => with_back(rest, cx.now),
    }
}

/// The time in front, the longest that a link or colon follows, and what is behind it.
fn front(said: Said<'_>) -> Option<(When, Said<'_>)> {
    (1..said.len().min(FRONT_MAX_WORDS)).rev().find_map(|count| {
        let linked = LINKS.contains(&said.key(count)) || said.stop(count - 1) == Stop::Colon;
        if !linked {
            return None;
        }
        when::whole(said.take(count)).map(|when| (when, said.skip(count)))
    })
}

/// `remind me tomorrow to call mum`, perhaps `… at 6pm`.
fn with_front(mut when: When, thing: Said<'_>, now: &Zoned) -> Option<Interpretation> {
    let body = if LINKS.contains(&thing.key(0)) { thing.skip(1) } else { thing };
    let mut body_end = body.len();
    if when.wants_clock()
        && let Some((back, count)) = back(body)
        && back.is_clock_only()
    {
        when.clock = back.clock;
        when.part = back.part;
        body_end = count;
    }
    remind(when, thing.key(0), body.take(body_end), now)
}

/// `remind me to call mum tomorrow at 6pm`.
fn with_back(said: Said<'_>, now: &Zoned) -> Option<Interpretation> {
    let link = said.key(0);
    if !LINKS.contains(&link) {
        let timed = when::whole(said).is_some();
        let asks = ["how", "what", "why", "who", "where", "when", "which", "if"].contains(&link);
        return match (timed, asks) {
            (true, _) => hint("What should I remind you of? For example: remind me tomorrow at 9 to call mum."),
            (false, true) => None,
            (false, false) => hint("I don't get that time. For example: remind me tomorrow at 18:00 to call mum."),
        };
    }
    let body = said.skip(1);
    let Some((when, count)) = back(body) else {
        return if link == "of" || body.is_empty() { None } else { hint(NO_TIME) };
    };
    let repeats = when.every.is_some() && link != "that";
    if link != "to" && when.span.is_none() && !repeats {
        return hint("Is that the time of the reminder? Say it first, for example: remind me tomorrow at 9 about the meeting.");
    }
    remind(when, link, body.take(count), now)
}

/// The time at the end, the longest there is, and how many words stand before it.
fn back(body: Said<'_>) -> Option<(When, usize)> {
    let (when, count) = (1..body.len()).find_map(|count| when::whole(body.skip(count)).map(|when| (when, count)))?;
    let loose = when.loose && when.is_clock_only();
    if loose || DANGLING.contains(&body.key(count - 1)) { None } else { Some((when, count)) }
}

/// The call, once time and thing are known.
fn remind(when: When, link: &str, thing: Said<'_>, now: &Zoned) -> Option<Interpretation> {
    let clean = thing.clean();
    if clean.is_empty() || !polite::is_one_statement(thing) {
        return None;
    }
    let text = match link {
        "about" | "of" => format!("about {clean}"),
        "that" => format!("that {clean}"),
        _ => clean.to_owned(),
    };
    match when.resolve(now) {
        Ok(at) => {
            let mut args = Map::new();
            args.insert("text".to_owned(), json!(text));
            args.insert("at".to_owned(), json!(at.to_string()));
            if let Some(every) = when.every {
                args.insert("every".to_owned(), json!(every.word()));
            }
            call("remind", Value::Object(args))
        }
        Err(Problem::Refused(text)) => Some(Interpretation::Refused(text)),
        Err(Problem::Unclear(text)) => hint(text),
    }
}
