//! Packages: what was built is read, and nothing else is.

use hearth_domain::tool::Effect;
use hearth_domain::tool::grant::{ask, widening};
use hearth_domain::tool::manifest::Problem;
use proptest::prelude::*;

use super::*;

const MANIFEST: &str = include_str!("../tests/fixture/manifest.toml");
/// The smallest component: one that has nothing.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn key(byte: u8) -> SecretKey {
    SecretKey::of_seed(&[byte; 32].into())
}

fn signed() -> Vec<u8> {
    build(MANIFEST, COMPONENT, Some(&key(1))).unwrap()
}

/// Small enough for each of its bits to be tried.
fn small() -> Vec<u8> {
    let manifest = MANIFEST.split("[wants]").next().unwrap().to_owned()
        + "[[operations]]\nname = \"a\"\ndescription = \"A.\"\neffect = \"read\"\nparameters = '{\"type\": \"object\"}'\n";
    build(&manifest, COMPONENT, Some(&key(1))).unwrap()
}

fn refused(bytes: &[u8]) -> PackageError {
    read(bytes, Unsigned::Allowed).unwrap_err()
}

/// An archive of these entries, as any program would write it.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        archive.append_data(&mut header, name, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

fn signature_of(package: &[u8]) -> Vec<u8> {
    let mut archive = tar::Archive::new(package);
    let mut bytes = Vec::new();
    for entry in archive.entries().unwrap() {
        bytes.clear();
        std::io::Read::read_to_end(&mut entry.unwrap(), &mut bytes).unwrap();
    }
    bytes
}

#[test]
fn what_was_built_is_read() {
    let package = read(&signed(), Unsigned::Refused).unwrap();
    assert_eq!((package.manifest_text.as_str(), package.component.as_slice()), (MANIFEST, COMPONENT));
    assert_eq!(package.release.author, Some(key(1).public()));
    assert_eq!(package.release.manifest, Digest::of(MANIFEST.as_bytes()));
    assert_eq!(package.release.component, Digest::of(COMPONENT));
    assert_eq!(package.manifest, read_manifest(MANIFEST).unwrap());
    assert_eq!(package.manifest.specs().len(), 3);
    assert_eq!(package.manifest.operation("remove").unwrap().effect, Effect::Delete);
    assert_eq!(package.manifest.limits.result_bytes, 1024 * 1024);
    assert!(ask(&package.manifest, &package.release).len() > 10);
}

#[test]
fn the_same_parts_and_key_give_the_same_bytes() {
    assert!(signed() == signed());
    let mut entries = vec![("manifest.toml", MANIFEST.as_bytes()), ("component.wasm", COMPONENT)];
    assert!(build(MANIFEST, COMPONENT, None).unwrap() == archive(&entries));
    let signature = signature_of(&signed());
    entries.push(("signature", &signature));
    assert!(signed() == archive(&entries));
}

/// Pins the format: a file of today is read by the house of tomorrow.
#[test]
fn the_bytes_are_those_of_the_first_version() {
    assert_eq!(Digest::of(&signed()).to_string(), "f8fd7628656cfea986dce016f190aa96d9b2ce59a0331747e9022ab3e39b9df9");
}

#[test]
fn a_file_that_nobody_signed_has_to_be_allowed() {
    let bytes = build(MANIFEST, COMPONENT, None).unwrap();
    assert_eq!(read(&bytes, Unsigned::Refused), Err(PackageError::Unsigned));
    let package = read(&bytes, Unsigned::Allowed).unwrap();
    assert_eq!(package.release.author, None);
    assert_eq!(package.signed_by(&key(1).public()), Err(PackageError::Unsigned));
}

