//! What questions about the rules can speak of: the operations of the house's own tools, and what a house usually has, in plain words.

use hearth_domain::sandbox::Role;
use hearth_domain::tool::Effect;
use hearth_rules::question::Capability;

/// Effect, tool, operation, and its argument that names what it is about.
const USUAL: [(Effect, &str, &str, Option<(&str, Role)>); 14] = [
    (Effect::Physical, "home/door", "unlock", Some(("door", Role::Id))),
    (Effect::Physical, "home/door", "lock", Some(("door", Role::Id))),
    (Effect::Physical, "home/light", "switch", Some(("room", Role::Id))),
    (Effect::Physical, "home/music", "play", Some(("what", Role::Content))),
    (Effect::Physical, "home/heating", "set", Some(("room", Role::Id))),
    (Effect::Physical, "home/oven", "start", Some(("program", Role::Id))),
    (Effect::Read, "home/camera", "look", Some(("where", Role::Id))),
    (Effect::ExternalSend, "post/mail", "send", Some(("to", Role::Recipient))),
    (Effect::Pay, "shop/order", "buy", Some(("what", Role::Content))),
    (Effect::Delete, "files/file", "delete", Some(("file", Role::Path))),
    (Effect::Read, "house/weather", "ask", None),
    (Effect::Read, "house/news", "read", None),
    (Effect::WriteOwn, "house/note", "write", Some(("text", Role::Content))),
    (Effect::Admin, "house/tool", "install", Some(("tool", Role::Id))),
];

/// All of it.
pub(super) fn capabilities() -> Vec<Capability> {
    let usual = USUAL.into_iter().map(|(effect, tool, operation, argument)| Capability {
        effect,
        tool: tool.to_owned(),
        operation: operation.to_owned(),
        arguments: argument
            .into_iter()
            .chain((effect == Effect::Pay).then_some(("amount", Role::Amount)))
            .map(|(name, role)| (name.to_owned(), role))
            .collect(),
    });
    let own = hearth_own_tools::ALL.iter().filter_map(|own| hearth_tool_package::read_manifest(own.manifest).ok()).flat_map(|manifest| {
        let tool = manifest.name.to_string();
        manifest.operations.into_iter().map(move |operation| Capability {
            effect: operation.effect,
            tool: tool.clone(),
            operation: operation.name,
            arguments: operation.arguments.into_iter().map(|(pointer, role)| (pointer.trim_start_matches('/').to_owned(), role)).collect(),
        })
    });
    usual.chain(own).collect()
}
