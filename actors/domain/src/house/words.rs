//! Text as words: every word has a folded `key` to match against and the bytes it came from, so that what a person wanted
//! remembered keeps its own spelling.
//!
//! Patterns are words with alternatives (`a|b`) and optional words (`the?`), e.g. `what is|was on? the? list`.

/// What ends after a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nothing: the next word belongs to the same clause.
    None,
    /// A comma, semicolon or dash.
    Comma,
    /// A colon.
    Colon,
    /// A full stop, exclamation mark or line end.
    Sentence,
    /// A question mark.
    Question,
}

/// One word of what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Lower case, plain quotes, without the punctuation around it. Never empty.
    pub(super) key: String,
    /// Where the word and the punctuation before it start in the text.
    start: usize,
    /// Where the word and the punctuation after it end in the text.
    end: usize,
    /// What ends after it.
    pub(super) stop: Stop,
}

/// Signs that are part of a word's meaning: `50%` is not `50`.
const KEPT: &str = "%$€£#°+*=/\\^~@&<>_|";
/// Dots after these do not end a sentence.
const ABBREVIATIONS: [&str; 11] = ["mr", "mrs", "ms", "dr", "st", "no", "etc", "vs", "approx", "prof", "nr"];
/// Words whose `'s` is a verb.
const ASKING: [&str; 6] = ["what", "who", "where", "when", "how", "why"];

/// Splits a text into words.
pub(super) fn read(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut before = 0;
    for (start, end) in chunks(text) {
        let line_ended = text.get(before..start).is_some_and(|gap| gap.contains('\n'));
        before = end;
        if let Some(last) = words.last_mut().filter(|last| line_ended && last.stop == Stop::None) {
            last.stop = Stop::Sentence;
        }
        match word(text, start, end) {
            Some(word) => push(text, &mut words, word),
            None if line_ended => {}
            None => extend_last(text, &mut words, start, end),
        }
    }
    words
}

/// Byte ranges between white space; also split after punctuation that someone forgot a space behind.
fn chunks(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut begin = None;
    let mut previous = ' ';
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() || matches!(c, '\u{200b}' | '\u{feff}') {
            if let Some(start) = begin.take() {
                found.push((start, at));
            }
        } else {
            let start = *begin.get_or_insert(at);
            let next = chars.peek().map_or(' ', |(_, next)| *next);
            if matches!(c, ',' | ':' | ';' | '?' | '!' | '—') && previous.is_alphabetic() && next.is_alphabetic() {
                found.push((start, at + c.len_utf8()));
                begin = None;
            }
        }
        previous = c;
    }
    if let Some(start) = begin {
        found.push((start, text.len()));
    }
    found
}

/// Characters that may stand around a word without being part of it.
fn around(c: char) -> bool {
    !c.is_alphanumeric() && !KEPT.contains(c)
}

/// Quotes as typed on any keyboard become plain ones.
fn plain(c: char) -> char {
    match c {
        '’' | '‘' | '´' | '`' | '′' => '\'',
        '“' | '”' | '„' | '«' | '»' => '"',
        '−' | '‐' | '‑' => '-',
        other => other,
    }
}

/// The word in a chunk; `None` when there is only punctuation or a picture in it.
fn word(text: &str, start: usize, end: usize) -> Option<Word> {
    let chunk = text.get(start..end)?;
    let core = chunk.trim_matches(around);
    if core.is_empty() {
        return None;
    }
    let tail = chunk.trim_start_matches(around).strip_prefix(core).unwrap_or_default();
    let signed = core.starts_with(|c: char| c.is_ascii_digit()) && chunk.chars().map(plain).take_while(|c| around(*c)).last() == Some('-');
    let mut key: String = core.chars().map(plain).flat_map(char::to_lowercase).collect();
    if signed {
        key.insert(0, '-');
    }
    let stop = stop_of(tail, &key);
    Some(Word { key, start, end, stop })
}

/// What the punctuation behind a word ends.
fn stop_of(tail: &str, key: &str) -> Stop {
    let abbreviated = key.contains('.') || key.chars().nth(1).is_none() || ABBREVIATIONS.contains(&key);
    if tail.contains(['?', '？', '¿']) {
        Stop::Question
    } else if tail.contains(['!', '！', '…', '。']) || (tail.contains('.') && !abbreviated) {
        Stop::Sentence
    } else if tail.contains([':', '：']) {
        Stop::Colon
    } else if tail.contains([',', ';', '—', '–', '，']) {
        Stop::Comma
    } else {
        Stop::None
    }
}

/// Adds a word; `what's` becomes `what` and `is`.
fn push(text: &str, words: &mut Vec<Word>, word: Word) {
    let split = ASKING.iter().find_map(|asking| {
        let rest = word.key.strip_prefix(asking)?;
        (rest == "'s" || (rest == "s" && *asking != "how")).then_some(*asking)
    });
    let Some(asking) = split else {
        return words.push(word);
    };
    let chunk = text.get(word.start..word.end).unwrap_or_default();
    let middle = chunk.trim_start_matches(around).get(asking.len()..).map_or(word.end, |rest| word.end - rest.len());
    words.push(Word { key: asking.to_owned(), start: word.start, end: middle, stop: Stop::None });
    words.push(Word { key: "is".to_owned(), start: middle, end: word.end, stop: word.stop });
}

