use hearth_tool::{
    Failure,
    test::{House, faults, manifest},
};
use serde_json::{Value, json};

use super::{parse::parse, tool};

fn house() -> House {
    House::new().recorded(concat!(env!("CARGO_MANIFEST_DIR"), "/recorded"))
}

fn value(house: &House, operation: &str, arguments: Value) -> Value {
    house.call(&tool(), operation, &arguments).unwrap().value().unwrap().clone()
}

#[test]
fn the_description_is_as_the_house_wants_it() {
    assert_eq!(faults(&tool()), Vec::<String>::new());
    manifest(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.toml"), &tool()).unwrap();
}

#[test]
fn rss_and_atom_are_read_as_the_same() {
    let house = house();
    let rss = value(&house, "read", json!({ "url": "https://paper.example/rss" }));
    assert_eq!(rss["feed"], "The & Paper");
    let second = json!({ "title": "Second", "url": "https://paper.example/2", "published": "Sat, 28 Feb 2026 09:00:00 GMT", "author": "Ada", "summary": "With **words**" });
    assert_eq!(rss["entries"][0], second);
    assert_eq!(rss["entries"][1]["title"], "First é");
    let atom = value(&house, "read", json!({ "url": "https://blog.example/atom" }));
    let entry = json!({ "title": "A _title_", "url": "https://blog.example/a?x=1&y=2", "published": "2026-02-01T00:00:00Z", "author": "Eve", "summary": "Text" });
    assert_eq!(atom["entries"], json!([entry]));
}

#[test]
fn what_is_new_is_told_once() {
    let house = house();
    value(&house, "follow", json!({ "url": "https://paper.example/rss" }));
    let news = value(&house, "news", json!({}));
    assert_eq!(news["news"].as_array().unwrap().len(), 1);
    assert_eq!(news["news"][0]["entry"]["title"], "Third");
    assert_eq!(value(&house, "news", json!({}))["news"], json!([]));
    assert_eq!(value(&house, "followed", json!({}))[0]["title"], "The & Paper");
    value(&house, "unfollow", json!({ "url": "https://paper.example/rss" }));
    assert_eq!(value(&house, "followed", json!({})), json!([]));
}

#[test]
fn a_feed_that_is_down_is_said_and_the_others_are_told() {
    let house = house()
        .answering("GET https://a.example/\n---\n200\n\n<rss><channel><title>A</title></channel></rss>")
        .answering("GET https://a.example/\n---\n500\n");
    value(&house, "follow", json!({ "url": "https://a.example/" }));
    value(&house, "follow", json!({ "url": "https://paper.example/rss" }));
    let news = value(&house, "news", json!({}));
    assert_eq!(news["news"].as_array().unwrap().len(), 1);
    assert_eq!(news["unreachable"][0]["url"], "https://a.example/");
}

#[test]
fn what_is_no_feed_is_refused_and_what_is_broken_gives_what_came_before() {
    assert_eq!(parse("<html><body>hi", "https://x/"), None);
    assert_eq!(parse("", "https://x/"), None);
    let broken = parse("<rss><channel><title>T</title><item><title>a</title></item><item><title>b <", "https://x/").unwrap();
    assert_eq!(broken.entries.len(), 1);
    assert!(parse(&"<rss>".repeat(100_000), "https://x/").unwrap().entries.is_empty());
    // Entities are not expanded: a name that a feed defines itself is nothing.
    let bomb = "<!DOCTYPE rss [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><rss><channel><title>x&b;y</title></channel></rss>";
    assert_eq!(parse(bomb, "https://x/").unwrap().title, "xy");
    let page = House::new().answering("GET https://x/\n---\n200\n\n<html>");
    assert!(matches!(page.call(&tool(), "read", &json!({ "url": "https://x/" })), Err(Failure::Failed(_))));
}
