//! Placeholders found, and values put in for where they stand.

#![expect(clippy::unwrap_used, reason = "a test: a failure is the message")]

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_domain::secret::{SecretName, Slot};
use hearth_vault::policy::placeholder::{
    BodyKind, HELD_MAX, Piece, PlaceholderError, Substituter, Values as _, find, header, names, path, query,
};
use hearth_vault::policy::target::Target;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use secrecy::SecretSlice;

type Values = BTreeMap<SecretName, SecretSlice<u8>>;

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn values(pairs: &[(&str, &[u8])]) -> Values {
    pairs.iter().map(|(name, value)| (self::name(name), SecretSlice::from(value.to_vec()))).collect()
}

fn mine(value: &[u8]) -> Values {
    values(&[("mine", value)])
}

fn filled(header_name: &str, text: &str, value: &[u8]) -> Result<Option<Vec<u8>>, PlaceholderError> {
    let header_name: HeaderName = header_name.parse().unwrap();
    let filled = header(&header_name, &HeaderValue::from_str(text).unwrap(), &mine(value))?;
    Ok(filled.map(|value| {
        assert!(value.is_sensitive());
        value.as_bytes().to_vec()
    }))
}

#[test]
fn a_header_gets_the_value_as_it_is() {
    let bearer = |value: &[u8]| filled("authorization", "Bearer hearth_secret_mine_", value);
    assert_eq!(bearer(b"sk-1/2+3=").unwrap().unwrap(), b"Bearer sk-1/2+3=");
    assert_eq!(bearer(b"with tab\tand \xe4").unwrap().unwrap(), b"Bearer with tab\tand \xe4");
    assert_eq!(filled("x-api-key", "no placeholder", b"v"), Ok(None));
    assert_eq!(filled("x-a", "hearth_secret_mine_,hearth_secret_mine_", b"v").unwrap().unwrap(), b"v,v");
}

#[test]
fn a_value_that_would_end_a_header_is_refused() {
    let injections: [&[u8]; 9] = [b"a\r\nHost: evil.com", b"a\nb", b"a\rb", b"a\0b", b"\x7f", b"\x01", b" a", b"a ", b"a\t"];
    for value in injections {
        assert_eq!(filled("authorization", "Bearer hearth_secret_mine_", value), Err(PlaceholderError::NotAHeader), "{value:?}");
    }
}

#[test]
fn basic_credentials_are_decoded_replaced_and_encoded() {
    let basic = |plain: &str, value: &[u8]| {
        let text = format!("Basic {}", STANDARD.encode(plain));
        filled("authorization", &text, value).map(|value| {
            let value = String::from_utf8(value.unwrap()).unwrap();
            STANDARD.decode(value.strip_prefix("Basic ").unwrap()).unwrap()
        })
    };
    assert_eq!(basic("user:hearth_secret_mine_", b"p:w\xc3\xa4").unwrap(), b"user:p:w\xc3\xa4");
    assert_eq!(basic("hearth_secret_mine_:", b"sk_live").unwrap(), b"sk_live:");
    assert_eq!(basic("hearth_secret_mine_", b"sk_live").unwrap(), b"sk_live");
    assert_eq!(basic("user:hearth_secret_mine_", &[b'v'; 4096]).unwrap().len(), 4101);
    assert_eq!(basic("hearth_secret_mine_:x", b"a:b"), Err(PlaceholderError::NotAUser));
    assert_eq!(basic("user:hearth_secret_mine_", b"a\nb"), Err(PlaceholderError::NotAUser));
    assert_eq!(basic("user:hearth_secret_other_", b"v"), Err(PlaceholderError::Unknown));
    assert_eq!(basic("user:hearth_secret_", b"v"), Err(PlaceholderError::Cut));
    // Without a placeholder it is left alone; in another header it is no credential.
    assert_eq!(filled("authorization", "Basic dXNlcjpwYXNz", b"v"), Ok(None));
    assert_eq!(filled("authorization", "basic aGVhcnRoX3NlY3JldF9taW5lXzo", b"v").unwrap().unwrap(), b"Basic djo=");
    assert_eq!(filled("x-other", "Basic aGVhcnRoX3NlY3JldF9taW5lXzo=", b"v"), Ok(None));
}

