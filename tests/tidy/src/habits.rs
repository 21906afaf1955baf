//! What may stand where in the source.

use crate::source::Source;

/// Files that may hold unsafe code, and why.
pub const UNSAFE: [(&str, &str); 5] = [
    ("tests/crash/shim/src/", "stands between a program and its libc"),
    ("tools/host/src/load.rs", "machine code that the house's own compiler made and its key is on"),
    ("tools/host/src/attack.rs", "attacker's code, for a test: system calls with arguments that nobody vouches for"),
    ("tools/sdk/src/wasm/entropy.rs", "a symbol that another crate names, with a pointer and a length: chance in a component"),
    ("tools/guests/script/src/now.rs", "a symbol that a part in C names: the clock in a component"),
];

/// Test files that may sleep, and why. A test waits by reading, never by guessing how long something takes.
pub const SLEEPS: [(&str, &str); 10] = [
    ("tools/host/tests/sandbox/ends.rs", "the instant at which a process is killed is drawn, not waited for"),
    ("runtime/vault/tests/keeper_process.rs", "the instant at which a process is killed is drawn, not waited for"),
    ("supervisor/tests/supervision/", "paused clock: a sleep is an instant of the test's own time"),
    ("tests/conformance/src/double.rs", "the double is slow where its plan says so; paused clock"),
    ("tests/crash/src/", "a harness of real processes and disks: looks again until a deadline, and gives a store its background time"),
    ("tests/crash/shim/src/sync.rs", "a disk that is slow to sync"),
    ("tests/scripted/src/http.rs", "a provider that is slow; looks whether its client has gone"),
    ("runtime/adapters/tests/store_folder.rs", "looks again, a bounded number of times, whether a dropped store has given its folder back"),
    ("runtime/adapters/tests/models_failures.rs", "looks again until a deadline whether a connection was closed"),
    ("tests/acceptance/support.rs", "waits until the wall clock shows an instant at which something is due"),
];

/// Words of machines that this was written on.
#[must_use]
pub fn machine_words() -> [String; 3] {
    ["root", "work", "home"].map(|name| format!("/{name}/"))
}

fn each_line(source: &Source, what: &str, is: impl Fn(&str) -> bool) -> Vec<String> {
    source.code_lines().filter(|(_, line)| is(line)).map(|(n, _)| source.at(n, what)).collect()
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|part| part == word)
}

fn listed(source: &Source, list: &[(&str, &str)]) -> bool {
    list.iter().any(|(path, _)| source.path.starts_with(path))
}

/// `select!` is biased, so that a seed decides which branch is polled first.
#[must_use]
pub fn unbiased_selects(source: &Source) -> Vec<String> {
    let lines: Vec<_> = source.code.lines().collect();
    let mut found = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        let Some((_, inside)) = line.split_once("select!").filter(|(_, inside)| inside.trim_start().starts_with(['{', '('])) else {
            continue;
        };
        let after =
            std::iter::once(inside.trim_start().trim_start_matches(['{', '('])).chain(lines.iter().skip(n.saturating_add(1)).copied());
        let first = after.map(str::trim).find(|line| !line.is_empty());
        if !first.is_some_and(|first| first.starts_with("biased;")) {
            found.push(source.at(n.saturating_add(1), "a `select!` without `biased;` is decided by chance"));
        }
    }
    found
}

/// Unsafe code only where it is listed.
#[must_use]
pub fn unsafe_code(source: &Source) -> Vec<String> {
    if listed(source, &UNSAFE) {
        return Vec::new();
    }
    each_line(source, "unsafe code outside the listed files", |line| has_word(line, "unsafe"))
}

/// Nothing is left for later without an issue.
#[must_use]
pub fn left_overs(source: &Source) -> Vec<String> {
    let marks = ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "X".repeat(3)];
    let spoken = source.text.lines().enumerate().filter(|(_, line)| marks.iter().any(|mark| has_word(line, mark)));
    let mut found: Vec<_> = spoken.map(|(n, _)| source.at(n.saturating_add(1), "finish it, or write an issue")).collect();
    let macros = ["todo!", "unimplemented!", "dbg!"];
    found.extend(each_line(source, "finish it", |line| macros.iter().any(|name| line.contains(name))));
    found
}

/// A test that does not run is no test.
#[must_use]
pub fn ignored_tests(source: &Source) -> Vec<String> {
    each_line(source, "a test that does not run; mend it or remove it", |line| {
        let attribute: String = line.split_whitespace().collect();
        attribute.contains("#[ignore") || attribute.contains("#[should_panic")
    })
}

/// Tests do not sleep in order to wait for something.
#[must_use]
pub fn sleeping_tests(source: &Source) -> Vec<String> {
    if listed(source, &SLEEPS) {
        return Vec::new();
    }
    let from = source.tests_at();
    let sleeps = source
        .code_lines()
        .filter(|(n, line)| *n >= from && ["::sleep(", " sleep(", "sleep_until("].iter().any(|call| format!(" {line}").contains(call)));
    sleeps.map(|(n, _)| source.at(n, "a test that sleeps; wait by reading, with a deadline")).collect()
}

