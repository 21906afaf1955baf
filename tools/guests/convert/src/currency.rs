//! Money, at the European Central Bank's reference rates: units of a currency for one euro, once on each working day.

use std::collections::BTreeMap;

use hearth_tool::{Answer, Context, Failure, clock, http, kv};
use quick_xml::{Reader, events::Event};
use serde::{Deserialize, Serialize};
use serde_json::json;

const RATES: &str = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml";
/// The file has 2 kB.
const RATES_BYTES: usize = 64 * 1_024;
/// How long rates are used without asking again.
const FRESH_MS: u64 = 6 * 3_600 * 1_000;
const KEY: &str = "rates";

#[derive(Deserialize)]
pub(crate) struct Convert {
    amount: f64,
    from: String,
    to: String,
}

/// What one euro costs.
#[derive(Serialize, Deserialize)]
struct Rates {
    asked_ms: u64,
    date: String,
    rates: BTreeMap<String, f64>,
}

fn parse(text: &str) -> Result<Rates, Failure> {
    let strange = || Failure::failed("the European Central Bank's rates came in a form that this tool does not know");
    let mut found = Rates { asked_ms: clock::now_ms(), date: String::new(), rates: BTreeMap::from([("EUR".to_owned(), 1.0)]) };
    let mut reader = Reader::from_str(text);
    loop {
        let element = match reader.read_event().map_err(|_not_xml| strange())? {
            Event::Eof => break,
            Event::Start(element) | Event::Empty(element) if element.local_name().as_ref() == b"Cube" => element,
            Event::Start(_) | Event::Empty(_) | Event::End(_) | Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => continue,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => continue,
        };
        let attribute = |name: &str| -> Option<String> {
            let attribute = element.try_get_attribute(name).ok()??;
            String::from_utf8(attribute.value.into_owned()).ok()
        };
        if let Some(date) = attribute("time") {
            found.date = date;
        }
        if let (Some(currency), Some(rate)) = (attribute("currency"), attribute("rate").and_then(|rate| rate.parse::<f64>().ok()))
            && rate > 0.0
        {
            found.rates.insert(currency, rate);
        }
    }
    if found.date.is_empty() || found.rates.len() < 2 { Err(strange()) } else { Ok(found) }
}

/// What was kept if it is fresh, else what the bank says; and if it does not answer, what was kept all the same.
fn rates() -> Result<Rates, Failure> {
    let kept = kv::get_json::<Rates>(KEY).ok().flatten();
    let (fresh, stale) = match kept {
        Some(kept) if clock::now_ms().saturating_sub(kept.asked_ms) < FRESH_MS => (Some(kept), None),
        other => (None, other),
    };
    if let Some(fresh) = fresh {
        return Ok(fresh);
    }
    let asked = http::get(RATES).and_then(http::Response::success).and_then(|answer| answer.text_limited(RATES_BYTES));
    match (asked, stale) {
        (Ok(text), _) => {
            let rates = parse(&text)?;
            // Without a place to keep them they are asked for again.
            let _kept = kv::set_json(KEY, &rates);
            Ok(rates)
        }
        (Err(_), Some(stale)) => Ok(stale),
        (Err(error), None) => Err(error.into()),
    }
}

pub(crate) fn convert(convert: Convert, _context: &Context) -> Result<Answer, Failure> {
    let (from, to) = (convert.from.trim().to_uppercase(), convert.to.trim().to_uppercase());
    let rates = rates()?;
    let rate = |code: &str| {
        let unknown = || Failure::bad_arguments("the European Central Bank has no rate for one of these currencies; use ISO 4217 codes");
        rates.rates.get(code).copied().ok_or_else(unknown)
    };
    let one = rate(&to)? / rate(&from)?;
    let cents = |value: f64| (value * 100.0).round() / 100.0;
    let one_rounded = (one * 1e6).round() / 1e6;
    Ok(json!({ "amount": cents(convert.amount * one), "currency": to, "rate": one_rounded, "of": rates.date, "source": "European Central Bank" }).into())
}
