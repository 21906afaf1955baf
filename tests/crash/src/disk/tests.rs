use std::path::PathBuf;

use super::*;
use crate::trace::{Event, Given};

const ROOT: u64 = 1;
const FILE: u64 = 2;

fn root() -> Event {
    Event::Base { path: PathBuf::new(), inode: ROOT, given: Given::Dir }
}

fn create(path: &str, inode: u64) -> Event {
    Event::Create { path: path.into(), inode }
}

fn write(at: u64, data: &[u8]) -> Event {
    Event::Write { inode: FILE, at, data: data.to_vec(), durable: false }
}

fn sync(inode: u64, token: u64) -> [Event; 2] {
    [Event::SyncBegin { token, inode, data_only: false }, Event::SyncEnd { token }]
}

fn all_cuts(trace: &Trace, at: usize, mode: Mode) -> Vec<Image> {
    (0..200).map(|seed| Disk::new(trace).cut(&Cut::seeded(at, mode, seed)).unwrap()).collect()
}

fn worst(trace: &Trace, mode: Mode) -> Image {
    let cut = Cut { at: trace.records.len(), mode, data: Fate::Lost, names: Fate::Lost, seed: 0 };
    Disk::new(trace).cut(&cut).unwrap()
}

fn bytes<'i>(image: &'i Image, path: &str) -> Option<&'i [u8]> {
    image.files.get(Path::new(path)).map(Vec::as_slice)
}

fn trace(parts: impl IntoIterator<Item = Vec<Event>>) -> Trace {
    Trace::of(parts.into_iter().flatten())
}

#[test]
fn synced_bytes_under_a_synced_name_are_always_there() {
    let parts = [vec![root(), create("a", FILE), write(0, &[7; 3000])], sync(FILE, 1).into(), sync(ROOT, 2).into()];
    let trace = trace(parts.into_iter().chain([vec![write(3000, &[8; 9000])]]));
    for mode in [Mode::Strict, Mode::Ext4] {
        for image in all_cuts(&trace, trace.records.len(), mode) {
            assert_eq!(bytes(&image, "a").unwrap()[..3000], [7; 3000]);
        }
    }
}

#[test]
fn a_strict_disk_forgets_a_name_whose_directory_was_not_synced() {
    let trace = trace([vec![root(), create("a", FILE), write(0, b"x")], sync(FILE, 1).into()]);
    assert_eq!(bytes(&worst(&trace, Mode::Strict), "a"), None);
    assert_eq!(bytes(&worst(&trace, Mode::Ext4), "a"), Some(&b"x"[..]));
}

#[test]
fn a_write_during_a_sync_is_not_promised() {
    let [begin, end] = sync(FILE, 1);
    let trace = trace([vec![root(), create("a", FILE), begin, write(0, b"x"), end]]);
    assert_eq!(bytes(&worst(&trace, Mode::Ext4), "a"), Some(&b""[..]));
}

#[test]
fn a_sync_that_did_not_end_promises_nothing() {
    let [begin, _] = sync(FILE, 1);
    let trace = trace([vec![root(), create("a", FILE), write(0, b"x"), begin]]);
    assert!(worst(&trace, Mode::Ext4).files.is_empty());
}

#[test]
fn a_later_write_can_survive_an_earlier_one_but_not_in_the_same_sector() {
    let head = vec![root(), create("a", FILE), Event::Truncate { inode: FILE, size: 16384 }];
    let parts = [head, sync(FILE, 1).into(), sync(ROOT, 2).into()];
    let trace = trace(parts.into_iter().chain([vec![write(0, &[1; 100]), write(100, &[2; 100]), write(8192, &[3; 100])]]));
    let images = all_cuts(&trace, trace.records.len(), Mode::Strict);
    assert!(images.iter().any(|image| bytes(image, "a").unwrap()[8192] == 3 && bytes(image, "a").unwrap()[0] == 0));
    assert!(images.iter().any(|image| bytes(image, "a").unwrap()[0] == 1 && bytes(image, "a").unwrap()[100] == 0));
    assert!(!images.iter().any(|image| bytes(image, "a").unwrap()[100] == 2 && bytes(image, "a").unwrap()[0] == 0));
}

#[test]
fn a_write_tears_at_sectors_only() {
    let trace = trace([vec![root(), create("a", FILE)], sync(ROOT, 1).into(), vec![write(100, &[9; 2000])]]);
    let images = all_cuts(&trace, trace.records.len(), Mode::Strict);
    assert!(images.iter().any(|image| !matches!(bytes(image, "a").unwrap().len(), 0 | 2100)));
    for image in images {
        let found = bytes(&image, "a").unwrap();
        assert!(found.len() == 2100 || found.len().is_multiple_of(512), "{}", found.len());
        for sector in found.chunks(512) {
            assert!(sector.iter().skip(100).all(|byte| *byte == 9) || sector.iter().all(|byte| *byte == 0));
        }
    }
}

#[test]
fn an_ext4_disk_keeps_names_in_order() {
    let rename = |from: &str, to: &str| Event::Rename { from: from.into(), to: to.into() };
    let trace = trace([vec![root(), create("a", FILE), create("b", 3), rename("a", "c"), rename("b", "d")]]);
    let names = |image: &Image| image.files.keys().map(|path| path.display().to_string()).collect::<String>();
    let allowed = ["", "a", "ab", "bc", "cd"];
    for image in all_cuts(&trace, trace.records.len(), Mode::Ext4) {
        assert!(allowed.contains(&names(&image).as_str()), "{}", names(&image));
    }
    let strict = all_cuts(&trace, trace.records.len(), Mode::Strict);
    assert!(strict.iter().any(|image| !allowed.contains(&names(image).as_str())));
}

#[test]
fn a_removed_file_may_come_back_with_its_synced_bytes() {
    let unlink = Event::Unlink { path: "a".into() };
    let parts = [vec![root(), create("a", FILE), write(0, b"x")], sync(FILE, 1).into(), sync(ROOT, 2).into(), vec![unlink]];
    let trace = trace(parts);
    for mode in [Mode::Strict, Mode::Ext4] {
        let images = all_cuts(&trace, trace.records.len(), mode);
        assert!(images.iter().any(|image| bytes(image, "a") == Some(&b"x"[..])));
        assert!(images.iter().any(|image| bytes(image, "a").is_none()));
    }
}

#[test]
fn a_reused_inode_number_is_another_file() {
    let unlink = Event::Unlink { path: "a".into() };
    let trace = trace([vec![root(), create("a", FILE), write(0, b"old"), unlink, create("b", FILE), write(0, b"new")]]);
    let image = Disk::new(&trace).live(trace.records.len()).unwrap();
    assert_eq!((bytes(&image, "a"), bytes(&image, "b")), (None, Some(&b"new"[..])));
}

#[test]
fn a_write_through_descriptor_needs_no_sync() {
    let through = Event::Write { inode: FILE, at: 0, data: b"x".to_vec(), durable: true };
    let trace = trace([vec![root(), create("a", FILE)], sync(ROOT, 1).into(), vec![through]]);
    assert_eq!(bytes(&worst(&trace, Mode::Strict), "a"), Some(&b"x"[..]));
}

#[test]
fn the_same_seed_gives_the_same_disk() {
    let trace = trace([vec![root(), create("a", FILE), write(0, &[1; 9000]), write(4000, &[2; 9000])]]);
    for seed in 0..50 {
        let cut = Cut::seeded(trace.records.len(), Mode::Strict, seed);
        assert_eq!(Disk::new(&trace).cut(&cut).unwrap(), Disk::new(&trace).cut(&cut).unwrap());
    }
}
