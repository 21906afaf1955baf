//! The pages beside the source.

use std::path::Path;

/// What the page links to and is not there. `folder` is the page's own.
#[must_use]
pub fn dead_links(name: &str, page: &str, folder: &Path) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (n, line) in page.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let files =
            targets.map(|target| target.split('#').next().unwrap_or_default()).filter(|file| !file.is_empty() && !file.contains(':'));
        for file in files.filter(|file| !folder.join(file).exists()) {
            found.push(format!("{name}:{}: there is no {file}", n.saturating_add(1)));
        }
    }
    found
}

/// Which of these files are not there.
#[must_use]
pub fn missing(root: &Path, files: &[&str]) -> Vec<String> {
    files.iter().filter(|file| !root.join(file).is_file()).map(|file| format!("there is no {file}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked at run time: a test that was built in another checkout would look there.
    fn here() -> std::path::PathBuf {
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap().into()
    }

    #[test]
    fn a_dead_link_is_found() {
        let page = "[a](Cargo.toml) [b](Gone.md#there)\n```\n[c](Gone.md)\n```\n[d](https://example.com) [e](#here)\n";
        assert_eq!(dead_links("README.md", page, &here()), ["README.md:1: there is no Gone.md"]);
    }

    #[test]
    fn a_missing_file_is_found() {
        assert_eq!(missing(&here(), &["Cargo.toml", "Gone.md"]), ["there is no Gone.md"]);
    }
}
