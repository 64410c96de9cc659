//! Maps places in decoded text back to the bytes that were written.

/// The byte of `raw`, a TOML string with its quotes, that became byte `decoded` of its value.
pub(crate) fn written(raw: &str, decoded: usize) -> usize {
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let Some(quote) = quotes.into_iter().find(|quote| raw.starts_with(quote)) else {
        return decoded.min(raw.len());
    };
    let mut at = quote.len();
    if quote.len() == 3 {
        let rest = &raw[at..];
        let newline = ["\n", "\r\n"].into_iter().find(|newline| rest.starts_with(newline));
        at += newline.map_or(0, str::len);
    }
    let mut left = decoded;
    while left > 0 && at < raw.len() {
        let (taken, made) =
            if quote.starts_with('"') { step(&raw[at..]) } else { plain(&raw[at..]) };
        at += taken;
        left = left.saturating_sub(made);
    }
    // Escaped newlines stand before what follows them.
    while quote == "\"\"\"" && at < raw.len() {
        match step(&raw[at..]) {
            (taken, 0) => at += taken,
            _ => break,
        }
    }
    at.min(raw.len())
}

fn plain(rest: &str) -> (usize, usize) {
    let length = rest.chars().next().map_or(1, char::len_utf8);
    (length, length)
}

/// How many bytes the next character or escape takes, and how many it becomes.
fn step(rest: &str) -> (usize, usize) {
    let Some(escape) = rest.strip_prefix('\\') else { return plain(rest) };
    let digits = match escape.chars().next() {
        Some('u') => 4,
        Some('U') => 8,
        Some('x') => 2,
        Some(space) if space.is_whitespace() => {
            return (1 + escape.len() - escape.trim_start().len(), 0);
        }
        Some(other) => return (1 + other.len_utf8(), 1),
        None => return (1, 1),
    };
    let code = escape.get(1..=digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let made = code.and_then(char::from_u32).map_or(1, char::len_utf8);
    ((2 + digits).min(rest.len()), made)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place of `${` in the value leads to the place of `${` in the source.
    fn check(raw: &str) {
        let document = format!("a = {raw}");
        let table = toml::de::DeTable::parse(&document).unwrap();
        let text = table.get_ref()["a"].get_ref().as_str().unwrap().to_owned();
        let at = text.find("${").unwrap();
        assert!(raw[written(raw, at)..].starts_with("${"), "{raw}");
    }

    #[test]
    fn places_survive_quotes_and_escapes() {
        check(r#""${a}""#);
        check(r#""x\n\"ü\u00fc\U0001F600${a}""#);
        check(r"'a\b${a}'");
        check("\"\"\"\nline\n${a}\"\"\"");
        check("'''\r\nü\r\n${a}'''");
        check("\"\"\"one \\\n   two ${a}\"\"\"");
        check("\"\"\"one \\\n   ${a}\"\"\"");
    }
}
