//! Which files of a crate use each other in a circle. Every arrow points down, between files too: what two files share stands in the lower
//! one, or in a file below both.
//!
//! A file uses another by a `use` declaration or by a path in its code, from `crate` or `super`. What a file and its own sub-modules have to
//! do with each other is left out, and so are tests.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::Source;

/// Circles that are still there: crate and files. The list only gets shorter: a file that is in no circle any more has to be taken out of it.
pub const CIRCLES: [(&str, &[&str]); 8] = [
    ("actors/domain", &["conversation/holding", "conversation/turning"]),
    ("actors/domain", &["flow/call", "flow/canonical", "sandbox", "tool", "tool/manifest"]),
    ("actors/domain", &["household/erase", "session", "store", "why"]),
    ("runtime/adapters", &["store/apply", "store/erase", "store/rewrite"]),
    ("runtime/web", &["assets", "face", "problem", "view"]),
    (
        "simulations",
        &[
            "checkers",
            "checkers/known",
            "checkers/privacy",
            "checkers/rooms",
            "client",
            "doubles/clock",
            "doubles/hostile",
            "doubles/models",
            "doubles/tools",
            "people",
            "platforms",
            "recording",
            "words",
            "world",
        ],
    ),
    ("simulations", &["checkers/vault", "doubles/vault"]),
    ("simulations", &["plan", "plants", "scenarios"]),
];

/// Files that all use each other, directly or by way of others of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circle {
    /// The folder of their crate.
    pub package: String,
    /// The files, from `src` and without `.rs`, in order.
    pub files: Vec<String>,
    /// What ties them: who uses what.
    pub ties: Vec<String>,
}

/// A module's path within its crate; the root's is empty.
type Module = Vec<String>;

/// What each module uses: of which other one, and what.
type Ties = BTreeMap<Module, BTreeMap<Module, BTreeSet<String>>>;

/// The circles of each crate of this workspace.
#[must_use]
pub fn circles(sources: &[Source]) -> Vec<Circle> {
    let packages = sources.iter().filter_map(|source| source.path.strip_suffix("/Cargo.toml"));
    packages.flat_map(|package| of_package(package, sources)).collect()
}

/// Those that are not on the list, or have more files than there.
#[must_use]
pub fn unlisted(circles: &[Circle], listed: &[(&str, &[&str])]) -> Vec<String> {
    let known = |circle: &Circle| {
        let of_package = listed.iter().filter(|(package, _)| *package == circle.package);
        of_package.into_iter().any(|(_, files)| circle.files.iter().all(|file| files.contains(&file.as_str())))
    };
    let found = circles.iter().filter(|circle| !known(circle));
    found.map(|circle| format!("{}: a circle of files: {}", circle.package, circle.ties.join("; "))).collect()
}

/// Files of the list that are in no circle any more.
#[must_use]
pub fn freed(circles: &[Circle], listed: &[(&str, &[&str])]) -> Vec<String> {
    let tied =
        |package: &str, file: &str| circles.iter().any(|circle| circle.package == package && circle.files.iter().any(|of| of == file));
    let all = listed.iter().flat_map(|(package, files)| files.iter().map(move |file| (*package, *file)));
    all.filter(|(package, file)| !tied(package, file))
        .map(|(package, file)| format!("{package}: {file} is listed and in no circle"))
        .collect()
}

fn of_package(package: &str, sources: &[Source]) -> Vec<Circle> {
    let root = format!("{package}/src/");
    let modules: BTreeMap<Module, &Source> =
        sources.iter().filter_map(|source| Some((module(source.path.strip_prefix(&root)?)?, source))).collect();
    let ties: Ties = modules.iter().map(|(module, source)| (module.clone(), uses(module, source, &modules))).collect();
    let reach: BTreeMap<&Module, BTreeSet<&Module>> = ties.keys().map(|module| (module, reached(module, &ties))).collect();
    let mut circles = Vec::new();
    let mut seen = BTreeSet::new();
    for (module, far) in &reach {
        let back = |other: &&Module| reach.get(other).is_some_and(|reached| reached.contains(module));
        let circle: BTreeSet<&Module> = far.iter().copied().filter(back).collect();
        if circle.contains(module) && seen.insert(circle.clone()) {
            let files = circle.iter().map(|module| module.join("/")).collect();
            circles.push(Circle { package: package.to_owned(), files, ties: within(&circle, &ties) });
        }
    }
    circles
}

