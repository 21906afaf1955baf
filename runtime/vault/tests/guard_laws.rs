//! Laws of the leak guard: cutting a stream changes nothing, nothing found goes on, nothing panics.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a failure is the message")]

use hearth_domain::secret::SecretName;
use hearth_vault::guard::redact::{Mark, Redactor};
use hearth_vault::guard::scan::{HOLD_FROM, SPAN_MAX, Scanner};
use hearth_vault::guard::unpack::{Coding, Unpack, UnpackError};
use hearth_vault::guard::{Finding, Form, Grade, Guard, TILED_MAX};
use proptest::prelude::*;

const KEY: [u8; 32] = [7; 32];
const SECRETS: [(&str, &[u8]); 7] = [
    ("anthropic", b"sk-ant-api03-Qz7rT1vWk9Xp2LmN8bYc4HdJ6fGs5"),
    ("github", b"ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
    ("percent", b"aB3%41%20&amp;x9\\u0041-Zk2"),
    ("binary", b"\xff\xfe\x00\x01\x80\x91\xa2\xb3\xe2\x80\x8bKq7"),
    ("umlaut", "gr\u{fc}ne-\u{c4}pfel-93kQx".as_bytes()),
    ("pin", b"48391720"),
    ("periodic", b"ab1ab1ab1ab2ab1ab1ab1ab3"),
];

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn guard() -> Guard {
    static GUARD: std::sync::LazyLock<Guard> =
        std::sync::LazyLock::new(|| Guard::build(&KEY, SECRETS.map(|(text, value)| (name(text), value))));
    GUARD.clone()
}

fn scan(guard: &Guard, hold_from: usize, chunks: &[&[u8]]) -> Vec<Finding> {
    let mut scanner = Scanner::new(guard, hold_from);
    let mut findings: Vec<_> = chunks.iter().flat_map(|chunk| scanner.feed(chunk).findings).collect();
    findings.extend(scanner.finish().findings);
    findings
}

fn redact(guard: &Guard, hold_from: usize, mark: Mark, chunks: &[&[u8]]) -> Vec<u8> {
    let mut redactor = Redactor::new(guard, hold_from, mark);
    let mut out = Vec::new();
    for chunk in chunks {
        redactor.feed(chunk, &mut out);
        assert!(redactor.held() as u64 <= SPAN_MAX);
    }
    redactor.finish(&mut out);
    assert_eq!(redactor.held(), 0);
    out
}

/// Pieces of which streams are made: secrets and parts of them in many forms, escapes, separators, noise.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let secret = (0..SECRETS.len()).prop_map(|index| SECRETS[index].1.to_vec());
    let part = (0..SECRETS.len(), 0..12_usize).prop_map(|(index, len)| SECRETS[index].1[..len.min(SECRETS[index].1.len())].to_vec());
    let hex = (0..SECRETS.len()).prop_map(|index| hex::encode(SECRETS[index].1).into_bytes());
    let percent =
        (0..SECRETS.len()).prop_map(|index| SECRETS[index].1.iter().flat_map(|byte| format!("%{byte:02X}").into_bytes()).collect());
    let split = (0..SECRETS.len(), prop::sample::select(vec![" ", "\n", "\\n", "&#8203;", "\u{200b}", "%20", "\" + \""]))
        .prop_map(|(index, between)| SECRETS[index].1.chunks(3).collect::<Vec<_>>().join(between.as_bytes()));
    let noise =
        prop::sample::select(vec!["%", "\\", "&", "%4", "\\u00", "&amp", "&#x4", "\u{200b}", " ", "\n\n", "\0", "ab1", "x", "\\\"", "\\d"])
            .prop_map(|text| text.as_bytes().to_vec());
    prop_oneof![secret, part, hex, percent, split, noise, prop::collection::vec(any::<u8>(), 0..12)]
}

fn text(pattern: &'static str) -> impl Strategy<Value = Vec<u8>> {
    pattern.prop_map(String::into_bytes)
}

fn stream() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    let bytes = prop::collection::vec(piece(), 0..8).prop_map(|pieces| pieces.concat());
    (bytes, prop::collection::vec(1..20_usize, 1..40))
}

