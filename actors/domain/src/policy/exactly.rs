//! A yes covers exactly its effect: changed in any one thing, a call is another one.

use proptest::prelude::*;
use serde_json::json;

use super::programs::{Program, at, function, person};
use super::*;
use crate::approval::{APPROVAL_SECONDS, Answer, CLOCK_SLACK_SECONDS};
use crate::ids::GrantId;
use crate::journal::Digest;

/// How a call that was allowed is changed.
#[derive(Debug, Clone, Copy)]
enum Changed {
    Argument,
    Homoglyph,
    Recipient,
    Amount,
    Member,
    Release,
    Function,
    Expired,
    ClockBack,
}

const CHANGES: [Changed; 9] = [
    Changed::Argument,
    Changed::Homoglyph,
    Changed::Recipient,
    Changed::Amount,
    Changed::Member,
    Changed::Release,
    Changed::Function,
    Changed::Expired,
    Changed::ClockBack,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever was allowed, and however: what is changed in one thing is not covered by it.
    #[test]
    fn a_yes_covers_exactly_its_effect(
        answer in prop_oneof![Just(Answer::Once), Just(Answer::Times(5)), Just(Answer::Until(at(600))), Just(Answer::Always)],
        changed in proptest::sample::select(CHANGES.to_vec()),
        amount in 1..1_000_i64,
        to in "[a-z]{1,8}",
        text in "[a-z ]{0,12}",
        second in 2..500_i64,
    ) {
        let program = Program::new(0, BTreeSet::new(), Vec::new());
        let arguments = json!({ "to": [format!("{to}@example.org")], "amount": amount, "text": text });
        let asked = program.question(function(Effect::Pay, "own/bank", 0), arguments);
        let Verdict::Ask(mut approval) = asked.weigh(&[], &[], at(0)).verdict else { return Err(TestCaseError::fail("it is not asked")) };
        let grant = approval.answer(&person(0), answer, at(1), GrantId::derived(&["g"])).unwrap();
        // The approval itself lets one effect go; here it is asked about the next one.
        let (approvals, mut grants) = if grant.is_some() { (Vec::new(), Vec::from_iter(grant)) } else { (vec![*approval], Vec::new()) };
        let may = |question: &Question, grants: &[Grant], now| matches!(question.weigh(&approvals, grants, now).verdict, Verdict::Allow(_));
        prop_assert!(may(&asked, &grants, at(second)), "exactly this");
        let mut other = asked.clone();
        let mut now = at(second);
        match changed {
            Changed::Argument => other.arguments["to"] = json!([format!("x{to}@example.org")]),
            Changed::Homoglyph => {
                // CYRILLIC SMALL LETTER E, in the part that nobody looks at.
                other.arguments["to"] = json!([format!("{to}@\u{435}xample.org")]);
            }
            Changed::Recipient => other.arguments["to"] = json!([format!("{to}@example.org"), "bcc@example.org"]),
            Changed::Amount => other.arguments["amount"] = json!(amount + 1),
            Changed::Member => other.member = person(1),
            Changed::Release => other.function.release = Digest::of(b"newer"),
            Changed::Function => other.function.name = "own__bank__do_not".to_owned(),
            Changed::Expired => {
                // An "always" has no end but its revocation.
                now = at(600 + APPROVAL_SECONDS);
                if matches!(answer, Answer::Always | Answer::Times(_)) {
                    prop_assert!(grants.iter_mut().all(|grant| grant.revoke(&person(1), at(second))));
                }
            }
            Changed::ClockBack => now = at(-CLOCK_SLACK_SECONDS - 1),
        }
        prop_assert!(!may(&other, &grants, now), "{changed:?} of {answer:?}");
        // What ran out does not come back with the clock.
        if matches!(changed, Changed::Expired) && matches!(answer, Answer::Until(_)) {
            grants.iter_mut().for_each(|grant| grant.expire(now));
            prop_assert!(!may(&asked, &grants, at(second)));
        }
    }
}