/// Exceptions from a lint say why.
#[must_use]
pub fn silent_exceptions(source: &Source) -> Vec<String> {
    let lines: Vec<_> = source.code.lines().collect();
    let mut found = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        let attribute = line.trim_start();
        let begins = ["#[allow(", "#![allow(", "#[expect(", "#![expect("].iter().any(|begin| attribute.starts_with(begin));
        if !begins {
            continue;
        }
        let end = lines.iter().skip(n).position(|line| line.contains(")]")).unwrap_or_default();
        let whole = lines.iter().skip(n).take(end.saturating_add(1));
        if !whole.into_iter().any(|line| line.contains("reason")) {
            found.push(source.at(n.saturating_add(1), "an exception without `reason = …`"));
        }
    }
    found
}

/// No path of the machine that something was written on. Any text file.
#[must_use]
pub fn machine_paths(source: &Source) -> Vec<String> {
    let words = machine_words();
    let lines = source.text.lines().enumerate().filter(|(_, line)| words.iter().any(|word| begins_path(line, word)));
    lines.map(|(n, _)| source.at(n.saturating_add(1), "a path of one machine")).collect()
}

/// Whether an absolute path begins with the word: it is not the middle of a longer one or of an address.
fn begins_path(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line.get(..at).unwrap_or_default().ends_with(|letter: char| letter.is_alphanumeric() || "-_.}/~".contains(letter)))
}

/// The domain is pure: no actor, no input or output, no thread, no clock, no chance of its own.
#[must_use]
pub fn impure_domain(source: &Source) -> Vec<String> {
    if !source.path.starts_with("actors/domain/src/") {
        return Vec::new();
    }
    let banned = [
        "std::fs",
        "std::net",
        "std::thread",
        "std::process",
        "std::env",
        "tokio::",
        "actix",
        "Instant::now",
        "SystemTime",
        "Timestamp::now",
        "Zoned::now",
        "getrandom",
        "::from_os_rng",
        "thread_rng",
    ];
    let from = source.tests_at();
    let impure = source.code_lines().filter(|(n, line)| *n < from && banned.iter().any(|name| line.contains(name)));
    impure.map(|(n, _)| source.at(n, "the domain is pure; put this behind a port")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: fn(&Source) -> Vec<String>, path: &str, bad: &str, good: &str) {
        assert_eq!(rule(&Source::new(path, bad)).len(), 1, "{bad}");
        assert_eq!(rule(&Source::new(path, good)), Vec::<String>::new(), "{good}");
    }

    #[test]
    fn an_unbiased_select_is_found() {
        check(
            unbiased_selects,
            "a.rs",
            "tokio::select! {\n    a = b => {}\n}",
            "tokio::select! {\n    // first\n    biased;\n    a = b => {}\n}",
        );
        check(unbiased_selects, "a.rs", "select!(a = b => {})", "/// `tokio::select!` is banned");
    }

    #[test]
    fn unsafe_code_is_found_outside_its_place() {
        check(unsafe_code, "a.rs", "unsafe { f() }", "unsafe_code = 1 // unsafe");
        assert!(unsafe_code(&Source::new("tests/crash/shim/src/lib.rs", "unsafe { f() }")).is_empty());
    }

    #[test]
    fn what_was_left_for_later_is_found() {
        let mark = "FIX".to_owned() + "ME";
        check(left_overs, "a.rs", &format!("// {mark}: later"), "// Fixed.");
        check(left_overs, "a.rs", "todo!()", "let todo = 1;");
    }

    #[test]
    fn a_test_that_does_not_run_is_found() {
        check(ignored_tests, "a.rs", "#[ignore = \"slow\"]\nfn a() {}", "// #[ignore]");
        check(ignored_tests, "a.rs", "# [ should_panic ]", "#[test]");
    }

    #[test]
    fn a_test_that_sleeps_is_found_and_a_product_that_sleeps_is_not() {
        check(sleeping_tests, "a/tests/b.rs", "std::thread::sleep(SECOND);", "let sleep = \"sleep()\";");
        check(
            sleeping_tests,
            "a/src/b.rs",
            "#[cfg(test)]\nmod tests {\n    sleep(SECOND).await;\n}\n",
            "sleep(wait).await;\n#[cfg(test)]\nmod tests {\n}\n",
        );
        assert!(sleeping_tests(&Source::new("supervisor/tests/supervision/exits.rs", "sleep(SECOND).await;")).is_empty());
    }

    #[test]
    fn an_exception_without_a_reason_is_found() {
        check(silent_exceptions, "a.rs", "#[allow(dead_code)]", "#[expect(dead_code, reason = \"read by C\")]");
        check(
            silent_exceptions,
            "a.rs",
            "#![expect(\n    dead_code\n)]\nlet reason = 1;",
            "#![expect(\n    dead_code,\n    reason = \"r\"\n)]",
        );
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        let [root, ..] = machine_words();
        check(machine_paths, "a.toml", &format!("dir = \"{root}x\""), &format!("https://example.com{root}x"));
    }

    #[test]
    fn an_impure_domain_is_found() {
        check(impure_domain, "actors/domain/src/a.rs", "use std::fs::read;", "use std::collections::BTreeMap;\n");
        assert!(impure_domain(&Source::new("runtime/node/src/a.rs", "use std::fs::read;")).is_empty());
    }
}