#[test]
fn a_path_and_a_query_get_the_value_escaped() {
    assert_eq!(*path("/bothearth_secret_mine_/sendMessage", &mine(b"123:AB-c_d")).unwrap(), "/bot123%3AAB-c_d/sendMessage");
    assert_eq!(*query("a=hearth_secret_mine_&b", &mine(b"x&y=z \xff+")).unwrap(), "a=x%26y%3Dz%20%FF%2B&b");
    assert_eq!(*query("plain=%20", &mine(b"v")).unwrap(), "plain=%20");
    for value in [&b"a/b"[..], b"a\\b", b"..", b".", b"", b"a\r\nb", b"a\0", b"\xff", b"..;x"] {
        let alone = path("/hearth_secret_mine_/x", &mine(value));
        assert_eq!(alone.map(|path| path.to_string()), Err(PlaceholderError::NotAPath), "{value:?}");
    }
    assert_eq!(path("/hearth_secret_other_", &mine(b"v")).unwrap_err(), PlaceholderError::Unknown);
}

#[test]
fn a_request_says_which_secrets_it_mentions_and_where() {
    let target: Target = "POST https://a.com/bothearth_secret_one_/x?k=hearth_secret_two_&l=hearth_secret_one_".parse().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&format!("Basic {}", STANDARD.encode("u:hearth_secret_three_"))).unwrap());
    headers.append("x-key", HeaderValue::from_static("hearth_secret_two_"));
    let mentions = names(&target, &headers).unwrap();
    let expected = BTreeMap::from([
        (name("one"), BTreeSet::from([Slot::Path, Slot::Query])),
        (name("two"), BTreeSet::from([Slot::Header, Slot::Query])),
        (name("three"), BTreeSet::from([Slot::Header])),
    ]);
    assert_eq!(mentions, expected);
    let refused = |header: &'static str, value: &'static str| {
        let headers = HeaderMap::from_iter([(HeaderName::from_static(header), HeaderValue::from_static(value))]);
        names(&target, &headers)
    };
    assert_eq!(refused("hearth_secret_one_", "x"), Err(PlaceholderError::NotHere));
    assert_eq!(refused("host", "hearth_secret_one_.evil.com"), Err(PlaceholderError::NotHere));
    assert_eq!(refused("user-agent", "hearth_secret_one_"), Err(PlaceholderError::NotHere));
    assert_eq!(refused("x-key", "hearth_secret_ONE_"), Err(PlaceholderError::Malformed));
    assert_eq!(refused("x-key", "hearth_secret_one"), Err(PlaceholderError::Cut));
}

#[test]
fn what_begins_like_a_placeholder_and_is_none_is_refused() {
    let long = format!("hearth_secret_{}_", "a".repeat(64));
    let long_open = format!("hearth_secret_{}", "a".repeat(64));
    let table = [
        ("hearth_secret__", PlaceholderError::Malformed),
        ("hearth_secret_-a_", PlaceholderError::Malformed),
        ("hearth_secret_A_", PlaceholderError::Malformed),
        ("hearth_secret_a b_", PlaceholderError::Malformed),
        ("hearth_secret_a%5f", PlaceholderError::Malformed),
        ("hearth_secret_a\u{e4}_", PlaceholderError::Malformed),
        ("hearth_secret_\0_", PlaceholderError::Malformed),
        (&long, PlaceholderError::Malformed),
        (&long_open, PlaceholderError::Malformed),
        ("x hearth_secret_", PlaceholderError::Cut),
        ("x hearth_secret_abc", PlaceholderError::Cut),
        (&"hearth_secret_a_".repeat(33), PlaceholderError::TooMany),
    ];
    for (text, error) in table {
        assert_eq!(find(text.as_bytes()), Err(error), "{text}");
    }
    for (text, count) in
        [("hearth_secret", 0), ("hearth_hearth_secret_a_", 1), ("hearth_secret_a_hearth_secret_b_", 2), ("hearth_secret_a__", 1)]
    {
        assert_eq!(find(text.as_bytes()).unwrap().len(), count, "{text}");
    }
    let longest = format!("hearth_secret_{}_", "a".repeat(63));
    assert_eq!(find(longest.as_bytes()).unwrap()[0].range, 0..longest.len());
}

