//! Values of a script, given and compared. One that is not a number that counts (NaN) is compared by what it is.

use json_from_wast::{ComponentConst, Const, CoreConst};
use wasmtime::Val as Core;
use wasmtime::component::Val;

/// A value of a component.
pub fn component(value: &Const<'_>) -> Result<Val, String> {
    match value {
        Const::Component(value) => Ok(of(value)),
        Const::Core(other) => Err(format!("a component is called with {other:?}")),
    }
}

fn of(value: &ComponentConst<'_>) -> Val {
    let payload = |value: &Option<Box<ComponentConst<'_>>>| value.as_deref().map(|value| Box::new(of(value)));
    match value {
        ComponentConst::Bool(value) => Val::Bool(*value),
        ComponentConst::U8(value) => Val::U8(value.0),
        ComponentConst::S8(value) => Val::S8(value.0),
        ComponentConst::U16(value) => Val::U16(value.0),
        ComponentConst::S16(value) => Val::S16(value.0),
        ComponentConst::U32(value) => Val::U32(value.0),
        ComponentConst::S32(value) => Val::S32(value.0),
        ComponentConst::U64(value) => Val::U64(value.0),
        ComponentConst::S64(value) => Val::S64(value.0),
        ComponentConst::F32(bits) => Val::Float32(f32::from_bits(bits.0)),
        ComponentConst::F64(bits) => Val::Float64(f64::from_bits(bits.0)),
        ComponentConst::Char(value) => Val::Char(*value),
        ComponentConst::String(value) => Val::String(value.to_string()),
        ComponentConst::List(values) => Val::List(values.iter().map(of).collect()),
        ComponentConst::Tuple(values) => Val::Tuple(values.iter().map(of).collect()),
        ComponentConst::Record(fields) => Val::Record(fields.iter().map(|(name, value)| (name.to_string(), of(value))).collect()),
        ComponentConst::Variant { case, payload: value } => Val::Variant(case.to_string(), payload(value)),
        ComponentConst::Enum(case) => Val::Enum(case.to_string()),
        ComponentConst::Option(value) => Val::Option(payload(value)),
        ComponentConst::Result(Ok(value)) => Val::Result(Ok(payload(value))),
        ComponentConst::Result(Err(value)) => Val::Result(Err(payload(value))),
        ComponentConst::Flags(flags) => Val::Flags(flags.iter().map(ToString::to_string).collect()),
    }
}

/// Whether a component answered what the script says. Flags have no order.
pub fn is(expected: &Const<'_>, actual: &Val) -> bool {
    match (component(expected), actual) {
        (Ok(Val::Flags(mut expected)), Val::Flags(actual)) => {
            let mut actual = actual.clone();
            expected.sort();
            actual.sort();
            expected == actual
        }
        // Any NaN is as good as another: the bits of one mean nothing to a component.
        (Ok(Val::Float32(expected)), Val::Float32(actual)) => same(expected.into(), (*actual).into()),
        (Ok(Val::Float64(expected)), Val::Float64(actual)) => same(expected, *actual),
        (Ok(expected), actual) => expected == *actual,
        (Err(_), _) => false,
    }
}

fn same(expected: f64, actual: f64) -> bool {
    expected.to_bits() == actual.to_bits() || (expected.is_nan() && actual.is_nan())
}

/// A value of a core module: those that scripts of components use.
pub fn core(value: &Const<'_>) -> Result<Core, String> {
    match value {
        Const::Core(CoreConst::I32 { value }) => Ok(Core::I32(value.0)),
        Const::Core(CoreConst::I64 { value }) => Ok(Core::I64(value.0)),
        other => Err(format!("a core module's value that this program does not know: {other:?}")),
    }
}

/// Whether a core module answered what the script says.
pub fn is_core(expected: &Const<'_>, actual: &Core) -> bool {
    match (core(expected), actual) {
        (Ok(Core::I32(expected)), Core::I32(actual)) => expected == *actual,
        (Ok(Core::I64(expected)), Core::I64(actual)) => expected == *actual,
        _ => false,
    }
}
