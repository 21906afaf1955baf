//! CalDAV: what is asked of the server, and what it answers.

use hearth_tool::{Failure, http, kv, secrets};
use quick_xml::{Reader, events::Event};

pub(crate) const KEY: &str = "calendar";
/// The longest answer that is read, in bytes.
const ANSWER_BYTES: usize = 8 << 20;
/// The longest name of an event's resource, in bytes.
const ID_BYTES: usize = 400;

/// One object of the calendar.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Object {
    /// The last segment of its address, with its escapes.
    pub(crate) id: String,
    pub(crate) data: String,
}

fn address() -> Result<String, Failure> {
    let address = kv::get(KEY)?.and_then(|bytes| String::from_utf8(bytes).ok());
    address.ok_or_else(|| Failure::failed("no calendar is set up yet; call `setup` with the calendar's CalDAV address first"))
}

/// The address of one object. The id stands in it as the server escaped it, so it may hold nothing that leads elsewhere.
fn object(id: &str) -> Result<String, Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'@' | b'+' | b'=' | b',');
    let folder = id.to_ascii_lowercase().contains("%2f") || id.to_ascii_lowercase().contains("%5c");
    if id.is_empty()
        || id.len() > ID_BYTES
        || !id.bytes().all(plain)
        || folder
        || id.to_ascii_lowercase().replace("%2e", ".").trim_matches('.').is_empty()
    {
        return Err(Failure::bad_arguments("this is not the id of an event; take it from `list`"));
    }
    Ok(format!("{}{id}", address()?))
}

fn request(method: &str, url: String) -> Result<http::Request, Failure> {
    Ok(http::Request::new(method, url).header("authorization", format!("Basic {}", secrets::slot("login")?)))
}

fn send(request: &http::Request) -> Result<http::Response, Failure> {
    let response = request.send()?;
    match response.status {
        401 | 403 => Err(Failure::denied("the calendar does not accept the login; grant this tool a new one")),
        _ => Ok(response),
    }
}

/// The objects with an event between two moments (`20260301T000000Z`).
pub(crate) fn query(start: &str, end: &str) -> Result<Vec<Object>, Failure> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><D:getetag/>\
         <C:calendar-data><C:expand start=\"{start}\" end=\"{end}\"/></C:calendar-data></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">\
         <C:comp-filter name=\"VEVENT\"><C:time-range start=\"{start}\" end=\"{end}\"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
    );
    let request = request("REPORT", address()?)?.header("depth", "1").header("content-type", "application/xml; charset=utf-8").body(body);
    let text = send(&request)?.success()?.text_limited(ANSWER_BYTES)?;
    objects(&text)
        .ok_or_else(|| Failure::failed("the calendar answered in a form that this tool does not know; is the address a CalDAV calendar?"))
}

/// Reads a multistatus (RFC 4918, section 13).
fn objects(text: &str) -> Option<Vec<Object>> {
    let mut reader = Reader::from_str(text);
    let (mut objects, mut current, mut inner, mut known) = (Vec::new(), Object::default(), String::new(), false);
    loop {
        let piece = match reader.read_event().ok()? {
            Event::Eof => break,
            Event::Start(element) => {
                inner = String::from_utf8_lossy(element.local_name().as_ref()).into_owned();
                known |= inner == "multistatus";
                if inner == "response" {
                    current = Object::default();
                }
                continue;
            }
            Event::Empty(element) => {
                known |= element.local_name().as_ref() == b"multistatus";
                continue;
            }
            Event::End(element) => {
                if element.local_name().as_ref() == b"response" && !current.data.trim().is_empty() {
                    current.id = current.id.trim().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
                    objects.push(std::mem::take(&mut current));
                }
                inner.clear();
                continue;
            }
            Event::Text(text) => text.xml10_content().ok()?.into_owned(),
            Event::CData(text) => text.xml10_content().ok()?.into_owned(),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                Some(character) => character.to_string(),
                None => quick_xml::escape::resolve_xml_entity(&reference.decode().ok()?).unwrap_or_default().to_owned(),
            },
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => continue,
        };
        match inner.as_str() {
            "href" if current.data.is_empty() => current.id.push_str(&piece),
            "calendar-data" => current.data.push_str(&piece),
            _ => {}
        }
    }
    known.then_some(objects)
}

/// An object as it is, and its entity tag.
pub(crate) fn get(id: &str) -> Result<(String, String), Failure> {
    let response = send(&request("GET", object(id)?)?)?.success()?;
    let tag = response.header("etag").map(str::to_owned);
    let tag = tag.ok_or_else(|| Failure::failed("the calendar does not say which version of the event this is, so it is not changed"))?;
    Ok((response.text_limited(ANSWER_BYTES)?, tag))
}

/// What came of writing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Put {
    Done,
    /// Somebody else was first.
    Otherwise,
}

/// Writes an object, if the condition holds: `("if-none-match", "*")` for a new one, `("if-match", tag)` for a known one.
pub(crate) fn put(id: &str, data: String, condition: (&str, &str)) -> Result<Put, Failure> {
    let request =
        request("PUT", object(id)?)?.header("content-type", "text/calendar; charset=utf-8").header(condition.0, condition.1).body(data);
    let response = send(&request)?;
    if response.status == 412 {
        return Ok(Put::Otherwise);
    }
    response.success()?;
    Ok(Put::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_leads_elsewhere_is_none() {
        for bad in ["", "..", ".", "%2e%2e", "a/b", "a%2Fb", "a?x", "a#x", "a b", "%2E."] {
            assert!(object(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_answer_is_said() {
        assert_eq!(objects("<html></html>"), None);
        assert_eq!(objects("<a><b"), None);
        assert_eq!(objects("<d:multistatus xmlns:d='DAV:'/>"), Some(Vec::new()));
    }
}
