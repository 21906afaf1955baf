//! What the guard refuses: hosts, origins, methods, tokens, sizes.

use hearth_domain::household::Member;

use crate::http::send;
use crate::support::{House, METRICS_TOKEN};

#[test]
fn a_foreign_host_is_refused_everywhere() {
    let house = House::new();
    let browser = house.login("Ada");
    let (port, cookie) = (house.port, browser.cookie.as_str());
    for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1", "127.0.0.1:1", "localhost.evil.example"] {
        for path in ["/", "/events", "/login", "/healthz", "/assets/x"] {
            assert_eq!(send(port, "GET", path, &[("Host", host), ("Cookie", cookie)], b"").status, 421, "{host} {path}");
        }
    }
    let (own, localhost) = (house.host(), format!("LocalHost:{port}"));
    assert_eq!(send(port, "GET", "/me", &[("Host", &localhost), ("Cookie", cookie)], b"").status, 200);
    assert_eq!(send(port, "GET", "/me", &[("Cookie", cookie)], b"").status / 100, 4);
    assert_ne!(send(port, "GET", "/me", &[("Host", &own), ("Host", "evil.example"), ("Cookie", cookie)], b"").status, 200);
    assert_ne!(send(port, "GET", "http://evil.example/me", &[("Host", &own), ("Cookie", cookie)], b"").status, 200);
}

#[test]
fn forwarded_headers_change_nothing() {
    let house = House::new();
    let browser = house.login("Ada");
    let forwarded =
        [("Host", "evil.example"), ("X-Forwarded-Host", &*house.host()), ("Forwarded", "host=127.0.0.1"), ("Cookie", &*browser.cookie)];
    assert_eq!(send(house.port, "GET", "/me", &forwarded, b"").status, 421);
}

