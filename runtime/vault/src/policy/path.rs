//! Paths: which are read in one way only, and which texts are patterns that they can match ([`hearth_domain::pattern`]).

use hearth_domain::pattern::{Step, steps};
use hearth_domain::secret::PLACEHOLDER_BEGIN;

use super::percent;

/// Longest path pattern, in bytes.
pub const PATTERN_MAX: usize = 1024;
/// Rounds of decoding after which a path has to have come to rest.
const ROUNDS: usize = 3;

/// Why a path is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with a slash.
    #[error("the path has to begin with a slash")]
    NotAbsolute,
    /// A backslash, which some readers take for a slash.
    #[error("the path holds a backslash, plain or encoded: nobody knows whether it separates")]
    Backslash,
    /// A control character or white space, plain or encoded control character.
    #[error("the path holds a control character or white space")]
    Control,
    /// A fragment.
    #[error("the path holds a `#`; fragments are not sent")]
    Fragment,
    /// `.` or `..`, in any encoding.
    #[error("the path holds `.` or `..` as a segment, plain or encoded: write it without")]
    DotSegment,
    /// `//`.
    #[error("the path holds an empty segment (`//`)")]
    EmptySegment,
    /// `%2f`.
    #[error("the path holds an encoded slash: nobody knows whether it separates")]
    EncodedSlash,
    /// A percent sign without two digits.
    #[error("the path holds a percent sign that is not followed by two hexadecimal digits")]
    BadEscape,
    /// What it decodes to is no text.
    #[error("the path does not decode to UTF-8")]
    NotText,
    /// Escapes within escapes.
    #[error("the path is encoded more than {ROUNDS} times over")]
    Nested,
}

/// Whether a path can be read in one way only, however often its reader decodes it.
///
/// # Errors
///
/// The first thing that can be read in two ways.
pub fn check(path: &str) -> Result<(), PathError> {
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if path.contains('#') {
        return Err(PathError::Fragment);
    }
    if path.chars().any(char::is_whitespace) {
        return Err(PathError::Control);
    }
    one_reading(path.as_bytes())?;
    let slashes = slashes(path.as_bytes());
    let mut now = path.as_bytes().to_vec();
    for round in 0..=ROUNDS {
        let next = if round == 0 { percent::decode(&now).map_err(|_| PathError::BadEscape)? } else { percent::decode_lenient(&now) };
        if next == now {
            return Ok(());
        }
        if self::slashes(&next) != slashes {
            return Err(PathError::EncodedSlash);
        }
        one_reading(&next)?;
        now = next;
    }
    Err(PathError::Nested)
}

fn slashes(path: &[u8]) -> usize {
    path.iter().filter(|byte| **byte == b'/').count()
}

fn one_reading(path: &[u8]) -> Result<(), PathError> {
    if path.contains(&b'\\') {
        return Err(PathError::Backslash);
    }
    // Overlong forms of a slash or dot are no UTF-8.
    let text = std::str::from_utf8(path).map_err(|_| PathError::NotText)?;
    if text.chars().any(char::is_control) {
        return Err(PathError::Control);
    }
    let mut segments = text.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        // Servers that know parameters read `..;x` as `..`.
        let name = segment.split(';').next().unwrap_or_default();
        let last_and_empty = segment.is_empty() && segments.peek().is_none();
        match name {
            "." | ".." => return Err(PathError::DotSegment),
            "" if !last_and_empty => return Err(PathError::EmptySegment),
            _ => {}
        }
    }
    Ok(())
}

/// Why a pattern is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is longer than [`PATTERN_MAX`].
    #[error("the path pattern is longer than {PATTERN_MAX} bytes")]
    TooLong,
    /// A star within a segment.
    #[error("in a path pattern `*` stands for one whole segment and `**` at the end for any rest")]
    Star,
    /// It holds a query.
    #[error("a path pattern has no query")]
    Query,
    /// No path that is sent could match it as it is written.
    #[error("the path pattern would match no path that is sent: {0}")]
    Path(#[source] PathError),
    /// It is not written as paths are sent.
    #[error("the path pattern is not written as paths are sent: encode what is not plain ASCII")]
    NotAsSent,
}

/// Whether a text is a pattern that a path can match.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_pattern(pattern: &str) -> Result<(), PatternError> {
    if pattern.len() > PATTERN_MAX {
        return Err(PatternError::TooLong);
    }
    if pattern.contains('?') {
        return Err(PatternError::Query);
    }
    check(pattern).map_err(PatternError::Path)?;
    if !pattern.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'^')) {
        return Err(PatternError::NotAsSent);
    }
    let mut steps = steps(pattern).peekable();
    while let Some(step) = steps.next() {
        match step {
            Step::Literal(text) if text.contains('*') => return Err(PatternError::Star),
            Step::Rest if steps.peek().is_some() => return Err(PatternError::Star),
            Step::Literal(_) | Step::One | Step::Rest => {}
        }
    }
    Ok(())
}

/// Whether a pattern names a placeholder.
#[must_use]
pub fn holds_placeholder(pattern: &str) -> bool {
    pattern.contains(PLACEHOLDER_BEGIN)
}

