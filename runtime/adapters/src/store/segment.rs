//! A fresh file for the engine's log at each opening.
//!
//! SurrealKV 0.21 goes on writing into the newest file of its log as a crash left it. Two things are wrong with that, and both lose
//! what was acknowledged since, at the crash after the next (`tests/crash` shows it): a record that the first crash left half
//! written stays where it is, and hides what is written behind it; and where the log is repaired, the repaired file replaces the one
//! that is already open for writing, which has no name from then on. Whoever writes into an empty file of their own meets neither:
//! the engine takes the file with the highest number, and reads the older ones only.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use hearth_domain::store::StoreError;

use super::failure::io_failure;

/// The folder of the log in the database's folder, and what its files are called behind their number.
const FOLDER: &str = "wal";
const SUFFIX: &str = ".wal";
/// Digits of the number.
const DIGITS: usize = 20;

/// Makes an empty file behind the newest one of the log, unless that is empty itself. A new database has no log yet.
pub(super) fn make_fresh(database: &Path) -> Result<(), StoreError> {
    fresh(&database.join(FOLDER)).map_err(|error| io_failure(&error))
}

fn fresh(folder: &Path) -> io::Result<()> {
    let files = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        files => files?,
    };
    let mut newest = None;
    for file in files {
        let file = file?;
        let number = file.file_name().to_str().and_then(number);
        newest = newest.max(number.map(|number| (number, file.path())));
    }
    let Some((number, path)) = newest else { return Ok(()) };
    if fs::metadata(path)?.len() == 0 {
        return Ok(());
    }
    let next = number.checked_add(1).ok_or(io::ErrorKind::Other)?;
    OpenOptions::new().write(true).create_new(true).open(folder.join(format!("{next:0DIGITS$}{SUFFIX}")))?.sync_all()?;
    File::open(folder)?.sync_all()
}

fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    if digits.len() == DIGITS { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_log_that_was_written_to_gets_an_empty_file_and_an_empty_one_stays() {
        let database = tempfile::tempdir().unwrap();
        make_fresh(database.path()).unwrap();
        let log = database.path().join("wal");
        fs::create_dir(&log).unwrap();
        make_fresh(database.path()).unwrap();
        assert!(names(&log).is_empty());
        fs::write(log.join("00000000000000000009.wal"), "half a rec").unwrap();
        fs::write(log.join("0000000000000000000a.wal"), "not a file of the log").unwrap();
        make_fresh(database.path()).unwrap();
        make_fresh(database.path()).unwrap();
        assert_eq!(names(&log), ["00000000000000000009.wal", "0000000000000000000a.wal", "00000000000000000010.wal"]);
        assert_eq!(fs::metadata(log.join("00000000000000000010.wal")).unwrap().len(), 0);
    }
}
