//! The leak guard: bytes per second of one processor, with many secrets, in pieces as they pass.

use std::time::Duration;

use base64::Engine as _;
use hearth_domain::journal::Digest;
use hearth_domain::secret::SecretName;
use hearth_vault::guard::Guard;
use hearth_vault::guard::scan::{HOLD_FROM, Scanner};

use crate::bench::stats::percentile;
use crate::bench::{Figure, progress};

/// Secrets that are looked for.
const SECRETS: usize = 200;
/// Bytes of the body: text, JSON and base64 in equal parts.
const BODY: usize = 8 << 20;
/// Bytes of one kind before the next.
const PART: usize = 4096;
/// Bytes of one piece.
const PIECE: usize = 64 << 10;
/// Samples.
const SAMPLES: usize = 15;
/// Passes over the body in one sample: some kernels count a thread's time in steps of several milliseconds.
const PASSES: usize = 10;
const WORDS: [&str; 24] = [
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
    "quarter",
    "seven",
];

pub(super) fn measure() -> Figure {
    progress(&format!("the leak guard with {SECRETS} secrets, {SAMPLES} times {PASSES} passes over {} MiB", BODY >> 20));
    let values: Vec<(SecretName, String)> =
        (0..SECRETS).filter_map(|n| Some((SecretName::new(&format!("s{n}")).ok()?, value(n)))).collect();
    let guard = Guard::build(&[7; 32], values.iter().map(|(name, value)| (name.clone(), value.as_bytes())));
    let body = body();
    let mut found = 0;
    let mut rates: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let began = processor();
            for _ in 0..PASSES {
                let mut scanner = Scanner::new(&guard, HOLD_FROM);
                found += body.chunks(PIECE).map(|piece| scanner.feed(piece).findings.len()).sum::<usize>();
                found += scanner.finish().findings.len();
            }
            let took = processor().saturating_sub(began);
            (body.len() * PASSES) as f64 / took.as_secs_f64() / 1e6
        })
        .collect();
    progress(&format!("{} secrets, {} patterns, {} KiB, {found} found", values.len(), guard.patterns(), guard.resident_bytes() >> 10));
    Figure::new("leak_mb_per_s", percentile(&mut rates, 0.5), "MB/s", SAMPLES)
}

/// The value of a secret, in the forms and lengths of common services.
fn value(n: usize) -> String {
    let digits = Digest::of(format!("secret {n}").as_bytes()).to_string();
    let more = Digest::of(format!("more of {n}").as_bytes()).to_string();
    match n % 4 {
        0 => format!("sk-ant-api03-{digits}{}", more.chars().take(29).collect::<String>()),
        1 => format!("ghp_{}", digits.chars().take(36).collect::<String>()),
        2 => digits.chars().take(24).collect(),
        _ => digits,
    }
}

fn body() -> Vec<u8> {
    let mut body = Vec::with_capacity(BODY);
    for n in 0_usize.. {
        if body.len() >= BODY {
            break;
        }
        match n % 3 {
            0 => part(&mut body, n, |_, words| words),
            1 => {
                part(&mut body, n, |at, words| format!("{{\"role\":\"user\",\"at\":{at},\"content\":\"{words} \\\"yes\\\" {words}\\n\"}},"))
            }
            _ => part(&mut body, n, |at, _| {
                let bytes: Vec<u8> = (0..4_usize).flat_map(|k| digest(at.wrapping_mul(4).wrapping_add(k))).collect();
                format!("{}\r\n", base64::engine::general_purpose::STANDARD.encode(bytes))
            }),
        }
    }
    body
}

/// One part of one kind.
fn part(body: &mut Vec<u8>, n: usize, line: impl Fn(usize, String) -> String) {
    let end = body.len().saturating_add(PART);
    for at in n.saturating_mul(PART).. {
        if body.len() >= end {
            return;
        }
        let words: Vec<&str> =
            digest(at).into_iter().take(12).filter_map(|byte| WORDS.get(usize::from(byte) % WORDS.len()).copied()).collect();
        body.extend_from_slice(line(at, format!("{}. ", words.join(" "))).as_bytes());
    }
}

/// Bytes without order, the same every time.
fn digest(n: usize) -> Vec<u8> {
    Digest::of(&n.to_le_bytes()).to_string().as_bytes().chunks(2).map(pair).collect()
}

/// Two hexadecimal digits.
fn pair(digits: &[u8]) -> u8 {
    std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

/// Time that this thread had a processor: other work on the machine does not count.
fn processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0))
}
