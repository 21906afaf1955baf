//! What a client and the house say to each other about tools.

use std::collections::BTreeMap;

use hearth_domain::tool::manifest::Wants;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of a package in one frame; as base64 they fit with room for the rest.
pub const PIECE_BYTES: usize = 2 * 1024 * 1024;

/// What a client wants of the toolbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tool", rename_all = "snake_case", deny_unknown_fields)]
pub enum ToolAsk {
    /// The next piece of a package, at most [`PIECE_BYTES`]. The house keeps the pieces of this connection until one of the next two.
    Piece {
        /// The piece.
        base64: String,
    },
    /// Installs the package of the pieces so far.
    Install {
        /// Whether nobody has to have signed it.
        unsigned: bool,
    },
    /// Puts it in the place of what is installed.
    Update {
        /// Whether nobody has to have signed it.
        unsigned: bool,
    },
    /// Installs what an MCP server of the configuration lists, or puts it in the place of what it listed before.
    Mcp {
        /// The server.
        server: String,
    },
    /// Says yes to what a tool asks for.
    Grant {
        /// The tool.
        name: String,
        /// The secret of each slot.
        secrets: BTreeMap<String, String>,
        /// The host of each place.
        places: BTreeMap<String, String>,
        /// Whether it may search the house's memory, if it wants to.
        memory: bool,
    },
    /// Takes its grant back.
    Revoke {
        /// The tool.
        name: String,
    },
    /// Removes it with all that it keeps.
    Remove {
        /// The tool.
        name: String,
    },
    /// What is installed?
    List,
    /// How is it?
    Show {
        /// The tool.
        name: String,
    },
    /// What did it say?
    Logs {
        /// The tool.
        name: String,
    },
    /// Calls a function. Over when the connection is.
    Call {
        /// `namespace__name__operation`, or a tool of the house.
        function: String,
        /// A JSON object.
        arguments: Value,
    },
}

/// What the house says to that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum ToolAnswer {
    /// The piece is there.
    Taken,
    /// The tool, after the change.
    Tool(Box<ShownTool>),
    /// What is installed.
    Tools {
        /// By name.
        tools: Vec<ShownTool>,
    },
    /// What it said.
    Lines {
        /// Oldest first.
        lines: Vec<ToolLine>,
    },
    /// What a call came to.
    Result {
        /// The value.
        value: Value,
        /// Microseconds that it took in the house.
        took_us: u64,
    },
}

/// A tool, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownTool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line of its author's about what it is for.
    pub description: String,
    /// SHA-256 of the component, in hexadecimal digits.
    pub component: String,
    /// The key of the author's signature, if it has one.
    pub author: Option<String>,
    /// `granted`, `waiting`, `quarantined` or `revoked`.
    pub state: String,
    /// Why it is quarantined.
    pub reason: Option<String>,
    /// What an adult has to say yes to.
    pub questions: Vec<String>,
    /// The functions that models may call.
    pub functions: Vec<String>,
    /// What it asks for; none when that cannot be read.
    pub wants: Option<Wants>,
    /// What it was granted last.
    pub granted: Option<Granted>,
    /// How its process is, when it is in use.
    pub process: Option<Value>,
}

/// What an adult granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// `METHOD address`.
    pub rules: Vec<String>,
    /// The secret of each slot.
    pub secrets: BTreeMap<String, String>,
    /// The host of each place.
    pub places: BTreeMap<String, String>,
    /// Bytes that it may keep for each member.
    pub keyvalue_bytes: u64,
    /// Whether it may search the house's memory.
    pub memory: bool,
}

/// A line of a tool's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolLine {
    /// RFC 3339.
    pub at: String,
    /// How bad it is.
    pub level: String,
    /// The tool's own words.
    pub text: String,
}