fn cut<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = bytes;
    let mut chunks = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at((*size).min(rest.len()));
        chunks.push(now);
        rest = later;
    }
    chunks
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cutting_a_stream_changes_neither_findings_nor_what_goes_on((bytes, sizes) in stream()) {
        let guard = guard();
        let chunks = cut(&bytes, &sizes);
        prop_assert_eq!(scan(&guard, HOLD_FROM, &chunks), scan(&guard, HOLD_FROM, &[&bytes]));
        for mark in [Mark::Name, Mark::Fill(b'*')] {
            prop_assert_eq!(redact(&guard, 1, mark, &chunks), redact(&guard, 1, mark, &[&bytes]));
        }
        prop_assert_eq!(redact(&guard, HOLD_FROM, Mark::Fill(b'*'), &chunks).len(), bytes.len());
    }

    /// Long chunks are taken a stretch at a time, short ones byte by byte.
    #[test]
    fn what_is_taken_at_once_is_read_as_what_is_taken_byte_by_byte(
        pieces in prop::collection::vec(prop_oneof![3 => piece(), 2 => text("[a-z]{3,9} "), 1 => text("[ -~]{0,200}")], 0..60),
        sizes in prop::collection::vec(1..3_000_usize, 1..10),
    ) {
        let (guard, bytes) = (guard(), pieces.concat());
        let (single, large) = (cut(&bytes, &[1]), cut(&bytes, &sizes));
        prop_assert_eq!(scan(&guard, HOLD_FROM, &large), scan(&guard, HOLD_FROM, &single));
        prop_assert_eq!(redact(&guard, 1, Mark::Fill(b'*'), &large), redact(&guard, 1, Mark::Fill(b'*'), &single));
    }

    #[test]
    fn no_byte_of_a_finding_is_released_before_it_is_known((bytes, sizes) in stream(), hold_from in 1..=HOLD_FROM) {
        let guard = guard();
        let mut scanner = Scanner::new(&guard, hold_from);
        let (mut safe, mut fed) = (0, 0);
        let mut early = Vec::new();
        for chunk in cut(&bytes, &sizes) {
            let released = scanner.feed(chunk);
            fed += chunk.len() as u64;
            prop_assert!(released.safe <= fed);
            prop_assert!(released.safe >= safe, "it takes nothing back");
            early.extend(released.findings.into_iter().map(|finding| (finding, safe)));
            safe = released.safe;
        }
        early.extend(scanner.finish().findings.into_iter().map(|finding| (finding, safe)));
        for (finding, safe) in early {
            let gone = safe.saturating_sub(finding.start);
            prop_assert!(hold_from > 1 || gone == 0, "{finding:?} {safe}");
            prop_assert!(gone * 2 < finding.end - finding.start, "only the first few characters: {finding:?} {safe}");
        }
    }

    #[test]
    fn after_redacting_nothing_is_found_any_more((bytes, sizes) in stream()) {
        let guard = guard();
        let clean = redact(&guard, 1, Mark::Name, &cut(&bytes, &sizes));
        prop_assert_eq!(guard.find(&clean), vec![]);
    }
}

#[test]
fn an_event_is_released_whole_at_once() {
    let guard = guard();
    for event in
        ["data: {\"delta\":\"Hello\"}\n\n", "event: ping\n\n", ": keep-alive\n\n", "data: [DONE]\n\n", "data: sk\n\n", "a", "{\"n\":4}\n"]
    {
        let mut scanner = Scanner::new(&guard, HOLD_FROM);
        for round in 1..=5_u64 {
            let released = scanner.feed(event.as_bytes());
            assert_eq!(released.safe, round * event.len() as u64, "{event:?}");
        }
    }
}

#[test]
fn the_beginning_of_a_value_waits_until_it_is_decided() {
    let guard = guard();
    let mut redactor = Redactor::new(&guard, HOLD_FROM, Mark::Name);
    let mut out = Vec::new();
    redactor.feed(b"key: ghp_16C7e42F292c", &mut out);
    assert_eq!(out, b"key: ");
    redactor.feed(b"6912E7710c838347Ae178B4a.", &mut out);
    assert_eq!(out, b"key: [secret github].");
    redactor.feed(b" ghp_16C7e42F", &mut out);
    redactor.feed(b"no, another one", &mut out);
    assert_eq!(out, b"key: [secret github]. ghp_16C7e42Fno, another one");
}

