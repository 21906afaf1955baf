//! The component's border. A call does not ask the author's source what else it can do.

use hearth_tool::wasm::{
    self,
    bindings::{self, Context, Failure, Guest, Operation, Part},
};

struct Component;

impl Guest for Component {
    fn describe() -> Vec<Operation> {
        wasm::describe(&crate::tool())
    }

    fn call(operation: String, arguments: String, context: Context) -> Result<Vec<Part>, Failure> {
        let tool = crate::slot::source().map_or_else(crate::runner, |source| crate::authored::single(source, &operation));
        wasm::call(&tool, &operation, &arguments, context)
    }
}

bindings::export!(Component with_types_in bindings);
