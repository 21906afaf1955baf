//! The component's border without the crate's care: JSON that is none, or nested too deep to be written by a function that recurses.

use hearth_tool::wasm::{
    self,
    bindings::{self, Context, Failure, Guest, Operation, Part},
};
use serde_json::Value;

/// How deep `nested` is when it is not told.
const DEPTH: usize = 100_000;

struct Component;

impl Guest for Component {
    fn describe() -> Vec<Operation> {
        wasm::describe(&crate::tool())
    }

    fn call(operation: String, arguments: String, context: Context) -> Result<Vec<Part>, Failure> {
        match operation.as_str() {
            "not_json" => Ok(vec![Part::Json("{\"half\": ".to_owned())]),
            "nested" => {
                let depth = serde_json::from_str::<Value>(&arguments).ok().and_then(|arguments| arguments.get("depth")?.as_u64());
                let depth = depth.and_then(|depth| usize::try_from(depth).ok()).unwrap_or(DEPTH);
                Ok(vec![Part::Json("[".repeat(depth) + &"]".repeat(depth))])
            }
            _ => wasm::call(&crate::tool(), &operation, &arguments, context),
        }
    }
}

bindings::export!(Component with_types_in bindings);
