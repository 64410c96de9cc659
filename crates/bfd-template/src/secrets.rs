//! Which properties of objects hold secrets, when their values come from elsewhere.

use std::collections::BTreeSet;

pub use crate::mask::is_secret_name;

use crate::references;
use crate::template::Template;

/// References to where secrets are kept.
const SECRET_SOURCES: [&str; 2] = ["{{resolve:secretsmanager:", "{{resolve:ssm-secure:"];

impl Template {
    /// Whether a property of a resource is made of a secret, as far as its expression tells:
    /// a parameter with `NoEcho`, or a reference to where secrets are kept.
    pub fn is_secret_property(&self, logical: &str, property: &str) -> bool {
        let properties = self.resource(logical).and_then(|resource| resource.get("Properties"));
        let Some(value) = properties.and_then(|all| all.get(property)) else { return false };
        let parameters = self.parameters();
        let hidden: BTreeSet<&str> =
            parameters.values().filter(|it| it.no_echo).map(|it| it.name.as_str()).collect();
        let text = value.to_string();
        references::all(value).iter().any(|found| hidden.contains(found.name))
            || SECRET_SOURCES.iter().any(|source| text.contains(source))
    }
}
