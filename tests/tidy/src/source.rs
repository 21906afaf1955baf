//! Files of the workspace, and their text without comments and strings.

use std::io;
use std::path::{Path, PathBuf};

/// Folders that hold nothing written by us.
const SKIPPED: [&str; 2] = ["target", ".git"];

/// A file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path from the workspace's root, with slashes.
    pub path: String,
    /// The text.
    pub text: String,
    /// The text with comments and the insides of strings as blanks. Lines and columns stay.
    pub code: String,
}

impl Source {
    /// A file of this text.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), code: mask(text), text: text.to_owned() }
    }

    /// Its lines, numbered from 1, without comments and strings.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(n, line)| (n.saturating_add(1), line))
    }

    /// Whether all of it is test code.
    #[must_use]
    pub fn is_test(&self) -> bool {
        let folder = self.path.starts_with("tests/") || self.path.contains("/tests/");
        folder || ["tests.rs", "_tests.rs"].iter().any(|end| self.path.ends_with(end))
    }

    /// The number of the line at which its test module begins; past the end when there is none.
    #[must_use]
    pub fn tests_at(&self) -> usize {
        if self.is_test() { 1 } else { self.test_module_at() }
    }

    /// The same by what stands in it, whatever its path says.
    #[must_use]
    pub fn test_module_at(&self) -> usize {
        let lines: Vec<_> = self.code.lines().collect();
        let begins = lines.windows(2).position(
            |pair| matches!(pair, [cfg, module] if cfg.trim() == "#[cfg(test)]" && module.contains("mod ") && module.ends_with('{')),
        );
        begins.map_or(lines.len().saturating_add(1), |at| at.saturating_add(1))
    }

    /// What is wrong at a line.
    #[must_use]
    pub fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// All files below the root with one of these ends, in order of their paths.
///
/// # Errors
///
/// When a folder or a file cannot be read.
pub fn files(root: &Path, ends: &[&str]) -> io::Result<Vec<Source>> {
    let mut paths = Vec::new();
    collect(root, &mut paths)?;
    paths.sort();
    let wanted = |path: &PathBuf| ends.iter().any(|end| path.to_string_lossy().ends_with(end));
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        Ok(Source::new(&name, &std::fs::read_to_string(&path)?))
    };
    paths.into_iter().filter(wanted).map(read).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let skipped = SKIPPED.iter().any(|name| entry.file_name() == *name);
        if entry.file_type()?.is_dir() && !skipped {
            collect(&entry.path(), paths)?;
        } else if entry.file_type()?.is_file() {
            paths.push(entry.path());
        }
    }
    Ok(())
}

/// The text with comments and the insides of strings as blanks.
#[must_use]
pub fn mask(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    let mut word = String::new();
    while let Some(rest @ [letter, ..]) = letters.get(at..) {
        let length = foreign(rest, &word);
        word = if letter.is_alphanumeric() || *letter == '_' { word + &letter.to_string() } else { String::new() };
        match length {
            None => code.push(*letter),
            Some(length) => {
                let inside = rest.get(..length).unwrap_or(rest);
                code.extend(inside.iter().map(|letter| if *letter == '\n' { '\n' } else { ' ' }));
            }
        }
        at = at.saturating_add(length.unwrap_or(1));
    }
    code
}

/// The length of what begins here and is no code: a comment, a string, a letter.
fn foreign(rest: &[char], word: &str) -> Option<usize> {
    match rest {
        ['/', '/', ..] => Some(until(rest, &['\n'])),
        ['/', '*', ..] => Some(nested(rest)),
        ['"', ..] => Some(quoted(rest)),
        ['r', '"' | '#', ..] if matches!(word, "" | "b" | "c") => raw(rest),
        ['\'', '\\', _, tail @ ..] => Some(until(tail, &['\'']).saturating_add(4)),
        ['\'', _, '\'', ..] => Some(3),
        _ => None,
    }
}

/// Letters before the first place where these stand.
fn until(rest: &[char], end: &[char]) -> usize {
    rest.windows(end.len()).position(|window| window == end).unwrap_or(rest.len())
}

fn quoted(rest: &[char]) -> usize {
    let mut escaped = false;
    for (n, letter) in rest.iter().enumerate().skip(1) {
        match letter {
            '"' if !escaped => return n.saturating_add(1),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

fn raw(rest: &[char]) -> Option<usize> {
    let hashes = rest.iter().skip(1).take_while(|letter| **letter == '#').count();
    let begin = hashes.saturating_add(2);
    if rest.get(begin.saturating_sub(1)) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let inside = until(rest.get(begin..).unwrap_or_default(), &end);
    Some(begin.saturating_add(inside).saturating_add(end.len()))
}

fn nested(rest: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0_usize;
    while let Some(pair) = rest.get(at..at.saturating_add(2)) {
        match pair {
            ['/', '*'] => depth = depth.saturating_add(1),
            ['*', '/'] => depth = depth.saturating_sub(1),
            _ => {
                at = at.saturating_add(1);
                continue;
            }
        }
        at = at.saturating_add(2);
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(mask(text), expected);
    }

    #[test]
    fn comments_and_strings_become_blanks_and_lines_stay() {
        check("a // b\nc", "a     \nc");
        check("a /* b /* c\n */ */ d", "a          \n       d".trim_start_matches('x'));
        check(r#"f("x\"y", b"z")"#, "f(      , b   )");
        check(r##"f(r#"a"b"#, 1)"##, "f(        , 1)");
        check(r"f('\n', '{', '\'')", "f(    ,    ,     )");
    }

    #[test]
    fn lifetimes_and_names_that_end_in_r_stay() {
        check("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
        check(r#"for"x""#, "for   ");
    }

    #[test]
    fn test_code_is_told_from_the_product() {
        let source = Source::new("a/src/b.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n");
        assert_eq!(source.tests_at(), 2);
        assert_eq!(Source::new("a/src/b.rs", "#[cfg(test)]\nmod tests;\n").tests_at(), 3);
        assert!(Source::new("a/tests/b.rs", "").is_test());
        assert!(Source::new("a/src/b/tests.rs", "").is_test());
    }
}
