//! How long something took, from the times entries carry.

use jiff::Timestamp;

/// Seconds between two RFC 3339 times; nothing if one of them is not a time.
pub(crate) fn seconds_between(start: &str, end: &str) -> Option<u64> {
    let start: Timestamp = start.parse().ok()?;
    let end: Timestamp = end.parse().ok()?;
    // A clock that was set back must not make a step take forever.
    Some(u64::try_from(end.as_second().saturating_sub(start.as_second())).unwrap_or(0))
}

/// `42s`, `3m 05s`, `1h 02m`.
pub(crate) fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m {s:02}s"),
        (h, m, _) => format!("{h}h {m:02}m"),
    }
}

/// `42s ago` in words for a table: the largest unit only.
pub(crate) fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_a_clock() {
        assert_eq!(duration(42), "42s");
        assert_eq!(duration(185), "3m 05s");
        assert_eq!(duration(3720), "1h 02m");
        assert_eq!(age(90_000), "1d");
    }

    #[test]
    fn a_clock_set_back_takes_no_time() {
        let (later, earlier) = ("2026-11-23T10:00:10Z", "2026-11-23T10:00:00Z");
        assert_eq!(seconds_between(earlier, later), Some(10));
        assert_eq!(seconds_between(later, earlier), Some(0));
        assert_eq!(seconds_between("soon", later), None);
    }
}
