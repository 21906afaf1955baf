//! `hearth doctor`: what protects this house's secrets, against what and against what not, and what is wrong.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use hearth_vault::seal::folder::{KEY, MANIFEST};
use hearth_vault::seal::source::CREDENTIAL;
use serde_json::Value;

use crate::config::{Config, KeySource};
use crate::vaults;

/// Where systemd puts credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The report. `status` is what the running house says of itself, or why it says nothing.
pub fn report(config: &Config, status: &Result<Value, String>) -> anyhow::Result<String> {
    let data = config.data()?;
    let keys = vaults::keys(config, &data)?;
    let mut text = String::new();
    let mut line = |what: &str, said: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{what:<10} {said}");
    };
    config.warnings().iter().for_each(|warning| line("warning", warning));
    line("data", &folder(&data));
    line("key folder", &folder(&keys));
    if keys.starts_with(&data) {
        line("warning", "the key folder lies in the data folder: whoever copies the one has the other; set vault.keys to another place");
    }
    let given = std::env::var_os(CREDENTIALS).is_some_and(|folder| Path::new(&folder).join(CREDENTIAL).exists());
    line("key", key(&config.vault.sources, &keys, given));
    match status {
        Ok(status) => {
            if let Some(report) = status.get("house") {
                confined("house", report, &mut line);
            }
            process("vault", status, &mut line);
            process("egress", status, &mut line);
            each(status, "tools").for_each(|tool| tell_tool(tool, &mut line));
        }
        Err(error) => line("house", error),
    }
    Ok(text)
}

/// A folder and whether others may look into it.
fn folder(path: &Path) -> String {
    match std::fs::metadata(path) {
        Ok(found) if found.permissions().mode() & 0o077 == 0 => format!("{} (its owner's only)", path.display()),
        Ok(_) => format!("{} (other users of this machine may look into it: chmod 700)", path.display()),
        Err(_) => format!("{} (not there yet)", path.display()),
    }
}

/// Where the vault's key comes from, in the order in which the vault looks, and what that is worth.
fn key(sources: &[KeySource], keys: &Path, given: bool) -> &'static str {
    let there = |source: &&KeySource| match source {
        KeySource::Credential => given,
        KeySource::Passphrase => keys.join(MANIFEST).exists() && !keys.join(KEY).exists(),
        KeySource::KeyFile => keys.join(KEY).exists(),
    };
    match sources.iter().find(there) {
        Some(KeySource::Credential) => {
            "a credential of systemd: protects a stolen disk and a copied backup where the TPM seals it; not against root, nor against this user while the house runs"
        }
        Some(KeySource::Passphrase) => {
            "a passphrase: protects a stolen disk or machine and a copied backup; not against root while the house runs. Sealed after each start: hearth secret unseal"
        }
        Some(KeySource::KeyFile) => {
            "a key file: protects a copy of the data folder, and against other users; not against whoever has the key folder as well, such as a stolen disk or a backup of everything. The house comes back by itself"
        }
        None => "there is no vault yet",
    }
}

/// What the house says of one of its processes.
fn process(name: &str, status: &Value, line: &mut impl FnMut(&str, &str)) {
    let Some(report) = status.get(name).filter(|report| report.is_object()) else {
        return line(name, "the house says nothing of it; try again in a moment");
    };
    let state = report.get("state").and_then(Value::as_str).unwrap_or("not there");
    let restarts = report.get("restarts").and_then(Value::as_u64).unwrap_or_default();
    line(name, &format!("{state}, started again {restarts} times"));
    if let Some(trouble) = report.get("trouble").and_then(Value::as_str) {
        line(name, trouble);
    }
    each(report, "findings").for_each(|finding| line(name, finding.as_str().unwrap_or_default()));
    confined(name, report, line);
}

/// A tool, and what confines its process while there is one.
fn tell_tool(tool: &Value, line: &mut impl FnMut(&str, &str)) {
    let said = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, state) = (said(tool.get("name")), said(tool.pointer("/state/state")));
    let idle = each(tool, "confined").next().is_none();
    let process = if idle { ", not in use: what confines its process is shown while it has one" } else { "" };
    line("tool", &format!("{name}: {state}{process}"));
    confined("tool", tool, line);
}

/// What confines it, part by part.
fn confined(name: &str, report: &Value, line: &mut impl FnMut(&str, &str)) {
    for part in each(report, "confined") {
        let said = |at: usize| part.get(at).and_then(Value::as_str).unwrap_or_default();
        line(name, &format!("{}: {}", said(0), said(1)));
    }
}

fn each<'a>(report: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    report.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_of_the_key_is_the_first_that_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let all = [KeySource::Credential, KeySource::Passphrase, KeySource::KeyFile];
        let begins = |given: bool, word: &str| assert!(key(&all, folder.path(), given).starts_with(word), "{word}");
        begins(false, "there is no vault yet");
        std::fs::write(folder.path().join(MANIFEST), "").unwrap();
        begins(false, "a passphrase");
        std::fs::write(folder.path().join(KEY), "").unwrap();
        begins(false, "a key file");
        begins(true, "a credential of systemd");
    }
}
