use super::*;

const ENGINE: [u8; 32] = [7; 32];

fn cache(folder: &Path) -> Cache {
    Cache::open(folder, CacheKey::new([1; 32]), ENGINE).unwrap()
}

fn only_file(folder: &Path) -> PathBuf {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    files.remove(0)
}

#[test]
fn what_was_kept_is_found_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path());
    let name = digest(b"component");
    assert_eq!(cache.find(&name), None);
    cache.keep(&name, b"compiled").unwrap();
    assert_eq!(cache.find(&name).unwrap(), b"compiled");
    assert_eq!(cache.find(&digest(b"another")), None);
    cache.remove(&name).unwrap();
    cache.remove(&name).unwrap();
    assert_eq!(cache.find(&name), None);
}

#[test]
fn forms_that_nobody_needs_are_removed_also_those_of_other_engines() {
    let folder = tempfile::tempdir().unwrap();
    let other = Cache::open(folder.path(), CacheKey::new([1; 32]), [8; 32]).unwrap();
    let cache = cache(folder.path());
    let (kept, gone) = (digest(b"kept"), digest(b"gone"));
    for name in [&kept, &gone] {
        cache.keep(name, b"compiled").unwrap();
        other.keep(name, b"compiled otherwise").unwrap();
    }
    fs::write(folder.path().join(KEY), [1; 32]).unwrap();
    cache.retain(&BTreeSet::from([kept.clone()])).unwrap();
    assert!(cache.find(&kept).is_some() && cache.find(&gone).is_none());
    assert_eq!(other.find(&kept), None);
    assert!(folder.path().join(KEY).exists(), "the key is no form");
}

#[test]
fn every_flipped_bit_and_every_cut_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path());
    let name = digest(b"component");
    cache.keep(&name, b"compiled form of some length").unwrap();
    let file = only_file(folder.path());
    let whole = fs::read(&file).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut touched = whole.clone();
        touched[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, touched).unwrap();
        assert_eq!(cache.find(&name), None, "bit {bit}");
    }
    for length in 0..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        assert_eq!(cache.find(&name), None, "{length} bytes");
    }
    fs::write(&file, [&whole[..], b"x"].concat()).unwrap();
    assert_eq!(cache.find(&name), None);
    fs::write(&file, whole).unwrap();
    assert!(cache.find(&name).is_some());
}

#[test]
fn a_form_in_anothers_place_or_of_another_engine_or_key_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let own = cache(folder.path());
    let (one, two) = (digest(b"one"), digest(b"two"));
    own.keep(&one, b"the form of one").unwrap();
    let file = only_file(folder.path());
    fs::copy(&file, folder.path().join(own.name(&two).unwrap())).unwrap();
    assert!(own.find(&one).is_some());
    assert_eq!(own.find(&two), None);

    let newer = Cache::open(folder.path(), CacheKey::new([1; 32]), [8; 32]).unwrap();
    fs::copy(&file, folder.path().join(newer.name(&one).unwrap())).unwrap();
    assert_eq!(newer.find(&one), None);
    let foreign = Cache::open(folder.path(), CacheKey::new([2; 32]), ENGINE).unwrap();
    assert_eq!(foreign.find(&one), None);
}

#[test]
fn a_digest_is_never_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path());
    for digest in ["", "..", "../../etc/passwd", &"g".repeat(64), &"A".repeat(64), &"a/".repeat(32)] {
        assert_eq!(cache.find(digest), None);
        assert!(cache.keep(digest, b"x").is_err());
    }
}

#[test]
fn a_key_is_made_once_and_is_the_owners_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (CacheKey::of(folder.path()).unwrap(), CacheKey::of(folder.path()).unwrap());
    assert_eq!(first.0, second.0);
    assert_ne!(first.0, [0; 32]);
    assert_eq!(fs::metadata(folder.path().join(KEY)).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(folder.path().join(KEY), b"short").unwrap();
    assert!(matches!(CacheKey::of(folder.path()), Err(CacheError::Key(..))));
}

#[test]
fn what_was_left_half_written_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".left.1.2"), b"half").unwrap();
    cache(folder.path());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