fn body(kind: BodyKind, values: Values, pieces: &[&[u8]]) -> Result<Vec<u8>, PlaceholderError> {
    let mut substituter = Substituter::new(kind, values);
    let mut out = Vec::new();
    let mut push = |pieces: Vec<Piece>| pieces.into_iter().for_each(|piece| out.extend(piece.into_bytes()));
    for piece in pieces {
        push(substituter.feed(Bytes::copy_from_slice(piece))?);
    }
    push(substituter.finish()?);
    Ok(out)
}

#[test]
fn a_body_gets_the_value_escaped_for_its_kind() {
    let odd = "a\"b\\c\n\u{1}\u{e4}".as_bytes();
    let json = body(BodyKind::Json, mine(odd), &[br#"{"op":2,"d":{"token":"hearth_secret_mine_"}}"#]).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(read["d"]["token"].as_str().unwrap().as_bytes(), odd);
    assert_eq!(body(BodyKind::Form, mine(b"a&b=c d"), &[b"t=hearth_secret_mine_&u=1"]).unwrap(), b"t=a%26b%3Dc%20d&u=1");
    assert_eq!(body(BodyKind::Json, mine(b"\xff"), &[b"\"hearth_secret_mine_\""]), Err(PlaceholderError::NotText));
    assert_eq!(body(BodyKind::Json, mine(b"v"), &[b"\"hearth_secret_other_\""]), Err(PlaceholderError::Unknown));
    assert_eq!(body(BodyKind::Opaque, mine(b"v"), &[b"hearth_secret_mine_"]), Err(PlaceholderError::NotHere));
    assert_eq!(body(BodyKind::Opaque, mine(b"v"), &[b"hearth_sec", b"ret_mine_"]), Err(PlaceholderError::NotHere));
    assert_eq!(body(BodyKind::Form, mine(b"v"), &[b"hearth_sec", b"ret_mi"]), Err(PlaceholderError::Cut));
    assert_eq!(body(BodyKind::Form, mine(b"v"), &[b"hearth_sec"]).unwrap(), b"hearth_sec");
    assert_eq!(body(BodyKind::Form, mine(b"v"), &[]).unwrap(), b"");
}

#[test]
fn a_value_that_looks_like_a_placeholder_is_not_replaced_again() {
    let values = || values(&[("mine", b"hearth_secret_other_"), ("other", b"deep")]);
    assert_eq!(body(BodyKind::Form, values(), &[b"hearth_secret_mine_"]).unwrap(), b"hearth_secret_other_");
    assert_eq!(*query("hearth_secret_mine_", &values()).unwrap(), "hearth_secret_other_");
}

#[test]
fn a_guard_sees_what_is_plain_and_nothing_prints_a_value() {
    let mut substituter = Substituter::new(BodyKind::Json, mine(b"swordfish"));
    let pieces = substituter.feed(Bytes::from_static(b"\"a hearth_secret_mine_ b\"")).unwrap();
    let printed = format!("{pieces:?} {substituter:?}");
    assert!(!printed.contains("swordfish") && !printed.contains("115, 119"), "{printed}");
    assert!(matches!(&pieces[..], [Piece::Plain(a), Piece::Secret(b), Piece::Plain(c)] if a == "\"a " && b == "swordfish" && c == " b\""));
    assert!(mine(b"v").value(&name("mine")).is_some());
}

#[test]
fn the_bound_of_placeholders_is_for_a_body_and_not_for_a_piece() {
    let mut substituter = Substituter::new(BodyKind::Json, mine(b"v"));
    let mut feed = || substituter.feed(Bytes::from_static(b"\"hearth_secret_mine_\",")).map(drop);
    assert!((0..32).all(|_| feed() == Ok(())));
    assert_eq!(feed(), Err(PlaceholderError::TooMany));
}

#[test]
fn media_types_tell_the_kind() {
    let table = [
        ("application/json", BodyKind::Json),
        ("Application/JSON; charset=utf-8", BodyKind::Json),
        ("application/vnd.api+json", BodyKind::Json),
        ("application/x-www-form-urlencoded", BodyKind::Form),
        ("multipart/form-data; boundary=x", BodyKind::Opaque),
        ("text/plain", BodyKind::Opaque),
        ("", BodyKind::Opaque),
    ];
    for (text, kind) in table {
        assert_eq!(BodyKind::of(text), kind, "{text}");
    }
}

fn parts() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just("hearth_secret_mine_"),
        Just("hearth_secret_"),
        Just("hearth_secret_other-2_"),
        Just("hearth_"),
        Just("h"),
        Just("_"),
        Just("\""),
        Just("x y"),
        Just("secret_mine_")
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat().into_bytes())
}

