use serde_json::Value;

use super::Parameter;
use crate::error::JsonError;
use crate::json;

/// One condition on a parameter: fits if any of its values does.
#[derive(Debug)]
pub(super) struct Filter {
    key: String,
    option: String,
    values: Vec<String>,
}

pub(super) fn read(list: &Value) -> Result<Vec<Filter>, JsonError> {
    let filters = list.as_array().into_iter().flatten();
    filters.map(|filter| parse(filter, "Equals")).collect()
}

/// The older spelling, `Filters`, in which names are prefixes.
pub(super) fn read_old(list: &Value) -> Result<Vec<Filter>, JsonError> {
    let filters = list.as_array().into_iter().flatten();
    filters
        .map(|filter| {
            let is_name = filter["Key"] == "Name";
            parse(filter, if is_name { "BeginsWith" } else { "Equals" })
        })
        .collect()
}

/// Whether a name lies under a path: at any depth, or right below it.
pub(super) fn is_under(name: &str, path: &str, recursive: bool) -> bool {
    let path = path.trim_end_matches('/');
    let Some(rest) = name.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')) else {
        // A name without a slash lies right below the root.
        return path.is_empty() && !name.starts_with('/');
    };
    recursive || !rest.contains('/')
}

impl Filter {
    pub(super) fn fits(&self, name: &str, parameter: &Parameter) -> bool {
        let latest = parameter.latest();
        match self.key.as_str() {
            "Name" => self.any(name.trim_start_matches('/'), |value| value.trim_start_matches('/')),
            "Type" => self.any(&latest.r#type, |value| value),
            "Tier" => self.any(&latest.tier, |value| value),
            "DataType" => self.any(&latest.data_type, |value| value),
            "KeyId" => latest.key.as_ref().is_some_and(|key| self.any(key, |value| value)),
            "Path" => {
                let recursive = self.option == "Recursive";
                self.values.iter().any(|path| is_under(name, path, recursive))
            }
            tag => {
                let value = parameter.tags.get(tag.strip_prefix("tag:").unwrap_or(tag));
                value.is_some_and(|value| self.values.is_empty() || self.any(value, |value| value))
            }
        }
    }

    fn any<'a>(&'a self, text: &str, normal: impl Fn(&'a str) -> &'a str) -> bool {
        self.values.iter().map(|value| normal(value)).any(|value| match self.option.as_str() {
            "BeginsWith" => text.starts_with(value),
            "Contains" => text.contains(value),
            _ => text == value,
        })
    }
}

fn parse(filter: &Value, default: &str) -> Result<Filter, JsonError> {
    let key = json::text(filter, "Key").unwrap_or_default().to_owned();
    let known = ["Name", "Type", "KeyId", "Path", "Tier", "DataType"];
    if !known.contains(&key.as_str()) && !key.starts_with("tag:") {
        return Err(JsonError::new(
            "InvalidFilterKey",
            format!("The following filter key is not valid: {key}."),
        ));
    }
    let default = if key == "Path" { "OneLevel" } else { default };
    let option = json::text(filter, "Option").unwrap_or(default).to_owned();
    let options: &[&str] = match key.as_str() {
        "Name" => &["Equals", "BeginsWith", "Contains"],
        "Path" => &["OneLevel", "Recursive"],
        _ => &["Equals", "BeginsWith"],
    };
    if !options.contains(&option.as_str()) {
        return Err(JsonError::new(
            "InvalidFilterOption",
            format!("The following filter option is not valid: {option}."),
        ));
    }
    let values: Vec<_> = json::strings(filter, "Values").into_iter().map(str::to_owned).collect();
    if (values.is_empty() && !key.starts_with("tag:")) || values.len() > 50 {
        return Err(JsonError::new(
            "InvalidFilterValue",
            format!("The filter {key} takes one to fifty values."),
        ));
    }
    Ok(Filter { key, option, values })
}
