//! Who is connected to: names, addresses, certificates.

use std::process::Command;

use crate::support::{Certificate, INSIDE, OUTSIDE, Server, Setting, World, always, mirror, text, told};

async fn status(world: &World, url: String) -> (u16, String, String) {
    let answer = world.client().get(url).send().await.unwrap();
    let (status, code, outcome) = told(&answer);
    (status, code.to_owned(), outcome.to_owned())
}

fn refusal(status: u16, code: &str) -> (u16, String, String) {
    (status, code.to_owned(), "not-sent".to_owned())
}

#[tokio::test]
async fn a_name_that_turns_inward_is_not_followed_there() {
    let certificate = Certificate::signed(&["turns.test"], |_| {});
    let outside = Server::https(
        OUTSIDE,
        &certificate,
        b"http/1.1",
        always(|| http::Response::builder().header("connection", "close").body(crate::support::full("outside")).unwrap()),
    )
    .await;
    let inside = tokio::net::TcpListener::bind((INSIDE, outside.port())).await.unwrap();
    let hosts = vec![("turns.test", vec![vec![OUTSIDE], vec![INSIDE]])];
    let world = Setting { roots: Some(certificate.authority.clone()), hosts, ..Setting::new() }.start();
    let url = format!("http://turns.test:{}/", outside.port());
    assert_eq!(world.client().get(&url).send().await.unwrap().text().await.unwrap(), "outside");
    assert_eq!(status(&world, url).await, refusal(403, "address"));
    // Nobody has knocked inside.
    assert!(futures_util::FutureExt::now_or_never(inside.accept()).is_none());
}

#[tokio::test]
async fn of_mixed_addresses_only_the_vetted_are_tried() {
    let certificate = Certificate::signed(&["mixed.test"], |_| {});
    let outside = Server::https(OUTSIDE, &certificate, b"http/1.1", always(|| text("outside"))).await;
    let inside = tokio::net::TcpListener::bind((INSIDE, outside.port())).await.unwrap();
    // The one before the last is nobody's.
    let hosts = vec![("mixed.test", vec![vec!["::1", INSIDE, "127.0.0.3", OUTSIDE]])];
    let world = Setting { roots: Some(certificate.authority.clone()), hosts, ..Setting::new() }.start();
    let answer = world.client().get(format!("http://mixed.test:{}/", outside.port())).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "outside");
    assert!(futures_util::FutureExt::now_or_never(inside.accept()).is_none());
}

#[tokio::test]
async fn addresses_inside_are_refused_however_they_are_reached() {
    let server = Server::http(INSIDE, mirror).await;
    let world = Setting { hosts: vec![("inward.test", vec![vec!["::1"]])], ..Setting::new() }.start();
    for host in ["127.0.0.1", "[::1]", "inward.test", "169.254.169.254"] {
        assert_eq!(status(&world, format!("http://{host}:{}/", server.port())).await, refusal(403, "address"), "{host}");
    }
    assert_eq!(status(&world, "http://refused.test/".into()).await, refusal(403, "policy"));
    assert_eq!(status(&world, "http://nowhere.test/".into()).await, refusal(502, "no-address"));
}

#[tokio::test]
async fn a_permission_for_the_lan_does_not_lend_its_connection() {
    // Two names of one address and port: the LAN's is reached, the other stays refused although a connection is open.
    let server = Server::http(INSIDE, mirror).await;
    let world = Setting { hosts: vec![("plain.test", vec![vec![INSIDE]]), ("inward.test", vec![vec![INSIDE]])], ..Setting::new() }.start();
    let ask = |host: &str| world.client().get(format!("http://{host}:{}/", server.port())).header("hearth-scheme", "http").send();
    assert_eq!(told(&ask("plain.test").await.unwrap()).0, 200);
    assert_eq!(told(&ask("inward.test").await.unwrap()), (403, "address", "not-sent"));
}

#[tokio::test]
async fn certificates_that_do_not_fit_are_told_apart() {
    let good = Certificate::signed(&["away.test"], |_| {});
    let expired = Certificate::signed(&["away.test"], |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let named = Certificate::signed(&["other.test"], |_| {});
    let own = Certificate::self_signed("away.test");
    let cases = [
        (&good, Some(&good), "", "ok"),
        (&expired, Some(&expired), "tls-expired", "expired"),
        (&named, Some(&named), "tls-name", "another name"),
        (&own, None, "tls-issuer", "self-signed"),
        (&good, Some(&named), "tls-issuer", "self-signed"),
    ];
    for (certificate, root, code, words) in cases {
        let server = Server::https(OUTSIDE, certificate, b"http/1.1", always(|| text("ok"))).await;
        let world = Setting { roots: root.map(|root| root.authority.clone()), ..Setting::new() }.start();
        let answer = world.client().get(format!("http://away.test:{}/", server.port())).send().await.unwrap();
        let expected = if code.is_empty() { (200, "", "") } else { (502, code, "not-sent") };
        assert_eq!(told(&answer), expected);
        assert!(answer.text().await.unwrap().contains(words));
    }
}

#[tokio::test]
async fn a_lan_host_may_bring_its_own_authority() {
    let certificate = Certificate::signed(&["plain.test"], |_| {});
    let server = Server::https(INSIDE, &certificate, b"http/1.1", always(|| text("ok"))).await;
    let url = format!("http://plain.test:{}/", server.port());
    let world = Setting::new().start();
    assert_eq!(status(&world, url.clone()).await, refusal(502, "tls-issuer"));
    let mut setting = Setting::new();
    setting.gate.authority_pem = Some(certificate.authority_pem.as_str().into());
    assert_eq!(setting.start().client().get(&url).send().await.unwrap().text().await.unwrap(), "ok");
    let mut setting = Setting::new();
    setting.gate.authority_pem = Some("no certificate".into());
    assert_eq!(status(&setting.start(), url).await, refusal(502, "bad-authority"));
}

#[tokio::test]
async fn nobody_at_the_address_is_not_sent() {
    let listener = std::net::TcpListener::bind((INSIDE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let world = Setting::new().start();
    let answer = world.client().get(format!("http://plain.test:{port}/")).header("hearth-scheme", "http").send().await.unwrap();
    assert_eq!(told(&answer), (502, "unreachable", "not-sent"));
}

#[test]
fn proxy_variables_change_nothing() {
    // A test of this file once more, in a process where every proxy leads nowhere.
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(name, "http://127.0.0.1:1");
    }
    let output = command.args(["--exact", "reach::of_mixed_addresses_only_the_vetted_are_tried"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
