//! Taking values in: from a terminal without an echo, from a descriptor, from a variable, from a file.

use std::fs::File;
use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use hearth_vault::admin::Hidden;
use secrecy::ExposeSecret as _;

use super::ValueOptions;

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

/// `NAME=VALUE` lines, with `#` comments, `export` and one pair of quotes, as `.env` files have them.
pub(super) fn variables(file: &Path) -> anyhow::Result<Vec<(String, Hidden)>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
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
        std::fs::write(&file, "# keys\nexport OPENAI_API_KEY=\"sk-1=2\"\n\nEMPTY=\nPLAIN= abc \n").unwrap();
        let found: Vec<_> =
            variables(&file).unwrap().into_iter().map(|(name, value)| (name, value.bytes().expose_secret().to_vec())).collect();
        assert_eq!(found, [("OPENAI_API_KEY".to_owned(), b"sk-1=2".to_vec()), ("PLAIN".to_owned(), b"abc".to_vec())]);
        std::fs::write(&file, "nothing\n").unwrap();
        assert!(variables(&file).is_err());
    }
}
