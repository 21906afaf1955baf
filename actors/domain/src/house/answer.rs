//! What is said to the person once a command's tool has run. Tolerant: a result of another shape still gets a sentence.

use jiff::tz::TimeZoneDatabase;
use serde_json::Value;

use super::{HouseContext, say};

/// The sentence for a tool's result. `args` are those of the call, `result` as documented at
/// [`tool_specs`](super::tool_specs).
#[must_use]
pub fn answer(tool: &str, args: &Value, result: &Value, cx: &HouseContext<'_>) -> String {
    if let Some(error) = string(result, "error") {
        return error.to_owned();
    }
    match tool {
        "remember" => remembered(string(args, "text").unwrap_or_default()),
        "recall" => recalled(args, result, cx),
        "forget" => forgotten(args, result),
        "remind" => reminded(args, result, cx),
        "list_add" => added(args, result),
        "list_show" => shown(args, result),
        "list_tick" => ticked(args, result),
        "note" => noted(args, result),
        "clock" => clock(args, result, cx),
        "house" => house(args, result, cx),
        _ => "Done.".to_owned(),
    }
}

/// A text field that is not empty.
fn string<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The entries of an array field.
fn entries<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts of an array field, whether its entries are texts or objects with a `text`.
fn texts(value: &Value, field: &str) -> Vec<String> {
    let text = |entry: &Value| entry.as_str().or_else(|| string(entry, "text")).filter(|text| !text.is_empty()).map(str::to_owned);
    entries(value, field).iter().filter_map(text).collect()
}

/// Lines with a dash in front.
fn bullets(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().map(|line| format!("\n- {line}")).collect()
}

/// `I'll remember that the bins go out on Tuesday.`; in quotes what is no clause of its own or says `I`.
fn remembered(text: &str) -> String {
    let own = ["i", "i'm", "i've", "i’m", "i’ve", "my", "me", "we", "we're", "we’re", "our", "us", "you", "your", "you're", "you’re"];
    let personal = text.split_whitespace().any(|word| own.contains(&word.trim_matches([',', '.', ';']).to_lowercase().as_str()));
    let clause = text.split_whitespace().nth(2).is_some() && !text.contains([':', '\n', '.', '!', '“']);
    if text.is_empty() {
        "I'll remember that.".to_owned()
    } else if clause && !personal {
        format!("I'll remember that {text}.")
    } else {
        format!("I'll remember this: “{text}”")
    }
}

/// What was found, and when it was said.
fn recalled(args: &Value, result: &Value, cx: &HouseContext<'_>) -> String {
    let line = |entry: &Value| {
        let text = string(entry, "text").or_else(|| entry.as_str())?;
        let when = string(entry, "when").and_then(|when| say::instant(when, cx.now));
        let when = when.map(|when| when.with_time_zone(cx.now.time_zone().clone()));
        Some(when.map_or_else(|| text.to_owned(), |when| format!("{text} (said {})", say::ago(&when, cx.now))))
    };
    let lines: Vec<String> = entries(result, "found").iter().filter_map(line).collect();
    match (lines.is_empty(), string(args, "query")) {
        (true, Some(query)) => format!("I don't remember anything about “{query}”."),
        (true, None) => "I don't remember anything yet.".to_owned(),
        (false, _) => format!("Here is what I remember:{}", bullets(lines)),
    }
}

/// What is gone, or which of several was meant.
fn forgotten(args: &Value, result: &Value) -> String {
    let (gone, candidates) = (texts(result, "forgotten"), texts(result, "candidates"));
    match (gone.as_slice(), candidates.is_empty()) {
        ([one], _) => format!("I've forgotten this: “{one}”"),
        ([], true) => format!("I don't remember anything about “{}”.", string(args, "query").unwrap_or("that")),
        ([], false) => format!("Which of these should I forget? Say a little more of it.{}", bullets(candidates)),
        (_, _) => format!("I've forgotten these:{}", bullets(gone)),
    }
}

/// `I'll remind you to stretch at 14:05 (in 1 minute).`
fn reminded(args: &Value, result: &Value, cx: &HouseContext<'_>) -> String {
    let text = string(args, "text").unwrap_or("this");
    let linked = ["about ", "that "].iter().any(|link| text.starts_with(link));
    let spoken = to_you(text);
    let what = if linked { spoken } else { format!("to {spoken}") };
    let at = string(result, "at").or_else(|| string(args, "at")).and_then(|at| say::instant(at, cx.now));
    let Some(at) = at.map(|at| at.with_time_zone(cx.now.time_zone().clone())) else {
        return format!("I'll remind you {what}.");
    };
    let ahead = say::ahead(&at, cx.now);
    match string(args, "every") {
        Some(every) => format!("I'll remind you {what} every {every}. The first time is {ahead}."),
        None if text.starts_with("that ") => {
            let mut first = ahead.chars();
            let upper: String = first.next().map(char::to_uppercase).into_iter().flatten().collect();
            format!("{upper}{} I'll remind you {what}.", first.as_str())
        }
        None => format!("I'll remind you {what} {ahead}."),
    }
}

/// The member's own words said back: `call my mum` → `call your mum`.
fn to_you(text: &str) -> String {
    let turned = |word: &str| match word.to_lowercase().as_str() {
        "my" => Some("your"),
        "me" | "i" => Some("you"),
        "mine" => Some("yours"),
        "myself" => Some("yourself"),
        "i'm" | "i’m" => Some("you're"),
        "i've" | "i’ve" => Some("you've"),
        _ => None,
    };
    text.split(' ').map(|word| turned(word).unwrap_or(word)).collect::<Vec<_>>().join(" ")
}

