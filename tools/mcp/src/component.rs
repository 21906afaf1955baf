//! The component of a tool that is an MCP server: a text that names a server of the configuration.

use hearth_domain::tool::name::{MCP, ToolName};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    mcp_server: String,
}

/// The tool of the server of that name: `mcp/NAME`. None when a tool cannot be called so.
#[must_use]
pub fn tool(server: &str) -> Option<ToolName> {
    format!("{MCP}/{server}").parse().ok()
}

/// The component that names this server: the one spelling there is.
#[must_use]
pub fn of(server: &str) -> Vec<u8> {
    format!("{{\"mcp_server\":{}}}", serde_json::Value::from(server)).into_bytes()
}

/// The server that a component names; None when it is another kind of component, or spelt otherwise.
#[must_use]
pub fn server(component: &[u8]) -> Option<String> {
    let name = serde_json::from_slice::<Component>(component).ok()?.mcp_server;
    (tool(&name).is_some() && of(&name) == component).then_some(name)
}

/// Whether a component means to be one of these, sound or not. A component for the engine begins otherwise.
#[must_use]
pub fn is_ours(component: &[u8]) -> bool {
    component.starts_with(b"{")
}

/// SHA-256 of a component, in hexadecimal digits.
#[must_use]
pub fn digest(component: &[u8]) -> String {
    hex::encode(Sha256::digest(component))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_has_one_spelling() {
        assert_eq!(of("everything"), br#"{"mcp_server":"everything"}"#);
        assert_eq!(server(&of("everything")).as_deref(), Some("everything"));
        let others: [&[u8]; 8] = [
            b"",
            b"\0asm",
            br#"{"mcp_server": "everything"}"#,
            b"{\"mcp_server\":\"everything\"}\n",
            br#"{"mcp_server":"everything","command":["sh"]}"#,
            br#"{"mcp_server":"every\u0074hing"}"#,
            br#"{"mcp_server":"../x"}"#,
            br#"{"mcp_server":""}"#,
        ];
        others.iter().for_each(|other| assert_eq!(server(other), None, "{}", String::from_utf8_lossy(other)));
    }
}
