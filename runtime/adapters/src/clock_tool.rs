//! The one tool that runs in the house's own process, until tools have processes of their own: what time is it?

use futures_util::future::BoxFuture;
use hearth_domain::house;
use hearth_domain::time::TimeZone;
use hearth_domain::tool::{Annotations, Effect, Invocation, ToolError, ToolOutput, ToolSpec, Tools};
use serde_json::json;

/// The tool's name, as the house's own interpreter calls it.
const NAME: &str = "clock";

/// The clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClockTool;

fn call(invocation: &Invocation) -> Result<ToolOutput, ToolError> {
    if invocation.name != NAME {
        return Err(ToolError::Unknown);
    }
    let now = match invocation.arguments.get("zone") {
        None | Some(serde_json::Value::Null) => invocation.now.clone(),
        Some(zone) => {
            let name = zone.as_str().ok_or_else(|| ToolError::BadArguments("`zone` is not text".to_owned()))?;
            let zone = TimeZone::get(name).map_err(|_| ToolError::BadArguments("`zone` is not an IANA time zone".to_owned()))?;
            invocation.now.with_time_zone(zone)
        }
    };
    Ok(ToolOutput { value: json!({ "now": now.to_string() }), label: invocation.label.clone() })
}

impl Tools for ClockTool {
    fn specs(&self) -> Vec<ToolSpec> {
        let own = house::tool_specs().into_iter().filter(|spec| spec.name == NAME);
        own.map(|spec| ToolSpec {
            name: spec.name.to_owned(),
            description: spec.description.to_owned(),
            parameters: spec.schema,
            effect: Effect::Read,
            idempotent: true,
            annotations: Annotations::default(),
        })
        .collect()
    }

    fn call(&self, invocation: Invocation) -> BoxFuture<'static, Result<ToolOutput, ToolError>> {
        Box::pin(async move { call(&invocation) })
    }
}
