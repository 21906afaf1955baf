//! Places by their names.

use hearth_tool::{Answer, Context, Failure, http, kv};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const GEOCODING: &str = "https://geocoding-api.open-meteo.com/v1/search";
/// The longest answer that is read, in bytes.
const ANSWER_BYTES: usize = 128 * 1_024;
/// A key may not be longer than 128 bytes.
const KEY_BYTES: usize = 120;

#[derive(Deserialize)]
pub(crate) struct Named {
    pub(crate) place: String,
}

/// Where a place is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) admin1: Option<String>,
    #[serde(default)]
    pub(crate) country: Option<String>,
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
}

impl Place {
    pub(crate) fn label(&self) -> String {
        let parts = [Some(&self.name), self.admin1.as_ref(), self.country.as_ref()];
        let mut label: Vec<&str> = Vec::new();
        for part in parts.into_iter().flatten() {
            if label.last() != Some(&part.as_str()) {
                label.push(part);
            }
        }
        label.join(", ")
    }

    /// Whether region or country is called so.
    fn lies_in(&self, area: &str) -> bool {
        let area = area.trim().to_lowercase();
        [&self.admin1, &self.country].into_iter().flatten().any(|part| part.to_lowercase().contains(&area))
    }
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    results: Vec<Place>,
}

/// Two letters, for the service.
fn language(context: &Context) -> String {
    let language: String = context.locale.chars().take_while(char::is_ascii_alphabetic).take(2).collect();
    if language.len() == 2 { language.to_lowercase() } else { "en".to_owned() }
}

fn ask(place: &str, context: &Context) -> Result<Vec<Place>, Failure> {
    let (name, area) = match place.split_once(',') {
        Some((name, area)) => (name.trim(), Some(area)),
        None => (place.trim(), None),
    };
    let url =
        http::Url::new(GEOCODING).query("name", name).query("count", "10").query("language", &language(context)).query("format", "json");
    let found: Found = http::get(url)?.success()?.json_limited(ANSWER_BYTES)?;
    let mut places = found.results;
    if let Some(area) = area {
        // `Paris, Texas, USA`: each part narrows, unless it leaves nothing.
        for area in area.split(',') {
            let nearer: Vec<Place> = places.iter().filter(|place| place.lies_in(area)).cloned().collect();
            if !nearer.is_empty() {
                places = nearer;
            }
        }
    }
    Ok(places)
}

pub(crate) fn locate(place: &str, context: &Context) -> Result<Place, Failure> {
    let key: String = format!("place/{}/{}", language(context), place.trim().to_lowercase());
    let usable = key.len() <= KEY_BYTES && !key.chars().any(char::is_control);
    if usable && let Ok(Some(kept)) = kv::get_json::<Place>(&key) {
        return Ok(kept);
    }
    let found = ask(place, context)?.into_iter().next();
    let found = found.ok_or_else(|| Failure::not_found("no place has this name; try another spelling, or the nearest larger town"))?;
    if usable {
        // Without room it is asked for again.
        let _kept = kv::set_json(&key, &found);
    }
    Ok(found)
}

pub(crate) fn find(named: Named, context: &Context) -> Result<Answer, Failure> {
    let places = ask(&named.place, context)?.into_iter().map(|place| {
        json!({ "name": place.name, "region": place.admin1, "country": place.country, "latitude": place.latitude, "longitude": place.longitude })
    });
    Ok(json!({ "places": places.collect::<Vec<Value>>() }).into())
}
