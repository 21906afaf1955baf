//! Talking on the page: streams, resends, cursors, markup, paging.

use std::collections::BTreeSet;

use crate::support::House;
use hearth_domain::limits::Limits;

#[test]
fn a_message_is_answered_in_the_stream_and_on_the_page() {
    let house = House::new();
    let browser = house.login("Ada");
    assert!(browser.get("/").body.contains("Hello, Ada."));
    let mut stream = browser.events(0);
    stream.until("hello");
    let said = browser.say("first", "slow:It is **fine** today.");
    assert_eq!(said.status, 200);
    let own = stream.until("message");
    assert_eq!((own.id, own.data["nonce"].as_str(), own.data["house"].as_bool()), (Some(1), Some("first"), Some(false)));
    let delta = stream.until("delta");
    assert_eq!((&delta.data["turn"], delta.data["text"].as_str()), (&said.json()["turn"], Some("It ")));
    let page = browser.get("/").body;
    assert!(page.contains(said.json()["turn"].as_str().unwrap()), "a page that is loaded now knows that an answer is on its way");
    assert!(page.contains("http-equiv=\"refresh\""));
    house.gate.notify_one();
    let answer = stream.until("message");
    assert_eq!((answer.id, &answer.data["turn"]), (Some(2), &said.json()["turn"]));
    assert!(answer.data["html"].as_str().unwrap().contains("It is <strong>fine</strong> today."));
    let page = browser.get("/").body;
    assert!(
        page.contains("It is <strong>fine</strong> today.") && !page.contains("Hello, Ada.") && !page.contains("http-equiv=\"refresh\"")
    );
    assert!(page.contains("14:05") && page.contains("Tuesday, 21 April 2026"), "in the member's zone");
}

#[test]
fn nothing_hides_in_what_is_said_nor_in_a_preview() {
    let house = House::new();
    let browser = house.login("Ada");
    let mut stream = browser.events(0);
    stream.until("hello");
    browser.say("one", "slow:pay\u{202e}eve \u{1b}[31mnow");
    let own = stream.until("message").data["html"].as_str().unwrap().to_owned();
    let preview = stream.until("delta").data["text"].as_str().unwrap().to_owned();
    house.gate.notify_one();
    stream.until("message");
    for shown in [own, preview, browser.get("/").body] {
        assert!(!shown.contains(['\u{202e}', '\u{1b}']) && shown.contains("pay\u{fffd}eve"), "{shown}");
    }
}

#[test]
fn a_message_that_is_sent_again_is_accepted_once() {
    let house = House::new();
    let browser = house.login("Ada");
    let (first, again) = (browser.say("same", "say:yes"), browser.say("same", "say:yes"));
    assert_eq!((first.status, first.json()), (again.status, again.json()));
    browser.events(1).until("message");
    assert_eq!(house.store.rows().messages.len(), 2);
}

#[test]
fn a_stream_that_comes_again_gets_each_message_once() {
    let house = House::new();
    let browser = house.login("Ada");
    for n in 0..5 {
        browser.talk(&format!("n{n}"), "say:yes");
    }
    assert_eq!(browser.events(0).caught_up(), (1..=10).collect::<Vec<_>>());
    let resume = |last: &str| {
        let headers = [("Host", &*house.host()), ("Cookie", &*browser.cookie), ("Last-Event-ID", last)];
        crate::http::Events::open(house.port, "/events?after=0", &headers).unwrap().caught_up()
    };
    assert_eq!(resume("7"), [8, 9, 10]);
    assert_eq!(resume("10"), [] as [u64; 0]);
    assert_eq!(resume("x"), (1..=10).collect::<Vec<_>>());
}

#[test]
fn every_stream_sees_everything_in_order_without_gaps() {
    let house = House::new();
    let browser = house.login("Ada");
    let mut streams = [browser.events(0), browser.events(0)];
    streams.iter_mut().for_each(|stream| drop(stream.until("caught-up")));
    for n in 0..4 {
        assert_eq!(browser.say(&format!("n{n}"), "say:yes").status, 200);
    }
    for stream in &mut streams {
        let ids: Vec<_> = (0..8).map(|_| stream.until("message").id.unwrap()).collect();
        assert_eq!(ids, (1..=8).collect::<Vec<_>>());
    }
}

#[test]
fn nobody_sees_what_another_member_said() {
    let house = House::new();
    let (ada, bob) = (house.login("Ada"), house.login("Bob"));
    let mut stream = bob.events(0);
    stream.until("caught-up");
    ada.talk("n", "say:the present is in the cupboard");
    bob.talk("n", "say:quiet here");
    let first = stream.until("message");
    assert!(!first.data.to_string().contains("cupboard"));
    assert!(!bob.get("/").body.contains("cupboard"));
    assert_eq!(bob.events(0).caught_up(), [1, 2]);
    let client = ada.events(0).until("hello").data["client"].to_string();
    assert_eq!(bob.post("/seen", &[("client", &client), ("upto", "99")]).status, 204, "and it is ignored");
}

