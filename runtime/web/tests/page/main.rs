//! The page as a person sees it: Chromium against a real server. Pictures are kept in the target folder's `tmp`.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "in a test a failure is the message")]
#![expect(clippy::disallowed_methods, reason = "a test has a real clock, and the house a thread of its own")]
#![expect(clippy::wildcard_enum_match_arm, reason = "the double reads text alone")]

mod driver;
#[path = "../web/http.rs"]
#[expect(dead_code, reason = "shared with the tests of the wire")]
mod http;
#[path = "../web/support.rs"]
#[expect(dead_code, reason = "shared with the tests of the wire")]
mod support;

use driver::{Driver, Kind};
use hearth_domain::household::Member;
use support::House;

const ENTER: &str = "\u{e007}";
const SHIFT: &str = "\u{e008}";
const RICH: &str = "say:Here is the plan for **Saturday**:\n\n1. Market at *ten*\n2. Lunch with [Grace](https://example.org/grace?table=4)\n3. Nap\n\n| Dish | For |\n|---|---|\n| Soup | 4 |\n| Cake | 6 |\n\n```\noven --preheat 180\n```\n\n> Do not forget the candles.";

fn log_in(driver: &Driver, house: &House) {
    let token = house.links.issue(Member::id_of("Ada"));
    driver.go(&format!("{}/login#{token}", house.origin()));
    driver.wait("document.querySelector('#login.ready') !== null");
    assert_eq!(driver.eval("location.href + document.body.innerText.includes('-')"), format!("{}/loginfalse", house.origin()));
}

fn say(driver: &Driver, text: &str) {
    driver.keys("#text", &text.replace('\n', &format!("{SHIFT}{ENTER}{SHIFT}")));
    driver.keys("#text", ENTER);
}

#[test]
fn a_member_logs_in_talks_and_logs_out() {
    let house = House::new();
    let driver = Driver::new(Kind::Desktop);
    log_in(&driver, &house);
    driver.picture("desktop-1-login");
    driver.click("#login button");
    driver.wait("document.body.dataset.stream === 'open'");
    driver.picture("desktop-2-empty");
    driver.click(".example");
    assert!(driver.eval("document.querySelector('#text').value").as_str().unwrap().starts_with("Remind me"));
    driver.eval("document.querySelector('#text').value = ''");

    say(&driver, RICH);
    driver.wait("document.querySelectorAll('.msg.answer').length === 1 && document.querySelector('#working').hidden");
    assert_eq!(driver.eval("document.querySelector('.answer ol').children.length"), 3);
    assert_eq!(driver.eval("document.querySelector('.answer a').rel"), "noopener noreferrer nofollow");
    say(&driver, "slow:It will be sunny in the morning, with a light breeze");
    driver.wait("document.querySelector('#stream').textContent.endsWith('breeze')");
    driver.wait("!document.querySelector('#stop').hidden");
    driver.picture("desktop-3-streaming");
    house.gate.notify_one();
    driver.wait("document.querySelectorAll('.msg.answer').length === 2 && document.querySelector('#stop').hidden");

    say(&driver, "slow:stop me");
    driver.wait("document.querySelector('#stream').textContent === 'stop me'");
    driver.click("#stop");
    driver.wait_text("Stopped.");
    driver.wait("document.querySelectorAll('.msg.sending, .msg.failed').length === 0");
    let ids = driver.eval("Array.from(document.querySelectorAll('[data-seq]'), (entry) => Number(entry.dataset.seq)).join()");
    assert_eq!(ids, "1,2,3,4,5,6", "each once, in order");
    assert_eq!(driver.eval("document.querySelectorAll('.day').length"), 1);
    driver.picture("desktop-4-talk");
    driver.dark();
    driver.picture("desktop-5-dark");
    driver.go(&house.origin());
    driver.wait("document.body.dataset.stream === 'open'");
    assert_eq!(driver.eval("document.querySelectorAll('[data-seq]').length"), 6);
    assert_eq!(driver.complaints(), [] as [String; 0]);
    driver.click("header form button");
    driver.wait("location.pathname === '/login'");
    driver.go(&house.origin());
    driver.wait_text("You are not logged in");
    driver.picture("desktop-6-logged-out");
}

