//! How fast the leak guard is: megabytes a second on one core by kind of body, with 200 secrets; and what building it costs.
//!
//! `cargo run --release -p hearth-vault --example guard_speed [KIND]`, where `KIND` is part of a kind's name: only those.
#![expect(clippy::print_stdout, reason = "a measuring program prints")]

use std::time::Duration;

use aho_corasick::AhoCorasick;
use hearth_domain::secret::SecretName;
use hearth_vault::guard::Guard;
use hearth_vault::guard::scan::{HOLD_FROM, Scanner};

const BODY: usize = 8 << 20;
const CHUNK: usize = 64 << 10;
const SAMPLES: usize = 15;
/// Times that each sample goes through its body: the clock of a thread's processor time may tick in 4 ms.
const PASSES: usize = 8;

/// A small generator: the same numbers every time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0).checked_rem(end).unwrap_or(0)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from.get(self.below(from.len())).copied().unwrap_or_default()
    }

    fn text(&mut self, alphabet: &[u8], len: usize) -> String {
        std::iter::repeat_with(|| alphabet.get(self.below(alphabet.len())).copied().map_or('x', char::from)).take(len).collect()
    }
}

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const BASE64: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";
const WORDS: &[&str] = &[
    "the",
    "house",
    "Monday",
    "heating",
    "please",
    "remember",
    "that",
    "milk",
    "and",
    "twelve",
    "o'clock",
    "school",
    "a",
    "of",
    "garden",
    "is",
    "kitchen",
    "don't",
    "with",
    "message",
    "from",
    "grandmother",
    "temperature",
    "in",
    "living",
    "room",
    "at",
    "quarter",
    "past",
    "seven",
];

fn fill(mut more: impl FnMut(&mut String)) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < BODY {
        more(&mut text);
    }
    text.truncate(BODY);
    text.into_bytes()
}

fn bodies(numbers: &mut Numbers) -> Vec<(&'static str, Vec<u8>)> {
    let sentence = |numbers: &mut Numbers, text: &mut String| {
        for _ in 0..numbers.below(14).saturating_add(4) {
            text.push_str(numbers.pick(WORDS));
            text.push(' ');
        }
        text.pop();
        text.push('.');
    };
    let text = fill(|text| {
        sentence(numbers, text);
        text.push_str(numbers.pick(&[" ", " ", "\n\n"]));
    });
    let json = fill(|text| {
        text.push_str("{\"role\":\"user\",\"at\":");
        text.push_str(&numbers.below(1 << 30).to_string());
        text.push_str(",\"content\":\"");
        for _ in 0..4 {
            sentence(numbers, text);
            text.push_str(numbers.pick(&[" ", " \\\"yes\\\" ", "\\n"]));
        }
        text.push_str("\"},");
    });
    let base64 = fill(|text| {
        text.push_str(&numbers.text(BASE64, 76));
        text.push_str("\r\n");
    });
    let hexadecimal = fill(|text| text.push_str(&numbers.text(b"0123456789abcdef", 64)));
    let code = fill(|text| {
        text.push_str("    fn ");
        text.push_str(numbers.pick(WORDS));
        text.push_str("(&self, at: usize) -> Option<&[u8]> {\n        // It says \"no\\n\" & 50% more.\n        self.");
        text.push_str(numbers.pick(WORDS));
        text.push_str(".get(at)?\n    }\n");
    });
    let form = fill(|text| {
        for _ in 0..6 {
            text.push_str(numbers.pick(WORDS));
            text.push_str(numbers.pick(&["%20", "+", "%C3%A4", "%2C", "&k="]));
        }
    });
    let german = fill(|text| text.push_str(numbers.pick(&["über ", "„Schön“ – ", "Äpfel, ", "größer als ", "das Haus ", "heute Abend "])));
    let binary = std::iter::repeat_with(|| numbers.next().to_le_bytes()).take(BODY / 8).flatten().collect();
    let mixed: Vec<u8> =
        [&text, &json, &base64].into_iter().flat_map(|body| body.chunks(4096).take(BODY / 4096 / 3)).flatten().copied().collect();
    vec![
        ("mixed: text, JSON, base64", mixed),
        ("text", text),
        ("JSON, escaped text", json),
        ("base64, wrapped", base64),
        ("hexadecimal", hexadecimal),
        ("code", code),
        ("binary", binary),
        ("German, curly quotes", german),
        ("form, percent-encoded", form),
    ]
}

