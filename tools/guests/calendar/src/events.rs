//! The operations.

use hearth_guest_readable::text;
use hearth_tool::{Answer, Context, Failure, kv};
use jiff::{ToSpan, civil::Date, tz::TimeZone};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    dav::{self, Put},
    ical::{self, Line},
    moments::{When, now, utc, zone},
};

/// The longest time that is listed at once, in days.
const DAYS: i32 = 370;
/// The most events that are listed.
const EVENTS: usize = 200;
/// The longest note that is shown in a list, in characters.
const NOTES_CHARS: usize = 400;
const TITLE_CHARS: usize = 300;

#[derive(Deserialize)]
pub(crate) struct Range {
    from: Option<String>,
    to: Option<String>,
    search: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct New {
    title: String,
    start: String,
    end: Option<String>,
    location: Option<String>,
    notes: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Change {
    id: String,
    title: Option<String>,
    start: Option<String>,
    end: Option<String>,
    location: Option<String>,
    notes: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Setup {
    address: String,
}

pub(crate) fn setup(setup: Setup, _context: &Context) -> Result<Answer, Failure> {
    let address = setup.address.trim();
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://")).unwrap_or_default();
    if rest.split('/').next().is_none_or(str::is_empty) || address.contains(['?', '#', '@', ' ']) {
        return Err(Failure::bad_arguments("the address is https:// with a host and the calendar's path"));
    }
    let address = format!("{}/", address.trim_end_matches('/'));
    kv::set(dav::KEY, address.as_bytes())?;
    Ok(json!({ "address": address }).into())
}

fn property<'a>(event: &[&'a Line], name: &str) -> Option<&'a Line> {
    event.iter().find(|line| line.name == name).copied()
}

fn shown(event: &[&Line], name: &str, most: usize) -> Option<String> {
    property(event, name).map(|line| text::cut(line.text().trim(), most).0.to_owned()).filter(|text| !text.is_empty())
}

/// When an event ends: as it says, or by its duration, or at its start (RFC 5545, section 3.6.1).
fn end(event: &[&Line], start: &When, zone: &TimeZone) -> When {
    let written = property(event, "DTEND").and_then(|line| When::read(line, zone));
    let lasting = || {
        let span: jiff::Span = property(event, "DURATION")?.value.parse().ok()?;
        match start {
            When::Day(day) => day.checked_add(span).ok().map(When::Day),
            When::Moment(moment) => moment.checked_add(span).ok().map(When::Moment),
        }
    };
    match written.or_else(lasting) {
        // The last day itself, not the one after.
        Some(When::Day(day)) => When::Day(When::previous_day(day)),
        Some(moment @ When::Moment(_)) => moment,
        None => start.clone(),
    }
}

pub(crate) fn list(range: Range, context: &Context) -> Result<Answer, Failure> {
    let zone = zone(context)?;
    let day = |text: &str| text.trim().parse::<Date>().map_err(|_strange| Failure::bad_arguments("a day is written 2026-03-01"));
    let from = match &range.from {
        Some(from) => day(from)?,
        None => now()?.to_zoned(zone.clone()).date(),
    };
    let last = match &range.to {
        Some(to) => day(to)?,
        None => from.checked_add(6.days()).map_err(|_far| Failure::bad_arguments("that is too far away"))?,
    };
    let days = from.until(last).map_or(-1, |span| span.get_days());
    if !(0..=DAYS).contains(&days) {
        return Err(Failure::bad_arguments("the last day comes after the first, at most a year later"));
    }
    let bounds = (When::Day(from).instant(&zone), When::Day(When::next_day(last)?).instant(&zone));
    let words: Vec<String> = range.search.unwrap_or_default().split_whitespace().map(str::to_lowercase).collect();
    let mut found = Vec::new();
    for object in dav::query(&utc(bounds.0), &utc(bounds.1))? {
        let lines = ical::read(&object.data);
        for event in ical::events(&lines) {
            let Some(start) = property(&event, "DTSTART").and_then(|line| When::read(line, &zone)) else { continue };
            let title = shown(&event, "SUMMARY", TITLE_CHARS).unwrap_or_default();
            let (location, notes) = (shown(&event, "LOCATION", TITLE_CHARS), shown(&event, "DESCRIPTION", NOTES_CHARS));
            let all =
                format!("{title} {} {}", location.as_deref().unwrap_or_default(), notes.as_deref().unwrap_or_default()).to_lowercase();
            if !words.iter().all(|word| all.contains(word)) {
                continue;
            }
            let repeats = property(&event, "RRULE").is_some() || property(&event, "RECURRENCE-ID").is_some();
            let shown = json!({
                "id": object.id,
                "title": title,
                "start": start.show(),
                "end": end(&event, &start, &zone).show(),
                "location": location,
                "notes": notes,
                "repeats": repeats,
            });
            found.push((start.instant(&zone), shown));
        }
    }
    found.sort_by_key(|(instant, _)| *instant);
    let more = found.len() > EVENTS;
    let events: Vec<Value> = found.into_iter().take(EVENTS).map(|(_, shown)| shown).collect();
    Ok(json!({ "from": from.to_string(), "to": last.to_string(), "zone": context.zone, "events": events, "more": more }).into())
}

