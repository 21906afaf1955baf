//! The household's lists: adding, showing, ticking off.

use serde_json::{Map, Value, json};

use super::words::{Said, Stop};
use super::{Interpretation, call, hint, polite};

/// Longest name of a list, in words.
const NAME_MAX_WORDS: usize = 3;
/// Longest item, in words.
const ITEM_MAX_WORDS: usize = 12;
/// Most items at once.
const ITEMS_MAX: usize = 50;
/// `the … list` that is no household list but something in the talk or a thing of its own.
const NO_LIST: [&str; 58] = [
    "a",
    "an",
    "this",
    "that",
    "same",
    "your",
    "his",
    "her",
    "their",
    "full",
    "whole",
    "entire",
    "complete",
    "updated",
    "final",
    "revised",
    "new",
    "current",
    "old",
    "first",
    "second",
    "third",
    "next",
    "last",
    "previous",
    "above",
    "below",
    "following",
    "linked",
    "python",
    "data",
    "sorted",
    "ordered",
    "unordered",
    "bullet",
    "bulleted",
    "numbered",
    "nested",
    "array",
    "html",
    "adjacency",
    "word",
    "short",
    "long",
    "longer",
    "shorter",
    "alphabetical",
    "mailing",
    "resulting",
    "existing",
    "original",
    "empty",
    "of",
    "and",
    "to",
    "on",
    "in",
    "with",
];
/// Lists that everybody has: these may be named bare (`shopping list`).
const USUAL: [&str; 5] = ["shopping", "grocery", "groceries", "todo", "packing"];
/// Items that stand for something said earlier, or that only a model can work out.
const NO_ITEM: [&str; 24] = [
    "it",
    "that",
    "this",
    "those",
    "these",
    "them",
    "everything",
    "anything",
    "something",
    "ingredients",
    "stuff",
    "things",
    "what",
    "whatever",
    "following",
    "all",
    "more",
    "another",
    "ideas",
    "him",
    "her",
    "me",
    "you",
    "yourself",
];

/// Which list was named.
enum Named {
    /// This one.
    List(String),
    /// `the list`.
    Unnamed,
}

/// Reads the commands about lists.
pub(super) fn read(said: Said<'_>) -> Option<Interpretation> {
    show(said).or_else(|| if said.asks() { None } else { add(said).or_else(|| tick(said)) })
}

/// `the shopping list`, `my to-do list`, `the list`: all of the words.
fn named(said: Said<'_>) -> Option<Named> {
    let count = said.len().checked_sub(1).filter(|_| said.last_key() == "list" && !said.broken(true))?;
    let name = said.take(count);
    let name = name.after(&["the|my|our house|household|family?"]).unwrap_or(name);
    let name = if name.is_empty() && count > 1 { said.take(count).skip(1) } else { name };
    if name.is_empty() {
        return (count == 1).then_some(Named::Unnamed);
    }
    let plain = name.keys().all(|key| key.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '\''));
    if name.len() > NAME_MAX_WORDS || (name.has(&NO_LIST) && !name.is(&["to do"])) || !plain {
        return None;
    }
    let name = name.keys().collect::<Vec<_>>().join(" ");
    Some(Named::List(if matches!(name.as_str(), "to-do" | "to do") { "todo".to_owned() } else { name }))
}

/// `show the shopping list`, `what's on the shopping list?`, `what lists are there`.
fn show(said: Said<'_>) -> Option<Interpretation> {
    const OPEN: [&str; 6] = [
        "show|read|open|display|view|see me? out?",
        "tell me what is on|in",
        "what is on|in",
        "what do i|we have on",
        "is there anything on|in",
        "let me see",
    ];
    const ALL: [&str; 5] = [
        "what|which lists are there",
        "what|which lists do i|we have",
        "what are my|our|the lists",
        "show|list me? all? my|our|the? lists",
        "my|our|all|the? lists",
    ];
    if said.is(&ALL) {
        return call("list_show", json!({}));
    }
    match said.after(&OPEN).map(named) {
        Some(Some(Named::List(list))) => call("list_show", json!({ "list": list })),
        Some(Some(Named::Unnamed)) => hint("Which list? For example: show the shopping list."),
        Some(None) => None,
        None => match named(said) {
            Some(Named::List(list)) if USUAL.contains(&list.as_str()) => call("list_show", json!({ "list": list })),
            Some(_) | None => None,
        },
    }
}

