//! Questions to people: a child who lets an adult see, and several calls at once.

use hearth_actors::policy::together::WaitingTogether;
use hearth_actors::policy::{TakeReply, Waiting};
use hearth_conformance::double::MemoryStore;
use hearth_domain::approval::reply::{Word, offered};
use hearth_domain::household::{Member, Role};
use hearth_domain::journal::FactKind;

use crate::support::{Doubles, House, PATIENCE};

const PRIVATE: &str = "the-den-behind-the-wall";

async fn answers(house: &House, who: &Member, text: &str) -> Result<String, String> {
    let word = Word::read(text).unwrap();
    house.doors.policy.take_reply.ask(TakeReply { who: who.id, word }, PATIENCE).await.unwrap()
}

async fn waiting(house: &House, who: &Member) -> usize {
    house.doors.policy.waiting.ask(Waiting(who.clone()), PATIENCE).await.unwrap().len()
}

fn people() -> (Member, Member) {
    (House::member("Ada", Role::Owner), House::member("Mia", Role::Child))
}

/// Mia has been asked whether an adult may see it.
async fn asked(house: &House) -> String {
    house.say_as(Some("Mia"), &format!("switch {PRIVATE}")).await;
    house.hears("Mia", "Ask them?").await
}

#[test]
fn a_childs_own_words_are_shown_to_an_adult_when_the_child_lets_them_and_over_restarts() {
    actix::System::new().block_on(async {
        let doubles = Doubles::new(MemoryStore::new());
        let (ada, mia) = people();
        let house = House::raise(&doubles).await;
        let card = asked(&house).await;
        assert!(card.starts_with("An adult has to say yes to this. They will see:") && card.contains(PRIVATE), "{card}");
        assert_eq!(offered(&card).len(), 2, "yes and no");
        let yes = offered(&card)[0].clone();
        assert_eq!((waiting(&house, &ada).await, waiting(&house, &mia).await), (0, 1));
        assert!(answers(&house, &ada, &yes).await.unwrap_err().contains("No question waits"));
        house.stop().await;

        let doubles = doubles.again();
        let house = House::raise(&doubles).await;
        assert!(answers(&house, &mia, &yes.replace("yes", "always")).await.unwrap_err().contains("/yes or a /no"));
        house.say_as(Some("Mia"), &yes).await;
        let shown = house.hears("Ada", PRIVATE).await;
        let (theirs, _) = shown.rsplit_once('\n').unwrap();
        assert!(card.contains(theirs), "exactly what she was shown: {card} and {shown}");
        assert_eq!((waiting(&house, &ada).await, waiting(&house, &mia).await), (1, 0));
        assert!(answers(&house, &mia, &yes).await.is_err(), "a child does not decide");
        let given = doubles.facts(FactKind::ConsentGiven);
        assert_eq!((given.len(), given[0].who, doubles.tool.calls()), (1, Some(mia.id), 0));
        house.stop().await;

        let doubles = doubles.again();
        let house = House::raise(&doubles).await;
        answers(&house, &ada, &yes).await.unwrap();
        doubles.tool.started().await;
        doubles.tool.finish();
        house.hears("Mia", "I was told: ").await;
        let cards = |who: &str| house.heard(who).into_iter().filter(|text| text.contains("May `lamp__switch`")).count();
        assert_eq!((cards("Ada"), cards("Mia")), (1, 1), "nobody is shown it twice");
        house.stop().await;
    });
}

#[test]
fn a_childs_no_ends_it_and_no_adult_hears_of_it() {
    actix::System::new().block_on(async {
        let doubles = Doubles::new(MemoryStore::new());
        let (ada, mia) = people();
        let house = House::raise(&doubles).await;
        let no = offered(&asked(&house).await)[1].clone();
        answers(&house, &mia, &no).await.unwrap();
        house.hears("Mia", "said no").await;
        assert_eq!((waiting(&house, &ada).await, doubles.tool.calls()), (0, 0));
        assert_eq!(house.heard("Ada"), Vec::<String>::new());
        house.stop().await;
    });
}

#[test]
fn a_stop_withdraws_what_a_child_was_asked() {
    actix::System::new().block_on(async {
        let doubles = Doubles::new(MemoryStore::new());
        let (_, mia) = people();
        let house = House::raise(&doubles).await;
        let yes = offered(&asked(&house).await)[0].clone();
        house.say_as(Some("Mia"), "/stop").await;
        house.hears("Mia", "Stopped.").await;
        assert!(answers(&house, &mia, &yes).await.is_err());
        assert_eq!(house.heard("Ada"), Vec::<String>::new());
        house.stop().await;
    });
}

#[test]
fn several_calls_are_one_question_that_outlives_a_restart_and_whose_yes_lets_each_go_once() {
    actix::System::new().block_on(async {
        let doubles = Doubles::new(MemoryStore::new());
        let (ada, _) = people();
        let house = House::raise(&doubles).await;
        house.say("tidy up").await;
        let card = house.hears("Ada", "One yes covers all 4").await;
        assert!(["one", "two", "three", "four"].iter().all(|id| card.contains(&format!("which (id): “{id}”"))), "{card}");
        let together = house.doors.policy.waiting_together.ask(WaitingTogether(ada.clone()), PATIENCE).await.unwrap();
        assert_eq!((together.len(), waiting(&house, &ada).await), (1, 0));
        house.stop().await;

        let doubles = doubles.again();
        doubles.tool.finish();
        let house = House::raise(&doubles).await;
        house.say(&offered(&card)[0]).await;
        house.hears("Ada", "I was told: ").await;
        assert_eq!(doubles.tool.calls(), 4);
        assert_eq!(doubles.facts(FactKind::ApprovalUsed).len(), 4);
        assert_eq!(house.heard("Ada").iter().filter(|text| text.contains("One yes covers")).count(), 1);
        house.say("tidy once more").await;
        house.hears("Ada", "One yes covers all 4").await;
        assert_eq!(doubles.tool.calls(), 4, "each once");
        house.say("/stop").await;
        house.hears("Ada", "Stopped.").await;
        assert_eq!(house.doors.policy.waiting_together.ask(WaitingTogether(ada), PATIENCE).await.unwrap(), []);
        house.stop().await;
    });
}