/// Start and end as lines; an end that is not given is an hour, a day, or `lasting` later.
fn span(start: &When, end: Option<When>, lasting: Option<jiff::Span>) -> Result<(Line, Line), Failure> {
    let bad = || Failure::bad_arguments("the end comes after the start, and both are times or both are days");
    let after = match (start, end) {
        (When::Day(day), None) => When::Day(day.checked_add(lasting.unwrap_or(1.day())).map_err(|_far| bad())?),
        (When::Moment(moment), None) => When::Moment(moment.checked_add(lasting.unwrap_or(1.hour())).map_err(|_far| bad())?),
        (When::Day(day), Some(When::Day(last))) if last >= *day => When::Day(When::next_day(last)?),
        (When::Moment(moment), Some(When::Moment(end))) if end >= *moment => When::Moment(end),
        _ => return Err(bad()),
    };
    Ok((start.line("DTSTART"), after.line("DTEND")))
}

/// FNV-1a, 128 bits: tells calls apart.
fn digest(text: &str) -> u128 {
    let start = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    text.bytes().fold(start, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b))
}

fn answer(id: &str, start: &When, end_line: &Line, zone: &TimeZone) -> Answer {
    let end = match When::read(end_line, zone) {
        Some(When::Day(day)) => When::Day(When::previous_day(day)).show(),
        Some(moment) => moment.show(),
        None => String::new(),
    };
    json!({ "id": id, "start": start.show(), "end": end }).into()
}

pub(crate) fn create(new: New, context: &Context) -> Result<Answer, Failure> {
    let zone = zone(context)?;
    if new.title.trim().is_empty() {
        return Err(Failure::bad_arguments("an event has a title"));
    }
    let start = When::parse(&new.start, &zone)?;
    let end = new.end.as_deref().map(|end| When::parse(end, &zone)).transpose()?;
    let (start_line, end_line) = span(&start, end, None)?;
    // The same call made again writes the same event, and finds it there.
    let uid = format!("hearth-{:032x}", digest(&context.call));
    let mut lines = vec![
        Line::new("BEGIN", "VCALENDAR"),
        Line::new("VERSION", "2.0"),
        Line::new("PRODID", "-//Hearth//Calendar//EN"),
        Line::new("BEGIN", "VEVENT"),
        Line::new("UID", uid.clone()),
        Line::new("DTSTAMP", utc(now()?)),
        start_line,
        end_line.clone(),
        Line::new("SUMMARY", ical::escape(new.title.trim())),
    ];
    lines.extend(new.location.map(|location| Line::new("LOCATION", ical::escape(location.trim()))));
    lines.extend(new.notes.map(|notes| Line::new("DESCRIPTION", ical::escape(notes.trim()))));
    lines.extend([Line::new("END", "VEVENT"), Line::new("END", "VCALENDAR")]);
    let id = format!("{uid}.ics");
    dav::put(&id, ical::write(&lines), ("if-none-match", "*"))?;
    Ok(answer(&id, &start, &end_line, &zone))
}

pub(crate) fn change(change: Change, context: &Context) -> Result<Answer, Failure> {
    let zone = zone(context)?;
    let (source, tag) = dav::get(&change.id)?;
    let lines = ical::read(&source);
    let events = ical::events(&lines);
    let [event] = events.as_slice() else {
        return Err(Failure::failed("this event repeats, with exceptions; change it in the calendar itself"));
    };
    if ["RRULE", "RDATE"].iter().any(|name| property(event, name).is_some()) {
        return Err(Failure::failed("this event repeats; change it in the calendar itself"));
    }
    // The server would write to them.
    if property(event, "ATTENDEE").is_some() {
        return Err(Failure::failed("this event has guests, who would be told; change it in the calendar itself"));
    }
    let strange = || Failure::failed("the calendar's event has no start that this tool can read");
    let old_start = property(event, "DTSTART").and_then(|line| When::read(line, &zone)).ok_or_else(strange)?;
    let old_end = end(event, &old_start, &zone);
    let start = change.start.as_deref().map_or(Ok(old_start.clone()), |start| When::parse(start, &zone))?;
    let new_end = change.end.as_deref().map(|end| When::parse(end, &zone)).transpose()?;
    let lasting = match (&old_start, &old_end, &start) {
        (When::Day(old), When::Day(last), When::Day(_)) => old.until(When::next_day(*last)?).ok(),
        (When::Moment(old), When::Moment(end), When::Moment(_)) => old.timestamp().until(end.timestamp()).ok(),
        // From a day to a time or back: as long as a new one.
        _ => None,
    };
    let (start_line, end_line) = span(&start, new_end, lasting)?;
    let mut new = Vec::new();
    if change.start.is_some() || change.end.is_some() {
        new.extend([start_line, end_line.clone(), Line::new("DURATION", "")]);
    }
    let texts = [("SUMMARY", &change.title), ("LOCATION", &change.location), ("DESCRIPTION", &change.notes)];
    new.extend(texts.iter().filter_map(|(name, text)| text.as_ref().map(|text| Line::new(name, ical::escape(text.trim())))));
    if new.is_empty() {
        return Err(Failure::bad_arguments("nothing to change was given"));
    }
    let sequence = property(event, "SEQUENCE").and_then(|line| line.value.trim().parse::<u32>().ok()).unwrap_or(0);
    new.push(Line::new("SEQUENCE", sequence.saturating_add(1).to_string()));
    new.extend([Line::new("DTSTAMP", utc(now()?)), Line::new("LAST-MODIFIED", utc(now()?))]);
    match dav::put(&change.id, ical::write(&ical::replace(&lines, &new)), ("if-match", &tag))? {
        Put::Done => Ok(answer(&change.id, &start, &end_line, &zone)),
        Put::Otherwise => Err(Failure::unavailable("somebody changed this event at the same time; list it again and then change it")),
    }
}
