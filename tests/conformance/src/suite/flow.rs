//! Questions to members, what they allowed, and results that are kept: all with their states.

use hearth_domain::approval::grant::Grant;
use hearth_domain::approval::{Approval, State};
use hearth_domain::policy::Freeze;
use hearth_domain::store::Write;

use super::{Check, House, Outcome, boxed, check, same};
use crate::sample::{approval, at, day, endorsement, grant, place, result, turn_id, used, who};

pub(super) const CHECKS: &[Check] = &[
    check("a question is read back in every state, and is open until it is settled", |house| boxed(approvals(house))),
    check("the questions about a member's effects are found by when they were asked", |house| boxed(asked(house))),
    check("a question about several effects is read back, and is open until it is answered", |house| boxed(endorsements(house))),
    check("what was allowed stands until it is used up or taken back", |house| boxed(grants(house))),
    check("what stops the house is there until it is lifted", |house| boxed(freeze(house))),
    check("what was used of a day only goes on, in whatever order its rows come", |house| boxed(spent(house))),
    check("the results of a turn are read back by their numbers", |house| boxed(results(house))),
];

async fn spent(mut house: House) -> Outcome {
    same("nothing at first", &house.store.spent().await?, &Vec::new())?;
    let mut all = vec![used("ada", 26, 1, 10), used("ada", 27, 1, 5), used("bob", 26, 1, 7)];
    all.sort_by_key(|row| (row.member, row.day));
    house.write(all.iter().copied().map(Write::Spent)).await?;
    house.reopen().await?;
    same("all days of all members", &house.store.spent().await?, &all)?;
    // Down as well as up, by its number; one that comes late changes nothing.
    for (number, tokens, expected) in [(3, 20, 20), (2, 90, 20), (4, 15, 15), (4, 90, 15)] {
        house.write([Write::Spent(used("ada", 26, number, tokens))]).await?;
        let stored = house.store.spent().await?;
        let tokens = stored.iter().find(|row| (row.member, row.day) == (who("ada"), day(26))).map(|row| row.amounts.tokens);
        same("what was used", &tokens, &Some(expected))?;
    }
    house.write([Write::Spent(used("bob", 26, 3, 3)), Write::Spent(used("bob", 26, 2, 2))]).await?;
    let stored = house.store.spent().await?;
    same("two rows of one day at once", &stored.contains(&used("bob", 26, 3, 3)), &true)
}

async fn freeze(mut house: House) -> Outcome {
    same("nothing at first", &house.store.freeze().await?, &None)?;
    for by in ["ada", "bob"] {
        let row = Freeze { by: who(by), at: at(7) };
        house.write([Write::Freeze(Some(row))]).await?;
        house.reopen().await?;
        same("what stops it", &house.store.freeze().await?, &Some(row))?;
    }
    house.write([Write::Freeze(None)]).await?;
    house.write([Write::Freeze(None)]).await?;
    house.reopen().await?;
    same("lifted", &house.store.freeze().await?, &None)
}

/// A question of ada's, where it stands.
fn settled(second: i64, state: State) -> Approval {
    let mut row = approval("ada", second);
    row.state = state;
    row
}

async fn approvals(mut house: House) -> Outcome {
    let by = who("ada");
    let states = [
        (State::Pending, true),
        (State::Approved { by, at: at(1) }, true),
        (State::Denied { by, at: at(2) }, false),
        (State::Expired { at: at(3) }, false),
        (State::Used { by: Some(by), at: at(4) }, false),
    ];
    same("none", &house.store.approval(approval("ada", 1).id).await?, &None)?;
    for (state, open) in states {
        let row = settled(1, state);
        house.write([Write::Approval(row.clone())]).await?;
        same("the question", &house.store.approval(row.id).await?, &Some(row.clone()))?;
        house.reopen().await?;
        same("the question after a reopening", &house.store.approval(row.id).await?, &Some(row.clone()))?;
        same("open ones", &house.store.open_approvals().await?, &open.then_some(row).into_iter().collect())?;
    }
    Ok(())
}