/// `the shopping list`.
fn list_name(args: &Value, result: &Value) -> String {
    string(result, "list").or_else(|| string(args, "list")).map_or_else(|| "the list".to_owned(), |list| format!("the {list} list"))
}

/// What was put on a list.
fn added(args: &Value, result: &Value) -> String {
    let (items, list) = (texts(result, "added"), list_name(args, result));
    if items.is_empty() {
        format!("That is on {list} already.")
    } else {
        format!("I've put {} on {list}.", say::enumeration(&items, "and"))
    }
}

/// A list, or the names of all lists.
fn shown(args: &Value, result: &Value) -> String {
    if result.get("lists").is_some() {
        let named = |entry: &Value| entry.as_str().or_else(|| string(entry, "list")).or_else(|| string(entry, "name")).map(str::to_owned);
        let lists: Vec<String> = entries(result, "lists").iter().filter_map(named).collect();
        return match lists.as_slice() {
            [] => "There are no lists yet. Say “add milk to the shopping list” to start one.".to_owned(),
            [one] => format!("There is one list: {one}."),
            _ => format!("There are these lists: {}.", say::enumeration(&lists, "and")),
        };
    }
    let name = list_name(args, result);
    let (done, open): (Vec<&Value>, Vec<&Value>) =
        entries(result, "items").iter().partition(|item| item.get("done") == Some(&Value::Bool(true)));
    let text = |item: &&Value| string(item, "text").or_else(|| item.as_str()).map(str::to_owned);
    let lines: Vec<String> =
        open.iter().filter_map(text).chain(done.iter().filter_map(text).map(|item| format!("{item} (done)"))).collect();
    if lines.is_empty() { format!("There is nothing on {name}.") } else { format!("On {name}:{}", bullets(lines)) }
}

/// What was ticked off, or which of several was meant.
fn ticked(args: &Value, result: &Value) -> String {
    let candidates = texts(result, "candidates");
    let item = string(args, "item").unwrap_or("that");
    match (string(result, "ticked"), candidates.is_empty()) {
        (Some(ticked), _) => format!("Ticked off: {ticked}."),
        (None, false) => format!("Which one do you mean: {}?", say::enumeration(&candidates, "or")),
        (None, true) => match string(args, "list") {
            Some(list) => format!("I can't find “{item}” on the {list} list."),
            None => format!("I can't find “{item}” on any list."),
        },
    }
}

/// A note taken, or the notes there are.
fn noted(args: &Value, result: &Value) -> String {
    let notes = texts(result, "notes");
    match (string(args, "text"), notes.is_empty()) {
        (Some(text), _) => format!("Noted: {text}"),
        (None, true) => "There are no notes yet.".to_owned(),
        (None, false) => format!("Your notes:{}", bullets(notes)),
    }
}

/// `It's 14:04 on Tuesday 21 April 2026.`
fn clock(args: &Value, result: &Value, cx: &HouseContext<'_>) -> String {
    let zone = string(args, "zone");
    let Some(mut at) = string(result, "now").and_then(|now| say::instant(now, cx.now)) else {
        return "I can't tell the time right now.".to_owned();
    };
    if let Some(zone) = zone.and_then(|zone| TimeZoneDatabase::bundled().get(zone).ok()) {
        at = at.with_time_zone(zone);
    }
    let day = jiff::fmt::strtime::format("%A %-d %B %Y", &at).unwrap_or_default();
    let place = zone.map(|zone| zone.rsplit('/').next().unwrap_or(zone).replace('_', " "));
    let place = place.map_or_else(String::new, |place| format!(" in {place}"));
    format!("It's {} on {day}{place}.", say::clock(&at))
}

/// Who lives here, how the house is, what reminders are set.
fn house(args: &Value, result: &Value, cx: &HouseContext<'_>) -> String {
    match string(args, "about") {
        Some("who") => {
            let line = |member: &Value| {
                let name = string(member, "name").or_else(|| member.as_str())?;
                Some(string(member, "role").map_or_else(|| name.to_owned(), |role| format!("{name} ({role})")))
            };
            let members: Vec<String> = entries(result, "members").iter().filter_map(line).collect();
            if members.is_empty() {
                "Nobody is enrolled yet.".to_owned()
            } else {
                format!("In this household: {}.", say::enumeration(&members, "and"))
            }
        }
        Some("reminders") => {
            let line = |entry: &Value| {
                let text = string(entry, "text").or_else(|| entry.as_str())?;
                let at =
                    string(entry, "at").and_then(|at| say::instant(at, cx.now)).map(|at| at.with_time_zone(cx.now.time_zone().clone()));
                let every = string(entry, "every").map_or_else(String::new, |every| format!(", then every {every}"));
                Some(at.map_or_else(|| text.to_owned(), |at| format!("{text}: {}{every}", say::ahead(&at, cx.now))))
            };
            let lines: Vec<String> = entries(result, "reminders").iter().filter_map(line).collect();
            if lines.is_empty() { "You have no reminders.".to_owned() } else { format!("Your reminders:{}", bullets(lines)) }
        }
        Some(_) | None => {
            let lines = texts(result, "lines");
            if lines.is_empty() { "The house is up.".to_owned() } else { lines.join("\n") }
        }
    }
}
