//! What a scalar without quotes means in YAML.
//!
//! CloudFormation reads [YAML 1.1](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html)
//! without timestamps: `2012-10-17` is text, `yes` and `on` are true. Numbers are taken as such
//! when they read the same once they are printed again. All others stay the text that they
//! were written as: account ids and modes with leading zeros, `1:30`, `0x1F`, `1_000`, `13.10`.
//! So a comparison never takes two texts for one that AWS might tell apart.

use serde_json::{Number, Value};

/// The value of a plain scalar.
pub(crate) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        _ => number(text).unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

/// The number that a text stands for, if it is printed as the same text.
pub(crate) fn number(text: &str) -> Option<Value> {
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
    let number: Number = serde_json::from_str(text).ok()?;
    (number.to_string() == text).then_some(Value::Number(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_yaml_makes_of_words() {
        for text in ["yes", "On", "TRUE"] {
            assert_eq!(plain(text), json!(true), "{text}");
        }
        for text in ["no", "OFF", "False"] {
            assert_eq!(plain(text), json!(false), "{text}");
        }
        for text in ["2012-10-17", "012345678901", "0755", "1:30", "0x1F", "1_000", "13.10", "y"] {
            assert_eq!(plain(text), json!(text), "{text}");
        }
        assert_eq!(plain("80"), json!(80));
        assert_eq!(plain("-1.5"), json!(-1.5));
        assert_eq!(plain("123456789012"), json!(123_456_789_012_u64));
        assert_eq!(plain("~"), Value::Null);
    }
}
