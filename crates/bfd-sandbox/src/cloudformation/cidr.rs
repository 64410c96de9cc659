//! `Fn::Cidr`: equal blocks of an address range.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The most blocks that AWS makes of one.
const MOST: u32 = 256;

/// The first `count` blocks with `bits` host bits each; `None` where they do not fit.
pub(super) fn split(block: &str, count: u32, bits: Option<u32>) -> Option<Vec<String>> {
    let (address, prefix) = block.split_once('/')?;
    let prefix: u32 = prefix.parse().ok()?;
    if count == 0 || count > MOST {
        return None;
    }
    let (base, width) = match address.parse::<Ipv4Addr>() {
        Ok(address) => (u128::from(u32::from(address)), 32),
        Err(_) => (u128::from(address.parse::<Ipv6Addr>().ok()?), 128),
    };
    let bits = bits.or(if width == 128 { Some(64) } else { None })?;
    if prefix > width || bits == 0 || bits > width - prefix {
        return None;
    }
    let size = 1_u128.checked_shl(bits)?;
    let start =
        base.checked_shr(width - prefix).unwrap_or(0).checked_shl(width - prefix).unwrap_or(0);
    if width - prefix - bits < 32 && u64::from(count) > 1_u64 << (width - prefix - bits) {
        return None;
    }
    let blocks = (0..u128::from(count)).map(|index| {
        let first = start + index * size;
        match u32::try_from(first) {
            Ok(first) if width == 32 => format!("{}/{}", Ipv4Addr::from(first), width - bits),
            _ => format!("{}/{}", Ipv6Addr::from(first), width - bits),
        }
    });
    Some(blocks.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_both_families() {
        assert_eq!(
            split("10.0.0.0/16", 3, Some(8)).unwrap(),
            ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]
        );
        assert_eq!(
            split("2001:db8::/56", 2, None).unwrap(),
            ["2001:db8::/64", "2001:db8:0:1::/64"]
        );
        assert_eq!(split("10.0.0.0/24", 2, Some(8)), None, "only one block fits");
        assert_eq!(split("10.0.0.0/16", 3, None), None, "IPv4 needs the bits");
        assert_eq!(split("nonsense", 1, Some(8)), None);
    }
}
