//! How else a secret may be written: quoted in JSON, in an address, encoded.
//!
//! Programs tell what they were given in the form in which they handle it.

use std::fmt::Write as _;
use zeroize::Zeroizing;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FOR_ADDRESSES: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The text itself and its other spellings, each once.
pub(crate) fn spellings(text: &str) -> Vec<Zeroizing<String>> {
    let mut all = vec![Zeroizing::new(text.to_owned())];
    for other in
        [in_json(text), in_address(text), base64(text, STANDARD), base64(text, FOR_ADDRESSES)]
    {
        if !all.contains(&other) {
            all.push(other);
        }
    }
    all
}

fn in_json(text: &str) -> Zeroizing<String> {
    let quoted = Zeroizing::new(serde_json::Value::from(text).to_string());
    let inner = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    Zeroizing::new(inner.unwrap_or(&quoted).to_owned())
}

/// Percent encoding, with the upper-case digits that RFC 3986 asks for.
fn in_address(text: &str) -> Zeroizing<String> {
    let mut all = Zeroizing::new(String::with_capacity(text.len() * 3));
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            all.push(char::from(byte));
        } else {
            write!(all, "%{byte:02X}").expect("writing to a string");
        }
    }
    all
}

/// Without the padding, which not everyone writes.
fn base64(text: &str, digits: &[u8; 64]) -> Zeroizing<String> {
    let mut all = Zeroizing::new(String::with_capacity(text.len() * 4 / 3 + 4));
    for group in text.as_bytes().chunks(3) {
        let number = (0..3).fold(0_usize, |number, at| {
            number << 8 | usize::from(group.get(at).copied().unwrap_or_default())
        });
        // As many digits as the bytes need: 2, 3 or 4.
        for shift in [18, 12, 6, 0].iter().take(group.len() + 1) {
            all.push(char::from(digits[number >> shift & 63]));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        spellings(text).iter().map(|it| it.to_string()).collect()
    }

    #[test]
    fn a_secret_has_several_spellings() {
        assert_eq!(of("a\"?~b>"), ["a\"?~b>", "a\\\"?~b>", "a%22%3F~b%3E", "YSI/fmI+", "YSI_fmI-"]);
        assert_eq!(of("hunter2"), ["hunter2", "aHVudGVyMg"]);
        assert_eq!(of("ü"), ["ü", "%C3%BC", "w7w"]);
    }
}
