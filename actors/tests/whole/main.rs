//! The whole tree over doubles: budgets, the stop of the house, a journal that cannot be written, and one that is not the attested one, rooms.

#[cfg(test)]
mod asking;
#[cfg(test)]
mod rooms;
#[cfg(test)]
mod starting;
#[cfg(test)]
mod support;

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use hearth_actors::audit::{AttestNow, AuditError, Verify};
    use hearth_actors::budget::Used;
    use hearth_actors::policy::{Stopped, TakeReply};
    use hearth_conformance::double::MemoryStore;
    use hearth_domain::approval::reply::Word;
    use hearth_domain::household::{Member, Role};
    use hearth_domain::journal::{ChainError, FactKind};
    use hearth_domain::policy::Freeze;
    use hearth_domain::store::StoreError;

    use crate::support::{Doubles, House, PATIENCE};

    async fn says(house: &House, who: &Member, word: Word) -> Result<String, String> {
        house.doors.policy.take_reply.ask(TakeReply { who: who.id, word }, PATIENCE).await.unwrap()
    }

    async fn stopped(house: &House) -> Option<Freeze> {
        house.doors.policy.stopped.ask(Stopped, PATIENCE).await.unwrap()
    }

    #[test]
    fn the_stop_of_the_house_ends_what_has_an_effect_and_holds_over_a_restart_until_an_adult_lifts_it() {
        actix::System::new().block_on(async {
            let doubles = Doubles::new(MemoryStore::new());
            let (ada, mia) = (House::member("Ada", Role::Owner), House::member("Mia", Role::Child));
            let house = House::raise(&doubles).await;
            house.say("do it").await;
            doubles.tool.started().await;
            assert!(says(&house, &mia, Word::Estop).await.unwrap_err().contains("for an adult"));
            assert_eq!(stopped(&house).await, None);
            assert!(says(&house, &ada, Word::Estop).await.unwrap().contains("The house is stopped"));
            assert!(house.answer(1).await.contains("I cannot tell whether it happened"));
            assert_eq!(doubles.tool.dropped.load(Ordering::SeqCst), 1, "it does not go on unseen");
            house.say("do it again").await;
            assert!(house.answer(2).await.contains("not allowed: the house is stopped"));
            assert_eq!(doubles.tool.calls(), 1);
            let refused = doubles.facts(FactKind::Decided);
            assert_eq!(refused.iter().map(|fact| fact.detail.as_str()).collect::<Vec<_>>(), ["act: refused, stopped"]);
            house.stop().await;

            let doubles = doubles.again();
            let house = House::raise(&doubles).await;
            assert_eq!(stopped(&house).await.map(|freeze| freeze.by), Some(ada.id));
            assert!(says(&house, &mia, Word::Lift).await.unwrap_err().contains("for an adult"));
            house.say("do it after all").await;
            assert!(house.answer(3).await.contains("the house is stopped"));
            assert_eq!(says(&house, &ada, Word::Lift).await.as_deref(), Ok("The house goes on."));
            house.say("do it now").await;
            doubles.tool.started().await;
            doubles.tool.finish();
            assert!(house.answer(4).await.starts_with("I was told: "));
            let told: Vec<_> = [FactKind::Stopped, FactKind::Lifted].iter().map(|kind| doubles.facts(*kind).len()).collect();
            assert_eq!(told, [1, 1]);
            house.stop().await;
        });
    }

    #[test]
    fn a_budget_that_is_used_up_cuts_the_turn_and_a_restart_does_not_renew_it() {
        actix::System::new().block_on(async {
            let mut doubles = Doubles::new(MemoryStore::new());
            doubles.budgets.owner.day.tool_calls = Some(5);
            doubles.tool.finish();
            let ada = House::member("Ada", Role::Owner);
            let house = House::raise(&doubles).await;
            let mut answers = Vec::new();
            for number in 1..=4 {
                house.say("do it").await;
                answers.push(house.answer(number).await);
            }
            answers.push(house.answer(5).await);
            // The notice of four fifths is told beside the answers, before anything is refused.
            let (told, notices): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.starts_with("I was told: "));
            assert_eq!((told.len(), notices.len()), (4, 1), "{answers:?}");
            assert!(notices[0].starts_with("More than 80 % of today's budget of tool calls is used: 4 of 5."), "{notices:?}");
            house.say("do it").await;
            assert!(house.answer(6).await.starts_with("I was told: "));
            house.stop().await;

            let doubles = doubles.again();
            doubles.tool.finish();
            let house = House::raise(&doubles).await;
            house.say("do it once more").await;
            let refused = house.answer(7).await;
            assert!(refused.starts_with("Today's budget of tool calls is used up: 5 of 5 are used"), "{refused}");
            assert_eq!(doubles.tool.calls(), 0);
            let used = house.doors.policy.used.ask(Used(ada), PATIENCE).await.unwrap();
            let of = |name: &str| used.iter().find(|one| one.member.name == name).map(|one| one.used.tool_calls);
            assert_eq!((of("Ada"), of("Mia")), (Some(5), Some(0)));
            let mia = House::member("Mia", Role::Child);
            assert_eq!(house.doors.policy.used.ask(Used(mia), PATIENCE).await.unwrap().len(), 1, "a child sees their own");
            house.stop().await;
        });
    }

    #[test]
    fn a_member_stops_the_house_in_a_message_too() {
        actix::System::new().block_on(async {
            let doubles = Doubles::new(MemoryStore::new());
            let house = House::raise(&doubles).await;
            house.say("/estop").await;
            assert!(house.answer(1).await.contains("The house is stopped"));
            house.say("/estop lift").await;
            assert_eq!(house.answer(2).await, "The house goes on.");
            house.stop().await;
        });
    }

    #[test]
    fn an_effect_whose_fact_cannot_be_written_is_not_done() {
        actix::System::new().block_on(async {
            let doubles = Doubles::faulty();
            let house = House::raise(&doubles).await;
            doubles.model.hold();
            house.say("do it").await;
            doubles.model.asked().await;
            doubles.disk.fail_with(Some(StoreError::DiskFull));
            doubles.model.go_on();
            doubles.disk.failed(3).await;
            assert_eq!(doubles.tool.calls(), 0, "no call runs before its intent is in the journal");
            doubles.disk.fail_with(None);
            doubles.tool.started().await;
            doubles.tool.finish();
            assert!(house.answer(1).await.starts_with("I was told: "));
            house.stop().await;
        });
    }

    #[test]
    fn a_journal_that_is_not_the_attested_one_is_found_and_not_attested_over() {
        actix::System::new().block_on(async {
            let doubles = Doubles::new(MemoryStore::new());
            let house = House::raise(&doubles).await;
            house.say("/estop").await;
            house.answer(1).await;
            let attested = house.attest().await.unwrap();
            let verified = house.doors.verify.ask(Verify, PATIENCE).await.unwrap().unwrap();
            assert_eq!((verified.attested.clone().unwrap(), attested.head.seq <= verified.head.seq), (Some(attested), true));
            house.stop().await;

            // Another store with the same vault: as if the journal had been cut off and written on.
            let other = Doubles { vault: doubles.vault.clone(), ..Doubles::new(MemoryStore::new()) };
            let house = House::raise(&other).await;
            let refused = house.doors.attest.ask(AttestNow, PATIENCE).await.unwrap();
            let broken = |error: &AuditError| matches!(error, AuditError::Broken(ChainError::Cut { .. } | ChainError::Other { .. }));
            assert!(refused.as_ref().is_err_and(broken), "{refused:?}");
            assert!(house.doors.verify.ask(Verify, PATIENCE).await.unwrap().as_ref().is_err_and(broken));
            assert_eq!(other.vault.newest(), Some(attested), "the vault does not go back");
            house.stop().await;
            assert_eq!(other.facts(FactKind::JournalBroken).len(), 1);
        });
    }
}
