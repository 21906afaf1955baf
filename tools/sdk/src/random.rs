//! Chance, from the house.

use crate::port;

/// So many random bytes.
#[must_use]
pub fn bytes(count: u32) -> Vec<u8> {
    port::random(count)
}

/// A random number.
#[must_use]
pub fn number() -> u64 {
    bytes(8).into_iter().fold(0, |number, byte| (number << 8) | u64::from(byte))
}
