//! Published vectors, through exactly the functions that the product calls.

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.split_whitespace().collect::<String>()).unwrap()
}

fn key(hex: &str) -> Key {
    Key::copied(bytes(hex).as_slice().try_into().unwrap())
}

const SUNSCREEN: &[u8] =
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";

/// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
#[test]
fn xchacha20_poly1305_gives_the_drafts_vector() {
    let key = key("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    let nonce: [u8; NONCE_BYTES] = bytes("404142434445464748494a4b4c4d4e4f5051525354555657").try_into().unwrap();
    let bound = bytes("50515253c0c1c2c3c4c5c6c7");
    let mut text = SUNSCREEN.to_vec();
    let tag = seal_in_place(&key, &nonce, &bound, &mut text).unwrap();
    let sealed = bytes(
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb
         731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452
         2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9
         21f9664c97637da9768812f615c68b13b52e",
    );
    assert_eq!(text, sealed);
    assert_eq!(tag.as_slice(), bytes("c0875924c1c7987947deafd8780acf49"));
    assert_eq!(open_in_place(&key, &nonce, b"", &mut text, &tag), Err(Forged));
    assert_eq!(text, sealed, "what is not authentic stays ciphertext");
    assert_eq!(open_in_place(&key, &nonce, &bound, &mut text, &tag), Ok(()));
    assert_eq!(text, SUNSCREEN);
}

/// RFC 5869, appendix A.1 to A.3: the first 32 bytes, which HKDF gives whatever the length asked for.
#[test]
fn hkdf_gives_the_rfcs_vectors() {
    let counting = |from: u8, to: u8| (from..=to).collect::<Vec<_>>();
    let first = derive(&counting(0x00, 0x0c), &[0x0b; 22], &counting(0xf0, 0xf9));
    assert_eq!(first.bytes().as_slice(), bytes("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"));
    let second = derive(&counting(0x60, 0xaf), &counting(0x00, 0x4f), &counting(0xb0, 0xff));
    assert_eq!(second.bytes().as_slice(), bytes("b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"));
    let third = derive(b"", &[0x0b; 22], b"");
    assert_eq!(third.bytes().as_slice(), bytes("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"));
}

/// RFC 9106, section 5.3.
#[test]
fn argon2id_gives_the_rfcs_vector() {
    let cost = Cost { memory_kib: 32, passes: 3, lanes: 4 };
    let of = Stretch { password: &[1; 32], salt: &[2; 16], pepper: &[3; 8], label: &[4; 12] };
    let tag = argon2id(cost, of).unwrap();
    assert_eq!(tag.bytes().as_slice(), bytes("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"));
}

#[test]
fn a_cost_below_the_floor_or_above_the_ceiling_is_refused() {
    assert_eq!(Cost::new(MEMORY_MIN_KIB, PASSES_MIN), Ok(Cost::FLOOR));
    for (memory, passes) in [(MEMORY_MIN_KIB - 1, 2), (MEMORY_MIN_KIB, 1), (MEMORY_MAX_KIB + 1, 2), (MEMORY_MIN_KIB, PASSES_MAX + 1)] {
        assert_eq!(Cost::new(memory, passes), Err(CostError));
    }
    let of = Stretch { password: b"p", salt: &[2; 16], pepper: b"", label: b"" };
    for cost in [
        Cost { memory_kib: u32::MAX, passes: 1, lanes: 1 },
        Cost { memory_kib: 32, passes: 1, lanes: 0 },
        Cost { memory_kib: 0, passes: 0, lanes: 1 },
    ] {
        assert_eq!(argon2id(cost, of).unwrap_err(), StretchError::Cost);
    }
}

#[test]
fn a_wrapped_key_opens_under_its_own_key_and_binding_only() {
    let (outer, other, inner) = (Key::copied(&[1; 32]), Key::copied(&[2; 32]), Key::copied(&[3; 32]));
    let wrapped = Wrapped::new(&outer, b"a", &inner, &SystemEntropy).unwrap();
    assert_eq!(wrapped.open(&outer, b"a").unwrap().bytes(), inner.bytes());
    assert!(wrapped.open(&other, b"a").is_err());
    assert!(wrapped.open(&outer, b"b").is_err());
    assert_ne!(wrapped, Wrapped::new(&outer, b"a", &inner, &SystemEntropy).unwrap());
}

#[test]
fn a_key_shows_nothing() {
    assert_eq!(format!("{:?}", Key::copied(&[7; 32])), "Key");
}
