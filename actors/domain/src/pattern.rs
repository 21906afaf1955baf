//! Patterns of paths, as a secret's policy and a tool's grant have them.
//!
//! A pattern is a path of literal segments, `*` for exactly one segment, and `**` at the end for any rest (at least the slash before it).
//! Wildcards take no segment with a `;`, plain or encoded: some servers cut a segment there. Which paths may be asked for at all is
//! decided before, by whoever has the path.

/// One step of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// This segment.
    Literal(&'a str),
    /// Any one.
    One,
    /// Any rest.
    Rest,
}

/// The steps of a pattern that begins with a slash.
pub fn steps(pattern: &str) -> impl Iterator<Item = Step<'_>> {
    pattern.split('/').skip(1).map(|segment| match segment {
        "*" => Step::One,
        "**" => Step::Rest,
        literal => Step::Literal(literal),
    })
}

fn wild(segment: &str) -> bool {
    !segment.contains(';') && !segment.to_ascii_lowercase().contains("%3b")
}

/// Whether a path that can be read in one way only matches a pattern.
#[must_use]
pub fn matches(pattern: &str, path: &str) -> bool {
    if !pattern.starts_with('/') || !path.starts_with('/') {
        return false;
    }
    let mut segments = path.split('/').skip(1);
    for step in steps(pattern) {
        let fits = match step {
            Step::Rest => {
                let mut rest = segments.peekable();
                return rest.peek().is_some() && rest.all(wild);
            }
            Step::One => segments.next().is_some_and(|segment| !segment.is_empty() && wild(segment)),
            Step::Literal(literal) => segments.next() == Some(literal),
        };
        if !fits {
            return false;
        }
    }
    segments.next().is_none()
}

/// Whether every path that `inner` matches is matched by `outer`. Exact for patterns with whole-segment stars and `**` at the end alone.
#[must_use]
pub fn covers(outer: &str, inner: &str) -> bool {
    if !outer.starts_with('/') || !inner.starts_with('/') {
        return false;
    }
    let mut inner = steps(inner);
    for step in steps(outer) {
        let fits = match (step, inner.next()) {
            (_, None) => return false,
            (Step::Rest, Some(first)) => {
                return std::iter::once(first).chain(inner).all(|step| !matches!(step, Step::Literal(text) if !wild(text)));
            }
            (Step::One, Some(Step::Literal(text))) => !text.is_empty() && wild(text),
            (Step::One, Some(Step::One)) => true,
            (Step::Literal(a), Some(Step::Literal(b))) => a == b,
            (Step::One, Some(Step::Rest)) | (Step::Literal(_), Some(Step::One | Step::Rest)) => false,
        };
        if !fits {
            return false;
        }
    }
    inner.next().is_none()
}
