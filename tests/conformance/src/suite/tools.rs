//! Tools and what they keep: every byte comes back, nothing is seen by another tool or for another member, and what is removed is gone.

use hearth_domain::ids::ReminderId;
use hearth_domain::store::{Counts, StoreError, Write};
use hearth_domain::tool::record::{KEY_BYTES, ToolInfo, ToolRecord, ToolState, VALUE_BYTES};
use serde_json::json;

use super::{Check, House, Outcome, boxed, check, same};
use crate::sample::{at, kept, tool, who};

pub(super) const CHECKS: &[Check] = &[
    check("tools are read back with all that they hold, by name", |house| boxed(round_trip(house))),
    check("a tool replaces the one of its name, and its component", |house| boxed(replaced(house))),
    check("a change of what is known of a tool leaves its component", |house| boxed(info(house))),
    check("a removed tool is gone with all that it kept, and no other is", |house| boxed(removed(house))),
    check("what a tool keeps is read back to the byte", |house| boxed(values(house))),
    check("what a tool keeps is its own, and of one member", |house| boxed(apart(house))),
    check("keys come by prefix, in the order of their bytes, up to the limit", |house| boxed(keys(house))),
    check("what a tool keeps is counted in bytes of keys and values", |house| boxed(bytes(house))),
    check("the last word of a group on what a tool keeps wins", |house| boxed(last_word(house))),
    check("a refused group neither writes nor removes anything of a tool", |house| boxed(refused(house))),
];

const FEEDS: &str = "hearth/feeds";
const WEATHER: &str = "hearth/weather";

async fn component(house: &House, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    house.store.tool_component(name.to_owned()).await
}

async fn value(house: &House, tool: &str, member: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    house.store.tool_value(tool.to_owned(), who(member), key.to_owned()).await
}

