//! The author's signature: five lines of text. Signed is everything before the last line.
//!
//! ```text
//! hearth tool 1
//! manifest SHA-256 of manifest.toml
//! component SHA-256 of component.wasm
//! key the author's public key
//! signature ed25519 (RFC 8032) over the four lines before, each with its newline
//! ```
//!
//! Digests, key and signature are lower-case hexadecimal digits. The digests stand here so that it can be said what was changed.

use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use hearth_domain::journal::Digest;
use hearth_domain::tool::name::AuthorKey;

use crate::error::PackageError;
use crate::key::SecretKey;

fn signed(manifest: &Digest, component: &Digest, key: &AuthorKey) -> String {
    format!("hearth tool 1\nmanifest {manifest}\ncomponent {component}\nkey {key}\n")
}

fn whole(signed: &str, signature: &[u8; Signature::BYTE_SIZE]) -> String {
    format!("{signed}signature {}\n", hex::encode(signature))
}

/// The signature of a package with these digests.
pub(crate) fn sign(key: &SecretKey, manifest: &Digest, component: &Digest) -> String {
    let signed = signed(manifest, component, &key.public());
    let signature = key.signing().sign(signed.as_bytes());
    whole(&signed, &signature.to_bytes())
}

/// Who signed a package with these digests.
pub(crate) fn verify(text: &[u8], manifest: &Digest, component: &Digest) -> Result<AuthorKey, PackageError> {
    let (said_manifest, said_component, key, signature) = parse(text).ok_or(PackageError::SignatureForm)?;
    match (said_manifest == *manifest, said_component == *component) {
        (true, true) => {}
        (false, true) => return Err(PackageError::ManifestChanged),
        (true, false) => return Err(PackageError::ComponentChanged),
        (false, false) if said_manifest == *component && said_component == *manifest => return Err(PackageError::Swapped),
        (false, false) => return Err(PackageError::OtherPackage),
    }
    let verifying = VerifyingKey::from_bytes(&key.0).map_err(|_| PackageError::Signature)?;
    // Strict: no key of small order, for which one signature would fit many texts.
    let fits = verifying.verify_strict(signed(manifest, component, &key).as_bytes(), &Signature::from_bytes(&signature));
    fits.map(|()| key).map_err(|_| PackageError::Signature)
}

fn parse(text: &[u8]) -> Option<(Digest, Digest, AuthorKey, [u8; Signature::BYTE_SIZE])> {
    let text = std::str::from_utf8(text).ok()?;
    let mut lines = text.lines().skip(1);
    let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    let (manifest, component) = (value("manifest")?.parse().ok()?, value("component")?.parse().ok()?);
    let key = value("key")?.parse().ok()?;
    let mut signature = [0; Signature::BYTE_SIZE];
    hex::decode_to_slice(value("signature")?, &mut signature).ok()?;
    // One spelling only.
    (whole(&signed(&manifest, &component, &key), &signature) == text).then_some((manifest, component, key, signature))
}
