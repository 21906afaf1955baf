//! Rules: what they are, what they allow, what they cover.

use proptest::prelude::*;

use super::*;
use crate::pattern::{covers, matches};

fn reach(rule: &str, places: &[(&str, &str)]) -> Vec<Reach> {
    let places = places.iter().map(|(name, place)| ((*name).to_owned(), place.parse().unwrap())).collect();
    rule.parse::<Rule>().unwrap().reaches(&places).collect()
}

fn allowed(rule: &str, places: &[(&str, &str)], method: &str, url: &str) -> bool {
    RequestParts::read(method, url).is_ok_and(|request| reach(rule, places).iter().any(|reach| reach.allows(&request)))
}

#[test]
fn a_rule_prints_to_itself() {
    for text in ["GET https://api.example.com/v1/**", "GET,POST https://a.example:8443/*/b", "GET https://*/**", "REPORT {server}/dav/**"] {
        assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
    }
}

#[test]
fn what_is_no_rule_says_why() {
    use RuleError::{Form, Host, Methods, Path, Place, Scheme};
    let long = format!("GET https://a.com/{}", "a".repeat(RULE_MAX));
    let table = [
        ("", Form),
        ("GET", Form),
        (long.as_str(), Form),
        ("get https://a.com/", Methods),
        ("* https://a.com/", Methods),
        ("GET,GET https://a.com/", Methods),
        ("GET,CONNECT https://a.com/", Methods),
        ("GET http://a.com/", Scheme),
        ("GET  https://a.com/", Scheme),
        ("GET https://localhost/", Host),
        ("GET https://127.0.0.1/", Host),
        ("GET https://[::1]/", Host),
        ("GET https://*.a.com/", Host),
        ("GET https://*:8443/", Host),
        ("GET https://A.com/", Host),
        ("GET {Server}/", Place),
        ("GET {}/", Place),
        ("GET {server", Form),
        ("GET {server}", Path),
        ("GET https://a.com", Path),
        ("GET https://a.com/a*", Path),
        ("GET https://a.com/**/a", Path),
        ("GET https://a.com/a?b", Path),
        ("GET https://a.com/../a", Path),
        ("GET https://a.com/ lan", Path),
    ];
    for (text, error) in table {
        assert_eq!(text.parse::<Rule>(), Err(error), "{text}");
    }
}

#[test]
fn only_the_exact_origin_method_and_path_are_allowed() {
    let rule = "GET https://api.x.com/v1/me";
    assert!(allowed(rule, &[], "GET", "https://api.x.com/v1/me?a=b"));
    let others = ["https://api.x.com.evil.com/v1/me", "https://api.x.com:8443/v1/me", "http://api.x.com/v1/me", "https://x.com/v1/me"];
    for url in others.into_iter().chain([
        "https://api.x.com/v1/me/",
        "https://api.x.com/v1",
        "https://api.x.com/v1/me/a",
        "https://api.x.com/v1/ME",
    ]) {
        assert!(!allowed(rule, &[], "GET", url), "{url}");
    }
    assert!(!allowed(rule, &[], "POST", "https://api.x.com/v1/me"));
}

#[test]
fn a_wildcard_takes_one_segment_or_any_rest() {
    let one = "GET https://a.com/v1/*";
    assert!(allowed(one, &[], "GET", "https://a.com/v1/x"));
    for url in ["https://a.com/v1/", "https://a.com/v1", "https://a.com/v1/x/y", "https://a.com/v1/x;y"] {
        assert!(!allowed(one, &[], "GET", url), "{url}");
    }
    let rest = "GET https://a.com/v1/**";
    for url in ["https://a.com/v1/", "https://a.com/v1/x", "https://a.com/v1/x/y/"] {
        assert!(allowed(rest, &[], "GET", url), "{url}");
    }
    assert!(!allowed(rest, &[], "GET", "https://a.com/v1") && !allowed(rest, &[], "GET", "https://a.com/v1/x/y;z"));
}

