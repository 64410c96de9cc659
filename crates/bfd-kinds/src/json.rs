//! One text for one JSON value.

use bfd_core::Value;

/// Writes a value without spaces and with sorted keys, so that equal values give
/// equal texts whichever map `serde_json` was built with.
pub fn canonical_text(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

/// Brings JSON text into its canonical form. Policies are compared in it, because
/// AWS answers with spaces of its own.
pub fn canonicalize(text: &str) -> Result<String, serde_json::Error> {
    serde_json::from_str(text).map(|value: Value| canonical_text(&value))
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(all) => {
            let mut entries: Vec<_> = all.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(all) => {
            text.push('[');
            for (index, value) in all.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(value, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_spaces_do_not_matter() {
        let one = canonicalize(r#"{ "b": [1, {"d": 1, "c": "x\"y"}], "a": null }"#).unwrap();
        let two = canonicalize(r#"{"a":null,"b":[1,{"c":"x\"y","d":1}]}"#).unwrap();
        assert_eq!(one, two);
        assert_eq!(one, r#"{"a":null,"b":[1,{"c":"x\"y","d":1}]}"#);
        assert_ne!(one, canonicalize(r#"{"a":null,"b":[{"c":"x\"y","d":1},1]}"#).unwrap());
    }
}