#[cfg(test)]
mod tests {
    use hearth_domain::pattern::{covers, matches};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_that_can_be_read_in_two_ways_are_refused() {
        let table = [
            ("v1/me", PathError::NotAbsolute),
            ("*", PathError::NotAbsolute),
            ("", PathError::NotAbsolute),
            ("http://elsewhere.example/", PathError::NotAbsolute),
            ("/v1/me/../admin", PathError::DotSegment),
            ("/v1/me/..", PathError::DotSegment),
            ("/./v1", PathError::DotSegment),
            ("/v1/%2e%2e/admin", PathError::DotSegment),
            ("/v1/.%2E/admin", PathError::DotSegment),
            ("/v1/%252e%252e/admin", PathError::DotSegment),
            ("/v1/..;/admin", PathError::DotSegment),
            ("/v1/..;x=1/admin", PathError::DotSegment),
            ("/v1/me%2f..%2fadmin", PathError::EncodedSlash),
            ("/v1/me%2Fadmin", PathError::EncodedSlash),
            ("/v1/me%252fadmin", PathError::EncodedSlash),
            ("/v1/me%5c..%5cadmin", PathError::Backslash),
            ("/v1/me\\..\\admin", PathError::Backslash),
            ("//v1/me", PathError::EmptySegment),
            ("/v1//me", PathError::EmptySegment),
            ("/v1/;x/me", PathError::EmptySegment),
            ("/v1/me%00", PathError::Control),
            ("/v1/me%2500", PathError::Control),
            ("/v1/me%0d%0aHost:%20x", PathError::Control),
            ("/v1/me\u{0}", PathError::Control),
            ("/v1/m e", PathError::Control),
            ("/v1/me\t", PathError::Control),
            ("/v1/me%7f", PathError::Control),
            ("/v1/%c0%ae%c0%ae/admin", PathError::NotText),
            ("/v1/%c0%afadmin", PathError::NotText),
            ("/v1/%zz", PathError::BadEscape),
            ("/v1/%", PathError::BadEscape),
            ("/v1/%25252525252f", PathError::Nested),
            ("/v1#x", PathError::Fragment),
        ];
        for (path, error) in table {
            assert_eq!(check(path), Err(error), "{path:?}");
        }
        for path in ["/", "/v1/", "/v1/me", "/v1/models/gemini:generateContent", "/a..b/...", "/100%25", "/%C3%A4", "/v1/me;x"] {
            assert_eq!(check(path), Ok(()), "{path:?}");
        }
    }

    #[test]
    fn patterns_match_whole_segments() {
        let table = [
            ("/v1/me", "/v1/me", true),
            ("/v1/me", "/v1/me/", false),
            ("/v1/me", "/v1/me;x", false),
            ("/v1/me", "/v1/mean", false),
            ("/v1/me", "/V1/me", false),
            ("/v1/*", "/v1/me", true),
            ("/v1/*", "/v1/", false),
            ("/v1/*", "/v1/me/x", false),
            ("/v1/*", "/v1/me;x", false),
            ("/v1/*", "/v1/me%3Bx", false),
            ("/v1/**", "/v1/", true),
            ("/v1/**", "/v1/a/b/c", true),
            ("/v1/**", "/v1", false),
            ("/v1/**", "/v1/a;b/c", false),
            ("/**", "/", true),
            ("/v1/*/x", "/v1/a/x", true),
            ("/v1/*/x", "/v1/a/b/x", false),
        ];
        for (pattern, path, fits) in table {
            assert_eq!(check_pattern(pattern), Ok(()));
            assert_eq!(matches(pattern, path), fits, "{pattern} {path}");
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        assert_eq!(check_pattern("/bot*/x"), Err(PatternError::Star));
        assert_eq!(check_pattern("/**/x"), Err(PatternError::Star));
        assert_eq!(check_pattern("/x?y"), Err(PatternError::Query));
        assert_eq!(check_pattern("/a/../b"), Err(PatternError::Path(PathError::DotSegment)));
        assert_eq!(check_pattern("/ä"), Err(PatternError::NotAsSent));
        assert_eq!(check_pattern(&format!("/{}", "a".repeat(PATTERN_MAX))), Err(PatternError::TooLong));
    }

    fn pattern() -> impl Strategy<Value = String> {
        let segment = prop_oneof![Just("*"), Just("a"), Just("b"), Just("c;d")];
        (prop::collection::vec(segment, 0..3), prop_oneof![Just(""), Just("/**"), Just("/")]).prop_map(|(segments, end)| {
            let text: String = segments.iter().map(|segment| format!("/{segment}")).collect();
            if text.is_empty() && end.is_empty() { "/".to_owned() } else { text + end }
        })
    }

    fn sent() -> impl Strategy<Value = String> {
        let segment = prop_oneof![Just("a"), Just("b"), Just("c;d"), Just("e")];
        (prop::collection::vec(segment, 0..5), any::<bool>()).prop_map(|(segments, slash)| {
            let text: String = segments.iter().map(|segment| format!("/{segment}")).collect();
            if text.is_empty() || slash { text + "/" } else { text }
        })
    }

    proptest! {
        #[test]
        fn a_pattern_that_covers_another_matches_all_that_it_matches(a in pattern(), b in pattern(), path in sent()) {
            prop_assert!(covers(&a, &a));
            if covers(&a, &b) && matches(&b, &path) {
                prop_assert!(matches(&a, &path), "{a} covers {b} but not {path}");
            }
        }

        #[test]
        fn no_text_makes_the_check_panic(text in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let lossy = String::from_utf8_lossy(&bytes);
            for text in [text.as_str(), &lossy] {
                let _ = (check(text), check_pattern(text), matches(text, text), covers(text, text));
            }
        }

        #[test]
        fn a_checked_path_keeps_its_segments_when_decoded(text in "/[a-z0-9%./;25]{0,40}") {
            if check(&text).is_ok() {
                let decoded = String::from_utf8(percent::decode(text.as_bytes()).unwrap()).unwrap();
                prop_assert_eq!(decoded.split('/').count(), text.split('/').count());
                prop_assert!(decoded.split('/').all(|segment| segment != ".." && segment != "."));
            }
        }
    }
}
