use serde_json::Value;

use super::{PARAMETER, Secret, VALIDATION};
use crate::error::JsonError;
use crate::json;

/// One condition on a secret: fits if any of its values does.
#[derive(Debug)]
pub(super) struct Filter {
    key: String,
    values: Vec<String>,
}

const KEYS: [&str; 7] =
    ["description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all"];
/// The most filters of a request, and values of a filter.
const MOST: usize = 10;

pub(super) fn read(list: &Value) -> Result<Vec<Filter>, JsonError> {
    let filters: Vec<Filter> =
        list.as_array().into_iter().flatten().map(parse).collect::<Result<_, _>>()?;
    check_count("filters", filters.len())?;
    Ok(filters)
}

impl Filter {
    pub(super) fn fits(&self, name: &str, secret: &Secret, region: &str) -> bool {
        let description = secret.description.as_deref();
        let keys = || secret.tags.keys().map(String::as_str);
        let values = || secret.tags.values().map(String::as_str);
        match self.key.as_str() {
            "name" => self.any(&[name], starts),
            "description" => self.any(&description.into_iter().collect::<Vec<_>>(), has_words),
            "tag-key" => self.any(&keys().collect::<Vec<_>>(), starts),
            "tag-value" => self.any(&values().collect::<Vec<_>>(), starts),
            "primary-region" => self.any(&[region], starts),
            // No service of the sandbox makes secrets of its own.
            "owning-service" => self.any(&[], starts),
            _ => {
                let mut all = vec![name];
                all.extend(description);
                all.extend(keys().chain(values()));
                self.any(&all, has_words)
            }
        }
    }

    /// Whether any value is found among the texts; one that begins with `!`, whether it is not.
    fn any(&self, texts: &[&str], is_found: impl Fn(&str, &str) -> bool) -> bool {
        self.values.iter().any(|value| match value.strip_prefix('!') {
            Some(value) => !texts.iter().any(|text| is_found(text, value)),
            None => texts.iter().any(|text| is_found(text, value)),
        })
    }
}

fn starts(text: &str, value: &str) -> bool {
    text.starts_with(value)
}

/// Whether a word of the text begins with every word of the value, in whatever case.
fn has_words(text: &str, value: &str) -> bool {
    let (text, value) = (text.to_lowercase(), value.to_lowercase());
    let words = |text: &'_ str| -> Vec<String> {
        let parts = text.split(|letter: char| !letter.is_alphanumeric());
        parts.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let (has, wanted) = (words(&text), words(&value));
    !wanted.is_empty()
        && wanted.iter().all(|wanted| has.iter().any(|word| word.starts_with(wanted.as_str())))
}

fn parse(filter: &Value) -> Result<Filter, JsonError> {
    let key = json::text(filter, "Key").unwrap_or_default().to_owned();
    if !KEYS.contains(&key.as_str()) {
        return Err(JsonError::new(
            VALIDATION,
            format!(
                "1 validation error detected: Value '{key}' at 'filters.1.member.key' failed to \
                 satisfy constraint: Member must satisfy enum value set: [all, name, tag-key, \
                 description, tag-value, primary-region, owning-service]"
            ),
        ));
    }
    let values: Vec<String> =
        json::strings(filter, "Values").into_iter().map(str::to_owned).collect();
    if values.is_empty() {
        return Err(JsonError::new(PARAMETER, format!("Invalid filter values for key: {key}")));
    }
    check_count("filters.1.member.values", values.len())?;
    Ok(Filter { key, values })
}

fn check_count(member: &str, count: usize) -> Result<(), JsonError> {
    if count <= MOST {
        return Ok(());
    }
    Err(JsonError::new(
        VALIDATION,
        format!(
            "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member \
             must have length less than or equal to {MOST}"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert!(has_words("The key of the map", "MAP"));
        assert!(has_words("prod/app-secrets", "app prod"));
        assert!(has_words("prod/app-secrets", "sec"));
        assert!(!has_words("prod/app-secrets", "rets"));
        assert!(!has_words("prod", "/"));
    }
}
