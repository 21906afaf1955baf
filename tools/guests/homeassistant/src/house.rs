//! The operations.

use hearth_tool::{Answer, Context, Failure, http, kv, secrets};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const ADDRESS: &str = "http://homeassistant.local:8123";
const KEY: &str = "address";
/// The longest answer that is read, in bytes: a large house has some thousand entities.
const ANSWER_BYTES: usize = 8 << 20;
/// The most entities that are named.
const ENTITIES: usize = 50;
const ENTITIES_MOST: usize = 200;

#[derive(Deserialize)]
pub(crate) struct Wanted {
    domain: Option<String>,
    search: Option<String>,
    count: Option<usize>,
}

#[derive(Deserialize)]
pub(crate) struct Named {
    entity: String,
}

#[derive(Deserialize)]
pub(crate) struct Call {
    service: String,
    entities: Vec<String>,
    #[serde(default)]
    data: Map<String, Value>,
}

#[derive(Deserialize)]
pub(crate) struct Setup {
    address: String,
}

#[derive(Deserialize)]
struct State {
    entity_id: String,
    state: String,
    #[serde(default)]
    attributes: Map<String, Value>,
    #[serde(default)]
    last_changed: Option<String>,
}

impl State {
    fn name(&self) -> &str {
        self.attributes.get("friendly_name").and_then(Value::as_str).unwrap_or_default()
    }

    fn short(&self) -> Value {
        let unit = self.attributes.get("unit_of_measurement");
        json!({ "entity": self.entity_id, "name": self.name(), "state": self.state, "unit": unit, "changed": self.last_changed })
    }
}

pub(crate) fn setup(setup: Setup, _context: &Context) -> Result<Answer, Failure> {
    let address = setup.address.trim().trim_end_matches('/');
    let host = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://")).unwrap_or_default();
    if host.is_empty() || host.contains(['/', '?', '#', '@']) || host.chars().any(char::is_whitespace) {
        return Err(Failure::bad_arguments("the address is http:// or https:// with a host, and a port if it has one"));
    }
    kv::set(KEY, address.as_bytes())?;
    Ok(json!({ "address": address }).into())
}

/// `light.kitchen` in two parts. Both stand in addresses, so they are looked at closely.
fn parts(id: &str) -> Result<(&str, &str), Failure> {
    let plain =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    id.split_once('.')
        .filter(|(domain, name)| plain(domain) && plain(name))
        .ok_or_else(|| Failure::bad_arguments("ids are like light.kitchen and light.turn_on"))
}

fn ask(method: &str, segments: &[&str], body: Option<&Value>) -> Result<http::Response, Failure> {
    let address = kv::get(KEY)?.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| ADDRESS.to_owned());
    let url = segments.iter().fold(http::Url::new(&format!("{address}/api")), |url, segment| url.segment(segment));
    let token = secrets::slot("token")?;
    let mut request = http::Request::new(method, url).header("authorization", format!("Bearer {token}"));
    if let Some(body) = body {
        request = request.json(body)?;
    }
    let response = request.send()?;
    match response.status {
        401 | 403 => Err(Failure::denied("Home Assistant does not accept the token; make a new one there and grant it to this tool")),
        _ => Ok(response.success()?),
    }
}

pub(crate) fn states(wanted: Wanted, _context: &Context) -> Result<Answer, Failure> {
    let states: Vec<State> = ask("GET", &["states"], None)?.json_limited(ANSWER_BYTES)?;
    let words: Vec<String> = wanted.search.unwrap_or_default().split_whitespace().map(str::to_lowercase).collect();
    let matches = |state: &&State| {
        let of_domain = wanted.domain.as_deref().is_none_or(|domain| state.entity_id.split('.').next() == Some(domain));
        let text = format!("{} {}", state.entity_id.replace(['.', '_'], " "), state.name()).to_lowercase();
        of_domain && words.iter().all(|word| text.contains(word.as_str()) || state.entity_id.contains(word.as_str()))
    };
    let found: Vec<&State> = states.iter().filter(matches).collect();
    let most = wanted.count.unwrap_or(ENTITIES).clamp(1, ENTITIES_MOST);
    let shown: Vec<Value> = found.iter().take(most).map(|state| state.short()).collect();
    Ok(json!({ "entities": shown, "found": found.len() }).into())
}

pub(crate) fn state(named: Named, _context: &Context) -> Result<Answer, Failure> {
    parts(&named.entity)?;
    let state: State = ask("GET", &["states", &named.entity], None)?.json_limited(ANSWER_BYTES)?;
    let mut answer = state.short();
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("attributes".to_owned(), Value::Object(state.attributes));
    }
    Ok(answer.into())
}

pub(crate) fn call(call: Call, _context: &Context) -> Result<Answer, Failure> {
    let (domain, service) = parts(&call.service)?;
    for entity in &call.entities {
        parts(entity)?;
    }
    // Whom it reaches is said by `entities` alone, where the house looks.
    if let Some(other) = ["entity_id", "device_id", "area_id", "floor_id", "label_id"].iter().find(|other| call.data.contains_key(**other))
    {
        return Err(Failure::bad_arguments(format!("{other} does not belong in data: name the entities")));
    }
    let mut body = call.data;
    body.insert("entity_id".to_owned(), json!(call.entities));
    let changed: Vec<State> = ask("POST", &["services", domain, service], Some(&Value::Object(body)))?.json_limited(ANSWER_BYTES)?;
    let changed: Vec<Value> = changed.iter().map(State::short).collect();
    Ok(json!({ "changed": changed }).into())
}
