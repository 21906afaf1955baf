//! My tool: what a word means.

use hearth_tool::{Answer, Context, Effect, Failure, Operation, Role, Tool, Trust, http, kv};
use serde::Deserialize;
use serde_json::{Value, json};

/// The longest answer that is read, in bytes.
const ANSWER_BYTES: usize = 200_000;

#[derive(Deserialize)]
struct Arguments {
    word: String,
}

fn define(arguments: Arguments, _context: &Context) -> Result<Answer, Failure> {
    // What somebody else wrote goes into an address by `segment` and `query`, which escape it.
    let url = http::Url::new("https://api.dictionaryapi.dev/api/v2/entries/en").segment(&arguments.word);
    let found: Value = http::get(url)?.success()?.json_limited(ANSWER_BYTES)?;
    let meanings = found.pointer("/0/meanings").and_then(Value::as_array).ok_or_else(|| Failure::not_found("the word is not in the dictionary"))?;
    let meanings = meanings.iter().map(|meaning| json!({ "kind": meaning["partOfSpeech"], "meaning": meaning.pointer("/definitions/0/definition") }));
    // Values are kept for each member, from call to call.
    let asked: u32 = kv::get_json("asked")?.unwrap_or(0) + 1;
    kv::set_json("asked", &asked)?;
    Ok(json!({ "word": arguments.word, "meanings": meanings.collect::<Vec<_>>(), "asked": asked }).into())
}

fn parameters() -> Value {
    json!({
        "type": "object",
        "required": ["word"],
        "properties": { "word": { "type": "string", "minLength": 1, "maxLength": 60 } },
        "additionalProperties": false,
    })
}

fn tool() -> Tool {
    Tool::new().with(
        Operation::new("define", Effect::Read, define)
            .describe("What an English word means.")
            .parameters(parameters)
            .argument("/word", Role::Content)
            // Every field that is not named was written by somebody outside.
            .field("/asked", Trust::Service)
            .idempotent(),
    )
}

hearth_tool::export!(tool);

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_tool::test::{House, faults, manifest};

    fn house() -> House {
        House::new().recorded(concat!(env!("CARGO_MANIFEST_DIR"), "/recorded"))
    }

    #[test]
    fn the_description_is_as_the_house_wants_it() {
        assert_eq!(faults(&tool()), Vec::<String>::new());
        manifest(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.toml"), &tool()).unwrap();
    }

    #[test]
    fn a_word_has_its_meaning() {
        let answer = house().call(&tool(), "define", &json!({ "word": "hearth" })).unwrap();
        assert_eq!(answer.value().unwrap()["meanings"][0]["kind"], "noun");
    }

    #[test]
    fn a_word_that_is_none_is_not_found() {
        assert!(matches!(house().call(&tool(), "define", &json!({ "word": "xyzzy" })), Err(Failure::NotFound(_))));
    }
}
