use hearth_tool::{
    Failure,
    test::{House, faults, manifest},
};
use serde_json::json;

use super::tool;

fn house() -> House {
    House::new().recorded(concat!(env!("CARGO_MANIFEST_DIR"), "/recorded"))
}

#[test]
fn the_description_is_as_the_house_wants_it() {
    assert_eq!(faults(&tool()), Vec::<String>::new());
    manifest(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.toml"), &tool()).unwrap();
}

#[test]
fn a_page_comes_as_its_reader_sees_it() {
    let answer = house().call(&tool(), "fetch", &json!({ "url": "https://news.example/story" })).unwrap();
    assert_eq!(answer.value().unwrap()["title"], "The story");
    assert_eq!(answer.value().unwrap()["complete"], true);
    assert_eq!(answer.text(), "# The story\n\nIt began in [Lisbon](https://news.example/towns/lisbon).\n\nIt ended there too.");
}

#[test]
fn a_long_page_comes_in_parts_that_join() {
    let page: String = (0..2_000).map(|number| format!("<p>word{number}</p>")).collect();
    let house = House::new().answering(&format!("GET https://long.example/\n---\n200\ncontent-type: text/html\n\n{page}"));
    let (mut start, mut parts) = (0, Vec::new());
    loop {
        let answer = house.call(&tool(), "fetch", &json!({ "url": "https://long.example/", "start": start, "most": 5_000 })).unwrap();
        parts.push(answer.text());
        match answer.value().unwrap()["next_start"].as_u64() {
            Some(next) => start = next,
            None => break,
        }
    }
    assert!(parts.len() > 3);
    let words: Vec<String> = parts.join("\n").split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, (0..2_000).map(|number| format!("word{number}")).collect::<Vec<_>>());
    assert!(matches!(
        house.call(&tool(), "fetch", &json!({ "url": "https://long.example/", "start": 999_999 })),
        Err(Failure::BadArguments(_))
    ));
}

#[test]
fn what_is_no_text_is_not_read() {
    let refused = house().call(&tool(), "fetch", &json!({ "url": "https://news.example/cat.jpg" })).unwrap_err();
    assert!(matches!(refused, Failure::Failed(_)));
}

#[test]
fn a_search_gives_what_leads_to_pages() {
    let house = house();
    let found = house.call(&tool(), "search", &json!({ "query": "tides & moons" })).unwrap();
    let found = found.value().unwrap();
    assert_eq!(found["results"].as_array().unwrap().len(), 2);
    assert_eq!(found["results"][0]["title"], "Tides today");
    assert_eq!(found["results"][0]["extract"], "High water at 9.");
    assert_eq!(found["answers"], json!(["Twice a day."]));
}

#[test]
fn another_searxng_is_asked_once_it_is_set_up() {
    let house = House::new().answering("GET https://s.example/search?q=a&format=json&language=en\n---\n403\n");
    for bad in ["ftp://x", "https://", "https://x/search?q=", "https://me@x"] {
        assert!(matches!(house.call(&tool(), "setup", &json!({ "address": bad })), Err(Failure::BadArguments(_))), "{bad}");
    }
    house.call(&tool(), "setup", &json!({ "address": "https://s.example/" })).unwrap();
    let refused = house.call(&tool(), "search", &json!({ "query": "a" })).unwrap_err();
    assert!(refused.to_string().contains("settings.yml"));
}