proptest! {
    #[test]
    fn however_a_body_is_cut_the_result_is_the_same(text in parts(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8), json in any::<bool>()) {
        let kind = if json { BodyKind::Json } else { BodyKind::Form };
        let values = || values(&[("mine", b"v1\""), ("other-2", b"w/2")]);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&text[from..cut]);
            from = cut;
        }
        pieces.push(&text[from..]);
        let whole = body(kind, values(), &[&text]);
        prop_assert_eq!(body(kind, values(), &pieces).ok(), whole.clone().ok());
        if let Ok(out) = whole {
            prop_assert!(find(&out).unwrap().is_empty());
        }
    }

    #[test]
    fn no_more_is_held_back_than_a_placeholder_is_long(pieces in prop::collection::vec(parts(), 1..6)) {
        let mut substituter = Substituter::new(BodyKind::Opaque, Values::new());
        let (mut taken, mut given) = (0, 0);
        for piece in pieces {
            taken += piece.len();
            let Ok(out) = substituter.feed(piece.into()) else { return Ok(()) };
            given += out.into_iter().map(|piece| piece.into_bytes().len()).sum::<usize>();
            prop_assert!(taken - given <= HELD_MAX);
        }
    }

    #[test]
    fn a_json_string_reads_back_as_the_value(value in ".{0,40}") {
        let out = body(BodyKind::Json, mine(value.as_bytes()), &[b"[\"hearth_secret_mine_\"]"]).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Vec<String>>(&out).unwrap(), vec![value]);
    }

    #[test]
    fn a_form_field_reads_back_as_the_value(value in prop::collection::vec(any::<u8>(), 0..40)) {
        let out = body(BodyKind::Form, mine(&value), &[b"a=hearth_secret_mine_&b=1"]).unwrap();
        let read: Vec<_> = url::form_urlencoded::parse(&out).collect();
        prop_assert_eq!(read.len(), 2);
        prop_assert_eq!(read[0].1.as_ref(), String::from_utf8_lossy(&value));
    }

    #[test]
    fn no_bytes_make_the_search_or_a_header_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), value in prop::collection::vec(any::<u8>(), 0..20)) {
        let _ = find(&bytes);
        let text = [b"hearth_secret_", bytes.as_slice()].concat();
        let _ = find(&text);
        if let Ok(given) = HeaderValue::from_bytes(&text) {
            let _ = header(&http::header::AUTHORIZATION, &given, &mine(&value));
        }
        if let Ok(Some(out)) = header(&http::header::AUTHORIZATION, &HeaderValue::from_static("Bearer hearth_secret_mine_"), &mine(&value)) {
            prop_assert!(!out.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        }
    }
}
