//! Who may depend on whom: the one-way rule between our own crates, and who may name which of the large foreign ones.

use serde::Deserialize;

/// What `cargo metadata --no-deps` says.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// The members of the workspace.
    pub packages: Vec<Package>,
    /// The root.
    pub workspace_root: String,
}

/// A member.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Where its manifest is.
    pub manifest_path: String,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
}

/// One dependency.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// Its name.
    pub name: String,
    /// `dev`, `build`, or none.
    pub kind: Option<String>,
    /// The features that are asked for.
    #[serde(default)]
    pub features: Vec<String>,
}

/// What one crate of ours may depend on among the others: in the product, and in its tests in addition.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    name: &'static str,
    product: &'static [&'static str],
    tests: &'static [&'static str],
}

/// The one-way rule, top to bottom. A new edge is a decision: it is made here, and DECISIONS.md says why.
pub const EDGES: [Row; 20] = [
    Row { name: "hearth-supervisor", product: &[], tests: &[] },
    Row { name: "hearth-domain", product: &[], tests: &[] },
    Row { name: "hearth-actors", product: &["hearth-domain", "hearth-supervisor"], tests: &["hearth-conformance"] },
    // What authors of tools build upon: it knows the interface alone.
    Row { name: "hearth-tool", product: &[], tests: &[] },
    Row { name: "hearth-tool-package", product: &["hearth-domain"], tests: &["hearth-tool"] },
    Row { name: "hearth-engine", product: &[], tests: &[] },
    Row {
        name: "hearth-adapters",
        product: &["hearth-domain", "hearth-engine", "hearth-supervisor"],
        tests: &["hearth-conformance", "hearth-scripted", "hearth-vault"],
    },
    Row { name: "hearth-vault", product: &["hearth-domain", "hearth-supervisor"], tests: &[] },
    Row { name: "hearth-tool-host", product: &["hearth-domain", "hearth-supervisor"], tests: &["hearth-tool", "hearth-tool-package"] },
    Row { name: "hearth-mcp", product: &["hearth-domain", "hearth-supervisor"], tests: &[] },
    Row { name: "hearth-web", product: &["hearth-domain", "hearth-actors", "hearth-supervisor"], tests: &["hearth-conformance"] },
    Row {
        name: "hearth",
        product: &[
            "hearth-actors",
            "hearth-adapters",
            "hearth-domain",
            "hearth-mcp",
            "hearth-own-tools",
            "hearth-supervisor",
            "hearth-tool-author",
            "hearth-tool-host",
            "hearth-tool-package",
            "hearth-vault",
            "hearth-web",
        ],
        tests: &["hearth-engine", "hearth-scripted"],
    },
    Row { name: "hearth-tool-author", product: &["hearth-domain", "hearth-tool", "hearth-tool-package"], tests: &[] },
    Row { name: "hearth-own-tools", product: &["hearth-tool-package"], tests: &[] },
    Row { name: "hearth-simulations", product: &["hearth-actors", "hearth-conformance", "hearth-domain", "hearth-supervisor"], tests: &[] },
    Row { name: "hearth-conformance", product: &["hearth-domain"], tests: &[] },
    Row { name: "hearth-scripted", product: &[], tests: &[] },
    Row { name: "hearth-crash", product: &["hearth", "hearth-domain", "hearth-engine", "hearth-scripted"], tests: &[] },
    Row { name: "hearth-crash-shim", product: &[], tests: &[] },
    Row { name: "hearth-tidy", product: &[], tests: &[] },
];

/// A foreign crate (with all whose names begin like it when the name ends in `*`) and who may name it.
pub const FOREIGN: [(&str, &[&str]); 26] = [
    ("surrealdb", &["hearth-adapters"]),
    ("surrealdb-*", &["hearth-engine", "hearth-crash"]),
    ("rig-core", &["hearth-adapters"]),
    // The bench of the vault compares its way with the same client's direct one. The client of MCP servers is given the house's.
    ("reqwest", &["hearth-adapters", "hearth", "hearth-mcp"]),
    ("rmcp*", &["hearth-mcp"]),
    // The bench's own scripted model is a page of the node.
    ("actix-web", &["hearth-web", "hearth"]),
    ("wasmtime*", &["hearth-tool-host"]),
    ("tantivy*", &["hearth-adapters"]),
    ("actix", &["hearth-supervisor", "hearth-actors", "hearth-web", "hearth", "hearth-simulations"]),
    // The third is what its dependencies draw from in a component.
    ("getrandom", &["hearth-adapters", "hearth-vault", "hearth-tool"]),
    // Sealing, outbound TLS and DNS live in the vault alone.
    ("argon2", &["hearth-vault"]),
    ("chacha20poly1305", &["hearth-vault"]),
    ("hkdf", &["hearth-vault"]),
    // Compiled tools carry the house's key.
    ("hmac", &["hearth-vault", "hearth-tool-host"]),
    ("ring", &["hearth-vault"]),
    ("rustls*", &["hearth-vault"]),
    ("tokio-rustls", &["hearth-vault"]),
    // The file in which a tool comes, and its author's signature.
    ("ed25519-dalek", &["hearth-tool-package"]),
    ("tar", &["hearth-tool-package"]),
    // What takes rights away from a process is one piece.
    ("landlock", &["hearth-supervisor"]),
    ("seccompiler", &["hearth-supervisor"]),
    ("nix", &["hearth-supervisor"]),
    // The second for an attacker's system calls, behind a feature for tests.
    ("libc", &["hearth-crash-shim", "hearth-tool-host"]),
    ("clap*", &["hearth", "hearth-simulations", "hearth-crash"]),
    ("anyhow", &["hearth", "hearth-simulations", "hearth-crash"]),
    ("chrono", &[]),
];

