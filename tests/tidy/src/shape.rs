//! Sizes and names.

use crate::source::Source;

/// Lines of a file, without its tests, beyond which it is split.
pub const FILE_MAX: usize = 800;
/// Lines of a file, without its tests, from which on it is named in the report.
pub const FILE_LONG: usize = 400;
/// Lines of a function.
pub const FUNCTION_MAX: usize = 70;

/// `foo.rs` and `foo/`, never `mod.rs`.
#[must_use]
pub fn mod_files(source: &Source) -> Vec<String> {
    let is = source.path.ends_with("/mod.rs");
    if is { vec![source.at(1, "name it after its module, beside the folder: `foo.rs` and `foo/`")] } else { Vec::new() }
}

/// Lines without tests; a file of tests counts whole.
#[must_use]
pub fn length(source: &Source) -> usize {
    if source.is_test() { source.text.lines().count() } else { source.tests_at().saturating_sub(1) }
}

/// Files are at most so long.
#[must_use]
pub fn long_files(source: &Source) -> Vec<String> {
    let lines = length(source);
    if lines > FILE_MAX { vec![source.at(1, &format!("{lines} lines without tests, more than {FILE_MAX}; split it"))] } else { Vec::new() }
}

/// Functions are at most so long. Their ends are found by rustfmt's indentation.
#[must_use]
pub fn long_functions(source: &Source) -> Vec<String> {
    let lines: Vec<_> = source.code.lines().collect();
    let mut found = Vec::new();
    for (n, line) in lines.iter().enumerate().filter(|(_, line)| begins_function(line)) {
        let end = format!("{}}}", indent(line));
        let rest = lines.get(n..).unwrap_or_default();
        // A function without a body of its own lines ends in `;` or `}` on the line that begins it.
        if rest.first().is_some_and(|line| line.trim_end().ends_with([';', '}'])) {
            continue;
        }
        let length = rest.iter().position(|line| line.trim_end() == end).map_or(rest.len(), |at| at.saturating_add(1));
        if length > FUNCTION_MAX {
            found.push(source.at(n.saturating_add(1), &format!("a function of {length} lines, more than {FUNCTION_MAX}; split it")));
        }
    }
    found
}

fn indent(line: &str) -> &str {
    line.split(|letter: char| !letter.is_whitespace()).next().unwrap_or_default()
}

fn begins_function(line: &str) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| {
        ["pub", "const", "async", "unsafe", "extern"].contains(word)
            || word.starts_with("pub(")
            || word.starts_with("super)")
            || word.starts_with('"')
    });
    words.next() == Some("fn")
}

/// Every file says at its beginning what it is for.
#[must_use]
pub fn silent_files(source: &Source) -> Vec<String> {
    // The tests of a module are for that module.
    let excused = source.path.ends_with("/tests.rs");
    let speaks = source.text.lines().find(|line| !line.trim().is_empty()).is_none_or(|line| line.starts_with("//!"));
    if excused || speaks { Vec::new() } else { vec![source.at(1, "begin with `//!` and what this file is for")] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mod_file_is_found() {
        assert_eq!(mod_files(&Source::new("a/src/b/mod.rs", "")).len(), 1);
        assert!(mod_files(&Source::new("a/src/b.rs", "")).is_empty());
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let long = "//\n".repeat(FILE_MAX + 1);
        assert_eq!(long_files(&Source::new("a/src/b.rs", &long)).len(), 1);
        let tested = format!("#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert!(long_files(&Source::new("a/src/b.rs", &tested)).is_empty());
    }

    #[test]
    fn a_long_function_is_found_wherever_it_stands() {
        let body = "        a();\n".repeat(FUNCTION_MAX);
        for head in ["fn f() {", "pub(crate) async fn f() {", "unsafe extern \"C\" fn f() {", "pub(in super) const fn f() {"] {
            let text = format!("impl A {{\n    {head}\n{body}    }}\n    fn g() {{}}\n}}\n");
            let found = long_functions(&Source::new("a.rs", &text));
            assert_eq!(found, [format!("a.rs:2: a function of {} lines, more than {FUNCTION_MAX}; split it", FUNCTION_MAX + 2)], "{head}");
        }
        let several = "fn f() {\n    a();\n}\n".repeat(FUNCTION_MAX);
        assert!(long_functions(&Source::new("a.rs", &several)).is_empty());
    }

    #[test]
    fn a_file_without_a_word_is_found() {
        assert_eq!(silent_files(&Source::new("a.rs", "\nuse a;\n")).len(), 1);
        assert!(silent_files(&Source::new("a.rs", "//! For this.\n")).is_empty());
    }
}
