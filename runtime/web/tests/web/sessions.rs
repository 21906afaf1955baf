//! Where members are logged in: seen, ended, and ended by what happens to them.

use hearth_domain::household::wish::Wish;
use hearth_domain::household::{Member, Role};
use hearth_domain::journal::FactKind;

use crate::support::{Browser, House};

/// The ids of the sessions on the page.
fn sessions(browser: &Browser<'_>) -> Vec<String> {
    let page = browser.get("/sessions");
    assert_eq!(page.status, 200, "{}", page.body);
    page.body.split("data-session=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn a_member_sees_where_they_are_logged_in_and_ends_the_others() {
    let house = House::new();
    let (here, there) = (house.login("Ada"), house.login("Ada"));
    let mut stream = there.events(0);
    stream.until("caught-up");
    let page = here.get("/sessions").body;
    assert_eq!((page.matches("data-session=").count(), page.matches("this browser").count()), (2, 1), "{page}");
    let answer = here.post("/sessions/end-others", &[]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/sessions")));
    assert_eq!(stream.until("gone").name, "gone");
    assert!(stream.next().is_none(), "at once, and nothing after it");
    assert_eq!((there.get("/me").status, here.get("/me").status), (401, 200));
    assert_eq!(sessions(&here).len(), 1);
    assert_eq!(house.facts(FactKind::SessionRevoked), 1);
}

#[test]
fn one_session_is_ended_and_ones_own_logs_out() {
    let house = House::new();
    let (here, there) = (house.login("Ada"), house.login("Ada"));
    let both = sessions(&here);
    // The oldest is first.
    assert_eq!(here.post("/sessions/end", &[("session", &both[1])]).header("location"), Some("/sessions"));
    assert_eq!((there.get("/me").status, here.get("/me").status), (401, 200));
    assert_eq!(here.post("/sessions/end", &[("session", &both[1])]).status, 404, "it is gone");
    let answer = here.post("/sessions/end", &[("session", &both[0])]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/login")));
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(here.get("/me").status, 401);
    assert!(house.store.rows().sessions.is_empty());
}

#[test]
fn a_grown_up_ends_a_childs_sessions_and_nobody_ends_a_grown_ups() {
    let house = House::new();
    let (ada, bob, mia) = (house.login("Ada"), house.login("Bob"), house.login("Mia"));
    assert_eq!((sessions(&ada).len(), sessions(&bob).len(), sessions(&mia).len()), (2, 2, 1));
    assert!(!ada.get("/sessions").body.contains("Bob") && bob.get("/sessions").body.contains("Mia"));
    let id = |of: &str| {
        let rows = house.store.rows().sessions;
        rows.values().find(|row| row.member == Member::id_of(of)).unwrap().id.to_string()
    };
    for (by, of) in [(&ada, "Bob"), (&bob, "Ada"), (&mia, "Ada"), (&mia, "Bob")] {
        assert_eq!(by.post("/sessions/end", &[("session", &id(of))]).status, 404, "{of}");
    }
    for nonsense in ["", "x", "ses_0", &Member::id_of("Ada").to_string()] {
        assert_eq!(ada.post("/sessions/end", &[("session", nonsense)]).status, 400, "{nonsense}");
    }
    assert_eq!(bob.post("/sessions/end", &[("session", &id("Mia"))]).status, 303);
    assert_eq!((mia.get("/me").status, ada.get("/me").status, bob.get("/me").status), (401, 200, 200));
    let words = format!("one for {}", Member::id_of("Mia"));
    assert_eq!(house.told(FactKind::SessionRevoked), [(Some(Member::id_of("Bob")), words)]);
}

#[test]
fn another_role_ends_a_members_sessions_at_once_and_the_former_role_does_not_bring_them_back() {
    let house = House::new();
    let bob = house.login("Bob");
    let mut stream = bob.events(0);
    stream.until("caught-up");
    let role = |role| Wish::Role { name: "Bob".to_owned(), role, guardians: Vec::new() };
    house.change("Ada", role(Role::Guest));
    assert_eq!(stream.until("gone").name, "gone");
    assert_eq!(bob.get("/me").status, 401);
    house.change("Ada", role(Role::Adult));
    assert_eq!(bob.get("/me").status, 401);
    assert_eq!(house.login("Bob").get("/me").json()["name"], "Bob");
}

#[test]
fn a_member_who_is_removed_is_logged_out_at_once_and_a_restart_does_not_bring_them_back() {
    let house = House::new();
    let bob = house.login("Bob");
    let mut stream = bob.events(0);
    stream.until("caught-up");
    let link = house.links.issue(Member::id_of("Bob"));
    house.change("Ada", Wish::Remove { name: "Bob".to_owned() });
    assert_eq!(stream.until("gone").name, "gone");
    assert_eq!(bob.get("/").status, 401);
    assert_eq!(bob.say("n", "still here?").status, 401);
    assert_eq!(house.try_login(&link).status, 401);
    assert_eq!(house.told(FactKind::LoginRefused).last().unwrap().1, "gone");
    let (cookie, port, store) = (bob.cookie.clone(), house.port, house.store.successor());
    drop(house);
    let house = House::again(store, port);
    let browser = Browser { house: &house, cookie, csrf: String::new() };
    assert_eq!(browser.get("/me").status, 401);
}

#[test]
fn a_session_that_was_ended_is_not_revived_by_a_restart() {
    let house = House::new();
    let (here, there) = (house.login("Ada"), house.login("Ada"));
    here.post("/sessions/end-others", &[]);
    let (cookies, port, store) = ([here.cookie.clone(), there.cookie.clone()], house.port, house.store.successor());
    drop(house);
    let house = House::again(store, port);
    let statuses = cookies.map(|cookie| Browser { house: &house, cookie, csrf: String::new() }.get("/me").status);
    assert_eq!(statuses, [200, 401]);
}

#[test]
fn a_device_is_called_as_its_member_called_it_or_by_closed_words() {
    let house = House::new();
    let ada = house.login("Ada");
    house.try_login(&house.links.issue_for(Member::id_of("Ada"), Some("Kitchen <b>tablet</b>\u{202e}")));
    let page = ada.get("/sessions").body;
    assert!(page.contains("Kitchen &lt;b&gt;tablet&lt;/b&gt;") && !page.contains('\u{202e}') && page.contains("a browser"), "{page}");
}

#[test]
fn the_store_is_told_once_an_hour_that_a_session_is_used() {
    let house = House::new();
    let ada = house.login("Ada");
    for _ in 0..5 {
        ada.get("/me");
    }
    assert_eq!(house.facts(FactKind::SessionUsed), 0);
    house.clock.put_forward(2 * 3600);
    for _ in 0..5 {
        ada.get("/me");
    }
    assert_eq!(house.facts(FactKind::SessionUsed), 1);
    let rows = house.store.rows().sessions;
    let row = rows.values().next().unwrap();
    assert!(row.at.duration_until(row.seen).as_secs() >= 2 * 3600);
}

#[test]
fn a_member_has_a_bounded_number_of_sessions_and_the_newest_are_good() {
    let house = House::new();
    let first = house.login("Ada");
    let cookies: Vec<_> = (0..16)
        .map(|_| {
            house.clock.put_forward(60);
            house.login("Ada").cookie
        })
        .collect();
    assert_eq!(first.get("/me").status, 401);
    assert_eq!(house.store.rows().sessions.len(), 16);
    let newest = Browser { house: &house, cookie: cookies[15].clone(), csrf: String::new() };
    assert_eq!(newest.get("/me").status, 200);
    assert_eq!(house.told(FactKind::SessionExpired), [(Some(Member::id_of("Ada")), "many".to_owned())]);
}

#[test]
fn a_browser_that_logs_in_again_has_one_session() {
    let house = House::new();
    let ada = house.login("Ada");
    let token = house.links.issue(Member::id_of("Bob"));
    assert_eq!(ada.post_as("/login", &[("token", &token)], &[("Accept", "")]).status, 303);
    assert_eq!(ada.get("/me").status, 401);
    assert_eq!(house.store.rows().sessions.len(), 1);
}