#[test]
fn a_scanner_never_lets_a_finding_go_on() {
    let guard = guard();
    let mut scanner = Scanner::new(&guard, HOLD_FROM);
    let released = scanner.feed(b"token=48391720 and more, and more, and more");
    assert_eq!((released.safe, released.findings.len()), (6, 1));
    assert_eq!(scanner.finish().safe, 6);
}

#[test]
fn grades_are_told_and_kept_to() {
    let values: [(&str, &[u8]); 4] =
        [("short", b"abc4567"), ("word", b"password"), ("pin", b"48391720"), ("spaced", b"  Tr0ub4dor&3 zq\n")];
    let guard = Guard::build(&KEY, values.map(|(text, value)| (name(text), value)));
    let grades: Vec<_> = guard.grades().iter().map(|(name, grade)| (name.as_str(), *grade)).collect();
    assert_eq!(grades, [("short", Grade::SlotOnly), ("word", Grade::Weak), ("pin", Grade::Unsplit), ("spaced", Grade::Strong)]);
    assert_eq!(guard.find(b"my password is abc4567, or 4839 1720, drowssap"), []);
    let found = |text: &[u8]| guard.find(text).into_iter().map(|finding| (finding.secret.to_string(), finding.form)).collect::<Vec<_>>();
    assert_eq!(found(b"cGFzc3dvcmQ="), [("word".to_owned(), Form::Base64)]);
    assert_eq!(found(b"pin 48391720!"), [("pin".to_owned(), Form::Plain)]);
    assert_eq!(found(b"TR0UB4DOR&amp;3%20zq"), [("spaced".to_owned(), Form::Plain)]);
}

#[test]
fn a_secret_of_a_mebibyte_is_guarded_by_its_tiles() {
    let mut state = 1_u64;
    let long: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state.to_be_bytes()[0]
    })
    .take(1 << 20)
    .collect();
    let guard = Guard::build(&KEY, [(name("long"), long.as_slice()), (name("medium"), &long[100..100 + TILED_MAX])]);
    assert!(guard.patterns() < 3300, "{}", guard.patterns());
    assert!(guard.find(&long).iter().filter(|finding| finding.secret.as_str() == "long").count() >= 40);
    for encode in [hex::encode(&long[100..100 + TILED_MAX]).into_bytes(), long[100..100 + TILED_MAX].to_vec()] {
        // Nothing of a tiled value is left.
        assert_eq!(redact(&guard, HOLD_FROM, Mark::Name, &[&encode]), b"[secret medium]");
    }
}

#[test]
fn debug_prints_nothing_of_a_value() {
    let guard = guard();
    let mut redactor = Redactor::new(&guard, HOLD_FROM, Mark::Name);
    let findings = redactor.feed(b"ghp_16C7e42F292c6912E7710c838347Ae178B4a ghp_16C7e42F292c", &mut Vec::new());
    let text = format!("{guard:?} {redactor:?} {findings:?} {:?}", Scanner::new(&guard, 1));
    assert!(!text.contains("16C7") && text.contains("github"), "{text}");
}

#[test]
fn a_bomb_and_a_broken_body_are_refused() {
    let guard = guard();
    let pack = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    };
    let bomb = pack(&vec![0; 10 << 20]);
    assert!(matches!(guard.find_packed(Coding::Gzip, &bomb, 1 << 20), Err(UnpackError::TooLarge { .. })));
    let mut seen = 0;
    assert!(Unpack::new(Coding::Gzip, 1 << 20).feed(&bomb, |bytes| seen += bytes.len()).is_err());
    assert!(seen <= 1 << 20);
    let whole = pack(b"a token: ghp_16C7e42F292c6912E7710c838347Ae178B4a");
    assert_eq!(guard.find_packed(Coding::Gzip, &whole, 1 << 20).unwrap().len(), 1);
    assert!(matches!(guard.find_packed(Coding::Gzip, &whole[..whole.len() - 9], 1 << 20), Err(UnpackError::Broken(_))));
    assert!(matches!(guard.find_packed(Coding::Gzip, b"no gzip at all", 1 << 20), Err(UnpackError::Broken(_))));
}