#[test]
fn a_bad_signature_is_refused_although_unsigned_files_are_allowed() {
    let other = MANIFEST.replace("1.0.0", "2.0.0");
    let other_component = [COMPONENT, b"\0\0"].concat();
    let signature = signature_of(&signed());
    let with = |manifest: &str, component: &[u8], signature: &[u8]| {
        refused(&archive(&[("manifest.toml", manifest.as_bytes()), ("component.wasm", component), ("signature", signature)]))
    };
    assert_eq!(with(&other, COMPONENT, &signature), PackageError::ManifestChanged);
    assert_eq!(with(MANIFEST, &other_component, &signature), PackageError::ComponentChanged);
    assert_eq!(with(&other, &other_component, &signature), PackageError::OtherPackage);
    let swapped = archive(&[("manifest.toml", COMPONENT), ("component.wasm", MANIFEST.as_bytes()), ("signature", &signature)]);
    assert_eq!(refused(&swapped), PackageError::Swapped);
    // Another author's key is named, but it is not theirs.
    let text = String::from_utf8(signature).unwrap();
    let renamed = text.replace(&key(1).public().to_string(), &key(2).public().to_string());
    assert_eq!(with(MANIFEST, COMPONENT, renamed.as_bytes()), PackageError::Signature);
    for bad in [
        String::new(),
        text.replace('\n', "\r\n"),
        text.to_uppercase(),
        text.clone() + "\n",
        text.trim_end().to_owned(),
        text.replace("tool 1", "tool 2"),
    ] {
        assert_eq!(with(MANIFEST, COMPONENT, bad.as_bytes()), PackageError::SignatureForm);
    }
}

#[test]
fn a_key_of_small_order_signs_nothing() {
    // The neutral element as key, and as the first half of a signature: without care, they fit every text.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let text = format!(
        "hearth tool 1\nmanifest {}\ncomponent {}\nkey {n}\nsignature {n}{}\n",
        Digest::of(MANIFEST.as_bytes()),
        Digest::of(COMPONENT),
        hex::encode([0; 32]),
        n = hex::encode(neutral)
    );
    let bytes = archive(&[("manifest.toml", MANIFEST.as_bytes()), ("component.wasm", COMPONENT), ("signature", text.as_bytes())]);
    assert_eq!(refused(&bytes), PackageError::Signature);
}

#[test]
fn another_authors_package_is_sound_but_not_the_one_that_was_asked_for() {
    let package = read(&build(MANIFEST, COMPONENT, Some(&key(2))).unwrap(), Unsigned::Refused).unwrap();
    assert_eq!(package.signed_by(&key(2).public()), Ok(()));
    assert_eq!(package.signed_by(&key(1).public()), Err(PackageError::OtherKey));
}

