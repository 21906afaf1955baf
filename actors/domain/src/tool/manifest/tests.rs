//! Manifests: what is sound, and what agrees with a component.

use super::*;

/// A sound manifest of a tool that reads and sends.
pub(in crate::tool) fn example() -> Manifest {
    let operation = |name: &str, effect| Declared {
        name: name.to_owned(),
        description: format!("Does {name}."),
        parameters: r#"{"type": "object", "properties": {"place": {"type": "string"}}}"#.to_owned(),
        effect,
        idempotent: false,
        arguments: BTreeMap::from([("/place".to_owned(), Role::Content)]),
        fields: BTreeMap::from([("/days/*/max".to_owned(), Trust::Service)]),
    };
    Manifest {
        name: "hearth/example".parse().unwrap(),
        version: "1.2.0".parse().unwrap(),
        title: "Example".to_owned(),
        author: "Somebody".to_owned(),
        description: "Shows what a manifest holds.".to_owned(),
        wants: Wants {
            http: vec!["GET https://api.example.com/v1/*".parse().unwrap(), "GET,POST {server}/api/**".parse().unwrap()],
            keyvalue_bytes: 64 * 1024,
            memory: true,
            places: BTreeMap::from([("server".to_owned(), WantedPlace { purpose: "your server".to_owned() })]),
            secrets: BTreeMap::from([("token".to_owned(), WantedSecret { purpose: "its password".to_owned(), service: None })]),
        },
        limits: SandboxLimits::default(),
        operations: vec![operation("look", Effect::Read), operation("send", Effect::ExternalSend)],
    }
}

pub(in crate::tool) fn said(manifest: &Manifest) -> Vec<Operation> {
    let operations = manifest.operations.iter().rev();
    let say = |operation: &Declared| Operation {
        name: operation.name.clone(),
        description: operation.description.clone(),
        parameters: operation.parameters.replace(' ', ""),
        effect: operation.effect,
        idempotent: operation.idempotent,
        arguments: operation.arguments.clone().into_iter().collect(),
        fields: operation.fields.clone().into_iter().collect(),
    };
    operations.map(say).collect()
}

fn wrong(change: impl FnOnce(&mut Manifest)) -> (String, Problem) {
    let mut manifest = example();
    change(&mut manifest);
    let ManifestError { field, problem } = manifest.check().unwrap_err();
    (field, problem)
}

#[test]
fn a_sound_manifest_passes() {
    assert_eq!(example().check(), Ok(()));
    let text = serde_json::to_string(&example()).unwrap();
    assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), example());
    assert!(serde_json::from_str::<Manifest>(&text.replacen("\"title\"", "\"titel\"", 1)).is_err());
}

type Change = fn(&mut Manifest);

#[test]
fn each_fault_names_its_field() {
    let table: [(Change, &str, Problem); 24] = [
        (|m| m.title = String::new(), "title", Problem::Empty),
        (|m| m.title = "a".repeat(TITLE_MAX + 1), "title", Problem::TooLong(TITLE_MAX)),
        (|m| m.author = "a\nb".to_owned(), "author", Problem::NotPlain),
        (|m| m.description = "a\u{202e}b".to_owned(), "description", Problem::NotPlain),
        (|m| m.description = "a\u{200b}b".to_owned(), "description", Problem::NotPlain),
        (|m| m.description = "a\u{e0041}b".to_owned(), "description", Problem::NotPlain),
        (|m| m.wants.http = vec![m.wants.http[0].clone(); RULES_MAX + 1], "wants.http", Problem::TooMany(RULES_MAX)),
        (|m| m.wants.keyvalue_bytes = u64::MAX, "wants.keyvalue_bytes", Problem::Limit(KEYVALUE_MAX_BYTES)),
        (|m| m.wants.places.clear(), "wants.http[2]", Problem::PlaceUnknown),
        (|m| drop(m.wants.http.pop()), "wants.places[1]", Problem::PlaceUnused),
        (|m| m.wants.places.values_mut().for_each(|place| place.purpose = " ".to_owned()), "wants.places[1].purpose", Problem::Empty),
        (|m| m.wants = Wants { http: Vec::new(), places: BTreeMap::new(), ..m.wants.clone() }, "wants.secrets[1]", Problem::SecretUnused),
        (|m| m.limits.memory_bytes = 1 << 40, "limits.memory_bytes", Problem::Limit(limits_max().memory_bytes)),
        (|m| m.limits.compute = std::time::Duration::ZERO, "limits.compute", Problem::Limit(120_000)),
        (|m| m.operations.clear(), "operations", Problem::NoOperation),
        (|m| m.operations = vec![m.operations[0].clone(); 40], "operations", Problem::TooMany(OPERATIONS_MAX)),
        (|m| m.operations[1].name = "look".to_owned(), "operations[2].name", Problem::Twice),
        (|m| m.operations[0].name = "look__at".to_owned(), "operations[1].name", Problem::Name),
        (|m| m.operations[0].description = "a".repeat(401), "operations[1].description", Problem::TooLong(DESCRIPTION_MAX)),
        (|m| m.operations[0].parameters = "{}".to_owned(), "operations[1].parameters", Problem::Schema),
        (|m| m.operations[0].parameters = " ".repeat(SCHEMA_MAX + 1), "operations[1].parameters", Problem::TooLong(SCHEMA_MAX)),
        (|m| m.operations[0].arguments = BTreeMap::from([("a".to_owned(), Role::Url)]), "operations[1].arguments", Problem::Pointer),
        (|m| m.operations[0].fields = BTreeMap::from([("/a~2".to_owned(), Trust::Member)]), "operations[1].fields", Problem::Pointer),
        (|m| drop(m.operations.pop()), "wants.http[2]", Problem::Sends),
    ];
    for (change, field, problem) in table {
        assert_eq!(wrong(change), (field.to_owned(), problem), "{field}");
    }
}

