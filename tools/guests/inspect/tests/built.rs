//! The committed components are tools.

use std::{fs, path::Path};

use hearth_guest_inspect::{Error, tool};

#[test]
fn every_committed_component_imports_the_house_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../built");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            let border = tool(&fs::read(&path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(border.imports.iter().all(|name| name.ends_with("@0.1.0")), "{border:?}");
            seen += 1;
        }
    }
    let locked = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../built.lock")).unwrap().lines().count();
    assert_eq!(seen, locked);
}

#[test]
fn what_is_no_component_is_refused() {
    assert!(matches!(tool(b"\0asm\x01\0\0\0"), Err(Error::Module)));
    assert!(matches!(tool(b"\0asm\x0d\0\x01\0"), Err(Error::Exports(_))));
    assert!(matches!(tool(b"hello"), Err(Error::Invalid(_))));
    // A component that imports a function `a`.
    let other = b"\0asm\x0d\0\x01\0\x07\x05\x01\x40\0\x01\0\x0a\x06\x01\0\x01\x61\x01\0";
    assert!(matches!(tool(other), Err(Error::Import(_) | Error::Invalid(_))));
}