/// `add milk and eggs to the shopping list`, `add to the shopping list: milk, eggs`.
fn add(said: Said<'_>) -> Option<Interpretation> {
    let rest = said.after(&["add|put|append|stick|write"])?;
    let front = rest.after(&["these|this? to|on|onto", "the following to|on|onto"]);
    let (items, list) = match front {
        Some(behind) => {
            let end = behind.words.iter().position(|word| word.key == "list")? + 1;
            (behind.skip(end), named(behind.take(end))?)
        }
        None => {
            let at = rest.words.iter().rposition(|word| ["to", "on", "onto"].contains(&word.key.as_str()))?;
            (rest.take(at), named(rest.skip(at + 1))?)
        }
    };
    let Named::List(list) = list else {
        return hint("Which list? For example: add milk to the shopping list.");
    };
    let items = split(items)?;
    call("list_add", json!({ "list": list, "items": items }))
}

/// The items of an enumeration; `None` when one of them is none.
fn split(said: Said<'_>) -> Option<Vec<&str>> {
    let mut items = Vec::new();
    let mut start = 0;
    for (at, word) in said.words.iter().enumerate() {
        if said.take(at + 1).skip(start).in_quotes() && at + 1 < said.len() {
            continue;
        }
        let joins = matches!(word.key.as_str(), "and" | "&" | "plus");
        if joins && at > start {
            items.push(item(said.take(at).skip(start))?);
        }
        if joins {
            start = at + 1;
        } else if word.stop != Stop::None || at + 1 == said.len() {
            items.push(item(said.take(at + 1).skip(start))?);
            start = at + 1;
        }
    }
    (!items.is_empty() && items.len() <= ITEMS_MAX && !polite::asks_more(said)).then_some(items)
}

/// One item.
fn item(said: Said<'_>) -> Option<&str> {
    let said = said.after(&["some|also"]).filter(|rest| !rest.is_empty()).unwrap_or(said);
    let clean = said.clean();
    let none = said.is_empty() || said.len() > ITEM_MAX_WORDS || said.has(&NO_ITEM) || clean.is_empty() || said.asks();
    if none { None } else { Some(clean) }
}

/// `tick off milk`, `cross milk off the shopping list`, `mark milk as done on the shopping list`.
fn tick(said: Said<'_>) -> Option<Interpretation> {
    if said.eat("remove|delete|take").is_some() && said.last_key() == "list" {
        return hint("I can tick things off: tick off milk on the shopping list.");
    }
    let (item, list) = ticked(said)?;
    let item = item.after(&["the|some|my|our"]).filter(|rest| !rest.is_empty()).unwrap_or(item);
    if item.has(&["and", "&"]) || item.broken(true) {
        return hint("One thing at a time, please: tick off milk.");
    }
    if item.is_empty() || item.len() > 6 || item.has(&NO_ITEM) || item.clean().is_empty() {
        return None;
    }
    let mut args = Map::new();
    if let Some(Named::List(list)) = list {
        args.insert("list".to_owned(), json!(list));
    }
    args.insert("item".to_owned(), json!(item.clean()));
    call("list_tick", Value::Object(args))
}

/// The item to tick off, and the list if it was named.
fn ticked(said: Said<'_>) -> Option<(Said<'_>, Option<Named>)> {
    if let Some(rest) = said.after(&["tick|check|cross|strike off"]) {
        return on_list(rest);
    }
    if let Some(rest) = said.after(&["mark"]) {
        let (rest, list) = on_list(rest).filter(|(_, list)| list.is_some())?;
        let end = (1..rest.len()).find(|at| rest.skip(*at).is(&["as? done|bought|complete|completed"]))?;
        return Some((rest.take(end), list));
    }
    let rest = said.after(&["tick|cross|check|strike"])?;
    let off = rest.words.iter().position(|word| word.key == "off")?;
    let behind = rest.skip(off + 1);
    let behind = behind.after(&["of|on|from"]).unwrap_or(behind);
    let list = if behind.is_empty() { None } else { Some(named(behind)?) };
    Some((rest.take(off), list))
}

/// Splits `… on the shopping list` off.
fn on_list(said: Said<'_>) -> Option<(Said<'_>, Option<Named>)> {
    if said.last_key() != "list" {
        return Some((said, None));
    }
    let at = said.words.iter().rposition(|word| ["on", "from", "off", "in"].contains(&word.key.as_str()))?;
    Some((said.take(at), Some(named(said.skip(at + 1))?)))
}