#[test]
fn a_post_from_another_page_is_refused() {
    let house = House::new();
    let browser = house.login("Ada");
    let fields = [("csrf", browser.csrf.as_str()), ("nonce", "n"), ("text", "open the door")];
    let wrong_port = format!("http://127.0.0.1:{}", house.port.wrapping_add(1));
    let other_name = format!("http://localhost:{}", house.port);
    for origin in ["", "null", "https://evil.example", &wrong_port, &other_name, "http://127.0.0.1", &format!("{}/", house.origin())] {
        assert_eq!(browser.post_as("/say", &fields, &[("Origin", origin)]).status, 403, "{origin}");
    }
    for site in ["cross-site", "same-site", "none"] {
        assert_eq!(browser.post_as("/say", &fields, &[("Sec-Fetch-Site", site)]).status, 403, "{site}");
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        assert_eq!(send(house.port, method, "/say", &[("Host", &house.host()), ("Cookie", &browser.cookie)], b"").status, 403, "{method}");
    }
    assert!(house.store.rows().messages.is_empty());
    let token = house.links.issue(Member::id_of("Ada"));
    let body = format!("token={token}");
    let cross = [("Host", &*house.host()), ("Origin", "https://evil.example"), ("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(send(house.port, "POST", "/login", &cross, body.as_bytes()).status, 403);
    assert_eq!(house.try_login(&token).status, 303, "the refused attempt did not use the link up");
}

#[test]
fn a_post_needs_the_token_of_its_own_session() {
    let house = House::new();
    let (ada, bob) = (house.login("Ada"), house.login("Bob"));
    assert_ne!(ada.csrf, bob.csrf);
    let zeros = "0".repeat(64);
    for csrf in ["", "x", &zeros, &bob.csrf] {
        for path in ["/say", "/stop", "/logout", "/seen", "/sessions/end", "/sessions/end-others"] {
            let answer =
                ada.post_as(path, &[("csrf", csrf), ("nonce", "n"), ("text", "x"), ("client", "1"), ("upto", "1"), ("session", "s")], &[]);
            assert_eq!(answer.status, 403, "{path} {csrf}");
        }
    }
    for path in ["/say", "/stop", "/logout", "/seen", "/sessions/end", "/sessions/end-others"] {
        assert_eq!(ada.post_as(path, &[("text", "x")], &[]).status, 400, "{path}");
        assert_eq!(ada.get(path).status, 404, "{path}");
    }
    assert!(house.store.rows().messages.is_empty());
    assert_eq!(ada.get("/me").status, 200);
}

#[test]
fn what_another_page_reads_is_refused() {
    let house = House::new();
    let browser = house.login("Ada");
    let (host, own) = (house.host(), house.origin());
    let get = |path: &str, more: &[(&str, &str)]| {
        let headers = [&[("Host", host.as_str()), ("Cookie", browser.cookie.as_str())], more].concat();
        send(house.port, "GET", path, &headers, b"")
    };
    for path in ["/events", "/me", "/", "/sessions", "/assets/x"] {
        for origin in ["null", "https://evil.example", "http://localhost:1", "http://127.0.0.1"] {
            assert_eq!(get(path, &[("Origin", origin)]).status, 403, "{path} {origin}");
        }
        for site in ["cross-site", "same-site"] {
            for mode in ["no-cors", "cors", "websocket"] {
                assert_eq!(get(path, &[("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode)]).status, 403, "{path} {site} {mode}");
            }
            assert_eq!(get(path, &[("Sec-Fetch-Site", site)]).status, 403, "{path} {site}");
        }
    }
    assert_eq!(get("/me", &[("Origin", &own), ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "cors")]).status, 200);
    // A link on another page may open ours; without the cookie, which such a browser does not send, it shows nothing.
    assert_eq!(get("/me", &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")]).status, 200);
}

#[test]
fn a_socket_from_another_page_is_refused_and_one_from_ours_claims_nothing() {
    let house = House::new();
    let browser = house.login("Bob");
    let (host, own) = (house.host(), house.origin());
    let open = |path: &str, origin: &str| {
        let headers = [
            ("Host", host.as_str()),
            ("Origin", origin),
            ("Cookie", browser.cookie.as_str()),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("X-Role", "owner"),
        ];
        send(house.port, "GET", path, &headers, b"").status
    };
    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        assert_eq!(open("/me", origin), 403, "{origin}");
    }
    assert_eq!(open("/ws", &own), 404);
    // What a client says of itself makes it nobody else.
    assert_eq!(open("/tree?role=owner&scope=admin&member=Ada", &own), 403);
}

#[test]
fn a_peer_that_asks_too_often_is_refused_wherever_it_comes_from_and_the_limit_passes() {
    let house = House::new();
    let statuses: Vec<_> = (0..1_200).map(|_| house.get("/healthz").status).collect();
    assert!(statuses.iter().all(|status| [200, 429].contains(status)));
    assert!(statuses.contains(&429), "loopback is a peer like any other");
    house.clock.put_forward(60);
    assert_eq!(house.get("/healthz").status, 200);
}

#[test]
fn a_session_that_does_too_much_is_refused_and_reads_on() {
    let house = House::new();
    let (ada, bob) = (house.login("Ada"), house.login("Bob"));
    let statuses: Vec<_> = (0..120).map(|_| ada.post("/stop", &[]).status).collect();
    assert!(statuses.contains(&429) && statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    assert_eq!(ada.get("/me").status, 200);
    assert_eq!(bob.post("/stop", &[]).status, 200, "and takes nothing from another");
    house.clock.put_forward(60);
    assert_eq!(ada.post("/stop", &[]).status, 200);
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let house = House::new();
    let browser = house.login("Ada");
    let huge = "x".repeat(4 * 1024 * 1024);
    let answer = browser.say("n", &huge);
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert!(answer.json()["error"].as_str().unwrap().contains("too long"));
    let over = "x".repeat(64 * 1024 + 1);
    let answer = browser.say("n", &over);
    assert_eq!(answer.status, 413);
    assert!(answer.json()["error"].as_str().unwrap().contains("65537 bytes"), "{}", answer.body);
    // The same bytes all escaped still fit.
    let answer = browser.say("n", &"é".repeat(32 * 1024));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn every_answer_wears_the_headers() {
    let house = House::new();
    let browser = house.login("Ada");
    let answers = [
        browser.get("/"),
        browser.get("/me"),
        house.get("/"),
        house.get("/nowhere"),
        house.get("/login"),
        browser.say("n", ""),
        house.get("/healthz"),
    ];
    for answer in answers {
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let page = browser.get("/").body;
    assert!(!page.contains("<style") && !page.contains("style=") && !page.contains("onclick") && !page.contains("<script>"));
    let script = page.split("<script src=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(house.get(script).header("cache-control"), Some("public, max-age=31536000, immutable"));
}

#[test]
fn the_tree_and_the_figures_are_the_owners() {
    let house = House::new();
    let (ada, bob) = (house.login("Ada"), house.login("Bob"));
    assert_eq!(bob.get("/tree").status, 403);
    assert_eq!(bob.get("/metrics").status, 403);
    assert_eq!(ada.get("/tree").json()["name"], "house");
    ada.talk("n", "say:hello");
    let figures = ada.get("/metrics");
    assert!(figures.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    for part in [
        "hearth_mailbox_high_water{room=\"store\"}",
        "hearth_actors_running{room=\"conversations/each\"} 1",
        "hearth_store_rows{kind=\"messages\"} 2",
        "# EOF",
    ] {
        assert!(figures.body.contains(part), "{part} in {}", figures.body);
    }
    assert!(!figures.body.contains("cnv_") && !figures.body.contains("mem_"));
    let host = house.host();
    let bearer =
        |token: &str| send(house.port, "GET", "/metrics", &[("Host", &host), ("Authorization", &format!("Bearer {token}"))], b"").status;
    assert_eq!(bearer(METRICS_TOKEN), 200);
    assert_eq!(bearer("guess"), 401);
    assert!((0..20).any(|_| bearer("guess") == 429));
}
