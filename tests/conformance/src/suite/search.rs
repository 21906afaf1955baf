//! Searching: what is found, in which order, and that no text can break it.

use hearth_domain::household::Audience;
use hearth_domain::memory::{MemoryKind, MemorySearch};
use hearth_domain::store::Write;

use super::{Broken, Check, House, Outcome, boxed, check, same};
use crate::sample::{fact, memory};

pub(super) const CHECKS: &[Check] = &[
    check("any of the words is enough", |house| boxed(any_word(house))),
    check("the entry with more of the words comes first", |house| boxed(ranking(house))),
    check("a rare word counts for more than a common one", |house| boxed(rarity(house))),
    check("case, punctuation and a plural make no difference", |house| boxed(forms(house))),
    check("facts and notes are found, list items are not", |house| boxed(kinds(house))),
    check("what was forgotten or reworded is not found by its old words", |house| boxed(changes(house))),
    check("words that stand everywhere find nothing", |house| boxed(stop_words(house))),
    check("the limit holds", |house| boxed(limit(house))),
    check("no text breaks the search", |house| boxed(odd(house))),
    check("the search survives a reopening", |house| boxed(reopening(house))),
];

fn ask(words: &str) -> MemorySearch {
    MemorySearch { words: words.to_owned(), audience: Audience::default(), limit: 10 }
}

async fn texts(house: &House, words: &str) -> Result<Vec<String>, Broken> {
    Ok(house.store.search(ask(words)).await?.into_iter().map(|hit| hit.memory.text).collect())
}

async fn remember(house: &mut House, texts: &[&str]) -> Outcome {
    house.write(texts.iter().map(|text| Write::Memory(fact(text, text))).collect::<Vec<_>>()).await?;
    Ok(())
}

async fn any_word(mut house: House) -> Outcome {
    remember(&mut house, &["Ada likes green tea", "the boiler was serviced in May", "Bob plays chess"]).await?;
    same("one word", &texts(&house, "boiler").await?, &vec!["the boiler was serviced in May".to_owned()])?;
    let mut both = texts(&house, "chess or tea or unicorns").await?;
    both.sort();
    same("either", &both, &vec!["Ada likes green tea".to_owned(), "Bob plays chess".to_owned()])?;
    same("neither", &texts(&house, "unicorns").await?, &Vec::new())
}

async fn ranking(mut house: House) -> Outcome {
    let best = "the garden gate needs oil";
    remember(&mut house, &["the front gate is green", best, "sunflower oil is in the pantry", "nothing of the kind here"]).await?;
    same("the best", &texts(&house, "oil for the garden gate").await?.first().map(String::as_str), &Some(best))?;
    let scores: Vec<f64> = house.store.search(ask("oil for the garden gate")).await?.iter().map(|hit| hit.score).collect();
    same("scores fall", &scores.is_sorted_by(|a, b| a >= b), &true)?;
    same("scores are positive", &scores.iter().all(|score| *score > 0.0), &true)
}

async fn rarity(mut house: House) -> Outcome {
    remember(&mut house, &["school starts early", "school ends late", "school trip tuesday", "school lunch paid", "dentist visit tuesday"])
        .await?;
    same("the rare word", &texts(&house, "school dentist").await?.first().map(String::as_str), &Some("dentist visit tuesday"))
}

async fn forms(mut house: House) -> Outcome {
    remember(&mut house, &["Two CATS live next door: Tom, and Jerry."]).await?;
    for words in ["cats", "cat", "Tom!", "\"JERRY\"", "door?"] {
        same(words, &texts(&house, words).await?.len(), &1)?;
    }
    Ok(())
}

async fn kinds(mut house: House) -> Outcome {
    let item = MemoryKind::Item { list: "shopping".to_owned(), done: false };
    let rows = [fact("f", "saffron grows slowly"), memory("n", MemoryKind::Note, "saffron costs a lot"), memory("i", item, "saffron")];
    house.write(rows.map(Write::Memory)).await?;
    let mut found = texts(&house, "saffron").await?;
    found.sort();
    same("found", &found, &vec!["saffron costs a lot".to_owned(), "saffron grows slowly".to_owned()])
}

async fn changes(mut house: House) -> Outcome {
    house.write([Write::Memory(fact("pet", "the parrot is called Polly")), Write::Memory(fact("car", "the car is red"))]).await?;
    house.write([Write::Memory(fact("pet", "the turtle is called Polly")), Write::Forget(fact("car", "").id)]).await?;
    same("the old word", &texts(&house, "parrot").await?, &Vec::new())?;
    same("the new word", &texts(&house, "turtle").await?, &vec!["the turtle is called Polly".to_owned()])?;
    same("the forgotten", &texts(&house, "car").await?, &Vec::new())
}

async fn stop_words(mut house: House) -> Outcome {
    remember(&mut house, &["what do you know about the house"]).await?;
    same("only stop words", &texts(&house, "what do I know about you?").await?, &Vec::new())?;
    same("nothing", &texts(&house, "").await?, &Vec::new())
}

async fn limit(mut house: House) -> Outcome {
    let rows = (0..8).map(|n| Write::Memory(fact(&n.to_string(), &format!("recipe number {n}"))));
    house.write(rows.collect::<Vec<_>>()).await?;
    for (limit, expected) in [(0, 0), (3, 3), (100, 8)] {
        let hits = house.store.search(MemorySearch { limit, ..ask("recipe") }).await?;
        same("how many", &hits.len(), &expected)?;
    }
    Ok(())
}

/// Texts that a person could type, or paste, or attack with.
const ODD: &[&str] = &[
    "'",
    "\"",
    "''",
    "` OR 1=1; --",
    "@@",
    "@1@",
    "$words",
    "{",
    "}",
    "[]",
    "\\",
    "\\'",
    "/* */",
    "--",
    "#",
    "\0",
    "\u{feff}",
    "\u{202e}abc",
    "'; REMOVE TABLE memory; --",
    "日本語の検索",
    "поиск",
    "🏠🔥",
    "e\u{301}",
    "ß",
    "İ",
    "ﬁ",
    "𝔘𝔫𝔦",
    "a:b",
    "u'00000000-0000-0000-0000-000000000000'",
    "NONE",
    "null",
    "true",
    "AND",
    "OR",
    "NOT (",
    "*",
    "%",
    "?",
    "tea*",
    "\"tea",
    "tea -milk",
    "\n\r\t",
    "1e999",
    "٣",
    "ำ",
    "ᚠᚢ",
    "\u{10ffff}",
];

async fn odd(mut house: House) -> Outcome {
    remember(&mut house, &["Ada likes green tea"]).await?;
    for text in ODD {
        texts(&house, text).await?;
        house
            .write([Write::Memory(fact(text, text)), Write::Memory(memory(text, MemoryKind::Note, &format!("{text} tea {text}")))])
            .await?;
    }
    let long = ODD.concat().repeat(40);
    texts(&house, &long).await?;
    house.write([Write::Memory(fact("long", &long))]).await?;
    same("still there", &texts(&house, "green").await?, &vec!["Ada likes green tea".to_owned()])
}

async fn reopening(mut house: House) -> Outcome {
    remember(&mut house, &["the spare key hangs in the shed"]).await?;
    house.reopen().await?;
    same("found", &texts(&house, "spare key").await?.len(), &1)?;
    remember(&mut house, &["the other key is lost"]).await?;
    same("found", &texts(&house, "key").await?.len(), &2)
}
