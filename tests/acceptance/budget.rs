//! Budgets: a cap holds through retries, kills and restarts, and is told before it bites.

use hearth_domain::message::Purpose;
use hearth_scripted::script::{Reply, Step};
use hearth_scripted::server::Scripted;
use serde_json::Value;

use crate::support::{Home, House, messages};

/// A question that is no house command.
const QUESTION: &str = "Tell me something nice about hedgehogs";

/// A house with a provider, where the first member has this many tokens a day.
fn home(server: &Scripted, tokens: u64) -> Home {
    let home = Home::with(&format!(
        "[[models]]\nname = \"first\"\nkind = \"openai\"\nmodel = \"scripted-1\"\nbase_url = \"{}/v1\"\nkey = \"first\"\n\
         prices = {{ input = 1.0, output = 2.0 }}\n\
         [limits]\nmodel_backoff = \"10ms\"\noutput_tokens = 1000\n\
         [budget.owner.day]\ntokens = {tokens}\n[budget.members.Bo.day]\ntool_calls = 7\n",
        server.url_of("first")
    ));
    home.key(server, "first");
    home
}

fn budget(home: &Home) -> Value {
    let ran = home.run(&["budget", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

fn of<'a>(budget: &'a Value, name: &str) -> &'a Value {
    budget["members"].as_array().unwrap().iter().find(|one| one["member"] == name).unwrap()
}

/// The notices that most of a budget is used, in the owner's main conversation.
fn notices(house: &House) -> Vec<String> {
    let mut talk = house.talk();
    let said = talk.open(None, Some(0));
    said.into_iter()
        .filter(|said| said.purpose == Purpose::Notice && said.text.contains("of today's budget"))
        .map(|said| said.text)
        .collect()
}

#[test]
fn a_cap_is_told_at_four_fifths_cuts_the_turn_and_is_not_renewed_by_a_kill() {
    let server = Scripted::start().unwrap();
    let home = home(&server, 200_000);
    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    let using = |tokens: u64| Step::Reply(Reply::text("They can swim.").using(tokens - 100, 0, 100));
    server.push_to("first", using(100_000));
    assert_eq!(talk.answer(QUESTION).text, "They can swim.");
    assert_eq!(notices(&house), Vec::<String>::new());
    server.push_to("first", using(65_000));
    talk.answer(QUESTION);
    // Said beside the answer.
    let notice = talk.wait("the notice", |frames| messages(frames).into_iter().find(|said| said.purpose == Purpose::Notice));
    assert!(
        notice.text.starts_with("More than 80 % of today's budget of tokens of language models is used: 165000 of 200000."),
        "{}",
        notice.text
    );

    // At rest the row is exact: a kill neither renews nor takes anything.
    house.kill();
    let house = home.start();
    let shown = budget(&home);
    let ada = of(&shown, "Ada");
    assert_eq!((ada["used"]["tokens"].as_u64(), ada["cap"]["tokens"].as_u64()), (Some(165_000), Some(200_000)));
    assert_eq!(ada["used"]["cost_micro_usd"].as_u64(), Some(165_000 + 2 * 100), "an output token costs twice as much");
    assert_eq!(of(&shown, "Bo")["cap"]["tool_calls"].as_u64(), Some(7));

    let mut talk = house.talk();
    talk.open(None, None);
    server.push_to("first", using(34_000));
    talk.answer(QUESTION);
    let asked = server.requests().len();
    let refused = talk.answer(QUESTION);
    assert_eq!(refused.purpose, Purpose::Failure);
    assert!(
        refused.text.starts_with("Today's budget of tokens of language models is used up: 199000 of 200000 are used"),
        "{}",
        refused.text
    );
    assert!(refused.text.contains("midnight") && refused.text.contains("an adult can raise it"), "{}", refused.text);
    assert_eq!(server.requests().len(), asked, "nothing was sent");
    assert!(talk.answer("what time is it?").text.contains(':'), "the house's own words cost nothing");
    house.kill();

    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    // The prompt is another one by now, and with it what the step may take.
    let again = talk.answer(QUESTION).text;
    assert!(again.starts_with("Today's budget of tokens of language models is used up: 199000 of 200000 are used"), "{again}");
    assert_eq!(server.requests().len(), asked, "nothing was sent");
    assert_eq!(notices(&house).len(), 1, "told once");
    let text = home.run(&["budget"]).out;
    assert!(text.contains("Ada, ") && text.contains("199000 of 200000  99 %"), "{text}");
}

#[test]
fn what_a_kill_interrupts_counts_as_used() {
    let server = Scripted::start().unwrap();
    let home = home(&server, 200_000);
    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    server.push_to("first", Step::Hang);
    let nonce = talk.say(QUESTION);
    talk.taken(&nonce);
    assert_eq!(server.wait_until(|asked| !asked.is_empty()).len(), 1);
    house.kill();
    // Nobody knows what the provider made of it.
    server.respond("first", |_| Step::Reply(Reply::text("They can swim.").using(900, 0, 100)));
    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, Some(0));
    talk.wait("the answer", |frames| messages(frames).into_iter().find(|said| said.text == "They can swim."));
    let used = of(&budget(&home), "Ada")["used"]["tokens"].as_u64().unwrap();
    assert!(used > 1_000 + 1_000, "{used}: the answer, and at least what the other one may have said");
}
