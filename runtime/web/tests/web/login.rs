//! Logging in and out: links, cookies, sessions, attempts.

use futures_util::FutureExt as _;
use hearth_domain::household::Member;
use hearth_domain::journal::FactKind;
use hearth_domain::store::Store as _;

use crate::http::send;
use crate::support::House;

#[test]
fn a_link_becomes_one_session_and_no_second() {
    let house = House::new();
    let token = house.links.issue(Member::id_of("Ada"));
    let first = house.try_login(&token);
    assert_eq!(first.status, 303);
    let cookie = first.header("set-cookie").unwrap();
    for part in ["hearth_session=", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    assert!(!cookie.contains("Secure"), "without TLS: {cookie}");
    let token_of_session = cookie.split(['=', ';']).nth(1).unwrap();
    assert_eq!(token_of_session.len(), 64);
    assert_eq!(house.try_login(&token).status, 401);
    assert_eq!(house.facts(FactKind::LoggedIn), 1);
    let rows = format!("{:?}", house.store.rows());
    assert!(!rows.contains(token_of_session) && !rows.contains(&token), "the store holds digests only");
}

#[test]
fn a_cookie_that_travels_through_a_tls_proxy_is_secure() {
    let house = House::new();
    let token = house.links.issue(Member::id_of("Ada"));
    let body = format!("token={token}");
    let headers = [
        ("Host", "hearth.example"),
        ("Origin", "https://hearth.example"),
        ("X-Forwarded-Proto", "https"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    let answer = send(house.port, "POST", "/login", &headers, body.as_bytes());
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-hearth_session=") && cookie.contains("; Secure") && cookie.contains("Path=/"), "{cookie}");
    assert!(!cookie.contains("Domain"), "{cookie}");
    assert!(answer.header("strict-transport-security").is_some());
}

#[test]
fn a_refused_login_is_in_the_journal_with_its_reason_and_shows_none() {
    let house = House::new();
    let ada = Some(Member::id_of("Ada"));
    let token = house.links.issue(Member::id_of("Ada"));
    let unknown = format!("{}-{}", "0".repeat(8), "0".repeat(32));
    assert_eq!(house.try_login(&token).status, 303);
    let pages: Vec<_> = [token.as_str(), &unknown, "hello"].map(|token| house.try_login(token)).into();
    assert!(pages.iter().all(|page| page.status == 401 && page.body == pages[0].body), "nobody learns what was wrong");
    let fresh = house.links.issue(Member::id_of("Ada"));
    let guess = format!("{}-{}", fresh.split('-').next().unwrap(), "0".repeat(32));
    assert_eq!(house.try_login(&guess).status, 401);
    let told = |why: &str, who| (who, why.to_owned());
    let expected = [told("used", ada), told("unknown", None), told("malformed", None), told("wrong", ada)];
    assert_eq!(house.told(FactKind::LoginRefused), expected);
}

#[test]
fn a_link_of_eleven_minutes_ago_is_void() {
    let house = House::new();
    let token = house.links.issue(Member::id_of("Ada"));
    house.clock.put_forward(660);
    let answer = house.try_login(&token);
    assert_eq!((answer.status, answer.header("set-cookie")), (401, None));
    assert!(answer.body.contains("a new one"), "{}", answer.body);
}

#[test]
fn looking_at_the_login_page_uses_no_link_up() {
    let house = House::new();
    let token = house.links.issue(Member::id_of("Ada"));
    for _ in 0..3 {
        assert_eq!(house.get("/login").status, 200);
    }
    assert_eq!(house.try_login(&token).status, 303);
}

#[test]
fn attempts_from_loopback_are_limited_and_the_limit_passes() {
    let house = House::new();
    let statuses: Vec<_> = (0..20).map(|n| house.try_login(&format!("{n:08}-{n:032}")).status).collect();
    assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == 401).count() <= 8, "{statuses:?}");
    let token = house.links.issue(Member::id_of("Ada"));
    assert_eq!(house.try_login(&token).status, 429);
    house.clock.put_forward(60);
    assert_eq!(house.try_login(&token).status, 303);
}

#[test]
fn a_member_who_does_not_live_here_gets_no_session() {
    let house = House::new();
    let token = house.links.issue(Member::id_of("Mallory"));
    assert_eq!(house.try_login(&token).status, 401);
    assert_eq!(house.facts(FactKind::LoggedIn), 0);
}

#[test]
fn a_session_ends_at_logout_for_good_and_takes_its_streams_with_it() {
    let house = House::new();
    let browser = house.login("Ada");
    let mut stream = browser.events(0);
    stream.until("hello");
    assert_eq!(browser.get("/me").json()["name"], "Ada");
    let answer = browser.post("/logout", &[]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/login")));
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    while stream.next().is_some() {}
    for path in ["/", "/me", "/events", "/tree", "/metrics"] {
        assert_eq!(browser.get(path).status, 401, "{path}");
    }
    assert_eq!(browser.say("n", "still there?").status, 401);
    assert_eq!(house.facts(FactKind::LoggedOut), 1);
    assert!(house.store.rows().sessions.is_empty());
}

#[test]
fn a_session_ends_by_itself_after_thirty_days() {
    let house = House::new();
    let browser = house.login("Ada");
    for _ in 0..5 {
        house.clock.put_forward(6 * 24 * 3600 - 60);
        assert_eq!(browser.get("/me").status, 200);
    }
    house.clock.put_forward(600);
    assert_eq!(browser.get("/me").status, 401);
    assert_eq!(house.told(FactKind::SessionExpired), [(Some(Member::id_of("Ada")), "old".to_owned())]);
    assert!(house.store.rows().sessions.is_empty(), "so that no clock makes it good again");
}

#[test]
fn a_session_that_nobody_uses_ends_after_a_week() {
    let house = House::new();
    let browser = house.login("Ada");
    house.clock.put_forward(7 * 24 * 3600 + 60);
    assert_eq!(browser.get("/me").status, 401);
    assert_eq!(house.told(FactKind::SessionExpired), [(Some(Member::id_of("Ada")), "idle".to_owned())]);
}

#[test]
fn nothing_but_the_gate_answers_a_stranger() {
    let house = House::new();
    let digest = hearth_domain::journal::Digest::of(b"x").to_string();
    let cookies = ["", "hearth_session=", "hearth_session=1", &format!("hearth_session={digest}"), "session=1; member=owner"];
    for cookie in cookies {
        for path in ["/", "/me", "/events", "/sessions", "/tree", "/metrics", "/?before=1"] {
            let host = house.host();
            let answer = send(house.port, "GET", path, &[("Host", &host), ("Cookie", cookie)], b"");
            assert_eq!(answer.status, 401, "{path} {cookie}");
            assert!(!answer.body.contains("Lovelace"), "{path}: {}", answer.body);
        }
    }
    assert!(house.store.session(hearth_domain::journal::Digest::of(b"")).now_or_never().unwrap().unwrap().is_none());
    assert_eq!(house.get("/healthz").body, "ok\n");
}

#[test]
fn a_session_outlives_a_restart_of_the_house_and_a_link_does_not() {
    let house = House::new();
    let browser = house.login("Ada");
    browser.talk("n", "say:before");
    let (cookie, port, store, link) =
        (browser.cookie.clone(), house.port, house.store.successor(), house.links.issue(Member::id_of("Ada")));
    drop(house);
    let house = House::again(store, port);
    let page = send(port, "GET", "/", &[("Host", &house.host()), ("Cookie", &cookie)], b"");
    assert!(page.status == 200 && page.body.contains("before"), "{}", page.body);
    assert_eq!(house.try_login(&link).status, 401);
}
