//! What the author of a tool uses: operations with typed arguments, the house's doors (HTTP, what the tool keeps, secrets, memory, clock,
//! chance), and a harness that runs a tool's logic on the machine of the author, against recorded HTTP.
//!
//! ```
//! use hearth_tool::{Answer, Context, Effect, Failure, Operation, Role, Tool, http};
//! use serde::Deserialize;
//! use serde_json::json;
//!
//! #[derive(Deserialize)]
//! struct Page {
//!     url: String,
//! }
//!
//! fn length(page: Page, _context: &Context) -> Result<Answer, Failure> {
//!     let text = http::get(&page.url)?.success()?.text_limited(100_000)?;
//!     Ok(json!({ "length": text.chars().count() }).into())
//! }
//!
//! fn tool() -> Tool {
//!     Tool::new().with(
//!         Operation::new("length", Effect::Read, length)
//!             .describe("How many characters a page has.")
//!             .parameters(|| json!({ "type": "object", "required": ["url"], "properties": { "url": { "type": "string" } } }))
//!             .argument("/url", Role::Url)
//!             .idempotent(),
//!     )
//! }
//!
//! hearth_tool::export!(tool);
//! # fn main() {}
//! ```
//!
//! A tool is a component that imports `hearth:tool` and nothing else. On another target than `wasm32` the doors lead into the world of
//! [`mod@test`], which exists only there.

mod answer;
pub mod clock;
pub mod http;
pub mod kv;
pub mod log;
pub mod memory;
mod operation;
pub mod random;
pub mod secrets;
#[cfg(not(target_arch = "wasm32"))]
pub mod test;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod wasm;

#[cfg(not(target_arch = "wasm32"))]
use test::doors as port;
#[cfg(target_arch = "wasm32")]
use wasm::doors as port;

pub use answer::{Answer, Context, Failure, Part};
pub use log::progress;
pub use operation::{Argument, Effect, Field, Operation, Role, Tool, Trust};

/// Makes a tool of a function that gives its [`Tool`]: `hearth_tool::export!(tool);`, once in a crate.
#[rustfmt::skip] // it would move the call inside to the wrong place
#[macro_export]
macro_rules! export {
    ($tool:path) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Component;
            impl $crate::wasm::bindings::Guest for Component {
                fn describe() -> ::std::vec::Vec<$crate::wasm::bindings::Operation> {
                    $crate::wasm::describe(&$tool())
                }
                fn call(
                    operation: ::std::string::String,
                    arguments: ::std::string::String,
                    context: $crate::wasm::bindings::Context,
                ) -> ::std::result::Result<::std::vec::Vec<$crate::wasm::bindings::Part>, $crate::wasm::bindings::Failure> {
                    $crate::wasm::call(&$tool(), &operation, &arguments, context)
                }
            }
    $crate::wasm::bindings::export!(Component with_types_in $crate::wasm::bindings);
        };
        // Without a border nobody calls it, and the compiler would say so of all that it is made of.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() -> $crate::Tool = $tool;
    };
}