/// Punctuation or a picture standing alone belongs to the word before it.
fn extend_last(text: &str, words: &mut [Word], start: usize, end: usize) {
    let (Some(last), Some(chunk)) = (words.last_mut(), text.get(start..end)) else {
        return;
    };
    last.end = end;
    if last.stop == Stop::None {
        last.stop = if matches!(chunk, "-" | "--") { Stop::Comma } else { stop_of(chunk, "--") };
    }
}

/// Some of the words of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a> {
    /// The whole text.
    text: &'a str,
    /// The words in view.
    pub(super) words: &'a [Word],
}

impl<'a> Said<'a> {
    /// All words of a text.
    pub(super) fn new(text: &'a str, words: &'a [Word]) -> Self {
        Self { text, words }
    }

    /// Number of words in view.
    pub(super) fn len(self) -> usize {
        self.words.len()
    }

    /// Whether no word is in view.
    pub(super) fn is_empty(self) -> bool {
        self.words.is_empty()
    }

    /// The key of a word; empty past the end.
    pub(super) fn key(self, at: usize) -> &'a str {
        self.words.get(at).map_or("", |word| word.key.as_str())
    }

    /// The key of the last word; empty when there is none.
    pub(super) fn last_key(self) -> &'a str {
        self.words.last().map_or("", |word| word.key.as_str())
    }

    /// All keys in view.
    pub(super) fn keys(self) -> impl Iterator<Item = &'a str> {
        self.words.iter().map(|word| word.key.as_str())
    }

    /// Whether any word in view is one of `keys`.
    pub(super) fn has(self, keys: &[&str]) -> bool {
        self.keys().any(|key| keys.contains(&key))
    }

    /// What ends after a word.
    pub(super) fn stop(self, at: usize) -> Stop {
        self.words.get(at).map_or(Stop::None, |word| word.stop)
    }

    /// The words from `count` on.
    pub(super) fn skip(self, count: usize) -> Self {
        Self { text: self.text, words: self.words.get(count..).unwrap_or_default() }
    }

    /// The first `count` words.
    pub(super) fn take(self, count: usize) -> Self {
        Self { text: self.text, words: self.words.get(..count).unwrap_or(self.words) }
    }

    /// Whether it ends with a question mark.
    pub(super) fn asks(self) -> bool {
        self.words.last().is_some_and(|word| word.stop == Stop::Question)
    }

    /// Whether a sentence, question or (if `commas`) clause ends before the last word.
    pub(super) fn broken(self, commas: bool) -> bool {
        self.take(self.len().saturating_sub(1)).words.iter().any(|word| match word.stop {
            Stop::None => false,
            Stop::Comma | Stop::Colon => commas,
            Stop::Sentence | Stop::Question => true,
        })
    }

    /// Whether a quotation is still open after these words.
    pub(super) fn in_quotes(self) -> bool {
        let (Some(first), Some(last)) = (self.words.first(), self.words.last()) else {
            return false;
        };
        let raw = self.text.get(first.start..last.end).unwrap_or_default();
        raw.chars().filter(|c| plain(*c) == '"').count() % 2 == 1
    }

    /// The words as they were written, without the punctuation around them.
    pub(super) fn clean(self) -> &'a str {
        let (Some(first), Some(last)) = (self.words.first(), self.words.last()) else {
            return "";
        };
        let raw = self.text.get(first.start..last.end).unwrap_or_default();
        let raw = raw.trim().trim_end_matches(['.', ',', ';', ':', '!', '?', '…']).trim();
        ["\"\"", "“”", "„“", "''", "‘’", "«»"].iter().find_map(|pair| unquote(raw, pair)).unwrap_or(raw)
    }

    /// How many words a pattern takes from the front.
    pub(super) fn eat(self, pattern: &str) -> Option<usize> {
        walk(self.words, &pattern.split_ascii_whitespace().collect::<Vec<_>>(), 0)
    }

    /// What is left after the first pattern that fits the front.
    pub(super) fn after(self, patterns: &[&str]) -> Option<Self> {
        patterns.iter().find_map(|pattern| self.eat(pattern)).map(|count| self.skip(count))
    }

    /// Whether one of the patterns is all that was said.
    pub(super) fn is(self, patterns: &[&str]) -> bool {
        patterns.iter().any(|pattern| self.eat(pattern) == Some(self.len()))
    }
}

/// Takes one pair of quotes off a text that has no other quotes in it.
fn unquote<'a>(raw: &'a str, pair: &str) -> Option<&'a str> {
    let mut marks = pair.chars();
    let inner = raw.strip_prefix(marks.next()?)?.strip_suffix(marks.next()?)?;
    (!inner.is_empty() && !pair.chars().any(|mark| inner.contains(mark))).then(|| inner.trim())
}

/// Matches pattern parts one by one, trying optional ones both ways; a sentence end inside the match breaks it.
fn walk(words: &[Word], parts: &[&str], used: usize) -> Option<usize> {
    let Some((part, parts)) = parts.split_first() else {
        return Some(used);
    };
    let (choices, optional) = part.strip_suffix('?').map_or((*part, false), |choices| (choices, true));
    let before = used.checked_sub(1).and_then(|at| words.get(at));
    let broken = before.is_some_and(|word| matches!(word.stop, Stop::Sentence | Stop::Question));
    let hit = words.get(used).is_some_and(|word| choices.split('|').any(|choice| choice == word.key));
    let taken = if hit && !broken { walk(words, parts, used + 1) } else { None };
    taken.or_else(|| if optional { walk(words, parts, used) } else { None })
}
