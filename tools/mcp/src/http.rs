//! Streamable HTTP through the house's way out: the broker makes the connection, and knows by headers of the house's own who asks.

use std::sync::Arc;

use hearth_domain::http::broker::{ASKING, SCHEME};
use hearth_domain::tool::name::ToolName;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use url::Url;

use crate::config::Http;

/// The ways out of the house: clients that reach the processes behind them, without redirects, retries or proxies of their own.
#[derive(Debug, Clone)]
pub struct Ways {
    /// For requests that carry a credential's placeholder.
    pub vault: reqwest::Client,
    /// For all others.
    pub egress: reqwest::Client,
}

/// Bytes that are read of the body of a refusal.
const REFUSAL_BYTES: usize = 16 * 1024;

/// A transport to that address for this tool. None when the address has no form in which it can be asked for. Needs a runtime.
///
/// A session that the server has ended is not begun anew: its tools may be others.
pub(crate) fn transport(
    ways: &Ways,
    http: &Http,
    tool: &ToolName,
    message_bytes: usize,
) -> Option<StreamableHttpClientTransport<reqwest::Client>> {
    let (address, headers) = asked(http, tool)?;
    let client = if http.key.is_some() { &ways.vault } else { &ways.egress };
    let config = StreamableHttpClientTransportConfig::with_uri(Arc::<str>::from(address.as_str()))
        .custom_headers(headers.into_iter().collect())
        .max_sse_event_size(message_bytes)
        .max_json_response_size(message_bytes)
        .max_error_response_size(REFUSAL_BYTES)
        .max_concurrent_requests(1)
        .reinit_on_expired_session(false);
    Some(StreamableHttpClientTransport::with_client(client.clone(), config))
}

/// The address in the clear, as the broker takes it, and what says who asks and what was meant.
fn asked(http: &Http, tool: &ToolName) -> Option<(Url, Vec<(HeaderName, HeaderValue)>)> {
    let mut headers = vec![(HeaderName::from_static(ASKING), HeaderValue::from_str(&tool.principal().to_string()).ok()?)];
    if let Some(key) = &http.key {
        headers.push((AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", key.placeholder())).ok()?));
    }
    let mut address = http.url.clone();
    match address.scheme() {
        "http" => headers.push((HeaderName::from_static(SCHEME), HeaderValue::from_static("http"))),
        // The broker's port is that of the scheme unless the address has another.
        _ => address.set_scheme("http").ok()?,
    }
    Some((address, headers))
}

#[cfg(test)]
mod tests {
    use hearth_domain::secret::SecretName;

    use super::*;

    fn of(url: &str) -> (String, Vec<String>) {
        with(Http { url: url.parse().unwrap(), key: None })
    }

    fn with(http: Http) -> (String, Vec<String>) {
        let (address, headers) = asked(&http, &"mcp/trains".parse().unwrap()).unwrap();
        (address.into(), headers.into_iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect())
    }

    #[test]
    fn the_broker_is_told_who_asks_and_what_was_meant() {
        assert_eq!(of("https://example.com/mcp"), ("http://example.com/mcp".into(), vec!["hearth-as: tool/mcp.trains".into()]));
        assert_eq!(of("https://example.com:8443/").0, "http://example.com:8443/");
        let clear = vec!["hearth-as: tool/mcp.trains".to_owned(), "hearth-scheme: http".into()];
        assert_eq!(of("http://nas.local:3000/mcp"), ("http://nas.local:3000/mcp".into(), clear));
    }

    #[test]
    fn a_key_is_sent_as_its_placeholder() {
        let key: SecretName = SecretName::try_from("trains".to_owned()).unwrap();
        let (_, headers) = with(Http { url: "https://example.com/".parse().unwrap(), key: Some(key.clone()) });
        assert!(headers.contains(&format!("authorization: Bearer {}", key.placeholder())));
    }
}