#[test]
fn every_flipped_bit_is_refused() {
    let package = small();
    for at in 0..package.len() {
        for bit in 0..8 {
            let mut bytes = package.clone();
            bytes[at] ^= 1 << bit;
            assert!(read(&bytes, Unsigned::Allowed).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn every_cut_is_refused_and_so_is_what_follows_the_end() {
    let package = small();
    for end in 0..package.len() {
        assert!(read(&package[..end], Unsigned::Allowed).is_err(), "{end}");
    }
    for tail in [&b"\0"[..], &[0; 512], &[0; 10_240], b"x", &package] {
        assert_eq!(refused(&[&package, tail].concat()), PackageError::Spelling);
    }
    assert_eq!(refused(b""), PackageError::Container);
}

#[test]
fn other_entries_are_refused() {
    let (manifest, component) = (("manifest.toml", MANIFEST.as_bytes()), ("component.wasm", COMPONENT));
    let signature = signature_of(&signed());
    let signature = ("signature", signature.as_slice());
    let bad = [
        vec![manifest],
        vec![component, manifest],
        vec![manifest, signature],
        vec![manifest, manifest, component],
        vec![manifest, component, component],
        vec![manifest, component, signature, signature],
        vec![manifest, component, signature, ("more", b"")],
        vec![manifest, component, ("more", b"")],
        vec![("manifest.toml/", MANIFEST.as_bytes()), component],
        vec![("x/manifest.toml", MANIFEST.as_bytes()), component],
        vec![manifest, ("component.cwasm", COMPONENT)],
    ];
    for entries in bad {
        let names: Vec<_> = entries.iter().map(|(name, _)| *name).collect();
        assert_eq!(refused(&archive(&entries)), PackageError::Entries, "{names:?}");
    }
    assert_eq!(refused(&[0; 1024]), PackageError::Container);
}

#[test]
fn entries_that_are_no_plain_files_are_refused() {
    for kind in
        [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Directory, tar::EntryType::GNULongName, tar::EntryType::XHeader]
    {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, bytes) in [("manifest.toml", MANIFEST.as_bytes()), ("component.wasm", COMPONENT)] {
            let mut header = tar::Header::new_ustar();
            header.set_path(name).unwrap();
            header.set_entry_type(if name == "manifest.toml" { kind } else { tar::EntryType::Regular });
            header.set_mode(0o644);
            header.set_size(bytes.len() as u64);
            header.set_cksum();
            archive.append(&header, bytes).unwrap();
        }
        assert!(read(&archive.into_inner().unwrap(), Unsigned::Allowed).is_err(), "{kind:?}");
    }
}

#[test]
fn what_is_too_large_is_refused_by_its_length() {
    assert_eq!(check_length(500_000_000), Err(PackageError::TooLarge { bytes: 500_000_000 }));
    assert_eq!(check_length(u64::MAX), Err(PackageError::TooLarge { bytes: u64::MAX }));
    assert_eq!(check_length(PACKAGE_MAX as u64), Ok(()));
    let bytes = vec![0; PACKAGE_MAX + 1];
    assert_eq!(refused(&bytes), PackageError::TooLarge { bytes: bytes.len() as u64 });
    let large = vec![b'#'; MANIFEST_MAX + 1];
    assert_eq!(
        refused(&archive(&[("manifest.toml", &large), ("component.wasm", COMPONENT)])),
        PackageError::EntryTooLarge(Entry::Manifest)
    );
    let error = build(MANIFEST, &vec![0; COMPONENT_MAX + 1], None).unwrap_err();
    assert_eq!(error.to_string(), "component.wasm has more than 33554432 bytes");
}

#[test]
fn a_header_that_promises_more_than_there_is_is_refused() {
    for size in [1 << 20, 1 << 33, u64::MAX] {
        let mut header = tar::Header::new_ustar();
        header.set_path("manifest.toml").unwrap();
        header.set_size(size);
        header.set_cksum();
        assert!(read(header.as_bytes(), Unsigned::Allowed).is_err(), "{size}");
    }
}

#[test]
fn a_component_is_a_component() {
    let with = |component: &[u8]| refused(&archive(&[("manifest.toml", MANIFEST.as_bytes()), ("component.wasm", component)]));
    assert_eq!(with(b"\0asm\x01\0\0\0"), PackageError::CoreModule);
    for bad in [&b""[..], b"\0asm", b"\x7fELF\0\0\0\0", b"(component)"] {
        assert_eq!(with(bad), PackageError::NotComponent);
        assert_eq!(build(MANIFEST, bad, None).unwrap_err().to_string(), PackageError::NotComponent.to_string());
    }
}

#[test]
fn a_manifest_that_cannot_be_read_says_the_line_and_quotes_nothing() {
    let table =
        [("keyvalue_bytes", "keyvalue"), ("GET,PROPFIND", "get"), ("1.0.0", "1.0"), ("hearth/calendar", "calendar"), ("\"5s\"", "5")];
    for (from, to) in table {
        let text = MANIFEST.replacen(from, to, 1);
        let line = MANIFEST.lines().position(|line| line.contains(from)).unwrap() + 1;
        let error = read_manifest(&text).unwrap_err();
        let PackageError::ManifestSyntax { line: found, .. } = error else { panic!("{from}: {error:?}") };
        // An array's fault is told at the array.
        assert!(found <= line && line <= found + 4, "{from}: {found} {line}");
        assert!(!error.to_string().contains(to), "{error}");
    }
    let PackageError::Manifest(error) =
        read_manifest(&MANIFEST.replace("\"delete\"", "\"read\"").replace("external_send", "read")).unwrap_err()
    else {
        panic!("not a manifest's fault")
    };
    assert_eq!((error.field.as_str(), error.problem), ("wants.http[2]", Problem::Sends));
    let bytes = archive(&[("manifest.toml", b"\xff"), ("component.wasm", COMPONENT)]);
    assert_eq!(refused(&bytes), PackageError::ManifestText);
    let nested = format!("a = {}", "[".repeat(100_000));
    assert!(read_manifest(&nested).is_err());
}

#[test]
fn a_comment_in_the_manifest_is_signed_but_widens_nothing() {
    let of = |manifest: &str| read(&build(manifest, COMPONENT, Some(&key(1))).unwrap(), Unsigned::Refused).unwrap();
    let (old, new) = (of(MANIFEST), of(&format!("# new\n{MANIFEST}")));
    assert_ne!(old.release, new.release);
    let answer = hearth_domain::tool::grant::Answer {
        slots: [("login".to_owned(), hearth_domain::secret::SecretName::new("dav").unwrap())].into(),
        places: [("server".to_owned(), "https://dav.example.com".parse().unwrap())].into(),
        memory: false,
        by: hearth_domain::household::Member::id_of("Ada"),
        at: hearth_domain::time::Timestamp::UNIX_EPOCH,
    };
    let grant = hearth_domain::tool::grant::Grant::given(old.manifest, old.release, answer);
    assert_eq!(widening(&grant, &new.manifest, &new.release), []);
}

#[test]
fn a_key_is_kept_as_text_and_shows_only_its_public_half() {
    let text = key(7).to_text();
    assert_eq!(SecretKey::of_text(&text).unwrap().public(), key(7).public());
    let secret = hex::encode([7; 32]);
    assert!(text.contains(&secret) && !format!("{:?}", key(7)).contains(&secret));
    let mixed = text.replace(&key(7).public().to_string(), &key(8).public().to_string());
    for bad in ["", "hearth author key 1\n", &text[..text.len() - 2], &text.replace("key 1", "key 2"), &mixed] {
        assert!(SecretKey::of_text(bad).is_err());
    }
}

proptest! {
    #[test]
    fn random_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..4_096)) {
        prop_assert!(read(&bytes, Unsigned::Allowed).is_err());
    }

    #[test]
    fn a_package_with_random_bytes_in_it_is_refused_without_a_panic(
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..600),
    ) {
        let package = signed();
        let mut other = package.clone();
        let at = at.index(other.len());
        let end = (at + bytes.len()).min(other.len());
        other[at..end].copy_from_slice(&bytes[..end - at]);
        prop_assert!(other == package || read(&other, Unsigned::Allowed).is_err());
    }

    #[test]
    fn a_manifest_with_random_text_in_it_does_not_make_the_reader_panic(at in any::<prop::sample::Index>(), text in "\\PC{1,20}|[\\[\\]{}\"'=.,\n0-9a-z]{1,20}") {
        let at = at.index(MANIFEST.len());
        if MANIFEST.is_char_boundary(at) {
            let changed = format!("{}{text}{}", &MANIFEST[..at], &MANIFEST[at..]);
            let _ = read_manifest(&changed);
        }
    }

    #[test]
    fn any_component_comes_through(tail in prop::collection::vec(any::<u8>(), 0..2_000), seed in any::<u8>()) {
        let component = [COMPONENT, &tail].concat();
        let package = read(&build(MANIFEST, &component, Some(&key(seed))).unwrap(), Unsigned::Refused).unwrap();
        prop_assert_eq!(package.component, component);
        prop_assert_eq!(package.release.author, Some(key(seed).public()));
    }
}
