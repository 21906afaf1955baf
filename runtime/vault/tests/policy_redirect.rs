//! Where redirects lead, and what goes along.

#![expect(clippy::unwrap_used, reason = "a test: a failure is the message")]

use hearth_domain::secret::Scheme;
use hearth_vault::policy::path::PathError;
use hearth_vault::policy::redirect::{REDIRECTS_MAX, RedirectError, next};
use hearth_vault::policy::target::{Target, TargetError};
use http::StatusCode;
use proptest::prelude::*;

const FROM: &str = "POST https://api.x.com/v1/a/b?q=1";

fn from() -> Target {
    FROM.parse().unwrap()
}

fn to(location: &str) -> Result<String, RedirectError> {
    next(&from(), StatusCode::TEMPORARY_REDIRECT, location, 0).map(|hop| hop.target.url())
}

#[test]
fn the_method_and_the_body_follow_the_rfc() {
    let table = [
        ("POST", 301, "GET", false),
        ("POST", 302, "GET", false),
        ("POST", 303, "GET", false),
        ("POST", 307, "POST", true),
        ("POST", 308, "POST", true),
        ("PUT", 301, "PUT", true),
        ("PUT", 302, "PUT", true),
        ("PUT", 303, "GET", false),
        ("DELETE", 303, "GET", false),
        ("GET", 302, "GET", true),
        ("GET", 303, "GET", false),
        ("HEAD", 303, "HEAD", false),
        ("HEAD", 302, "HEAD", true),
    ];
    for (method, status, then, keep_body) in table {
        let from = Target { method: method.to_owned(), ..from() };
        let hop = next(&from, StatusCode::from_u16(status).unwrap(), "/x", 0).unwrap();
        assert_eq!((hop.target.method.as_str(), hop.keep_body), (then, keep_body), "{method} {status}");
    }
    for status in [200, 201, 300, 304, 305, 306, 400, 500] {
        assert_eq!(next(&from(), StatusCode::from_u16(status).unwrap(), "/x", 0), Err(RedirectError::NotARedirect));
    }
}

#[test]
fn references_are_resolved() {
    let table = [
        ("/x", "https://api.x.com/x"),
        ("/x?y=z#f", "https://api.x.com/x?y=z"),
        ("c", "https://api.x.com/v1/a/c"),
        ("./c", "https://api.x.com/v1/a/c"),
        ("../c?d", "https://api.x.com/v1/c?d"),
        ("../../../../c", "https://api.x.com/c"),
        ("?z", "https://api.x.com/v1/a/b?z"),
        ("", "https://api.x.com/v1/a/b?q=1"),
        ("#f", "https://api.x.com/v1/a/b?q=1"),
        ("https://other.com/x", "https://other.com/x"),
        ("HTTPS://API.X.COM/x", "https://api.x.com/x"),
        ("//other.com:8443/x", "https://other.com:8443/x"),
        ("https://other.com", "https://other.com/"),
        ("https://other.com?a", "https://other.com/?a"),
    ];
    for (location, url) in table {
        assert_eq!(to(location).as_deref(), Ok(url), "{location}");
    }
}

#[test]
fn credentials_stay_with_scheme_host_and_port() {
    let table = [
        ("/x", true),
        ("https://api.x.com:443/x", true),
        ("https://API.x.com/x", true),
        ("https://api.x.com:8443/x", false),
        ("https://x.com/x", false),
        ("https://api.x.com.evil.com/x", false),
        ("https://www.api.x.com/x", false),
    ];
    for (location, same) in table {
        assert_eq!(next(&from(), StatusCode::FOUND, location, 0).unwrap().same_origin, same, "{location}");
    }
    let plain: Target = "GET http://nas.local/x".parse().unwrap();
    let hop = next(&plain, StatusCode::FOUND, "https://nas.local/x", 0).unwrap();
    assert!(!hop.same_origin && hop.target.scheme == Scheme::Https);
}

