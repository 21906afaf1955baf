//! Rules, targets, redirects and paths: what is shown is read again as the same, and a wider pattern allows what a narrower one does.
#![no_main]

use hearth_domain::pattern;
use hearth_domain::secret::SecretName;
use hearth_vault::policy::target::Target;
use hearth_vault::policy::{path, redirect, rule};
use http::{Method, StatusCode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (rule_text, url, location, outer, inner) = (line(), line(), line(), line(), line());
    let name = SecretName::new("mine").unwrap();
    if let Ok(read) = rule::parse(rule_text, &name) {
        let shown = rule::show(&read);
        assert_eq!(rule::parse(&shown, &name).as_ref(), Ok(&read), "{shown}");
    }
    if let Ok(target) = Target::of_url(&Method::GET, url) {
        let again = Target::of_url(&Method::GET, &target.url()).unwrap();
        assert_eq!(again.url(), target.url());
        assert!(target.same_origin(&again));
        let _ = target.check_public();
        if let Ok(hop) = redirect::next(&target, StatusCode::FOUND, location, 0) {
            assert_eq!(hop.same_origin, hop.target.origin() == target.origin());
        }
        if path::check_pattern(outer).is_ok() && path::check_pattern(inner).is_ok() && pattern::covers(outer, inner) {
            assert!(!pattern::matches(inner, &target.path) || pattern::matches(outer, &target.path), "{outer} {inner} {}", target.path);
        }
    }
});