#[test]
fn a_schema_that_is_nested_too_deep_is_refused() {
    for depth in [SCHEMA_DEPTH_MAX, 120, 7_000] {
        let nested = format!(r#"{{"type":"object","a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(wrong(|m| m.operations[0].parameters = nested), ("operations[1].parameters".to_owned(), Problem::Schema));
    }
}

#[test]
fn the_method_decides_and_not_the_claim() {
    assert_eq!(effect_of("GET", Effect::Read), Effect::Read);
    assert_eq!(effect_of("POST", Effect::Read), Effect::ExternalSend);
    assert_eq!(effect_of("DELETE", Effect::WriteOwn), Effect::ExternalSend);
    assert_eq!(effect_of("POST", Effect::Pay), Effect::Pay);
    for method in ["POST", "PUT", "PATCH", "DELETE", "MKCOL", "OPTIONS"] {
        assert!(!effect_allows(Effect::Read, method) && !effect_allows(Effect::WriteOwn, method), "{method}");
        assert!(effect_allows(Effect::ExternalSend, method) && effect_allows(Effect::Physical, method), "{method}");
    }
    assert!(SAFE_METHODS.iter().all(|method| effect_allows(Effect::Read, method)));
}

#[test]
fn a_component_that_says_the_same_agrees_in_any_order_and_spacing() {
    assert_eq!(example().agrees(&said(&example())), Ok(()));
}

#[test]
fn each_difference_is_known_apart() {
    let manifest = example();
    type Say = fn(&mut Vec<Operation>);
    let look = || "look".to_owned();
    let table: [(Say, Disagreement); 11] = [
        (|said| said.truncate(1), Disagreement::Missing(look())),
        (Vec::clear, Disagreement::Missing(look())),
        (|said| said.push(Operation { name: "more".to_owned(), ..said[0].clone() }), Disagreement::Count(3, 2)),
        (|said| said.push(said[1].clone()), Disagreement::Twice(look())),
        (|said| said[1].arguments = [said[1].arguments.clone(), said[1].arguments.clone()].concat(), Disagreement::Twice(look())),
        (|said| said[1].description.push('!'), Disagreement::Description(look())),
        (|said| said[1].parameters = "{}".to_owned(), Disagreement::Parameters(look())),
        (|said| said[1].effect = Effect::WriteOwn, Disagreement::Effect(look())),
        (|said| said[1].idempotent = true, Disagreement::Idempotent(look())),
        (|said| said[1].arguments.clear(), Disagreement::Arguments(look())),
        (|said| said[1].fields[0].1 = Trust::Member, Disagreement::Fields(look())),
    ];
    for (change, expected) in table {
        let mut said = said(&manifest);
        change(&mut said);
        assert_eq!(manifest.agrees(&said), Err(expected));
    }
}

#[test]
fn the_model_sees_the_same_functions_in_any_order_of_the_manifest() {
    let specs = example().specs();
    let names: Vec<_> = specs.iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(names, ["hearth__example__look", "hearth__example__send"]);
    let mut other = example();
    other.operations.reverse();
    assert_eq!(other.specs(), specs);
}
