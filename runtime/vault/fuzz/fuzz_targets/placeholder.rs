//! Placeholders: a body in pieces comes to the same as the whole, and what is read in heads does not panic.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use hearth_domain::secret::SecretName;
use hearth_vault::policy::placeholder::{BodyKind, Piece, PlaceholderError, Substituter, header, path, query};
use http::{HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretSlice;

static VALUES: LazyLock<BTreeMap<SecretName, SecretSlice<u8>>> = LazyLock::new(|| {
    let value = |name: &str, value: &[u8]| (SecretName::new(name).unwrap(), SecretSlice::from(value.to_vec()));
    [value("a", b"v\"\\&=%/ \xc3\xa9"), value("bb", b"0123456789")].into()
});

fn body(kind: BodyKind, data: &[u8], cuts: &[u8]) -> Result<Vec<u8>, PlaceholderError> {
    let mut substituter = Substituter::new(kind, VALUES.clone());
    let (mut sent, mut rest) = (Vec::new(), data);
    let mut take = |pieces: Vec<Piece>| {
        pieces.into_iter().for_each(|piece| sent.extend_from_slice(&piece.into_bytes()));
    };
    for cut in cuts {
        let (piece, left) = rest.split_at(usize::from(*cut).min(rest.len()));
        take(substituter.feed(Bytes::copy_from_slice(piece))?);
        rest = left;
    }
    take(substituter.feed(Bytes::copy_from_slice(rest))?);
    take(substituter.finish()?);
    Ok(sent)
}

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let kind = [BodyKind::Json, BodyKind::Form, BodyKind::Opaque][usize::from(first % 3)];
    let (cuts, text) = rest.split_at(usize::from(first / 16).min(rest.len()));
    // Which error it is may depend on how far it came.
    match (body(kind, text, cuts), body(kind, text, &[])) {
        (Ok(one), Ok(other)) => assert_eq!(one, other),
        (one, other) => assert_eq!(one.is_err(), other.is_err(), "{one:?} {other:?}"),
    }
    if let Ok(value) = HeaderValue::from_bytes(text) {
        drop(header(&HeaderName::from_static("authorization"), &value, &*VALUES));
        drop(header(&HeaderName::from_static("x-token"), &value, &*VALUES));
    }
    if let Ok(text) = std::str::from_utf8(text) {
        drop(path(text, &*VALUES));
        drop(query(text, &*VALUES));
    }
});
