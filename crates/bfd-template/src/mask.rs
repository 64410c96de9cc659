//! Keeps secrets out of what is shown.
//!
//! Hidden is each text that holds the value of a `NoEcho` parameter, and each literal at a
//! property whose name tells that it is a secret. References stay: they hold none.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::intrinsics::call;
use crate::parameters::scalar_text;
use crate::path::{Path, Step};
use crate::resolve::Context;
use crate::template::Template;

/// What stands in place of a hidden value.
pub const HIDDEN: &str = "****";

/// What names of secret properties hold, in lower case without separators.
const SECRET_NAMES: &[&str] = &[
    "accesskey",
    "accesstoken",
    "apikey",
    "authtoken",
    "clientsecret",
    "credential",
    "passphrase",
    "password",
    "passwd",
    "privatekey",
    "secretkey",
    "secretstring",
];

/// The values that must not be shown.
pub(crate) struct Mask {
    secrets: BTreeSet<String>,
    /// The names of the parameters that they are of.
    names: BTreeSet<String>,
}

impl Mask {
    /// The values of all hidden parameters of these templates, given and default ones.
    pub(crate) fn of(templates: &[(&Template, &Context)]) -> Self {
        let (mut secrets, mut names) = (BTreeSet::new(), BTreeSet::new());
        for (template, context) in templates {
            let is_hidden = |name: &String| context.hidden.contains(name);
            let all = template.parameters().into_values();
            let hidden = all.filter(|each| each.no_echo || is_hidden(&each.name));
            for parameter in hidden {
                secrets.extend(context.parameters.get(&parameter.name).cloned());
                secrets.extend(parameter.default);
                names.insert(parameter.name);
            }
        }
        secrets.remove("");
        Self { secrets, names }
    }

    /// A value at a path, fit to be shown.
    pub(crate) fn value(&self, path: &Path, value: &Value) -> Value {
        // The declaration of a parameter called password is none, but for what it may be.
        let keys: Vec<&str> = path.keys().take(3).collect();
        let is_declaration = matches!(keys.as_slice(), ["Parameters", _, key]
            if !matches!(*key, "AllowedValues" | "Default"));
        let skipped = if is_declaration { 2 } else { 0 };
        let is_secret = path.steps().iter().skip(skipped).any(|step| match step {
            Step::Key(key) => is_secret_name(key),
            Step::Named { value, .. } => is_secret_name(value),
            Step::Index(_) | Step::Order => false,
        });
        self.masked(&mut path.clone(), value, is_secret)
    }

    /// A path, fit to be shown: elements of lists are told by texts of theirs.
    pub(crate) fn path(&self, path: &Path) -> Path {
        let mut shown = Path::default();
        for step in path.steps() {
            shown.push(match step {
                Step::Named { key, value } if self.holds_secret(value) => {
                    Step::Named { key, value: HIDDEN.to_owned() }
                }
                step => step.clone(),
            });
        }
        shown
    }

    /// Whether a path is to what a hidden parameter is or may be.
    fn is_value_of_hidden(&self, path: &Path) -> bool {
        let keys: Vec<&str> = path.keys().take(3).collect();
        matches!(keys.as_slice(), ["Parameters", name, "AllowedValues" | "Default"]
            if self.names.contains(*name))
    }

    fn masked(&self, path: &mut Path, value: &Value, is_secret: bool) -> Value {
        let is_secret = is_secret || self.is_value_of_hidden(path);
        match value {
            Value::Object(map) => {
                // What a reference names is no secret, whatever the property is called.
                if let Some((function, argument)) = call(value)
                    && matches!(function, "Ref" | "Condition" | "Fn::GetAtt" | "Fn::ImportValue")
                {
                    let argument = self.masked(&mut Path::default(), argument, false);
                    return Value::Object(Map::from_iter([(function.to_owned(), argument)]));
                }
                let named = names_secret(map);
                let member = |(key, value): (&String, &Value)| {
                    let is_secret = is_secret || is_secret_name(key) || named && key == "Value";
                    path.push_key(key);
                    let shown = self.masked(path, value, is_secret);
                    path.pop();
                    (key.clone(), shown)
                };
                Value::Object(map.iter().map(member).collect::<Map<_, _>>())
            }
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.masked(path, item, is_secret)).collect())
            }
            Value::Null | Value::Bool(_) => value.clone(),
            Value::String(_) | Value::Number(_) => {
                let text = scalar_text(value).unwrap_or_default();
                let is_reference = text.starts_with("{{resolve:") && text.ends_with("}}");
                if is_secret && !is_reference || self.holds_secret(&text) {
                    Value::from(HIDDEN)
                } else {
                    value.clone()
                }
            }
        }
    }

    fn holds_secret(&self, text: &str) -> bool {
        // Of one or two characters, nearly every text would hold it.
        let holds = |secret: &String| {
            if secret.len() < 3 { text == secret } else { text.contains(secret.as_str()) }
        };
        self.secrets.iter().any(holds)
    }

    /// The value of a parameter, fit to be shown.
    pub(crate) fn parameter(&self, name: &str, no_echo: bool, value: &str) -> String {
        if no_echo || self.names.contains(name) || is_secret_name(name) || self.holds_secret(value)
        {
            HIDDEN.to_owned()
        } else {
            value.to_owned()
        }
    }
}

/// Whether a map is a name and a value of which the name tells that the value is a secret.
fn names_secret(map: &Map<String, Value>) -> bool {
    let name = |key: &&str| map.get(*key).and_then(Value::as_str).is_some_and(is_secret_name);
    ["Key", "Name"].iter().any(name)
}

/// Whether a property of this name holds a secret, as names go.
pub fn is_secret_name(name: &str) -> bool {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let name: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    // `ManageMasterUserPassword` says whether, `PasswordPolicy` what for, and neither is one.
    let is_setting = name.starts_with("manage")
        || ["policy", "length", "arn", "alias", "timeout"].iter().any(|end| name.ends_with(end));
    !is_setting && SECRET_NAMES.iter().any(|secret| name.contains(secret))
}
