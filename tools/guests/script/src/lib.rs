//! JavaScript (QuickJS-ng) in a tool: the operation `run` for code that a model wrote, or, when an author's source was written into the
//! component ([`slot`]), that author's operations ([`authored`]).
//!
//! ```text
//! run:       code, input ─▶ engine ─▶ the value of the last expression, or what it returns, as JSON
//! authored:  source ─▶ engine ─▶ operation({…})… ─▶ describe, call
//! ```
//!
//! A script reaches what the tool was granted and nothing else: `http`, and, if it is an author's, what the tool keeps, its secrets by
//! their slots, and the memory. Time, memory and stack are bounded; what a script does wrong is a refusal with the line.

mod authored;
#[cfg(target_arch = "wasm32")]
mod component;
mod doors;
mod engine;
#[cfg(target_arch = "wasm32")]
mod now;
mod slot;
#[cfg(test)]
mod tests;

use engine::{Code, Limits};
use hearth_tool::{Answer, Context, Effect, Failure, Operation, Role, Tool};
use serde::Deserialize;
use serde_json::{Value, json};

/// The longest code, in characters.
const CODE_CHARS: usize = 65_536;

#[derive(Deserialize)]
struct Run {
    code: String,
    #[serde(default)]
    input: Value,
}

fn run(run: Run, _context: &Context) -> Result<Answer, Failure> {
    Ok(engine::evaluate(&Code { text: &run.code, input: &run.input }, Limits::default())?.into())
}

fn run_parameters() -> Value {
    let code = json!({ "type": "string", "minLength": 1, "maxLength": CODE_CHARS, "description": "JavaScript (ES2023)" });
    let input = json!({ "description": "Any value; the code sees it as `input`" });
    json!({ "type": "object", "required": ["code"], "properties": { "code": code, "input": input }, "additionalProperties": false })
}

/// The tool when nothing is written into it.
fn runner() -> Tool {
    Tool::new().with(
        Operation::new("run", Effect::Read, run)
            .describe("Runs JavaScript over `input` and gives the value of its last expression, or what it returns, as JSON. `await` works, console.log goes to the log. No modules, timers or files. http(address) gives {status, headers, text, json()}, where it was granted.")
            .parameters(run_parameters)
            .argument("/code", Role::Code)
            .argument("/input", Role::Content)
            .idempotent(),
    )
}

/// The tool: the author's, if there is one.
fn tool() -> Tool {
    slot::source().map_or_else(runner, authored::tool)
}

#[cfg(not(target_arch = "wasm32"))]
hearth_tool::export!(tool);
