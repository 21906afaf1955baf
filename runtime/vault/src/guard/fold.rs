//! The normal form in which streams and patterns meet.
//!
//! *Folding* works on single bytes: ASCII letters become lower-case, and what serves to split or to decorate (white space, controls,
//! NUL, quotes, and the punctuation of [`DROPPED`]) vanishes. So one pattern stands for all cases of letters, for base64 and base64url,
//! for wrapped lines, for UTF-16 of ASCII, and for `73:6b`, `73 6b` and `=73=6B`. *Unescaping* comes before it in a second lane: percent,
//! JSON, C, HTML escapes, zero-width characters and full-width letters become what they stand for, again and again, so that an
//! escape of an escape needs no pattern of its own.

/// Punctuation that vanishes. What passwords are made of stays: `! # $ % & ( ) < > ? @ [ ] ^ { }`.
const DROPPED: &[u8] = b"\"'`\\-_:,.;|*~+/=";

/// The byte begins an escape, perhaps.
const STARTS: u16 = 1 << 12;
/// The byte stays; also the shift of a window that takes it in, times 256.
const KEPT: u16 = 8 << 8;

/// For every byte: what it becomes (low 8 bits), whether it stays ([`KEPT`]) and whether it may begin an escape ([`STARTS`]).
pub(super) static TABLE: [u16; 256] = table();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
const fn table() -> [u16; 256] {
    let mut all = [0_u16; 256];
    let mut at = 0_usize;
    while at < 256 {
        let byte = at as u8;
        let mut dropped = byte <= b' ' || byte == 0x7f;
        let mut other = 0_usize;
        while other < DROPPED.len() {
            dropped |= DROPPED[other] == byte;
            other += 1;
        }
        let starts = is_start(byte);
        all[at] = if dropped { 0 } else { KEPT | byte.to_ascii_lowercase() as u16 } | if starts { STARTS } else { 0 };
        at += 1;
    }
    all
}

const fn is_start(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\' | b'&' | 0xc2 | 0xe2 | 0xef | 0xf3)
}

/// Whether one of the bytes may begin an escape.
pub(super) fn any_starts(bytes: &[u8]) -> bool {
    // No early end: the compiler makes it a few comparisons of many bytes each.
    let each = |any: bool, &byte: &u8| {
        any | (byte == b'%') | (byte == b'\\') | (byte == b'&') | (byte == 0xc2) | (byte == 0xe2) | (byte == 0xef) | (byte == 0xf3)
    };
    bytes.iter().fold(false, each)
}

/// The entry of a byte.
pub(super) fn entry(byte: u8) -> u16 {
    TABLE.get(usize::from(byte)).copied().unwrap_or(0)
}

/// What a byte becomes, if it stays.
pub(super) fn fold(byte: u8) -> Option<u8> {
    let entry = entry(byte);
    (entry & KEPT != 0).then_some(entry.to_le_bytes()[0])
}

/// How far a window moves for an entry, in bits: 8 or 0.
pub(super) const fn shift(entry: u16) -> u32 {
    ((entry >> 8) & 8) as u32
}

/// 1 when an entry's byte stays, or 0.
pub(super) const fn is_kept(entry: u16) -> usize {
    ((entry >> 11) & 1) as usize
}

/// Whether an entry's byte may begin an escape.
pub(super) const fn starts(entry: u16) -> bool {
    entry & STARTS != 0
}

/// Whether the bytes, the first of which may begin an escape, need the unescaping lane. True in doubt, as at the end of a chunk.
pub(super) fn begins_escape(bytes: &[u8]) -> bool {
    let [first, rest @ ..] = bytes else { return false };
    let Some(&next) = rest.first() else { return true };
    let nests = |byte: u8| starts(entry(byte));
    match first {
        b'\\' => matches!(next, b'n' | b'r' | b't' | b'b' | b'f' | b'v' | b'a' | b'u' | b'x' | b'0'..=b'7') || nests(next),
        b'%' => {
            let second = rest.get(1).is_none_or(|&byte| byte.is_ascii_hexdigit() || nests(byte));
            next == b'u' || nests(next) || (next.is_ascii_hexdigit() && second)
        }
        b'&' => {
            let name = rest.iter().take(PENDING_MAX).position(|&byte| !byte.is_ascii_alphanumeric() && byte != b'#');
            match name.and_then(|at| rest.get(at)) {
                Some(&after) => after == b';' || nests(after),
                None => rest.len() < PENDING_MAX,
            }
        }
        0xc2 => matches!(next, 0xa0 | 0xad) || nests(next),
        0xe2 => matches!(next, 0x80 | 0x81) || nests(next),
        0xef => matches!(next, 0xb8 | 0xbb..=0xbd) || nests(next),
        0xf3 => next == 0xa0 || nests(next),
        _ => false,
    }
}

