/// Reads `"30s"`, `"5m"`, `"1h30m"` as seconds.
pub fn parse(text: &str) -> Option<u64> {
    let mut units = [('h', 3600), ('m', 60), ('s', 1)].into_iter();
    let mut rest = text;
    let mut seconds: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        // Each unit once, the larger first.
        let (_, length) = units.find(|(name, _)| *name == unit)?;
        seconds = seconds.checked_add(number.checked_mul(length)?)?;
        rest = &rest[digits + unit.len_utf8()..];
    }
    Some(seconds)
}

/// What [`parse`] reads, for the JSON Schema.
pub(crate) const REGEX: &str = "^(?=[0-9])([0-9]+h)?([0-9]+m)?([0-9]+s)?$";

/// Writes seconds as a person would.
pub fn show(seconds: u64) -> String {
    match seconds {
        0 => "0s".to_owned(),
        s if s % 3600 == 0 => format!("{}h", s / 3600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h", 3600), ("1h1m1s", 3661), ("0s", 0)]
        {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
        for text in ["", "30", "s", "1m1h", "5 m", "-5s", "1.5h", "1d", "99999999999999999999h"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for seconds in [0, 1, 59, 60, 90, 300, 3600, 3660, 86400] {
            assert_eq!(parse(&show(seconds)), Some(seconds));
        }
    }
}