#[test]
fn every_public_host_is_no_address_and_no_local_name() {
    let rule = "GET https://*/**";
    assert!(allowed(rule, &[], "GET", "https://news.example.org/a/b"));
    for url in ["https://127.0.0.1/", "https://[2606::1]/", "https://router/", "http://news.example.org/", "https://news.example.org:8443/"]
    {
        assert!(!allowed(rule, &[], "GET", url), "{url}");
    }
}

#[test]
fn a_place_is_where_the_adult_says_and_nowhere_before() {
    let rule = "GET,POST {server}/api/**";
    assert_eq!(reach(rule, &[]), []);
    assert_eq!(reach(rule, &[("other", "https://a.com")]), []);
    let places = [("server", "http://192.168.1.9:8123 lan")];
    assert!(allowed(rule, &places, "POST", "http://192.168.1.9:8123/api/states"));
    assert!(!allowed(rule, &places, "POST", "http://192.168.1.9/api/states") && !allowed(rule, &places, "GET", "http://192.168.1.9:8123/"));
}

#[test]
fn a_place_of_the_lan_has_to_be_called_so() {
    for good in ["https://dav.example.com", "https://dav.example.com:8443", "http://homeassistant:8123 lan", "https://[fd12::1] lan"] {
        assert_eq!(String::from(good.parse::<Place>().unwrap()), good);
    }
    let bad = [
        ("http://dav.example.com", PlaceError::PlainWithoutLan),
        ("https://router", PlaceError::LocalWithoutLan),
        ("https://10.0.0.1", PlaceError::LocalWithoutLan),
        ("https://a.com/path", PlaceError::Form),
        ("a.com", PlaceError::Form),
        ("https://a.com  lan", PlaceError::Form),
    ];
    for (text, error) in bad {
        assert_eq!(text.parse::<Place>(), Err(error), "{text}");
    }
}

fn pattern() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "*", "a;x"]);
    let end = prop::sample::select(vec!["", "/", "/**"]);
    (prop::collection::vec(segment, 0..4), end).prop_map(|(segments, end)| {
        let path: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        if path.is_empty() && end.is_empty() { "/".to_owned() } else { path + end }
    })
}

fn path() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "c", "a;x"]);
    (prop::collection::vec(segment, 0..5), any::<bool>()).prop_map(|(segments, slash)| {
        let path: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        if slash || path.is_empty() { path + "/" } else { path }
    })
}

/// Says the same as `matches`, by taking both apart from the front.
fn says(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**"], [_, ..]) => path.iter().all(|segment| !segment.contains(';')),
        (["*", pattern @ ..], [first, path @ ..]) => !first.is_empty() && !first.contains(';') && says(pattern, path),
        ([literal, pattern @ ..], [first, path @ ..]) => literal == first && says(pattern, path),
        _ => false,
    }
}

proptest! {
    #[test]
    fn a_pattern_matches_what_its_segments_say(pattern in pattern(), path in path()) {
        prop_assert!(check_pattern(&pattern).is_ok() && check_path(&path).is_ok());
        let parts = |text: &'_ str| -> Vec<String> { text.split('/').skip(1).map(str::to_owned).collect() };
        let (p, q) = (parts(&pattern), parts(&path));
        let (p, q): (Vec<_>, Vec<_>) = (p.iter().map(String::as_str).collect(), q.iter().map(String::as_str).collect());
        prop_assert_eq!(matches(&pattern, &path), says(&p, &q));
    }

    #[test]
    fn what_is_covered_allows_nothing_more(outer in pattern(), inner in pattern(), path in path()) {
        if covers(&outer, &inner) && matches(&inner, &path) {
            prop_assert!(matches(&outer, &path), "{} {} {}", outer, inner, path);
        }
        prop_assert!(covers(&outer, &outer) );
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "\\PC{0,60}", rest in "[a.*{}/?;:%2e-]{0,30}") {
        for text in [text.clone(), format!("GET {rest}"), format!("GET https://{rest}")] {
            let _ = text.parse::<Place>();
            if let Ok(rule) = text.parse::<Rule>() {
                prop_assert_eq!(rule.to_string().parse::<Rule>().unwrap(), rule);
            }
        }
    }
}