/// The module of a file below `src`; none for tests and for programs beside the crate's own.
fn module(file: &str) -> Option<Module> {
    let path: Module = file.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
    if path.iter().any(|part| part == "tests" || part.ends_with("_tests")) || path.first().is_some_and(|part| part == "bin") {
        return None;
    }
    Some(if matches!(path.as_slice(), [one] if one == "lib" || one == "main") { Vec::new() } else { path })
}

fn uses(module: &Module, source: &Source, modules: &BTreeMap<Module, &Source>) -> BTreeMap<Module, BTreeSet<String>> {
    let kin = |other: &Module| other.starts_with(module) || module.starts_with(other);
    let mut uses: BTreeMap<Module, BTreeSet<String>> = BTreeMap::new();
    for path in paths(source) {
        let Some(mut to) = resolved(module, &path) else { continue };
        let whole = to.clone();
        while !to.is_empty() && !modules.contains_key(&to) {
            to.pop();
        }
        if !kin(&to) {
            let what = whole.get(to.len()..).unwrap_or_default().join("::");
            uses.entry(to).or_default().insert(what);
        }
    }
    uses
}

/// Where a path leads that begins at the crate or at a parent.
fn resolved(module: &Module, path: &str) -> Option<Module> {
    let mut parts = path.split("::").map(str::trim).peekable();
    let mut from = module.clone();
    match parts.next()? {
        "crate" => from.clear(),
        "super" => drop(from.pop()),
        _ => return None,
    }
    while parts.next_if_eq(&"super").is_some() {
        from.pop();
    }
    from.extend(parts.filter(|part| !part.is_empty() && *part != "self").map(str::to_owned));
    Some(from)
}

/// All modules that this one uses, directly or by way of others.
fn reached<'a>(module: &Module, ties: &'a Ties) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Module> = ties.get(module).into_iter().flat_map(BTreeMap::keys).collect();
    while let Some(one) = next.pop() {
        if reached.insert(one) {
            next.extend(ties.get(one).into_iter().flat_map(BTreeMap::keys));
        }
    }
    reached
}

fn within(circle: &BTreeSet<&Module>, ties: &Ties) -> Vec<String> {
    let mut said = Vec::new();
    for module in circle {
        let others = ties.get(*module).into_iter().flatten().filter(|(other, _)| circle.contains(other));
        said.extend(others.map(|(other, what)| {
            let what: Vec<_> = what.iter().map(|what| if what.is_empty() { "itself" } else { what.as_str() }).collect();
            format!("{} uses {} ({})", module.join("/"), other.join("/"), what.join(", "))
        }));
    }
    said
}

/// The paths that the product's code of a file uses.
fn paths(source: &Source) -> Vec<String> {
    let mut paths = Vec::new();
    let mut rest = String::new();
    let product = source.test_module_at().saturating_sub(1);
    let mut lines = source.code.lines().take(product);
    let mut for_tests = false;
    while let Some(line) = lines.next() {
        match declared(line) {
            Some(begin) => {
                let mut tree = begin.to_owned();
                while !tree.contains(';') {
                    let Some(more) = lines.next() else { break };
                    tree.push_str(more);
                }
                if !for_tests {
                    paths.extend(expanded(tree.split(';').next().unwrap_or_default()));
                }
            }
            None => rest.extend([line, "\n"]),
        }
        for_tests = line.trim() == "#[cfg(test)]";
    }
    paths.extend(inline(&rest));
    paths
}

/// What stands after `use` on a line that begins a declaration.
fn declared(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let shown = line
        .strip_prefix("pub")
        .map_or(line, |rest| rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest));
    shown.trim_start().strip_prefix("use ")
}

