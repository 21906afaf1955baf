//! Looking for a value everywhere: in the memory of processes, in files, in the database; as it is and as it is written otherwise.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hearth_engine::{Engine, Place, Sizes};
use surrealdb_types::{Object, ToSql as _, Value};

use crate::support::Home;

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;
/// Bytes of a page: what can be read of a piece that cannot be read whole.
const PAGE: usize = 4096;

/// How often each spelling was found.
pub(crate) type Hits = BTreeMap<String, usize>;

/// The spellings of some values.
pub(crate) struct Needles {
    all: Vec<(String, Vec<u8>)>,
    /// Whether one begins with these two bytes.
    begins: Vec<bool>,
    longest: usize,
}

impl Needles {
    /// Of these values: as they are, backwards, as UTF-16, in hexadecimal digits, percent-encoded, and in base64 at each alignment.
    pub(crate) fn of(values: &[&str]) -> Self {
        let mut all = Vec::new();
        for (n, value) in values.iter().enumerate() {
            let bytes = value.as_bytes();
            let each = |form: fn(&u8) -> String| bytes.iter().map(form).collect::<String>().into_bytes();
            let mut add = |form: &str, text: Vec<u8>| all.push((format!("{n} {form}"), text));
            add("as it is", bytes.to_vec());
            add("backwards", bytes.iter().rev().copied().collect());
            add("utf-16", value.encode_utf16().flat_map(u16::to_le_bytes).collect());
            add("hex", each(|byte| format!("{byte:02x}")));
            add("HEX", each(|byte| format!("{byte:02X}")));
            add("percent", each(|byte| format!("%{byte:02x}")));
            add("PERCENT", each(|byte| format!("%{byte:02X}")));
            for before in 0..3 {
                let shifted = [vec![0; before], bytes.to_vec()].concat();
                let whole = shifted.len() / 3 * 4;
                let skipped = [0, 2, 3][before];
                add(&format!("base64 at {before}"), STANDARD_NO_PAD.encode(&shifted).as_bytes()[skipped..whole].to_vec());
                add(&format!("base64url at {before}"), URL_SAFE_NO_PAD.encode(&shifted).as_bytes()[skipped..whole].to_vec());
            }
        }
        let mut begins = vec![false; 1 << 16];
        all.iter().for_each(|(_, text)| begins[usize::from(u16::from_le_bytes([text[0], text[1]]))] = true);
        let longest = all.iter().map(|(_, text)| text.len()).max().unwrap();
        Self { all, begins, longest }
    }

    /// Adds what begins before this place.
    fn count_before(&self, bytes: &[u8], end: usize, hits: &mut Hits) {
        for (at, two) in bytes.windows(2).enumerate().take(end) {
            if self.begins[usize::from(u16::from_le_bytes([two[0], two[1]]))] {
                for (form, _) in self.all.iter().filter(|(_, text)| bytes[at..].starts_with(text)) {
                    *hits.entry(form.clone()).or_default() += 1;
                }
            }
        }
    }

    pub(crate) fn in_bytes(&self, bytes: &[u8]) -> Hits {
        let mut hits = Hits::new();
        self.count_before(bytes, bytes.len(), &mut hits);
        hits
    }

    /// In all memory of a process that can be read: how many bytes that is, and what is in it. None when it may not be looked at.
    pub(crate) fn in_process(&self, id: u32) -> std::io::Result<(usize, Hits)> {
        let memory = File::open(format!("/proc/{id}/mem"))?;
        let (mut size, mut hits) = (0, Hits::new());
        for (start, end) in regions(id)? {
            // What two pieces share, so that nothing at their border is missed, is counted once.
            for piece in (start..end).step_by(PIECE) {
                let length = (PIECE + self.longest).min(end - piece);
                let mut bytes = vec![0; length];
                if memory.read_exact_at(&mut bytes, u64::try_from(piece).unwrap()).is_err() {
                    for (n, page) in bytes.chunks_mut(PAGE).enumerate() {
                        if memory.read_exact_at(page, u64::try_from(piece + n * PAGE).unwrap()).is_err() {
                            page.fill(0);
                        }
                    }
                }
                size += length.min(PIECE);
                self.count_before(&bytes, PIECE, &mut hits);
            }
        }
        Ok((size, hits))
    }

    /// In all files of a folder, by their path; how many there are.
    pub(crate) fn in_files(&self, folder: &Path) -> (usize, BTreeMap<String, Hits>) {
        let (mut count, mut found, mut folders) = (0, BTreeMap::new(), vec![folder.to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    count += 1;
                    let hits = self.in_bytes(&std::fs::read(entry.path()).unwrap());
                    if !hits.is_empty() {
                        found.insert(entry.path().display().to_string(), hits);
                    }
                }
            }
        }
        (count, found)
    }
}

/// Where memory is that can be read, but for the kernel's own.
fn regions(id: u32) -> std::io::Result<Vec<(usize, usize)>> {
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps"))?;
    let region = |line: &str| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let readable =
            words.next()?.starts_with('r') && !line.ends_with("[vvar]") && !line.contains("[vvar_") && !line.ends_with("[vsyscall]");
        let address = |text: &str| usize::from_str_radix(text, 16).ok();
        readable.then_some((address(start)?, address(end)?))
    };
    Ok(maps.lines().filter_map(region).collect())
}

/// Everything that a house at rest has in its database, as text.
pub(crate) fn stored(home: &Home) -> String {
    in_store(home, async |store| {
        let info = asked(&store, "INFO FOR DB", Object::new()).await.pop().unwrap();
        let Value::Object(info) = info else { panic!("{info:?}") };
        let Value::Object(tables) = info["tables"].clone() else { panic!("{info:?}") };
        let mut text = String::new();
        for table in tables.keys() {
            let rows = asked(&store, &format!("SELECT * FROM {table}"), Object::new()).await;
            rows.iter().for_each(|rows| text.push_str(&rows.to_sql()));
        }
        (store, text)
    })
}

/// What a statement gives.
pub(crate) async fn asked(store: &Engine, statement: &str, variables: Object) -> Vec<Value> {
    store.ask(statement, variables).await.unwrap().into_iter().map(|answer| answer.unwrap()).collect()
}

/// Does something with the database of a house at rest.
pub(crate) fn in_store<T>(home: &Home, act: impl AsyncFnOnce(Engine) -> (Engine, T)) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Engine::open(&Place::Folder(home.data().join("store")), Sizes::default()).await.unwrap();
        let (store, given) = act(store).await;
        store.close().await;
        given
    })
}

#[test]
fn every_spelling_is_found_across_borders_and_nothing_else() {
    let needles = Needles::of(&["sk-canary-8d2f6b1e0c"]);
    for (form, text) in &needles.all {
        let bytes = [b"before ".as_slice(), text, b" after"].concat();
        assert!(needles.in_bytes(&bytes).contains_key(form), "{form}");
    }
    assert!(needles.in_bytes(b"sk-canary-8d2f6b1e0 c").is_empty());
    for before in ["", "x", "xy", "xyz"] {
        let text = STANDARD_NO_PAD.encode(format!("{before}sk-canary-8d2f6b1e0c and more"));
        assert!(!needles.in_bytes(text.as_bytes()).is_empty(), "{text}");
    }
    let own = "sk-held-by-this-process".to_owned();
    let (size, hits) = Needles::of(&[&own]).in_process(std::process::id()).unwrap();
    assert!(size > PIECE && hits.contains_key("0 as it is"), "{size} {hits:?}");
}
