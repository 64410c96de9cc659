//! The checksums that the SDK sends along.

use aws_smithy_types::base64;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A checksum that S3 knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Crc32,
    Crc32C,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub(super) const ALL: [Self; 5] =
        [Self::Crc32, Self::Crc32C, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32C => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32C => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    pub(super) fn from_header(header: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.header().eq_ignore_ascii_case(header.trim()))
    }

    pub(super) fn start(self) -> Running {
        match self {
            // The polynomials are reflected: the lowest bit is the highest power.
            Self::Crc32 => Running::Crc(Crc::new(32, 0xedb8_8320)),
            Self::Crc32C => Running::Crc(Crc::new(32, 0x82f6_3b78)),
            Self::Crc64Nvme => Running::Crc(Crc::new(64, 0x9a6c_9329_ac4b_c9b5)),
            Self::Sha1 => Running::Sha1(Sha1::new()),
            Self::Sha256 => Running::Sha256(Sha256::new()),
        }
    }
}

/// A checksum under way.
#[derive(Clone, Debug)]
pub(super) enum Running {
    Crc(Crc),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Running {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(crc) => crc.update(bytes),
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    /// As headers hold it.
    pub(super) fn finish(self) -> String {
        match self {
            Self::Crc(crc) => {
                let value = (crc.value ^ crc.ones()).to_be_bytes();
                base64::encode(&value[8 - crc.width / 8..])
            }
            Self::Sha1(hash) => base64::encode(hash.finalize()),
            Self::Sha256(hash) => base64::encode(hash.finalize()),
        }
    }
}

/// A reflected CRC of 32 or 64 bits that starts with ones and ends inverted.
#[derive(Clone, Debug)]
pub(super) struct Crc {
    width: usize,
    table: Box<[u64; 256]>,
    value: u64,
}

impl Crc {
    fn new(width: usize, polynomial: u64) -> Self {
        let mut table = Box::new([0; 256]);
        for (byte, entry) in (0_u64..).zip(table.iter_mut()) {
            *entry = (0..8).fold(byte, |value, _| {
                if value & 1 == 1 { (value >> 1) ^ polynomial } else { value >> 1 }
            });
        }
        let mut crc = Self { width, table, value: 0 };
        crc.value = crc.ones();
        crc
    }

    fn ones(&self) -> u64 {
        u64::MAX >> (64 - self.width)
    }

    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let index = usize::from(self.value.to_le_bytes()[0] ^ byte);
            self.value = (self.value >> 8) ^ self.table[index];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the published catalogue of CRCs, and of the hashes' standards.
    #[test]
    fn known_values() {
        for (algorithm, expected) in [
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32C, "4waSgw=="),
            (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
            (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (Algorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ] {
            let mut running = algorithm.start();
            running.update(b"12345");
            running.update(b"6789");
            assert_eq!(running.finish(), expected, "{algorithm:?}");
        }
    }
}
