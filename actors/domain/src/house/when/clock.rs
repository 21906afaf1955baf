//! Clock times: `at 7`, `7:30`, `6pm`, `half past seven`, `noon`.

use super::super::words::Said;
use super::span::number;

/// Minutes of a half day.
const HALF_DAY: u16 = 12 * 60;
/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A clock time as it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Clock {
    /// A minute of the day; 1440 is midnight at its end.
    At(u16),
    /// A minute of a half day (below 720), which half was not said.
    EitherHalf(u16),
    /// No such time: the words.
    Impossible(String),
}

/// The clock time that the words start with, and how many words it takes.
pub(super) fn read(said: Said<'_>) -> Option<(Clock, usize)> {
    let at = said.eat("at|@ exactly|around|about?").unwrap_or(0);
    let said = said.skip(at);
    let (clock, count) = named(said)
        .or_else(|| halves(said))
        .or_else(|| past_or_to(said, at > 0))
        .or_else(|| spoken_half(said))
        .or_else(|| digits(said, at > 0))
        .or_else(|| bare(said, at > 0))?;
    Some((clock, at + count))
}

/// `noon`, `midnight`.
fn named(said: Said<'_>) -> Option<(Clock, usize)> {
    match said.key(0) {
        "noon" | "midday" => Some((Clock::At(HALF_DAY), 1)),
        "midnight" => Some((Clock::At(DAY), 1)),
        _ => None,
    }
}

/// The hour of a twelve-hour clock.
fn hour(key: &str) -> Option<u16> {
    number(key).filter(|hour| (1..=12).contains(hour) && !(key.len() > 1 && key.starts_with('0')))
}

/// `half past seven`.
fn halves(said: Said<'_>) -> Option<(Clock, usize)> {
    let count = said.eat("half past")?;
    half_or_said(hour(said.key(count))? * 60 + 30, said, count + 1)
}

/// `quarter to 7`; `10 past seven` only behind `at`: `2 to 3` may be an amount.
fn past_or_to(said: Said<'_>, at: bool) -> Option<(Clock, usize)> {
    let quarter = said.eat("a? quarter").map(|count| (15, count));
    let (minutes, count) = quarter.or_else(|| number(said.key(0)).filter(|m| at && (1..30).contains(m)).map(|m| (m, 1)))?;
    let count = count + said.skip(count).eat("minutes").unwrap_or(0);
    let (later, word) = said.skip(count).eat("past").map(|n| (true, n)).or_else(|| said.skip(count).eat("to").map(|n| (false, n)))?;
    let hour = hour(said.key(count + word))? * 60;
    half_or_said(if later { hour + minutes } else { hour - minutes }, said, count + word + 1)
}

/// `7 pm`, `seven o'clock`, `7 a.m.`.
fn spoken_half(said: Said<'_>) -> Option<(Clock, usize)> {
    let minute = hour(said.key(0))? * 60;
    let o_clock = said.skip(1).eat("o'clock|oclock").unwrap_or(0);
    let (clock, count) = half_or_said(minute, said, 1 + o_clock)?;
    (count > 1).then_some((clock, count))
}

/// `7:30`, `19.30`, `6pm`, `7:30pm`, `18h30`, `18h`, each also with the half as a word of its own.
fn digits(said: Said<'_>, at: bool) -> Option<(Clock, usize)> {
    let key = said.key(0);
    let half = ["am", "pm", "a.m", "p.m", "h"].iter().find_map(|end| key.strip_suffix(end).map(|rest| (rest, *end)));
    let (time, half) = half.unwrap_or((key, ""));
    let (hours, minutes) = time.split_once([':', '.', 'h']).unwrap_or((time, "00"));
    let dotted = time.contains('.') || !time.contains([':', 'h']);
    let sure = at || !half.is_empty() || !dotted || meridiem(said.key(1)).is_some();
    let shaped = (1..=2).contains(&hours.len()) && minutes.len() == 2 && time.contains([':', '.', 'h']) | !half.is_empty();
    let number = |text: &str| if text.chars().all(|c| c.is_ascii_digit()) { text.parse::<u16>().ok() } else { None };
    let (hour, minute) = (number(hours)?, number(minutes)?);
    if !shaped || !sure {
        return None;
    }
    if hour > 23 || minute > 59 {
        return at.then(|| (Clock::Impossible(key.to_owned()), 1));
    }
    let twelve = (1..=12).contains(&hour);
    match meridiem(half) {
        Some(_) if !twelve => None,
        Some(late) => Some((in_half(hour * 60 + minute, late), 1)),
        None if half == "h" || time.contains('h') || !twelve || hours.starts_with('0') => Some((Clock::At(hour * 60 + minute), 1)),
        None => half_or_said(hour * 60 + minute, said, 1),
    }
}

/// `at 7`, `at seven`, `at 0730`: only behind `at`.
fn bare(said: Said<'_>, at: bool) -> Option<(Clock, usize)> {
    let key = said.key(0);
    let value = number(key).filter(|_| at)?;
    if key.len() == 4 && key.starts_with(|c: char| c.is_ascii_digit()) {
        let clock = if value / 100 < 24 && value % 100 < 60 {
            Clock::At(value / 100 * 60 + value % 100)
        } else {
            Clock::Impossible(key.to_owned())
        };
        return Some((clock, 1));
    }
    match (hour(key), value) {
        (Some(hour), _) => half_or_said(hour * 60, said, 1),
        (None, 0..=23) => Some((Clock::At(value * 60), 1)),
        (None, _) => None,
    }
}

/// `am` is false, `pm` is true.
fn meridiem(key: &str) -> Option<bool> {
    match key {
        "am" | "a.m" => Some(false),
        "pm" | "p.m" => Some(true),
        _ => None,
    }
}

/// A minute of the half day that was said.
fn in_half(minute: u16, late: bool) -> Clock {
    Clock::At(minute % HALF_DAY + if late { HALF_DAY } else { 0 })
}

/// A minute whose half may be said in the next word.
fn half_or_said(minute: u16, said: Said<'_>, count: usize) -> Option<(Clock, usize)> {
    match meridiem(said.key(count)) {
        Some(late) => Some((in_half(minute, late), count + 1)),
        None => Some((Clock::EitherHalf(minute % HALF_DAY), count)),
    }
}
