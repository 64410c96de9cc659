//! Passwords as `GenerateSecretString` asks for them.

use serde_json::{Map, Value, json};

use crate::world::World;

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const NUMBERS: &str = "0123456789";
/// As the documentation of `ExcludePunctuation` lists them.
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
/// How long a password is unless said otherwise, and how long it may be.
const DEFAULT: usize = 32;
const LONGEST: usize = 4096;

/// A secret's text: a password, or a template's object with the password under a key.
///
/// The error is what Secrets Manager or the resource's handler says of the request.
pub(crate) fn generate(world: &mut World, wanted: &Value) -> Result<String, String> {
    let template = wanted["SecretStringTemplate"].as_str();
    let key = wanted["GenerateStringKey"].as_str();
    let (template, key) = match (template, key) {
        (None, None) => return password(world, wanted),
        (Some(template), Some(key)) => (template, key),
        _ => {
            return Err("You must specify both SecretStringTemplate and GenerateStringKey, or \
                        neither of them."
                .to_owned());
        }
    };
    let Ok(mut object) = serde_json::from_str::<Map<String, Value>>(template) else {
        return Err("Could not parse SecretStringTemplate JSON".to_owned());
    };
    object.insert(key.to_owned(), json!(password(world, wanted)?));
    Ok(Value::Object(object).to_string())
}

fn password(world: &mut World, wanted: &Value) -> Result<String, String> {
    let flag = |member: &str| is_true(&wanted[member]);
    let excluded = wanted["ExcludeCharacters"].as_str().unwrap_or_default();
    let classes: Vec<Vec<char>> = [
        (LOWER, flag("ExcludeLowercase")),
        (UPPER, flag("ExcludeUppercase")),
        (NUMBERS, flag("ExcludeNumbers")),
        (PUNCTUATION, flag("ExcludePunctuation")),
        (" ", !flag("IncludeSpace")),
    ]
    .into_iter()
    .filter(|(_, is_excluded)| !is_excluded)
    .map(|(class, _)| class.chars().filter(|letter| !excluded.contains(*letter)).collect())
    .filter(|class: &Vec<char>| !class.is_empty())
    .collect();
    if classes.is_empty() {
        return Err("Password must have at least one character type.".to_owned());
    }
    let length = match &wanted["PasswordLength"] {
        Value::Null => DEFAULT,
        given => {
            number(given).filter(|length| (1..=LONGEST).contains(length)).ok_or_else(|| {
                format!(
                    "1 validation error detected: Value at 'passwordLength' failed to satisfy \
                 constraint: Member must have value between 1 and {LONGEST}"
                )
            })?
        }
    };
    let required = match &wanted["RequireEachIncludedType"] {
        Value::Null => true,
        given => is_true(given),
    };
    if required && length < classes.len() {
        return Err("Password length is too short based on the required types.".to_owned());
    }
    let all: Vec<char> = classes.iter().flatten().copied().collect();
    let mut letters: Vec<char> = if required {
        classes.iter().map(|class| pick(world, class)).collect()
    } else {
        Vec::new()
    };
    while letters.len() < length {
        letters.push(pick(world, &all));
    }
    // The first ones are of a known type until they change places.
    for at in (1..letters.len()).rev() {
        let other = below(world, at + 1);
        letters.swap(at, other);
    }
    Ok(letters.into_iter().collect())
}

fn pick(world: &mut World, letters: &[char]) -> char {
    letters[below(world, letters.len())]
}

fn below(world: &mut World, bound: usize) -> usize {
    usize::try_from(world.next_number() % (bound as u64)).unwrap_or_default()
}

/// Templates write numbers and booleans as they are or as text.
fn number(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|number| usize::try_from(number).ok()),
    }
}

fn is_true(value: &Value) -> bool {
    *value == true || *value == "true"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn made(wanted: &Value) -> Result<String, String> {
        generate(&mut World::new(&Options::default()), wanted)
    }

    #[test]
    fn every_type_is_in_it() {
        for length in [4, 5, 32] {
            let password = made(&json!({ "PasswordLength": length })).expect("a password");
            assert_eq!(password.chars().count(), length);
            for class in [LOWER, UPPER, NUMBERS, PUNCTUATION] {
                assert!(password.chars().any(|letter| class.contains(letter)), "{password}");
            }
        }
        let spaced = json!({ "PasswordLength": 5, "IncludeSpace": true });
        assert!(made(&spaced).expect("a password").contains(' '));
        assert_eq!(made(&json!({})).expect("a password").len(), 32);
    }

    #[test]
    fn what_is_excluded_is_not_in_it() {
        let digits = json!({
            "PasswordLength": "200", "ExcludePunctuation": "true", "ExcludeLowercase": true,
            "ExcludeUppercase": true, "ExcludeCharacters": "012345678",
        });
        assert_eq!(made(&digits), Ok("9".repeat(200)));
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        assert!(made(&json!({ "PasswordLength": 3 })).unwrap_err().contains("too short"));
        assert!(made(&json!({ "PasswordLength": 0 })).unwrap_err().contains("passwordLength"));
        assert!(made(&json!({ "GenerateStringKey": "K" })).unwrap_err().contains("both"));
        let template = json!({ "GenerateStringKey": "K", "SecretStringTemplate": "[]" });
        assert!(made(&template).unwrap_err().contains("Could not parse"));
    }

    #[test]
    fn a_template_keeps_its_own_keys() {
        let wanted =
            json!({ "GenerateStringKey": "K", "SecretStringTemplate": "{\"USER\":\"me\"}" });
        let object: Value = serde_json::from_str(&made(&wanted).expect("an object")).expect("JSON");
        assert_eq!(object["USER"], "me");
        assert_eq!(object["K"].as_str().map(str::len), Some(32));
    }
}