#[test]
fn what_was_seen_is_confirmed() {
    let house = House::new();
    let browser = house.login("Ada");
    let last = browser.talk("n", "say:yes");
    let unsettled = || hearth_domain::store::Store::unsettled_deliveries(&*house.store);
    let pending = || futures_util::FutureExt::now_or_never(unsettled()).unwrap().unwrap().len();
    assert_eq!(pending(), 1);
    let mut stream = browser.events(last);
    let client = stream.until("hello").data["client"].to_string();
    stream.until("caught-up");
    assert_eq!(browser.post("/seen", &[("client", &client), ("upto", &last.to_string())]).status, 204);
    let until = std::time::Instant::now() + crate::http::PATIENCE;
    while pending() > 0 {
        assert!(std::time::Instant::now() < until);
        std::thread::yield_now();
    }
}

#[test]
fn a_turn_stops_when_it_is_told_to() {
    let house = House::new();
    let browser = house.login("Ada");
    let mut stream = browser.events(0);
    browser.say("n", "slow:I will go on and on");
    stream.until("delta");
    assert_eq!(browser.post("/stop", &[]).json()["stopped"], true);
    let end = stream.find(|event| event.name == "message" && event.data["house"] == true);
    assert!(end.data["html"].as_str().unwrap().contains("Stopped."));
    assert_eq!(browser.post("/stop", &[]).json()["stopped"], false);
}

#[test]
fn too_many_messages_are_answered_with_a_sentence() {
    let house = House::with(Limits { waiting_messages: 2, ..Limits::default() });
    let browser = house.login("Ada");
    let answers: Vec<_> = (0..6).map(|n| browser.say(&format!("n{n}"), "slow:wait")).collect();
    let refused: BTreeSet<_> =
        answers.iter().filter(|answer| answer.status == 429).map(|answer| answer.json()["error"].to_string()).collect();
    assert_eq!(refused.len(), 1);
    assert!(refused.first().unwrap().contains("2 messages are waiting"), "{refused:?}");
    assert_eq!(browser.say("n", "  \n ").status, 400);
    for nonce in ["", "a b", "a/b", &"x".repeat(65)] {
        assert_eq!(browser.say(nonce, "x").status, 400, "{nonce}");
    }
}

#[test]
fn without_the_script_the_page_works_by_forms() {
    let house = House::new();
    let browser = house.login("Ada");
    let fields = |text| [("csrf", browser.csrf.as_str()), ("nonce", "form-1"), ("shown", "0"), ("text", text)];
    let html = [("Accept", "text/html")];
    let answer = browser.post_as("/say", &fields("say:yes\r\nindeed"), &html);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/")));
    browser.events(1).until("message");
    assert!(browser.get("/").body.contains("yes<br />\nindeed"));
    let long = "x".repeat(70_000);
    let refused = browser.post_as("/say", &fields(&long), &html);
    assert_eq!(refused.status, 413);
    assert!(refused.body.contains("This message has 70000 bytes") && refused.body.contains(&long), "the text is not lost");
    assert_eq!(browser.post_as("/stop", &[("csrf", &browser.csrf)], &html).status, 303);
}

#[test]
fn markup_in_messages_and_answers_is_inert() {
    let house = House::new();
    let browser = house.login("Ada");
    let attack = "say:</li><script>alert(1)</script> <img src=x onerror=alert(2)> [x](javascript:alert(3)) ![p](https://evil.example/p)";
    browser.talk("n", attack);
    let mut stream = browser.events(0);
    let (own, answer) = (stream.until("message").data, stream.until("message").data);
    let everything = [browser.get("/").body, own["html"].to_string(), answer["html"].to_string()].join("\n").to_lowercase();
    for inert in ["<script>", "<img src=x", "href=\"javascript", "src=\"https://evil", "onerror=alert(2)>"] {
        assert!(!everything.contains(inert), "{inert} in {everything}");
    }
    assert!(everything.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn earlier_messages_are_pages_of_their_own() {
    let house = House::new();
    let browser = house.login("Ada");
    for n in 0..51 {
        browser.talk(&format!("n{n}"), &format!("say:number {n} here"));
    }
    let newest = browser.get("/").body;
    assert!(newest.contains("number 50 here") && !newest.contains("number 0 here") && newest.contains("/?before=3"));
    let before = browser.get("/?before=3").body;
    assert!(before.contains("number 0 here") && !before.contains("number 1 here") && !before.contains("<textarea"));
    assert_eq!(browser.get("/?before=x").status, 200);
    assert_eq!(browser.get("/?before=0").status, 200);
}

#[test]
fn one_member_cannot_take_all_streams() {
    let house = House::new();
    let browser = house.login("Ada");
    let held: Vec<_> = (0..16).map(|_| browser.events(0)).collect();
    assert_eq!(browser.get("/events").status, 429);
    drop(held);
    let other = house.login("Bob");
    other.events(0).until("hello");
}

#[test]
fn a_question_comes_before_the_preview_of_its_answer() {
    let house = House::new();
    let browser = house.login("Ada");
    let mut stream = browser.events(0);
    stream.until("caught-up");
    for n in 0..20 {
        let said = browser.say(&format!("n{n}"), "slow:one two");
        assert_eq!(said.status, 200);
        let first = stream.find(|event| event.name != "caught-up");
        assert_eq!((first.name.as_str(), first.data["seq"].as_u64()), ("message", said.json()["seq"].as_u64()));
        stream.until("delta");
        house.gate.notify_one();
        stream.until("message");
    }
}
