//! Names and ids in the shapes that `CloudFormation` gives them.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::world::World;

/// The end of a generated name: 12 capital letters and digits.
pub(super) fn suffix(world: &mut World) -> String {
    const DIGITS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut number = world.next_number();
    let mut text = String::new();
    for _ in 0..12 {
        let index = usize::try_from(number % 36).unwrap_or_default();
        text.push(char::from(DIGITS[index]));
        number /= 36;
    }
    text
}

/// Hexadecimal digits, at most 32.
pub(super) fn hex(world: &mut World, digits: usize) -> String {
    let mut text = world.next_hex();
    text.truncate(digits);
    text
}

/// A short digest of text, to tell requests apart.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(16).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
