//! Where a house has its data folder and its sockets. Every process of it knows them by the same rule.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Makes the data folder, closed to other users.
pub fn make_folder(data: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("the data folder {} cannot be made; set HEARTH_DATA to one that can be written", data.display()))?;
    // One that was there before may be open to others. Where it is not ours to close, the log says so.
    let mode = std::fs::metadata(data)?.permissions().mode();
    if mode & 0o077 != 0 && std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700)).is_err() {
        tracing::warn!(folder = %data.display(), "other users of this machine may read the data folder; close it with chmod 700");
    }
    Ok(())
}

/// Where the socket of a data folder is: in the folder, or where the folder's path is too long for a socket (107 bytes on Linux), in
/// the user's runtime folder under a name made from it.
#[must_use]
pub fn path_for(data: &Path) -> PathBuf {
    short(data.join("house.sock"))
}

/// Where a channel's socket of a data folder is, by the same rule.
#[must_use]
pub fn channel_for(data: &Path, name: &str) -> PathBuf {
    short(data.join("channels").join(format!("{name}.sock")))
}

fn short(inside: PathBuf) -> PathBuf {
    if inside.as_os_str().len() <= 100 {
        return inside;
    }
    let digest = hearth_domain::journal::Digest::of(inside.as_os_str().as_encoded_bytes()).to_string();
    let name: String = digest.chars().take(16).collect();
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    folder.join(format!("hearth-{name}.sock"))
}

/// The path of another socket of the house of this data folder.
#[must_use]
pub fn beside(data: &Path, name: &str) -> PathBuf {
    let house = path_for(data);
    match house.file_name().and_then(|file| file.to_str()) {
        Some(file) if file.starts_with("hearth-") => house.with_file_name(format!("{name}-{file}")),
        Some(_) | None => house.with_file_name(format!("{name}.sock")),
    }
}