/// Time that this thread had a processor: other work on the machine does not count.
fn processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0))
}

fn median(mut times: Vec<Duration>) -> (Duration, Duration, Duration) {
    times.sort_unstable();
    let at = |index: usize| times.get(index).copied().unwrap_or_default();
    (at(times.len() / 2), at(0), at(times.len().saturating_sub(1)))
}

fn rate(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64() / 1e6
}

fn measure(label: &str, body: &[u8], mut run: impl FnMut(&[u8]) -> usize) {
    let mut found = 0;
    let times = (0..SAMPLES)
        .map(|_| {
            let start = processor();
            for _ in 0..PASSES {
                found = run(body);
            }
            processor().saturating_sub(start)
        })
        .collect();
    let (middle, best, worst) = median(times);
    let all = body.len() * PASSES;
    let (middle, best, worst) = (rate(all, middle), rate(all, best), rate(all, worst));
    println!("{label:<42} {middle:>7.0} MB/s   worst {worst:>7.0}   best {best:>7.0}   found {found}");
}

fn main() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let values: Vec<String> = (0..200)
        .map(|index| match index % 4 {
            0 => format!("sk-ant-api03-{}", numbers.text(LETTERS, 93)),
            1 => format!("ghp_{}", numbers.text(LETTERS, 36)),
            2 => numbers.text(LETTERS, 24),
            _ => numbers.text(b"0123456789abcdef", 64),
        })
        .collect();
    let named =
        || values.iter().enumerate().filter_map(|(index, value)| Some((SecretName::new(&format!("s{index}")).ok()?, value.as_bytes())));
    let times = (0..SAMPLES)
        .map(|_| {
            let start = processor();
            let guard = Guard::build(&[3; 32], named());
            let time = processor().saturating_sub(start);
            drop(guard);
            time
        })
        .collect();
    let (middle, best, worst) = median(times);
    let guard = Guard::build(&[3; 32], named());
    println!("{SAMPLES} samples each, {} MiB bodies in chunks of {} KiB, medians of processor time", BODY >> 20, CHUNK >> 10);
    println!(
        "build: {middle:?} (best {best:?}, worst {worst:?}), {} patterns, {} KiB resident",
        guard.patterns(),
        guard.resident_bytes() >> 10
    );
    let wanted = std::env::args().nth(1);
    let mut bodies = bodies(&mut numbers);
    bodies.retain(|(label, _)| wanted.as_ref().is_none_or(|wanted| label.contains(wanted)));
    for (label, body) in &bodies {
        measure(label, body, |body| {
            let mut scanner = Scanner::new(&guard, HOLD_FROM);
            let found: usize = body.chunks(CHUNK).map(|chunk| scanner.feed(chunk).findings.len()).sum();
            found.saturating_add(scanner.finish().findings.len())
        });
    }
    if wanted.is_none() {
        automaton(&values, &bodies);
    }
}

/// The other way, for comparison: an Aho-Corasick automaton over the plain, hexadecimal and base64 forms only, without splitting.
fn automaton(values: &[String], bodies: &[(&'static str, Vec<u8>)]) {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
    let patterns = values.iter().flat_map(|value| {
        let base = (0..3_usize).map(move |offset| {
            let text = encode(&[[0_u8; 2].get(..offset).unwrap_or(&[]), value.as_bytes()].concat());
            text.get(4..text.len().saturating_sub(4)).unwrap_or_default().to_owned()
        });
        base.chain([value.clone(), value.chars().rev().collect(), hex::encode(value)]).collect::<Vec<_>>()
    });
    let start = processor();
    let Ok(automaton) = AhoCorasick::builder().ascii_case_insensitive(true).build(patterns) else { return };
    println!(
        "automaton: built in {:?}, {} patterns, {} KiB resident, with the plaintext",
        processor().saturating_sub(start),
        automaton.patterns_len(),
        automaton.memory_usage() >> 10
    );
    for (label, body) in bodies.iter().take(4) {
        measure(&format!("automaton, {label}"), body, |body| automaton.find_iter(body).count());
    }
}
