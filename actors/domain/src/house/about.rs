//! Help, the clock, and the house itself.

use serde_json::json;

use super::words::Said;
use super::{Interpretation, call, hint, places};

/// Reads a request for help.
pub(super) fn read_help(said: Said<'_>) -> Option<Interpretation> {
    if said.is(&["help me?", "house? commands", "show me? the? house? commands"]) {
        return Some(Interpretation::Help);
    }
    if said.is(&["what can you do", "what can i say|ask", "how do you|i work|start", "start"]) {
        return hint("Say “help” and I'll tell you what I understand.");
    }
    None
}

/// Reads questions about the time and the house.
pub(super) fn read(said: Said<'_>) -> Option<Interpretation> {
    clock(said).or_else(|| house(said))
}

/// `what time is it in Tokyo`, `what's the date`.
fn clock(said: Said<'_>) -> Option<Interpretation> {
    const HERE: [&str; 8] = [
        "tell? me? what time is it? right? now? here?",
        "do you know what time it is",
        "tell? me? what time it is",
        "tell? me? what is the time|date right? now|today?",
        "tell? me? what is today date",
        "tell? me? what day|date is it|today today|now?",
        "tell me the? current? time|date",
        "time|date now|today?",
    ];
    const THERE: [&str; 4] = [
        "tell? me? what time is it right? now? in",
        "tell? me? what is the current? time right? now? in",
        "tell? me? the? current? time in",
        "do you know what time it is in",
    ];
    if said.is(&HERE) || said.is(&["what is today's date", "tell me today's date", "today's date", "what is today"]) {
        return call("clock", json!({}));
    }
    let place = said.after(&THERE)?;
    let place = place.after(&["the"]).unwrap_or(place);
    let place = if place.len() > 2 || place.len() == 2 { trim_now(place) } else { place };
    if place.is_empty() || place.len() > 4 || place.broken(false) {
        return None;
    }
    match places::zone(&place.keys().collect::<Vec<_>>().join("_")) {
        Some(zone) => call("clock", json!({ "zone": zone })),
        None => hint("I don't know that place's time zone. Try a bigger city nearby."),
    }
}

/// Takes `now` and `right now` off the end.
fn trim_now(place: Said<'_>) -> Said<'_> {
    let count = ["right now", "now", "today"].iter().find_map(|end| {
        let words = end.split(' ').count();
        let start = place.len().checked_sub(words)?;
        place.skip(start).is(&[end]).then_some(start)
    });
    count.map_or(place, |count| place.take(count))
}

/// `who lives here`, `status`, `what are my reminders`.
fn house(said: Said<'_>) -> Option<Interpretation> {
    const WHO: [&str; 7] = [
        "who is here",
        "who lives here|with? us?",
        "who lives in this|the|our house|home|household",
        "who is in this|the|our house|household|family",
        "who are the|our members",
        "who is part of this|the|our household|house|family",
        "show|list me? the|all|our? members",
    ];
    const STATUS: [&str; 4] = [
        "status report?",
        "house|system|hearth status report?",
        "show me? the|your? house|system status",
        "what is the|your house|system status",
    ];
    const REMINDERS: [&str; 7] = [
        "what are my|our|the reminders",
        "what reminders do i|we have",
        "what|which reminders are there",
        "do i|we have any reminders",
        "show|list|read me? all? my|our|the? reminders",
        "my|our|all? reminders",
        "what is on my reminders",
    ];
    let about = if said.is(&WHO) || said.is(&["who"]) && !said.asks() {
        "who"
    } else if said.is(&STATUS) {
        "status"
    } else if said.is(&REMINDERS) {
        "reminders"
    } else {
        return None;
    };
    call("house", json!({ "about": about }))
}
