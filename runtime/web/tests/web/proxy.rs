//! Behind a proxy that speaks TLS, and around it.

use hearth_domain::household::Member;

use crate::http::{Answer, send};
use crate::support::House;

/// What the declared proxy passes on.
fn through(house: &House, path: &str, more: &[(&str, &str)]) -> Answer {
    let headers = [&[("Host", "hearth.example"), ("X-Forwarded-Proto", "https")], more].concat();
    send(house.port, "GET", path, &headers, b"")
}

fn log_in(house: &House, more: &[(&str, &str)]) -> Answer {
    let body = format!("token={}", house.links.issue(Member::id_of("Ada")));
    let headers = [("Host", "hearth.example"), ("Origin", "https://hearth.example"), ("Content-Type", "application/x-www-form-urlencoded")];
    send(house.port, "POST", "/login", &[&headers, more].concat(), body.as_bytes())
}

#[test]
fn a_public_name_is_served_when_the_proxy_says_that_it_came_by_tls_and_not_otherwise() {
    let house = House::new();
    assert_eq!(through(&house, "/healthz", &[]).status, 200);
    for said in [&[][..], &[("X-Forwarded-Proto", "http")], &[("X-Forwarded-Proto", "https,http")]] {
        let headers = [&[("Host", "hearth.example")], said].concat();
        assert_eq!(send(house.port, "GET", "/healthz", &headers, b"").status, 403, "{said:?}");
        assert_eq!(log_in(&house, said).status, 403, "{said:?}");
    }
    assert_eq!(through(&house, "/healthz", &[("X-Forwarded-Proto", "http")]).status, 403, "said twice");
    let hidden = send(house.port, "GET", "/healthz", &[("Host", &house.host()), ("X-Forwarded-Proto", "https")], b"");
    assert_eq!(hidden.status, 403, "a proxy that hides the name would make a page without TLS of it");
    assert!(hidden.body.contains("Host"), "{}", hidden.body);
}

#[test]
fn a_session_by_tls_is_known_by_its_own_cookie_alone() {
    let house = House::new();
    let answer = log_in(&house, &[("X-Forwarded-Proto", "https")]);
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(through(&house, "/me", &[("Cookie", &cookie)]).json()["name"], "Ada");
    // A neighbour under the same name without TLS can set a cookie without the prefix.
    let plain = cookie.replace("__Host-", "");
    assert_eq!(through(&house, "/me", &[("Cookie", &plain)]).status, 401);
    assert_eq!(send(house.port, "GET", "/me", &[("Host", &house.host()), ("Cookie", &cookie)], b"").status, 401);
}

#[test]
fn attempts_through_the_proxy_are_counted_for_whom_it_names() {
    let house = House::new();
    let try_as = |client: &str| {
        let headers = [
            ("Host", "hearth.example"),
            ("Origin", "https://hearth.example"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-For", client),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        send(house.port, "POST", "/login", &headers, b"token=guess").status
    };
    let statuses: Vec<_> = (0..12).map(|_| try_as("203.0.113.9")).collect();
    assert!(statuses.contains(&401) && statuses.contains(&429), "{statuses:?}");
    // What the client wrote there itself comes before it and counts for nothing.
    assert_eq!(try_as("198.51.100.1, 203.0.113.9"), 429);
    assert_eq!(try_as("203.0.113.9, 198.51.100.1"), 401);
}