#[test]
fn places_that_no_redirect_leads_to() {
    let bad = |error| Err(RedirectError::Target(error));
    let table = [
        ("file:///etc/passwd", Err(RedirectError::Scheme)),
        ("FILE:/etc/passwd", Err(RedirectError::Scheme)),
        ("ftp://other.com/", Err(RedirectError::Scheme)),
        ("javascript:alert(1)", Err(RedirectError::Scheme)),
        ("data:text/html,x", Err(RedirectError::Scheme)),
        ("gopher://other.com/", Err(RedirectError::Scheme)),
        ("unix:/run/x", Err(RedirectError::Scheme)),
        ("ws://other.com/", Err(RedirectError::Scheme)),
        ("https:other.com", Err(RedirectError::Scheme)),
        ("https:/other.com", Err(RedirectError::Scheme)),
        ("https:", Err(RedirectError::Scheme)),
        ("https:\\\\other.com", Err(RedirectError::Scheme)),
        ("http://api.x.com/x", Err(RedirectError::Downgrade)),
        ("http://169.254.169.254/latest", Err(RedirectError::Downgrade)),
        ("https:///other.com", bad(TargetError::NoHost)),
        ("///other.com", bad(TargetError::NoHost)),
        ("https://user:pass@other.com/", bad(TargetError::UserInfo)),
        ("//api.x.com@other.com/", bad(TargetError::UserInfo)),
        ("/\\other.com", bad(TargetError::Backslash)),
        ("\\\\other.com", bad(TargetError::Backslash)),
        ("https://2130706433/", bad(TargetError::LegacyAddress)),
        ("//0x7f.1/", bad(TargetError::LegacyAddress)),
        ("https://017700000001/", bad(TargetError::LegacyAddress)),
        ("https://\u{2460}\u{2461}\u{2466}.1/", bad(TargetError::LegacyAddress)),
        ("https://localhost./", bad(TargetError::TrailingDot)),
        ("/a/../b", bad(TargetError::Path(PathError::DotSegment))),
        ("/a/%2e%2e/b", bad(TargetError::Path(PathError::DotSegment))),
        ("%2e%2e/b", bad(TargetError::Path(PathError::DotSegment))),
        ("/a%2fb", bad(TargetError::Path(PathError::EncodedSlash))),
        ("/x\r\nSet-Cookie: a=b", bad(TargetError::Control)),
        ("/x\ty", bad(TargetError::Control)),
        ("/bothearth_secret_mine_/x", Err(RedirectError::Placeholder)),
        ("https://other.com/?hearth_secret_mine_", Err(RedirectError::Placeholder)),
    ];
    for (location, error) in table {
        assert_eq!(to(location), error, "{location:?}");
    }
    assert_eq!(to(&format!("/{}", "a".repeat(9000))), Err(RedirectError::TooLong));
}

#[test]
fn a_redirect_inside_is_a_target_that_is_not_public() {
    for location in
        ["https://169.254.169.254/", "https://[::ffff:7f00:1]/", "https://127.0.0.1/", "https://localhost/", "https://x.internal/"]
    {
        let hop = next(&from(), StatusCode::FOUND, location, 0).unwrap();
        assert!(hop.target.check_public().is_err() && !hop.same_origin, "{location}");
    }
}

#[test]
fn a_thousand_redirects_end_at_the_tenth() {
    let mut at = from();
    let mut hops = 0;
    let end = loop {
        match next(&at, StatusCode::FOUND, "/again", hops) {
            Ok(hop) => (at, hops) = (hop.target, hops + 1),
            Err(error) => break error,
        }
    };
    assert_eq!((end, hops), (RedirectError::TooMany, REDIRECTS_MAX));
}

proptest! {
    #[test]
    fn no_location_makes_it_panic_or_leaves_https(location in "\\PC{0,60}", begin in prop_oneof![Just(""), Just("/"), Just("//"), Just("https://"), Just("https:"), Just("../"), Just("?")]) {
        for status in [302u16, 307] {
            if let Ok(hop) = next(&from(), StatusCode::from_u16(status).unwrap(), &format!("{begin}{location}"), 0) {
                prop_assert_eq!(hop.target.scheme, Scheme::Https);
                prop_assert_eq!(hop.target.to_string().parse::<Target>().unwrap(), hop.target.clone());
                prop_assert_eq!(hop.same_origin, hop.target.origin() == from().origin());
            }
        }
    }
}
