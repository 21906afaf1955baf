use base64::{Engine as _, engine::general_purpose::STANDARD};
use hearth_tool::{
    Failure,
    test::{House, faults, manifest},
};
use serde_json::{Value, json};

use super::tool;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

fn house() -> House {
    House::new().recorded(format!("{FOLDER}/recorded"))
}

/// What a file says, and the head of the answer.
fn read(bytes: &[u8], name: &str) -> Result<(String, Value), Failure> {
    let answer = house().call(&tool(), "text", &json!({ "data": STANDARD.encode(bytes), "name": name }))?;
    Ok((answer.text(), answer.value().unwrap().clone()))
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{FOLDER}/{name}")).unwrap()
}

#[test]
fn the_description_is_as_the_house_wants_it() {
    assert_eq!(faults(&tool()), Vec::<String>::new());
    manifest(format!("{FOLDER}/manifest.toml"), &tool()).unwrap();
}

#[test]
fn a_pdf_is_read_page_by_page_with_letters_of_its_own_fonts() {
    let (text, head) = read(&file("recorded/letter.pdf"), "letter.pdf").unwrap();
    assert_eq!(text, "Dear neighbours,\nthe water is off on Tuesday (9-11).\n\nGrüße, Ελένη");
    assert_eq!(head, json!({ "kind": "pdf", "next_start": null, "complete": true }));
}

#[test]
fn a_word_document_keeps_its_form_and_leaves_out_what_is_hidden() {
    let (text, head) = read(&file("files/recipe.docx"), "").unwrap();
    let wanted = "# Recipe & notes\n\nMix flour\tand <water>.\n\n- salt\n- oil\n## Times\n\n| Step | Minutes |\n| Knead | 10\\|12 |\n\nZum Schluß: backen.";
    assert_eq!(text, wanted);
    assert_eq!(head["kind"], "docx");
}

#[test]
fn tables_pages_and_texts_are_read_as_what_they_are() {
    let table = [
        (&b"a,b\r\n1,\"x|y\nz\"\r\n"[..], "t.csv", "csv", "| a | b |\n| --- | --- |\n| 1 | x\\|y z |"),
        (b"a;b\n1,5;2\n", "t.CSV", "csv", "| a | b |\n| --- | --- |\n| 1,5 | 2 |"),
        (b"a\tb\n", "t.tsv", "csv", "| a | b |\n| --- | --- |"),
        (b"<!doctype html><h1>Hi</h1><p hidden>no</p>", "", "html", "# Hi"),
        (b"\xff\xfeh\0i\0", "n.txt", "text", "hi"),
        ("grün".as_bytes(), "", "text", "grün"),
    ];
    for (bytes, name, kind, wanted) in table {
        let (text, head) = read(bytes, name).unwrap();
        assert_eq!((text.as_str(), head["kind"].as_str()), (wanted, Some(kind)), "{name}");
    }
}

#[test]
fn a_long_text_comes_in_parts() {
    let long = "ä".repeat(1_000) + &"b".repeat(1_000);
    let part = |start: usize| {
        let arguments = json!({ "data": STANDARD.encode(&long), "start": start, "most": 1_500 });
        house().call(&tool(), "text", &arguments)
    };
    let first = part(0).unwrap();
    assert_eq!((first.text().chars().count(), &first.value().unwrap()["next_start"]), (1_500, &json!(1_500)));
    let second = part(1_500).unwrap();
    assert_eq!((second.text(), &second.value().unwrap()["next_start"]), ("b".repeat(500), &Value::Null));
    assert!(matches!(part(2_001), Err(Failure::BadArguments(_))));
}

#[test]
fn a_document_at_an_address_is_read() {
    let fetch = |url: &str| house().call(&tool(), "fetch", &json!({ "url": url })).unwrap();
    assert!(fetch("https://town.example/letter").text().contains("water is off"));
    let table = fetch("https://school.example/lunch.csv?week=9");
    assert_eq!(table.text(), "| Day | Dish |\n| --- | --- |\n| Monday | Soup; bread |");
}

#[test]
fn what_cannot_be_read_is_said() {
    let table = [
        ("recorded/bomb.docx", "larger inside"),
        ("recorded/bomb.pdf", ""),
        ("files/locked.pdf", "locked"),
        ("files/picture.pdf", "pictures"),
        ("files/other.zip", "not a Word document"),
    ];
    for (name, wanted) in table {
        match read(&file(name), "") {
            Err(failure) => assert!(failure.to_string().contains(wanted), "{name}: {failure}"),
            Ok((text, head)) => assert_eq!((text.as_str(), &head["complete"]), ("[this page cannot be read]", &json!(false)), "{name}"),
        }
    }
    for name in ["recorded/letter.pdf", "files/recipe.docx"] {
        let bytes = file(name);
        for cut in (0..bytes.len()).step_by(997) {
            // Whatever comes of it, it comes.
            let _said = read(&bytes[..cut], "");
        }
        for at in (0..bytes.len()).step_by(113) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            let _said = read(&changed, "");
        }
    }
    assert!(matches!(read(b"\x89PNG\r\n\x1a\n\0\0", ""), Err(Failure::BadArguments(_))));
    assert!(matches!(house().call(&tool(), "text", &json!({ "data": "?" })), Err(Failure::BadArguments(_))));
}