async fn keys_of(house: &House, tool: &str, member: &str, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError> {
    house.store.tool_keys(tool.to_owned(), who(member), prefix.to_owned(), limit).await
}

async fn bytes_of(house: &House, tool: &str, member: &str) -> Result<u64, StoreError> {
    house.store.tool_value_bytes(tool.to_owned(), who(member)).await
}

fn forget(tool: &str, member: &str, key: &str) -> Write {
    Write::ForgetToolValue { tool: tool.to_owned(), member: who(member), key: key.to_owned() }
}

async fn round_trip(mut house: House) -> Outcome {
    let odd = json!({ "n": 1.0, "big": u64::MAX, "deep": [[null, { "": "2026-01-01T00:00:00Z" }], -0.5], "Ω": "u'x'", "id": "a:b" });
    let states = [
        ToolState::Granted,
        ToolState::Waiting,
        ToolState::Quarantined { reason: "it stopped \"5\" times\n🏠".to_owned() },
        ToolState::Quarantined { reason: String::new() },
        ToolState::Revoked,
    ];
    let sizes = [0, 1, 31, 4_096, 2 * 1024 * 1024];
    let mut rows = Vec::new();
    for ((n, state), size) in (0_u8..).zip(states).zip(sizes) {
        let grant = (n % 2 == 0).then(|| odd.clone());
        let info = ToolInfo { state, grant, manifest: odd.clone(), by: who("bob"), ..tool(&format!("o{n}/t-{n}"), "1.0.0-rc.1+b").info };
        rows.push(ToolRecord { info, bytes: (0..=u8::MAX).rev().cycle().take(size).collect() });
    }
    house.write(rows.iter().rev().cloned().map(Write::Tool)).await?;
    for _ in 0..2 {
        let infos: Vec<ToolInfo> = rows.iter().map(|row| row.info.clone()).collect();
        same("the tools", &house.store.tools().await?, &infos)?;
        for row in &rows {
            let found = component(&house, &row.info.name).await?;
            same("whether the component is the same", &(found.as_ref() == Some(&row.bytes)), &true)?;
        }
        house.reopen().await?;
    }
    same("a component of no tool", &component(&house, "o0/t").await?, &None)
}

async fn replaced(mut house: House) -> Outcome {
    for version in ["1.0.0", "2.0.0", "1.0.0"] {
        let row = tool(FEEDS, version);
        house.write([Write::Tool(row.clone())]).await?;
        same("the tool", &house.store.tools().await?, &vec![row.info])?;
        same("the component", &component(&house, FEEDS).await?, &Some(row.bytes))?;
    }
    Ok(())
}

async fn info(mut house: House) -> Outcome {
    let row = tool(FEEDS, "1.0.0");
    let granted = ToolInfo { state: ToolState::Granted, grant: Some(json!({ "hosts": [] })), at: at(9), ..row.info.clone() };
    let stopped = ToolInfo { state: ToolState::Quarantined { reason: "it crashed".to_owned() }, ..granted.clone() };
    house.write([Write::Tool(row.clone())]).await?;
    for next in [granted, stopped, row.info] {
        house.write([Write::ToolInfo(next.clone())]).await?;
        same("the tool", &house.store.tools().await?, &vec![next])?;
        same("the component", &component(&house, FEEDS).await?, &Some(row.bytes.clone()))?;
    }
    Ok(())
}

async fn removed(mut house: House) -> Outcome {
    let other = tool(WEATHER, "1.0.0");
    let remove = || Write::RemoveTool(FEEDS.to_owned());
    house.write([remove()]).await?;
    house.write([Write::Tool(tool(FEEDS, "1.0.0")), Write::Tool(other.clone())]).await?;
    house
        .write([kept(FEEDS, "ada", "a", b"1"), kept(FEEDS, "bob", "b", b"2"), kept(WEATHER, "ada", "a", b"3")].map(Write::ToolValue))
        .await?;
    house.write([remove()]).await?;
    house.write([remove()]).await?;
    for _ in 0..2 {
        same("the tools", &house.store.tools().await?, &vec![other.info.clone()])?;
        same("the component", &component(&house, FEEDS).await?, &None)?;
        same("ada's value", &value(&house, FEEDS, "ada", "a").await?, &None)?;
        same("bob's keys", &keys_of(&house, FEEDS, "bob", "", 9).await?, &Vec::new())?;
        same("bob's bytes", &bytes_of(&house, FEEDS, "bob").await?, &0)?;
        same("the other's component", &component(&house, WEATHER).await?, &Some(other.bytes.clone()))?;
        same("the other's value", &value(&house, WEATHER, "ada", "a").await?, &Some(b"3".to_vec()))?;
        same("counts", &house.store.counts().await?, &Counts { tools: 1, ..Counts::default() })?;
        house.reopen().await?;
    }
    Ok(())
}

async fn values(mut house: House) -> Outcome {
    let long = "k".repeat(KEY_BYTES);
    let keys = ["a", "a:b", "u'x'", "Ω 🏠", "\0", "a\0", "`\\⟩", "1", " ", long.as_str()];
    let sizes = [0, 1, 255, 256, VALUE_BYTES];
    let rows: Vec<_> = keys
        .iter()
        .zip(sizes.iter().cycle())
        .map(|(key, size)| kept(FEEDS, "ada", key, &(0..=u8::MAX).cycle().take(*size).collect::<Vec<u8>>()))
        .collect();
    house.write(rows.iter().cloned().map(Write::ToolValue)).await?;
    for _ in 0..2 {
        for row in &rows {
            let found = value(&house, FEEDS, "ada", &row.key).await?;
            same(&format!("whether the value under {:?} is the same", row.key), &(found.as_ref() == Some(&row.value)), &true)?;
        }
        house.reopen().await?;
    }
    house.write([Write::ToolValue(kept(FEEDS, "ada", "a", b"anew")), forget(FEEDS, "ada", "1"), forget(FEEDS, "ada", "never")]).await?;
    same("a replaced value", &value(&house, FEEDS, "ada", "a").await?, &Some(b"anew".to_vec()))?;
    same("a forgotten value", &value(&house, FEEDS, "ada", "1").await?, &None)?;
    same("how many keys", &keys_of(&house, FEEDS, "ada", "", 99).await?.len(), &(keys.len() - 1))
}

async fn apart(mut house: House) -> Outcome {
    let rows = [kept(FEEDS, "ada", "k", b"1"), kept(FEEDS, "bob", "k", b"2"), kept(WEATHER, "ada", "k", b"3")];
    house.write(rows.map(Write::ToolValue)).await?;
    for (tool, member, expected) in
        [(FEEDS, "ada", Some("1")), (FEEDS, "bob", Some("2")), (WEATHER, "ada", Some("3")), (WEATHER, "bob", None)]
    {
        let expected = expected.map(|text| text.as_bytes().to_vec());
        same("the value", &value(&house, tool, member, "k").await?, &expected)?;
        same("the keys", &keys_of(&house, tool, member, "", 9).await?.len(), &usize::from(expected.is_some()))?;
    }
    house.write([forget(FEEDS, "ada", "k")]).await?;
    same("bob's", &value(&house, FEEDS, "bob", "k").await?, &Some(b"2".to_vec()))?;
    same("the other tool's", &value(&house, WEATHER, "ada", "k").await?, &Some(b"3".to_vec()))
}

async fn keys(mut house: House) -> Outcome {
    // Neither by the rules of a language nor by the numbers in a key.
    let all = ["A", "a", "a-b", "a/1", "a/10", "a/9", "a0", "b", "é"];
    house.write(all.iter().rev().map(|key| Write::ToolValue(kept(FEEDS, "ada", key, b"x")))).await?;
    for (prefix, limit, expected) in [
        ("", 99, all.as_slice()),
        ("", 3, &["A", "a", "a-b"]),
        ("a/", 99, &["a/1", "a/10", "a/9"]),
        ("a/", 2, &["a/1", "a/10"]),
        ("a/1", 99, &["a/1", "a/10"]),
        ("é", 1, &["é"]),
        ("z", 99, &[]),
        ("%", 99, &[]),
        ("", 0, &[]),
    ] {
        let expected: Vec<String> = expected.iter().map(|key| (*key).to_owned()).collect();
        same(&format!("keys of {prefix:?}"), &keys_of(&house, FEEDS, "ada", prefix, limit).await?, &expected)?;
    }
    Ok(())
}

async fn bytes(mut house: House) -> Outcome {
    let rows = [kept(FEEDS, "ada", "é", b"123"), kept(FEEDS, "ada", "empty", b""), kept(FEEDS, "bob", "b", b"4")];
    let sum = rows.iter().take(2).map(hearth_domain::tool::record::ToolValue::bytes).sum();
    house.write(rows.map(Write::ToolValue)).await?;
    same("ada's", &bytes_of(&house, FEEDS, "ada").await?, &sum)?;
    same("ada's in figures", &sum, &10)?;
    same("bob's", &bytes_of(&house, FEEDS, "bob").await?, &2)?;
    same("the other tool's", &bytes_of(&house, WEATHER, "ada").await?, &0)?;
    house.write([Write::ToolValue(kept(FEEDS, "ada", "é", b"")), forget(FEEDS, "ada", "empty")]).await?;
    same("ada's after a change", &bytes_of(&house, FEEDS, "ada").await?, &2)
}

async fn last_word(mut house: House) -> Outcome {
    let keep = |text: &str| Write::ToolValue(kept(FEEDS, "ada", "k", text.as_bytes()));
    let (gone, remove) = (|| forget(FEEDS, "ada", "k"), || Write::RemoveTool(FEEDS.to_owned()));
    for (writes, expected) in [
        (vec![keep("1"), keep("2")], Some("2")),
        (vec![keep("1"), gone()], None),
        (vec![gone(), keep("3")], Some("3")),
        (vec![keep("4"), remove()], None),
        (vec![keep("5"), remove(), keep("6")], Some("6")),
        (vec![remove(), keep("7"), gone()], None),
    ] {
        house.write(writes).await?;
        same("the value", &value(&house, FEEDS, "ada", "k").await?, &expected.map(|text| text.as_bytes().to_vec()))?;
    }
    let row = tool(FEEDS, "1.0.0");
    house.write([Write::Tool(tool(FEEDS, "2.0.0")), remove(), Write::Tool(row.clone())]).await?;
    same("the tool", &house.store.tools().await?, &vec![row.info])?;
    same("the component", &component(&house, FEEDS).await?, &Some(row.bytes))?;
    house.write([Write::Tool(tool(FEEDS, "2.0.0")), remove()]).await?;
    same("the removed tool", &house.store.tools().await?, &Vec::new())?;
    same("its component", &component(&house, FEEDS).await?, &None)
}

async fn refused(mut house: House) -> Outcome {
    let claim = || Write::Claim { reminder: ReminderId::derived(&["plants"]), due: at(1), at: at(1) };
    let row = tool(FEEDS, "1.0.0");
    house.write([Write::Tool(row.clone()), Write::ToolValue(kept(FEEDS, "ada", "k", b"1")), claim()]).await?;
    let writes = [Write::Tool(tool(FEEDS, "2.0.0")), Write::ToolValue(kept(FEEDS, "ada", "k", b"2")), claim()];
    same("the refusal", &house.write(writes).await, &Err(StoreError::Claimed))?;
    same("the refusal", &house.write([Write::RemoveTool(FEEDS.to_owned()), claim()]).await, &Err(StoreError::Claimed))?;
    same("the tools", &house.store.tools().await?, &vec![row.info])?;
    same("the component", &component(&house, FEEDS).await?, &Some(row.bytes))?;
    same("the value", &value(&house, FEEDS, "ada", "k").await?, &Some(b"1".to_vec()))
}