/// A byte of the unescaped lane, and the bytes of the stream that it stands for.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    pub(super) byte: u8,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Undoes escapes, byte by byte. Holds at most [`PENDING_MAX`] bytes, each of them perhaps an escape itself.
#[derive(Clone, Default)]
pub(super) struct Unescape {
    pending: Vec<Unit>,
}

/// Longest escape that is understood: `&ZeroWidthSpace;`.
pub(super) const PENDING_MAX: usize = 16;

enum Parse {
    /// It may still become an escape.
    More,
    /// The first byte stands for itself.
    Plain,
    /// The first `len` bytes stand for these.
    Is { len: usize, bytes: [u8; 4], count: usize },
}

impl Unescape {
    /// Whether nothing is pending.
    pub(super) const fn idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Where what is pending begins.
    pub(super) fn pending_from(&self) -> Option<u64> {
        self.pending.first().map(|unit| unit.start)
    }

    /// Takes one byte, gives what is decided.
    pub(super) fn push(&mut self, unit: Unit, mut out: impl FnMut(Unit)) {
        if self.pending.is_empty() && !starts(entry(unit.byte)) {
            return out(unit);
        }
        self.pending.push(unit);
        self.settle(false, &mut out);
    }

    /// The end of the stream: nothing more comes.
    pub(super) fn finish(&mut self, mut out: impl FnMut(Unit)) {
        self.settle(true, &mut out);
    }

    /// What begins at this place of what is pending.
    fn parse(&self, at: usize) -> Parse {
        let mut bytes = [0; PENDING_MAX];
        let units = self.pending.get(at..).unwrap_or(&[]);
        bytes.iter_mut().zip(units).for_each(|(byte, unit)| *byte = unit.byte);
        bytes.get(..units.len().min(PENDING_MAX)).map_or(Parse::Plain, parse)
    }

    fn settle(&mut self, last: bool, out: &mut impl FnMut(Unit)) {
        // The innermost escape first, so that its result can belong to one around it.
        let mut inner = self.pending.len();
        while let Some(&first) = self.pending.first() {
            let Some(at) = self.pending.iter().take(inner).rposition(|unit| starts(entry(unit.byte))) else {
                self.pending.drain(..).for_each(&mut *out);
                return;
            };
            // But a run of backslashes from its beginning: each pair is one.
            let run = self.pending.iter().take(at).rev().take_while(|unit| unit.byte == b'\\').count();
            let at = if self.pending.get(at).is_some_and(|unit| unit.byte == b'\\') { at.saturating_sub(run) } else { at };
            match self.parse(at) {
                Parse::More if !last => return,
                Parse::More | Parse::Plain if at > 0 => inner = at,
                Parse::More | Parse::Plain => {
                    out(first);
                    self.pending.remove(0);
                    inner = self.pending.len();
                }
                Parse::Is { len, bytes, count } => {
                    let whole = self.pending.get(at..at.saturating_add(len)).unwrap_or(&[]);
                    let (start, end) =
                        (whole.first().map_or(first.start, |unit| unit.start), whole.last().map_or(first.end, |unit| unit.end));
                    let becomes = bytes.into_iter().take(count).map(|byte| Unit { byte, start, end });
                    self.pending.splice(at..at.saturating_add(len).min(self.pending.len()), becomes);
                    inner = self.pending.len();
                }
            }
        }
    }
}

impl Drop for Unescape {
    fn drop(&mut self) {
        self.pending.iter_mut().for_each(|unit| unit.byte = 0);
    }
}

/// What a complete escape stands for.
#[derive(Clone, Copy)]
pub(super) struct Meaning {
    bytes: [u8; 4],
    count: usize,
}

impl Meaning {
    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.count).unwrap_or(&[])
    }
}

/// The escape that these bytes begin with, when it is all there and has no part in another one: its length, and what it stands for.
pub(super) fn whole_escape(bytes: &[u8]) -> Option<(usize, Meaning)> {
    let Parse::Is { len, bytes: becomes, count } = parse(bytes.get(..PENDING_MAX).unwrap_or(bytes)) else { return None };
    let meaning = Meaning { bytes: becomes, count };
    let inner = bytes.get(1..len)?;
    let alone = |bytes: &[u8]| !bytes.iter().any(|&byte| starts(entry(byte)));
    (alone(inner) && alone(meaning.as_slice())).then_some((len, meaning))
}

