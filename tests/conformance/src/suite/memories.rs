//! Labels as a condition of what is recalled and listed.

use hearth_domain::household::{Audience, Role};
use hearth_domain::label::{Integrity, Label, Readers};
use hearth_domain::memory::{Memory, MemoryKind, MemorySearch};
use hearth_domain::store::Write;

use super::{Broken, Check, House, Outcome, boxed, check, same};
use crate::sample::{at, memory, place, who};

pub(super) const CHECKS: &[Check] = &[
    check("what is found is readable by everybody present", |house| boxed(found(house))),
    check("what is listed is readable by everybody present", |house| boxed(listed(house))),
    check("the limit counts what may be read only", |house| boxed(limit(house))),
    check("entries come oldest first and are those of the conversation", |house| boxed(order(house))),
    check("memories are counted by member", |house| boxed(count(house))),
];

/// Labels to try, by name.
fn labels() -> Vec<(&'static str, Readers)> {
    vec![
        ("public", Readers::public()),
        ("household", Readers::household()),
        ("nobody", Readers::nobody()),
        ("ada", Readers::only([who("ada")])),
        ("ada-and-bob", Readers::only([who("ada"), who("bob")])),
        ("household-ada-and-eve", Readers::only([who("ada"), who("eve")]).meet(&Readers::household())),
    ]
}

/// Audiences to try: alone, with a child, with a guest, in a crowd, and nobody at all.
fn audiences() -> Vec<Audience> {
    let (ada, bob, eve, kim) = ((who("ada"), Role::Owner), (who("bob"), Role::Child), (who("eve"), Role::Guest), (who("kim"), Role::Teen));
    vec![
        Audience::of([ada]),
        Audience::of([bob]),
        Audience::of([eve]),
        Audience::of([ada, bob]),
        Audience::of([ada, eve]),
        Audience::of([(who("eve"), Role::Adult), ada]),
        Audience::of([ada, bob, eve, kim]),
        Audience::default(),
    ]
}

fn labelled(name: &str, kind: MemoryKind, readers: &Readers) -> Memory {
    Memory { label: Label::new(readers.clone(), Integrity::Member), ..memory(name, kind, &format!("chocolate cake, says {name}")) }
}

async fn all_labels(house: &mut House, kind: MemoryKind) -> Result<Vec<Memory>, Broken> {
    let rows: Vec<Memory> = labels().iter().map(|(name, readers)| labelled(name, kind.clone(), readers)).collect();
    house.write(rows.iter().cloned().map(Write::Memory)).await?;
    Ok(rows)
}

/// The texts of those rows that this audience may see, in the order of the alphabet.
fn readable(rows: &[Memory], audience: &Audience) -> Vec<String> {
    let mut texts: Vec<String> = rows.iter().filter(|row| row.label.readers.cover(audience)).map(|row| row.text.clone()).collect();
    texts.sort();
    texts
}

async fn found(mut house: House) -> Outcome {
    let rows = all_labels(&mut house, MemoryKind::Fact).await?;
    for audience in audiences() {
        let search = MemorySearch { words: "chocolate cake".to_owned(), audience: audience.clone(), limit: 100 };
        let mut texts: Vec<String> = house.store.search(search).await?.into_iter().map(|hit| hit.memory.text).collect();
        texts.sort();
        same(&format!("found before {audience:?}"), &texts, &readable(&rows, &audience))?;
    }
    Ok(())
}

async fn listed(mut house: House) -> Outcome {
    let rows = all_labels(&mut house, MemoryKind::Note).await?;
    for audience in audiences() {
        let entries = house.store.entries(place("kitchen"), audience.clone()).await?;
        let mut texts: Vec<String> = entries.into_iter().map(|row| row.text).collect();
        texts.sort();
        same(&format!("listed before {audience:?}"), &texts, &readable(&rows, &audience))?;
    }
    Ok(())
}

async fn limit(mut house: House) -> Outcome {
    let secret = Readers::only([who("bob")]);
    let mut rows: Vec<Memory> = (0..20).map(|n| labelled(&format!("secret{n}"), MemoryKind::Fact, &secret)).collect();
    rows.push(Memory {
        text: "chocolate is in the cupboard in the hall behind the old coats".to_owned(),
        ..labelled("ours", MemoryKind::Fact, &Readers::household())
    });
    house.write(rows.into_iter().map(Write::Memory)).await?;
    let search = MemorySearch { words: "chocolate cake".to_owned(), audience: Audience::of([(who("ada"), Role::Owner)]), limit: 1 };
    let hits = house.store.search(search).await?;
    same("what is left", &hits.iter().map(|hit| hit.memory.text.starts_with("chocolate is in")).collect::<Vec<_>>(), &vec![true])
}

async fn order(mut house: House) -> Outcome {
    let mut early = labelled("z", MemoryKind::Note, &Readers::public());
    let mut late = labelled("a", MemoryKind::Note, &Readers::public());
    let mut elsewhere = labelled("b", MemoryKind::Note, &Readers::public());
    let fact = labelled("c", MemoryKind::Fact, &Readers::public());
    (early.at, late.at, elsewhere.conversation) = (at(1), at(2), place("garden"));
    house.write([&late, &early, &elsewhere, &fact].map(|row| Write::Memory(row.clone()))).await?;
    same("entries", &house.store.entries(place("kitchen"), Audience::default()).await?, &vec![early, late])
}

async fn count(mut house: House) -> Outcome {
    let mut foreign = labelled("b", MemoryKind::Fact, &Readers::public());
    foreign.member = who("bob");
    let own = [
        labelled("a", MemoryKind::Fact, &Readers::nobody()),
        labelled("c", MemoryKind::Item { list: "x".to_owned(), done: true }, &Readers::nobody()),
    ];
    house.write(own.into_iter().chain([foreign]).map(Write::Memory)).await?;
    same("ada's", &house.store.memory_count(who("ada")).await?, &2)?;
    same("bob's", &house.store.memory_count(who("bob")).await?, &1)?;
    same("eve's", &house.store.memory_count(who("eve")).await?, &0)
}
