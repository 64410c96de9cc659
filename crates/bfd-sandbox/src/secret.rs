//! How secret values are kept out of the world's text.
//!
//! The sandbox's file plays AWS itself, yet no secret is ever written anywhere in the clear: a
//! value is stored under a key stream of the world's own seed. This is not security, since the
//! seed lies beside it. It is so that a search for a planted secret finds nothing.

use aws_smithy_types::base64;
use sha2::{Digest, Sha256};

/// What every ciphertext begins with; AWS's own do too.
const PREFIX: &str = "AQICAHbfd";

pub(crate) fn seal(seed: u64, nonce: u64, plain: &str) -> String {
    let mut bytes = nonce.to_be_bytes().to_vec();
    bytes.extend(plain.bytes().zip(stream(seed, nonce)).map(|(byte, key)| byte ^ key));
    format!("{PREFIX}{}", base64::encode(bytes))
}

/// The plain value, or nothing when `sealed` was not made by [`seal`].
pub(crate) fn unseal(seed: u64, sealed: &str) -> Option<String> {
    let bytes = base64::decode(sealed.strip_prefix(PREFIX)?).ok()?;
    let (nonce, bytes) = bytes.split_first_chunk::<8>()?;
    let plain = bytes.iter().zip(stream(seed, u64::from_be_bytes(*nonce))).map(|(b, key)| b ^ key);
    String::from_utf8(plain.collect()).ok()
}

fn stream(seed: u64, nonce: u64) -> impl Iterator<Item = u8> {
    (0_u64..).flat_map(move |block| {
        let mut hash = Sha256::new();
        hash.update(b"bfd-sandbox secret");
        for part in [seed, nonce, block] {
            hash.update(part.to_be_bytes());
        }
        <[u8; 32]>::from(hash.finalize())
    })
}