fn is(len: usize, byte: u8) -> Parse {
    Parse::Is { len, bytes: [byte, 0, 0, 0], count: 1 }
}

fn is_char(len: usize, code: u32) -> Parse {
    let Some(letter) = char::from_u32(code) else { return Parse::Plain };
    let mut bytes = [0; 4];
    let count = letter.encode_utf8(&mut bytes).len();
    Parse::Is { len, bytes, count }
}

const fn nothing(len: usize) -> Parse {
    Parse::Is { len, bytes: [0; 4], count: 0 }
}

/// What the pending bytes are, of which the first starts an escape. Whatever it gives is shorter than what it takes.
fn parse(pending: &[u8]) -> Parse {
    let at = |index: usize| pending.get(index).copied();
    let Some(first) = at(0) else { return Parse::More };
    if !starts(entry(first)) {
        return Parse::Plain;
    }
    let Some(second) = at(1) else { return Parse::More };
    match (first, second) {
        (b'%', b'u') | (b'\\', b'u') => digits(pending, 2, 4, 16).map_or_else(|parse| parse, |code| is_char(6, code)),
        (b'%', _) => byte_of(pending, 1, 2, 16),
        (b'\\', b'x') => byte_of(pending, 2, 2, 16),
        (b'\\', b'0'..=b'7') => byte_of(pending, 1, 3, 8),
        (b'\\', b'n' | b'r' | b't' | b'b' | b'f' | b'v' | b'a') => is(2, b' '),
        (b'\\', b'\\') => is(2, b'\\'),
        // Before anything else a backslash vanishes as if it stood alone.
        (b'\\', _) => Parse::Plain,
        (b'&', _) => entity(pending),
        (0xc2, 0xa0 | 0xad) => nothing(2),
        // General punctuation: zero-width characters, odd spaces, curly quotes, dashes.
        (0xe2, 0x80 | 0x81) => at(2).map_or(Parse::More, |_| nothing(3)),
        (0xef, 0xb8 | 0xbb..=0xbd) => at(2).map_or(Parse::More, |third| wide(second, third)),
        (0xf3, 0xa0) => match (at(2), at(3)) {
            (None, _) | (Some(0x80 | 0x81), None) => Parse::More,
            // Tags, which no screen shows: U+E0020 to U+E007E stand for ASCII.
            (Some(0x80), Some(fourth)) => is(4, fourth & 0x3f),
            (Some(0x81), Some(fourth)) => is(4, 0x40 | (fourth & 0x3f)),
            _ => Parse::Plain,
        },
        _ => Parse::Plain,
    }
}

/// The number in exactly `count` digits from `from` on, or what to do instead.
fn digits(pending: &[u8], from: usize, count: usize, radix: u32) -> Result<u32, Parse> {
    let mut value = 0_u32;
    for index in from..from.saturating_add(count) {
        let Some(&byte) = pending.get(index) else { return Err(Parse::More) };
        let Some(digit) = char::from(byte).to_digit(radix) else { return Err(Parse::Plain) };
        value = value.wrapping_mul(radix).wrapping_add(digit);
    }
    Ok(value)
}

fn byte_of(pending: &[u8], from: usize, count: usize, radix: u32) -> Parse {
    match digits(pending, from, count, radix) {
        Ok(value) => u8::try_from(value).map_or(Parse::Plain, |byte| is(from.saturating_add(count), byte)),
        Err(parse) => parse,
    }
}

/// Byte-order mark, variation selectors and full-width forms.
fn wide(second: u8, third: u8) -> Parse {
    match (second, third) {
        (0xbb, 0xbf) | (0xb8, 0x80..=0x8f) => nothing(3),
        (0xbc, 0x81..=0xbf) => is(3, third.wrapping_sub(0x60)),
        (0xbd, 0x80..=0x9e) => is(3, third.wrapping_sub(0x20)),
        _ => Parse::Plain,
    }
}

