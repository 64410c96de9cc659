//! Writing the inside of a query-protocol answer.

use std::fmt::Write as _;

/// XML under construction; the methods chain.
#[derive(Debug, Default)]
pub(super) struct Xml(String);

impl Xml {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn text(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let _ = write!(self.0, "<{name}>{}</{name}>", escape(value.as_ref()));
        self
    }

    pub(super) fn optional(self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    pub(super) fn flag(self, name: &str, value: bool) -> Self {
        self.text(name, if value { "true" } else { "false" })
    }

    pub(super) fn time(self, name: &str, seconds: f64) -> Self {
        self.text(name, timestamp(seconds))
    }

    pub(super) fn optional_time(self, name: &str, seconds: Option<f64>) -> Self {
        match seconds {
            Some(seconds) => self.time(name, seconds),
            None => self,
        }
    }

    /// An element with what `inside` writes.
    pub(super) fn nest(mut self, name: &str, inside: impl FnOnce(Self) -> Self) -> Self {
        let _ = write!(self.0, "<{name}>");
        let mut nested = inside(self);
        let _ = write!(nested.0, "</{name}>");
        nested
    }

    /// A list: `<Name><member>…</member>…</Name>`.
    pub(super) fn list<T>(
        self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(Self, T) -> Self,
    ) -> Self {
        self.nest(name, |xml| {
            items.into_iter().fold(xml, |xml, item| xml.nest("member", |xml| each(xml, item)))
        })
    }

    /// A list of text.
    pub(super) fn texts<T: AsRef<str>>(
        self,
        name: &str,
        items: impl IntoIterator<Item = T>,
    ) -> Self {
        self.nest(name, |xml| items.into_iter().fold(xml, |xml, item| xml.text("member", item)))
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Escapes text; characters that XML 1.0 cannot hold become spaces.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for each in text.chars() {
        match each {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#13;"),
            '\n' | '\t' => escaped.push(each),
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

/// `2026-11-23T07:04:30.250Z` of seconds since 1970.
pub(super) fn timestamp(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of any date fit")]
    let milliseconds = (seconds * 1000.0).round() as i64;
    let (days, rest) = (milliseconds.div_euclid(86_400_000), milliseconds.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        rest / 3_600_000,
        rest / 60_000 % 60,
        rest / 1000 % 60,
        rest % 1000
    )
}

/// The date of a day counted from 1970-01-01, by Howard Hinnant's `civil_from_days`:
/// <https://howardhinnant.github.io/date_algorithms.html>
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(timestamp(0.0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(951_782_400.5), "2000-02-29T00:00:00.500Z");
        assert_eq!(timestamp(1_795_417_470.25), "2026-11-23T07:04:30.250Z");
    }

    #[test]
    fn escaping_and_nesting() {
        let xml = Xml::new().list("L", ["a<b", "c&\u{1}"], |xml, item| xml.text("T", item));
        assert_eq!(
            xml.finish(),
            "<L><member><T>a&lt;b</T></member><member><T>c&amp; </T></member></L>"
        );
    }
}