/// What only the tests of a crate may name.
pub const FOREIGN_IN_TESTS: [(&str, &str, &str); 4] = [
    ("hearth-vault", "reqwest", "its tests are clients of the broker, as the models are"),
    ("hearth-adapters", "rustls", "its tests raise a broker"),
    ("hearth-web", "actix", "its tests raise a house"),
    ("hearth", "surrealdb-types", "acceptance writes what a newer house would have written"),
];

/// Edges that the one-way rule does not know.
#[must_use]
pub fn edges(packages: &[Package]) -> Vec<String> {
    let ours: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut found = Vec::new();
    for package in packages {
        let Some(row) = EDGES.iter().find(|row| row.name == package.name) else {
            found.push(format!("{} is not in the table of edges", package.name));
            continue;
        };
        for to in package.dependencies.iter().filter(|to| ours.contains(&to.name.as_str())) {
            let product = row.product.contains(&to.name.as_str());
            let test = to.kind.as_deref() == Some("dev") && row.tests.contains(&to.name.as_str());
            if !product && !test {
                found.push(format!("{} may not depend on {}", package.name, to.name));
            }
        }
    }
    found
}

/// Foreign crates that are named where they may not be.
#[must_use]
pub fn foreign(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        for to in &package.dependencies {
            let is = |name: &str| name.strip_suffix('*').map_or(to.name == name, |begin| to.name.starts_with(begin));
            let banned = FOREIGN.iter().filter(|(name, _)| is(name)).any(|(_, may)| !may.contains(&package.name.as_str()));
            let in_tests = FOREIGN_IN_TESTS.iter().any(|(who, what, _)| *who == package.name && *what == to.name);
            if banned && !(in_tests && to.kind.as_deref() == Some("dev")) {
                found.push(format!("{} may not name {}", package.name, to.name));
            }
            // The paused clock stays out of the product.
            let paused = to.features.iter().any(|feature| feature == "test-util") && to.kind.is_none();
            if paused && package.name != "hearth-simulations" {
                found.push(format!("{} asks for tokio's test-util in the product", package.name));
            }
        }
    }
    found
}

/// Whether a manifest inherits the workspace's lints.
#[must_use]
pub fn lints(name: &str, manifest: &str) -> Vec<String> {
    let inherits =
        manifest.split("[lints]").nth(1).is_some_and(|rest| rest.split('[').next().unwrap_or_default().contains("workspace = true"));
    if inherits { Vec::new() } else { vec![format!("{name} does not inherit the workspace's lints")] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, to: &str, kind: Option<&str>, features: &[&str]) -> Vec<Package> {
        let features = features.iter().map(|feature| (*feature).to_owned()).collect();
        let dependency = Dependency { name: to.to_owned(), kind: kind.map(str::to_owned), features };
        let package = |name: &str, dependencies| Package { name: name.to_owned(), manifest_path: String::new(), dependencies };
        let mut packages = vec![package(name, vec![dependency])];
        packages.extend(EDGES.iter().filter(|row| row.name == to).map(|row| package(row.name, Vec::new())));
        packages
    }

    #[test]
    fn an_edge_against_the_one_way_rule_is_found() {
        assert_eq!(edges(&package("hearth-actors", "hearth-adapters", None, &[])), ["hearth-actors may not depend on hearth-adapters"]);
        assert_eq!(edges(&package("hearth-adapters", "hearth-scripted", None, &[])).len(), 1);
        assert!(edges(&package("hearth-adapters", "hearth-scripted", Some("dev"), &[])).is_empty());
        assert!(edges(&package("hearth-actors", "hearth-domain", None, &[])).is_empty());
        assert_eq!(edges(&package("hearth-new", "serde", None, &[])), ["hearth-new is not in the table of edges"]);
    }

    #[test]
    fn a_foreign_crate_in_the_wrong_place_is_found() {
        assert_eq!(foreign(&package("hearth-actors", "surrealdb-core", None, &[])), ["hearth-actors may not name surrealdb-core"]);
        assert!(foreign(&package("hearth-engine", "surrealdb-core", None, &[])).is_empty());
        assert_eq!(foreign(&package("hearth-domain", "actix", None, &[])).len(), 1);
        assert_eq!(foreign(&package("hearth", "surrealdb-types", None, &[])).len(), 1);
        assert!(foreign(&package("hearth", "surrealdb-types", Some("dev"), &[])).is_empty());
        assert_eq!(foreign(&package("hearth-web", "tokio", None, &["test-util"])).len(), 1);
        assert!(foreign(&package("hearth-web", "tokio", Some("dev"), &["test-util"])).is_empty());
    }

    #[test]
    fn a_crate_without_the_lints_is_found() {
        assert_eq!(lints("a", "[package]\n[lints]\n\n[dependencies]\nb = { workspace = true }\n").len(), 1);
        assert!(lints("a", "[lints]\nworkspace = true\n").is_empty());
    }
}
