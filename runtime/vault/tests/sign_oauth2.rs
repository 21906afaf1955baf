//! OAuth 2: what is sent and how answers are read.

#![expect(clippy::unwrap_used, reason = "a test: a failure is the message")]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hearth_vault::sign::oauth2::{Client, ClientProof, OAuthError, Pkce, authorize_url, code_of, exchange, refresh, tokens};
use http::StatusCode;
use proptest::prelude::*;
use secrecy::{ExposeSecret as _, SecretString};

fn pkce() -> Pkce {
    let bytes = URL_SAFE_NO_PAD.decode("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
    Pkce::from_random(&bytes.try_into().unwrap())
}

fn fields(body: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

fn field(body: &[u8], name: &str) -> Option<String> {
    fields(body).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

#[test]
fn the_challenge_is_that_of_rfc_7636_appendix_b() {
    assert_eq!(pkce().verifier().expose_secret(), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    assert_eq!(pkce().challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    assert!(!format!("{:?}", pkce()).contains("dBjft"));
}

#[test]
fn the_address_of_a_login_carries_the_challenge_and_not_the_verifier() {
    let url =
        authorize_url("https://auth.x.com/authorize?tenant=1", "me&you", "http://127.0.0.1:8080/back", "a b", "s=1", &pkce()).unwrap();
    let query = url.strip_prefix("https://auth.x.com/authorize?tenant=1&").unwrap();
    assert_eq!(field(query.as_bytes(), "client_id").as_deref(), Some("me&you"));
    assert_eq!(field(query.as_bytes(), "redirect_uri").as_deref(), Some("http://127.0.0.1:8080/back"));
    assert_eq!(field(query.as_bytes(), "state").as_deref(), Some("s=1"));
    assert_eq!(field(query.as_bytes(), "code_challenge_method").as_deref(), Some("S256"));
    assert!(!url.contains("dBjft"));
    for bad in
        ["http://auth.x.com/", "https://127.0.0.1/", "https://localhost/", "https://auth.x.com/#f", "javascript:x", "https://u@auth.x.com/"]
    {
        assert_eq!(authorize_url(bad, "c", "r", "s", "t", &pkce()), Err(OAuthError::Endpoint), "{bad}");
    }
}

#[test]
fn a_code_belongs_to_the_login_that_asked_for_it() {
    assert_eq!(code_of("code=a%20b&state=xyz", "xyz").unwrap().expose_secret(), "a b");
    for (query, error) in [
        ("code=a&state=xy", OAuthError::State),
        ("code=a", OAuthError::State),
        ("code=a&state=xyz&state=xyz", OAuthError::State),
        ("", OAuthError::State),
        ("error=access_denied&state=xyz", OAuthError::NotGranted),
        ("code=a&error=x&state=xyz", OAuthError::NotGranted),
        ("code=&state=xyz", OAuthError::NotGranted),
        ("code=a&code=b&state=xyz", OAuthError::NotGranted),
    ] {
        assert_eq!(code_of(query, "xyz").unwrap_err(), error, "{query}");
    }
    assert_eq!(code_of("code=a&state=", "").unwrap_err(), OAuthError::State);
}

#[test]
fn requests_for_a_token_prove_the_client_in_its_way() {
    let secret = SecretString::from("s:e c".to_owned());
    let code = SecretString::from("the code".to_owned());
    let with = |proof| exchange(&Client { id: "c 1", proof }, &code, "http://127.0.0.1/back", &pkce()).unwrap();
    let public = with(ClientProof::None);
    assert_eq!(field(&public.body, "grant_type").as_deref(), Some("authorization_code"));
    assert_eq!(field(&public.body, "code").as_deref(), Some("the code"));
    assert_eq!(field(&public.body, "code_verifier").as_deref(), Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
    assert_eq!((field(&public.body, "client_id").as_deref(), public.authorization), (Some("c 1"), None));
    let basic = with(ClientProof::Basic(&secret));
    let header = basic.authorization.clone().unwrap();
    assert!(header.is_sensitive() && !format!("{basic:?}").contains("code"));
    let decoded = STANDARD.decode(header.to_str().unwrap().strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(decoded, b"c%201:s%3Ae%20c");
    assert_eq!(field(&basic.body, "client_id"), None);
    assert_eq!(field(&with(ClientProof::Form(&secret)).body, "client_secret").as_deref(), Some("s:e c"));
    let signed = with(ClientProof::Assertion("a.b.c"));
    assert_eq!(field(&signed.body, "client_assertion").as_deref(), Some("a.b.c"));
    assert_eq!(field(&signed.body, "client_assertion_type").as_deref(), Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
    let again = refresh(&Client { id: "c", proof: ClientProof::None }, &SecretString::from("r&t".to_owned())).unwrap();
    assert_eq!(&again.body[..], b"grant_type=refresh_token&refresh_token=r%26t&client_id=c");
}

#[test]
fn answers_are_read_and_refusals_are_told_apart() {
    let now = jiff::Timestamp::from_second(1000).unwrap();
    let read = |status: u16, body: &str| tokens(StatusCode::from_u16(status).unwrap(), body.as_bytes(), now);
    // RFC 6749 section 5.1.
    let good = read(
        200,
        r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"example","expires_in":3600,"refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA"}"#,
    );
    assert_eq!(good.unwrap_err(), OAuthError::Answer, "a token that is no bearer token");
    let good =
        read(200, r#"{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token":"r","scope":"x","more":[1]}"#).unwrap();
    assert_eq!((good.access.expose_secret(), good.refresh.unwrap().expose_secret()), ("a", "r"));
    assert_eq!(good.until.unwrap().as_second(), 4600);
    let until = |text: &str| {
        read(200, &format!(r#"{{"access_token":"a","expires_in":{text}}}"#)).map(|tokens| tokens.until.map(|at| at.as_second()))
    };
    assert_eq!(until("\"60\""), Ok(Some(1060)));
    assert_eq!(until("60.5"), Ok(Some(1060)));
    assert_eq!(until("-5"), Ok(None));
    assert_eq!(until("null"), Ok(None));
    assert_eq!(until("0"), Ok(None));
    assert!(until("1e300").unwrap().is_none_or(|at| at < 400_000_000));
    let table = [
        (400, r#"{"error":"invalid_grant","error_description":"sk-secret"}"#, OAuthError::Grant),
        (401, r#"{"error":"invalid_client"}"#, OAuthError::Client),
        (400, r#"{"error":"invalid_scope"}"#, OAuthError::Scope),
        (400, r#"{"error":"whatever"}"#, OAuthError::Refused),
        (400, "<html>", OAuthError::Refused),
        (200, r#"{"error":"invalid_grant"}"#, OAuthError::Grant),
        (200, "{}", OAuthError::Answer),
        (200, "<html>", OAuthError::Answer),
        (200, r#"{"access_token":""}"#, OAuthError::Answer),
        (200, r#"{"access_token":"a\r\nb"}"#, OAuthError::Answer),
        (200, r#"{"access_token":"a b"}"#, OAuthError::Answer),
        (200, r#"{"access_token":"a","token_type":"mac"}"#, OAuthError::Answer),
        (302, r#"{"access_token":"a"}"#, OAuthError::Redirect),
        (503, "", OAuthError::Unavailable),
        (429, "", OAuthError::Unavailable),
    ];
    for (status, body, error) in table {
        assert_eq!(read(status, body).unwrap_err(), error, "{status} {body}");
    }
    let long = format!(r#"{{"access_token":"{}"}}"#, "a".repeat(70_000));
    assert_eq!(read(200, &long).unwrap_err(), OAuthError::Answer);
}

proptest! {
    #[test]
    fn no_answer_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,60}", status in 100u16..600) {
        let now = jiff::Timestamp::MAX;
        let _ = tokens(StatusCode::from_u16(status).unwrap(), &body, now);
        let _ = tokens(StatusCode::OK, format!("{{\"access_token\":\"a\",\"expires_in\":{text}}}").as_bytes(), now);
        let _ = tokens(StatusCode::OK, b"{\"access_token\":\"a\",\"expires_in\":9999999}", now);
        let _ = (code_of(&text, "x"), authorize_url(&text, &text, &text, &text, &text, &pkce()));
    }
}