#[test]
fn on_a_phone_the_page_fits_and_works() {
    let house = House::new();
    let driver = Driver::new(Kind::Phone);
    log_in(&driver, &house);
    driver.picture("phone-1-login");
    driver.click("#login button");
    driver.wait("document.body.dataset.stream === 'open'");
    driver.picture("phone-2-empty");
    let say = |text: &str| {
        driver.keys("#text", text);
        driver.click("#send");
    };
    say(RICH);
    driver.wait("document.querySelectorAll('.msg.answer').length === 1");
    say("And who brings the cake? I can bake it on Friday evening if somebody picks up the eggs.");
    driver.wait("document.querySelectorAll('.msg.answer').length === 2");
    say("slow:I asked Bob, he says yes");
    driver.wait("document.querySelector('#stream').textContent.endsWith('yes')");
    assert_eq!(driver.eval("document.documentElement.scrollWidth <= innerWidth"), true);
    assert_eq!(driver.eval("document.querySelector('#send').getBoundingClientRect().bottom <= innerHeight"), true);
    driver.picture("phone-3-talk");
    driver.dark();
    driver.picture("phone-4-dark");
    house.gate.notify_one();
    driver.wait("document.querySelectorAll('.msg.answer').length === 3");
    assert_eq!(driver.complaints(), [] as [String; 0]);
}

#[test]
fn a_member_ends_the_session_of_another_device_and_that_device_is_told() {
    let house = House::new();
    let (here, there) = (Driver::new(Kind::Desktop), Driver::new(Kind::Phone));
    for driver in [&here, &there] {
        log_in(driver, &house);
        driver.click("#login button");
        driver.wait("document.body.dataset.stream === 'open'");
    }
    here.click("header a.who");
    here.wait("location.pathname === '/sessions'");
    assert_eq!(here.eval("document.querySelectorAll('[data-session]').length"), 2);
    assert_eq!(here.eval("document.body.innerText.includes('this browser') && document.body.innerText.includes('Chrome on')"), true);
    here.picture("desktop-8-sessions");
    here.click("form[action='/sessions/end-others'] button");
    here.wait("document.querySelectorAll('[data-session]').length === 1");
    there.wait_text("You are not logged in any more");
    there.go(&format!("{}/sessions", house.origin()));
    there.wait_text("You are not logged in");
    here.go(&format!("{}/sessions", house.origin()));
    here.wait("document.querySelectorAll('[data-session]').length === 1");
    assert_eq!(here.eval("document.documentElement.scrollWidth <= innerWidth"), true);
    assert_eq!(here.complaints(), [] as [String; 0]);
}

#[test]
fn markup_never_runs() {
    let house = House::new();
    let driver = Driver::new(Kind::Desktop);
    log_in(&driver, &house);
    driver.click("#login button");
    driver.wait("document.body.dataset.stream === 'open'");
    let attack = "say:<img src=x onerror=\"window.hacked=1\"><script>window.hacked=1</script></li></ol> [a](javascript:window.hacked=1) ![b](https://evil.example/x.png)";
    say(&driver, attack);
    driver.wait("document.querySelectorAll('.msg.answer').length === 1");
    driver.go(&house.origin());
    driver.wait("document.body.dataset.stream === 'open'");
    assert_eq!(
        driver.eval(
            "window.hacked === undefined && document.querySelectorAll('#log img, #log script, #log [href^=javascript]').length === 0"
        ),
        true
    );
    assert_eq!(driver.eval("performance.getEntriesByType('resource').every((entry) => entry.name.startsWith(location.origin))"), true);
    assert_eq!(driver.complaints(), [] as [String; 0]);
}

#[test]
fn without_its_script_the_page_still_talks() {
    let house = House::new();
    let driver = Driver::new(Kind::WithoutScript);
    driver.go(&format!("{}/login", house.origin()));
    driver.keys("#token", &house.links.issue(Member::id_of("Ada")));
    driver.click("#login button");
    driver.wait_element("#welcome");
    driver.keys("#text", "slow:by forms alone");
    driver.click("#send");
    driver.wait_element("#working:not([hidden])");
    driver.picture("plain-1-waiting");
    house.gate.notify_one();
    driver.wait_element(".msg.answer");
    driver.picture("plain-2-answered");
    driver.click("header form button");
    driver.wait_element("#login");
}

#[test]
fn a_lost_connection_is_told_and_nothing_is_lost() {
    let house = House::new();
    let driver = Driver::new(Kind::Desktop);
    log_in(&driver, &house);
    driver.click("#login button");
    driver.wait("document.body.dataset.stream === 'open'");
    say(&driver, "say:before");
    driver.wait("document.querySelectorAll('.msg.answer').length === 1");
    let (store, port) = (house.store.successor(), house.port);
    drop(house);
    driver.wait_text("Connection lost");
    say(&driver, "say:after");
    driver.wait_text("Not sent. Try again");
    driver.picture("desktop-7-lost");
    let house = House::again(store, port);
    driver.wait("document.body.dataset.stream === 'open'");
    driver.click(".again");
    driver.wait("document.querySelectorAll('.msg.answer').length === 2 && document.querySelector('#status').textContent === ''");
    let ids = driver.eval("Array.from(document.querySelectorAll('[data-seq]'), (entry) => Number(entry.dataset.seq)).join()");
    assert_eq!(ids, "1,2,3,4");
    driver.go(&house.origin());
    driver.wait("document.querySelectorAll('.msg.answer').length === 2");
}
