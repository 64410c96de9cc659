use super::super::parameter::write;
use crate::Aws;
use bfd_core::{Properties, ResourceState, Value};
use bfd_kinds::{
    coordinator::{RECORD, parameter_name},
    json::canonical_text,
};
use bfd_provider::ProviderError;

/// The most bytes of a standard parameter.
const MOST: usize = 4096;

/// Keeps a record of a finished run beside the configuration. One call.
pub(crate) async fn record_deployment(
    aws: &Aws,
    coordinator: &ResourceState,
    record: &Value,
) -> Result<(), ProviderError> {
    let name = parameter_name(&coordinator.id, RECORD);
    let text = fitting(record.clone());
    let inputs = Properties::from([("type".to_owned(), "String".into())]);
    write::overwrite(aws, &name, &inputs, &inputs, &text).await.map(drop)
}

/// The record as text; where it is too long, its longest parts are left out.
fn fitting(mut record: Value) -> String {
    loop {
        let text = canonical_text(&record);
        if text.len() <= MOST {
            return text;
        }
        let longest = record.as_object().and_then(|fields| {
            let sizes =
                fields.iter().map(|(key, value)| (canonical_text(value).len(), key.clone()));
            sizes.max()
        });
        match (record.as_object_mut(), longest) {
            (Some(fields), Some((_, key))) => {
                fields.remove(&key);
                fields.insert("truncated".to_owned(), true.into());
            }
            _ => return r#"{"truncated":true}"#.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_long_record_loses_its_longest_part_only() {
        let steps: Vec<String> = (0..500).map(|n| format!("parameter.p{n}")).collect();
        let text = fitting(json!({ "run": "r1", "outcome": "applied", "steps": steps }));
        assert_eq!(text, r#"{"outcome":"applied","run":"r1","truncated":true}"#);
        let short = json!({ "run": "r1" });
        assert_eq!(fitting(short), r#"{"run":"r1"}"#);
        let long = "x".repeat(9000);
        assert_eq!(fitting(long.into()), r#"{"truncated":true}"#);
    }
}