/// Names of HTML entities that stand for ASCII or for nothing visible.
const ENTITIES: &[(&[u8], u8)] = &[
    (b"amp", b'&'),
    (b"lt", b'<'),
    (b"gt", b'>'),
    (b"quot", b'"'),
    (b"apos", b'\''),
    (b"num", b'#'),
    (b"dollar", b'$'),
    (b"percnt", b'%'),
    (b"lpar", b'('),
    (b"rpar", b')'),
    (b"ast", b'*'),
    (b"plus", b'+'),
    (b"comma", b','),
    (b"hyphen", b'-'),
    (b"dash", b'-'),
    (b"period", b'.'),
    (b"sol", b'/'),
    (b"colon", b':'),
    (b"semi", b';'),
    (b"equals", b'='),
    (b"quest", b'?'),
    (b"excl", b'!'),
    (b"commat", b'@'),
    (b"lsqb", b'['),
    (b"lbrack", b'['),
    (b"rsqb", b']'),
    (b"rbrack", b']'),
    (b"bsol", b'\\'),
    (b"Hat", b'^'),
    (b"lowbar", b'_'),
    (b"grave", b'`'),
    (b"lcub", b'{'),
    (b"lbrace", b'{'),
    (b"rcub", b'}'),
    (b"rbrace", b'}'),
    (b"vert", b'|'),
    (b"verbar", b'|'),
    (b"Tab", b' '),
    (b"NewLine", b' '),
    (b"nbsp", b' '),
    (b"shy", b' '),
    (b"zwj", b' '),
    (b"zwnj", b' '),
    (b"NoBreak", b' '),
    (b"ZeroWidthSpace", b' '),
];

fn entity(pending: &[u8]) -> Parse {
    let mut name = [0_u8; PENDING_MAX];
    let mut count = 0_usize;
    let mut closed = false;
    for (slot, &byte) in name.iter_mut().zip(pending.iter().skip(1)) {
        if byte == b';' {
            closed = true;
            break;
        }
        *slot = byte;
        count = count.saturating_add(1);
    }
    let name = name.get(..count).unwrap_or(&[]);
    let len = count.saturating_add(2);
    if let [b'#', number @ ..] = name {
        let (radix, number) = if let [b'x' | b'X', rest @ ..] = number { (16, rest) } else { (10, number) };
        let fits = number.len() <= 8 && number.iter().all(|&byte| char::from(byte).is_digit(radix));
        return match (fits, closed, number.is_empty()) {
            (true, true, false) => {
                let code = number.iter().filter_map(|&byte| char::from(byte).to_digit(radix));
                is_char(len, code.fold(0_u32, |sum, digit| sum.wrapping_mul(radix).wrapping_add(digit)))
            }
            (true, false, _) => Parse::More,
            (true, true, true) | (false, _, _) => Parse::Plain,
        };
    }
    if closed {
        return ENTITIES.iter().find(|(known, _)| *known == name).map_or(Parse::Plain, |(_, byte)| is(len, *byte));
    }
    if ENTITIES.iter().any(|(known, _)| known.starts_with(name)) { Parse::More } else { Parse::Plain }
}

/// The folded form of some bytes.
pub(super) fn folded(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().filter_map(|&byte| fold(byte)).collect()
}

/// The unescaped and folded form of some bytes.
pub(super) fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut lane = Unescape::default();
    let mut kept = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        lane.push(Unit { byte, start: 0, end: 0 }, |unit| kept.extend(fold(unit.byte)));
    }
    lane.finish(|unit| kept.extend(fold(unit.byte)));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_what_they_stand_for() {
        let cases: &[(&str, &str)] = &[
            ("a%2Fb%73", "abs"),
            ("%2573%256B", "sk"),
            ("\\u0073\\u006B\\/", "sk"),
            ("\\\\u0073k", "sk"),
            ("\\x73\\153", "sk"),
            ("&#115;&#x6B;&amp;", "sk&"),
            ("&amp;#115;k", "sk"),
            ("s\u{200b}k\u{feff}\u{ad}", "sk"),
            ("ｓｋ！", "sk!"),
            ("\u{e0073}\u{e006b}", "sk"),
            ("100%", "100%"),
            ("a&b=1&lts", "a&b1&lts"),
            ("\\n\\ts", "s"),
            ("%26%23115%3Bk", "sk"),
            ("%E2%80%8Bs&#37;6b", "sk"),
            ("%25%37%33k", "sk"),
            ("\\\\u0061\\\\\\\\156", "an"),
            ("%u0073%u006b", "sk"),
        ];
        for (given, wanted) in cases {
            assert_eq!(unescaped(given.as_bytes()), wanted.as_bytes(), "{given}");
        }
    }

    #[test]
    fn folding_drops_what_splits() {
        assert_eq!(folded(b"S k-A\0N\r\n\"T\"_:%&"), b"skant%&");
    }

    #[test]
    fn every_escape_gives_fewer_bytes_than_it_takes() {
        for (name, _) in ENTITIES {
            assert!(name.len() + 2 <= PENDING_MAX);
        }
    }
}