/// The single paths of a tree of them.
fn expanded(tree: &str) -> Vec<String> {
    let Some((head, inner)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or_default().split_whitespace().collect()];
    };
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let mut depth = 0_usize;
    let branches = inner.split(move |letter: char| {
        match letter {
            '{' => depth = depth.saturating_add(1),
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    branches.filter(|branch| !branch.trim().is_empty()).flat_map(|branch| expanded(&format!("{}{}", head.trim(), branch.trim()))).collect()
}

/// Paths in the middle of code.
fn inline(code: &str) -> Vec<String> {
    let in_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut found = Vec::new();
    for begin in ["crate::", "super::"] {
        for (at, _) in code.match_indices(begin) {
            let (before, path) = code.split_at(at);
            if before.ends_with(|letter: char| in_name(letter) || letter == ':') {
                continue;
            }
            let end = path.find(|letter: char| !in_name(letter) && letter != ':').unwrap_or(path.len());
            found.push(path.get(..end).unwrap_or(path).trim_end_matches(':').to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(files: &[(&str, &str)]) -> Vec<Source> {
        let manifest = Source::new("a/Cargo.toml", "");
        std::iter::once(manifest).chain(files.iter().map(|(name, text)| Source::new(&format!("a/src/{name}.rs"), text))).collect()
    }

    fn found(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        circles(&workspace(files)).into_iter().map(|circle| circle.files).collect()
    }

    #[test]
    fn a_planted_circle_is_found_however_it_is_spelled() {
        for back in [
            "use crate::b::B;",
            "pub(crate) use super::b::B;",
            "use super::{\n    b::{self, B},\n};",
            "use crate::{b as other};",
            "fn f() -> crate::b::B {}",
            "macro_rules! m {\n    () => { $crate::b::f() };\n}",
        ] {
            let files = [("lib", "mod b;\nmod c;"), ("b", "use crate::c::C;"), ("c", back), ("d", "use crate::b::B;")];
            assert_eq!(found(&files), [["b", "c"]], "{back}");
        }
    }

    #[test]
    fn a_circle_over_several_files_and_folders_is_one() {
        let files =
            [("b/one", "use crate::c::C;"), ("c", "use crate::d::{D, f};"), ("d", "use super::b::one::One;"), ("e", "use crate::d::D;")];
        let all = circles(&workspace(&files));
        assert_eq!(all.iter().map(|circle| circle.files.join(" ")).collect::<Vec<_>>(), ["b/one c d"]);
        assert_eq!(all[0].ties, ["b/one uses c (C)", "c uses d (D, f)", "d uses b/one (One)"]);
    }

    #[test]
    fn arrows_that_point_down_are_none() {
        assert!(found(&[("b", "use crate::c::C;\nuse crate::d::D;"), ("c", "use crate::d::D;"), ("d", "use std::fmt;")]).is_empty());
        assert!(found(&[("b", "use crate::c::C;"), ("c", "// use crate::b::B;\nfn f() { g(\"crate::b::B\") }")]).is_empty());
    }

    #[test]
    fn a_file_and_its_own_modules_are_one_room() {
        assert!(
            found(&[("lib", "use b::B;"), ("b", "use c::C;\nuse crate::b::c::C;"), ("b/c", "use super::B;\nuse crate::f;")]).is_empty()
        );
        let between = [("b", "mod c;\nmod d;"), ("b/c", "use super::d::D;"), ("b/d", "use super::c::C;")];
        assert_eq!(found(&between), [["b/c", "b/d"]]);
    }

    #[test]
    fn tests_do_not_count() {
        let test = "use crate::d::D;\n#[cfg(test)]\nuse crate::b::B;\n#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\n";
        assert!(
            found(&[("b", "use crate::c::C;"), ("c", test), ("c/tests", "use crate::b::B;"), ("c_tests", "use crate::b::B;")]).is_empty()
        );
    }

    #[test]
    fn a_listed_circle_may_not_grow_and_has_to_leave_the_list_when_it_shrinks() {
        let all = circles(&workspace(&[("b", "use crate::c::C;"), ("c", "use crate::b::B;")]));
        assert_eq!(unlisted(&all, &[]), ["a: a circle of files: b uses c (C); c uses b (B)"]);
        assert_eq!(unlisted(&all, &[("a", &["b"])]).len(), 1);
        assert_eq!(unlisted(&all, &[("other", &["b", "c"])]).len(), 1);
        assert!(unlisted(&all, &[("a", &["b", "c"])]).is_empty() && freed(&all, &[("a", &["b", "c"])]).is_empty());
        assert_eq!(freed(&all, &[("a", &["b", "c", "d"])]), ["a: d is listed and in no circle"]);
        assert_eq!(freed(&[], &[("a", &["b"])]), ["a: b is listed and in no circle"]);
    }
}