async fn asked(mut house: House) -> Outcome {
    let rows: Vec<_> = [1, 2, 3].iter().map(|n| approval("ada", *n)).collect();
    let denied = settled(4, State::Denied { by: who("ada"), at: at(9) });
    let all: Vec<_> = rows.iter().cloned().chain([denied]).collect();
    house.write(all.iter().rev().cloned().map(Write::Approval)).await?;
    house.write([Write::Approval(approval("bob", 2))]).await?;
    for (since, left) in [(0, 0), (2, 1), (4, 3), (5, 4)] {
        let expected: Vec<_> = all.iter().skip(left).cloned().collect();
        same("those since then", &house.store.approvals(who("ada"), at(since)).await?, &expected)?;
    }
    same("all since ever", &house.store.approvals(who("ada"), hearth_domain::time::Timestamp::MIN).await?, &all)?;
    let mut open = rows;
    open.insert(1, approval("bob", 2));
    open.sort_by_key(|row| (row.asked, row.id));
    same("open ones", &house.store.open_approvals().await?, &open)
}

async fn endorsements(mut house: House) -> Outcome {
    let (first, second) = (endorsement("ada", 1)?, endorsement("bob", 2)?);
    house.write([second.clone(), first.clone()].map(Write::Endorsement)).await?;
    same("both", &house.store.open_endorsements().await?, &vec![first.clone(), second.clone()])?;
    let mut answered = first;
    answered.state = State::Approved { by: who("ada"), at: at(2) };
    house.write([Write::Endorsement(answered.clone())]).await?;
    same("the other", &house.store.open_endorsements().await?, &vec![second])?;
    house.reopen().await?;
    same("the answered one", &house.store.endorsement(answered.id).await?, &Some(answered))
}

async fn grants(mut house: House) -> Outcome {
    let lasting = Grant { at: at(1), ..grant("ada", "lasting") };
    let counted = Grant { left: Some(1), until: Some(at(99)), conversation: Some(place("kitchen")), at: at(2), ..grant("ada", "counted") };
    let bobs = Grant { at: at(3), ..grant("bob", "bobs") };
    house.write([bobs.clone(), counted.clone(), lasting.clone()].map(Write::Grant)).await?;
    house.reopen().await?;
    same("ada's", &house.store.grants(Some(who("ada"))).await?, &vec![lasting.clone(), counted.clone()])?;
    same("all", &house.store.grants(None).await?, &vec![lasting.clone(), counted.clone(), bobs.clone()])?;
    let (used, revoked) = (Grant { left: Some(0), ..counted }, Grant { revoked: Some((who("ada"), at(5))), ..lasting });
    house.write([used, revoked].map(Write::Grant)).await?;
    same("ada's afterwards", &house.store.grants(Some(who("ada"))).await?, &Vec::new())?;
    same("all afterwards", &house.store.grants(None).await?, &vec![bobs])
}

async fn results(mut house: House) -> Outcome {
    let rows: Vec<_> = [1, 2, 10].iter().map(|n| result("kitchen", 1, *n)).collect();
    house.write(rows.iter().rev().cloned().map(Write::Result)).await?;
    house.write([Write::Result(result("kitchen", 2, 1))]).await?;
    house.reopen().await?;
    same("the results", &house.store.results(turn_id("kitchen", 1)).await?, &rows)?;
    let mut first = result("kitchen", 1, 1);
    first.stored.value = serde_json::json!(["anew", null, 1.0, u64::MAX]);
    house.write([Write::Result(first.clone())]).await?;
    same("the first, anew", &house.store.results(turn_id("kitchen", 1)).await?.first(), &Some(&first))?;
    for _ in 0..2 {
        house.write([Write::ForgetResults(turn_id("kitchen", 1))]).await?;
        same("forgotten", &house.store.results(turn_id("kitchen", 1)).await?, &Vec::new())?;
    }
    same("the other turn's", &house.store.results(turn_id("kitchen", 2)).await?, &vec![result("kitchen", 2, 1)])
}
