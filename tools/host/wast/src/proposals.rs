//! Which proposals the engine has off, and whether a script needs one of them: its header says so, or a module of it does.

use wasmparser::{Validator, WasmFeatures};

/// What the house's engine has on. The engine does not say it; that it is so is looked at with every module of every script
/// ([`crate::script::Script::compile`]).
pub fn on() -> WasmFeatures {
    let off = [
        WasmFeatures::GC_TYPES,
        WasmFeatures::EXCEPTIONS,
        WasmFeatures::THREADS,
        WasmFeatures::RELAXED_SIMD,
        WasmFeatures::MEMORY64,
        WasmFeatures::MULTI_MEMORY,
        WasmFeatures::TAIL_CALL,
    ];
    off.into_iter().fold(WasmFeatures::WASM3 | WasmFeatures::COMPONENT_MODEL, WasmFeatures::difference)
}

/// What a header calls it.
fn named(header: &str) -> Option<WasmFeatures> {
    if header == "component_model_memory64" {
        return Some(WasmFeatures::CM64);
    }
    let name = header.strip_prefix("component_model_").map_or_else(|| header.to_owned(), |rest| format!("cm_{rest}"));
    WasmFeatures::from_name(&name.to_uppercase())
}

/// What the lines at the head of a script (`;;! NAME = true`) ask for that is otherwise here.
pub fn of_header(text: &str) -> Result<Vec<String>, String> {
    let mut otherwise = Vec::new();
    for line in text.lines().map_while(|line| line.strip_prefix(";;!")) {
        let Some((name, wanted)) = line.split_once('=').map(|(name, wanted)| (name.trim(), wanted.trim() == "true")) else {
            return Err(format!("a header that is not understood: {line}"));
        };
        // No proposal: it says that the script needs much memory.
        if name == "hogs_memory" {
            continue;
        }
        let feature = named(name).ok_or_else(|| format!("a header that is not understood: {line}"))?;
        if on().contains(feature) != wanted {
            otherwise.push(if wanted { name.to_owned() } else { format!("not {name}") });
        }
    }
    otherwise.sort();
    Ok(otherwise)
}

/// What the validator says of a module or component with these features, without numbers: those of some types are others each time.
fn verdict(features: WasmFeatures, bytes: &[u8]) -> Result<(), String> {
    let words = |error: wasmparser::Error| error.message().chars().filter(|char| !char.is_ascii_digit()).collect();
    Validator::new_with_features(features).validate_all(bytes).map(|_| ()).map_err(words)
}

/// Whether the validator refuses it with what the engine has on.
pub fn refused(bytes: &[u8]) -> bool {
    verdict(on(), bytes).is_err()
}

/// Which proposals a module needs that are off: without them it would be taken, or refused for another reason.
pub fn needed(bytes: &[u8], valid: bool) -> Option<String> {
    let (here, with_all) = (verdict(on(), bytes), verdict(WasmFeatures::all(), bytes));
    if here == with_all || with_all.is_ok() != valid {
        return None;
    }
    let off = WasmFeatures::all() - on();
    let single = off.iter_names().filter(|(_, feature)| verdict(WasmFeatures::all() - *feature, bytes) != with_all);
    let names: Vec<_> = single.map(|(name, _)| name.to_lowercase().replace("cm_", "component_model_")).collect();
    Some(if names.is_empty() { "one of several".to_owned() } else { names.join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::binary;

    #[test]
    fn a_header_that_asks_for_what_is_off_is_told_by_its_name() {
        assert_eq!(of_header("(component)"), Ok(vec![]));
        assert_eq!(of_header(";;! reference_types = true\n;;! hogs_memory = true"), Ok(vec![]));
        assert_eq!(of_header(";;! component_model_async = true\n;;! gc = true"), Ok(vec!["component_model_async".to_owned()]));
        assert_eq!(of_header(";;! bulk_memory = false"), Ok(vec!["not bulk_memory".to_owned()]));
        assert!(of_header(";;! what_comes_later = true").is_err());
    }

    #[test]
    fn a_module_says_what_it_needs() {
        let needed = |text: &str, valid| needed(&binary(text).unwrap(), valid);
        assert_eq!(needed("(module (memory 1))", true), None);
        assert_eq!(needed("(module (memory 1) (memory 1))", true), Some("multi_memory".to_owned()));
        assert_eq!(needed("(component (type (future)))", true), Some("component_model_async".to_owned()));
        // Refused with everything on as well, and for the same reason.
        assert_eq!(needed("(module (func (result i32)))", false), None);
    }
}
