//! Taking values in: from a terminal without an echo, from a descriptor, from a variable, from a file.

use std::fs::File;
use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use hearth_vault::admin::{Hidden, Proof};
use secrecy::ExposeSecret as _;

use super::ValueOptions;
use super::command::ProofOptions;
use super::openclaw::{self, Credentials};
use crate::terminal::{Terminal, harmless};

/// Longest value, in bytes.
const VALUE_MAX: u64 = 1 << 20;

/// A value, from where the options say.
pub(super) fn value(from: &ValueOptions, prompt: &str) -> anyhow::Result<Hidden> {
    let bytes = match (from.value_fd, &from.value_env) {
        (Some(descriptor), _) => read(descriptor)?,
        (None, Some(variable)) => std::env::var(variable).with_context(|| format!("{variable} is not set"))?.into_bytes(),
        (None, None) if std::io::stdin().is_terminal() => {
            rpassword::prompt_password(prompt).context("nothing could be read from the terminal")?.into_bytes()
        }
        (None, None) => bail!("there is no terminal to ask; give --value-fd or --value-env"),
    };
    if bytes.is_empty() {
        bail!("nothing was entered");
    }
    Ok(Hidden::new(bytes))
}

/// A passphrase that is new: asked for twice at a terminal.
pub(super) fn new_passphrase(from: &ValueOptions, prompt: &str) -> anyhow::Result<Hidden> {
    let first = value(from, prompt)?;
    if !from.is_given() {
        let second = value(from, "Once more: ")?;
        if first.bytes().expose_secret() != second.bytes().expose_secret() {
            bail!("the two are not the same; nothing was changed");
        }
    }
    Ok(first)
}

/// That it is the owner: the passphrase, or the recovery key.
pub(super) fn proof(from: &ValueOptions, recovery: bool) -> anyhow::Result<Proof> {
    if recovery {
        return Ok(Proof::Recovery(value(from, "Recovery key: ")?));
    }
    Ok(Proof::Passphrase(value(from, "Owner's passphrase: ")?))
}

/// The same, from options of its own.
pub(super) fn owner_proof(from: &ProofOptions) -> anyhow::Result<Proof> {
    let ProofOptions { proof_fd, proof_env, recovery } = from.clone();
    proof(&ValueOptions { value_fd: proof_fd, value_env: proof_env }, recovery)
}

/// Has a person type a name once more before something is gone for good.
pub(super) fn confirmed(name: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask; give --yes");
    }
    Terminal::new().line(&harmless(&format!("Every secret of {name} will be gone for good. To go on, type the name again:")));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("nothing could be read from the terminal")?;
    if line.trim() != name.trim() {
        bail!("that is another name; nothing was changed");
    }
    Ok(())
}

/// All that comes from a descriptor, without the line break at its end.
fn read(descriptor: i32) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(format!("/proc/self/fd/{descriptor}")).with_context(|| format!("descriptor {descriptor} is not open"))?;
    file.take(VALUE_MAX.saturating_add(2)).read_to_end(&mut bytes).context("the value could not be read")?;
    for end in [b'\n', b'\r'] {
        if bytes.last() == Some(&end) {
            bytes.pop();
        }
    }
    Ok(bytes)
}

/// The text of a certificate's file.
pub(super) fn pem(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// The credentials of a file, by the name that each is to have: lines of variables, or OpenClaw's JSON.
pub(super) fn credentials(file: &Path) -> anyhow::Result<Credentials> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    if text.trim_start().starts_with('{') {
        return openclaw::credentials(&text).with_context(|| file.display().to_string());
    }
    let named = |(variable, value): (String, Hidden)| (variable.to_lowercase().replace('_', "-"), value);
    Ok(Credentials { taken: variables(file, &text)?.into_iter().map(named).collect(), left: Vec::new() })
}

/// `NAME=VALUE` lines, with `#` comments, `export` and one pair of quotes, as `.env` files have them.
fn variables(file: &Path, text: &str) -> anyhow::Result<Vec<(String, Hidden)>> {
    let mut found = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else { bail!("{}:{}: not NAME=VALUE", file.display(), n.saturating_add(1)) };
        let value = value.trim();
        let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
        let value = quoted.unwrap_or(value);
        if !value.is_empty() {
            found.push((name.trim().to_owned(), Hidden::new(value.as_bytes().to_vec())));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_variables_is_read_as_shells_write_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let taken = credentials(&file)?.taken;
            Ok::<_, anyhow::Error>(
                taken.into_iter().map(|(name, value)| (name, value.bytes().expose_secret().to_vec())).collect::<Vec<_>>(),
            )
        };
        let found = read("# keys\nexport OPENAI_API_KEY=\"sk-1=2\"\n\nEMPTY=\nPLAIN= abc \n").unwrap();
        assert_eq!(found, [("openai-api-key".to_owned(), b"sk-1=2".to_vec()), ("plain".to_owned(), b"abc".to_vec())]);
        assert!(read("nothing\n").is_err());
        let found = read("\n{\"profiles\": {\"openai:default\": {\"type\": \"api_key\", \"key\": \"sk-1\"}}}").unwrap();
        assert_eq!(found, [("openai-default".to_owned(), b"sk-1".to_vec())]);
    }
}
