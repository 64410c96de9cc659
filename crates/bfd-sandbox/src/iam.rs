//! IAM, as far as it decides who may take on a role. Permissions are not modelled.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Every role of a world, by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Roles {
    pub(crate) all: BTreeMap<String, Role>,
}

/// One role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) id: String,
    /// The policy that says who may take it on.
    pub(crate) trust: Value,
    /// How long a session may be at most, in seconds.
    pub(crate) longest_session: u32,
}

/// Who asks to take on a role.
#[derive(Clone, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) arn: &'a str,
    /// The ARN of the role that the asker has taken on already.
    pub(crate) role: Option<&'a str>,
    pub(crate) account: &'a str,
    pub(crate) external_id: Option<&'a str>,
}

impl Roles {
    /// The name and the role of an ARN.
    pub(crate) fn find(&self, arn: &str) -> Option<(&String, &Role)> {
        self.all.iter().find(|(_, role)| role.arn == arn)
    }
}

impl Role {
    /// Whether a service of AWS may take the role on.
    pub(crate) fn trusts_service(&self, service: &str) -> bool {
        let statements = self.statements();
        let applies = |statement: &&&Value| {
            any(&statement["Action"], |pattern| is_action(pattern, "sts:AssumeRole"))
                && any(&statement["Principal"]["Service"], |name| name == service)
        };
        let mut matching = statements.iter().filter(applies).peekable();
        matching.peek().is_some() && matching.all(|statement| statement["Effect"] == "Allow")
    }

    fn statements(&self) -> Vec<&Value> {
        match &self.trust["Statement"] {
            Value::Array(statements) => statements.iter().collect(),
            statement => vec![statement],
        }
    }

    /// Whether the trust policy lets somebody do something with the role.
    pub(crate) fn trusts(&self, asker: &Asker<'_>, action: &str) -> bool {
        let applies = |statement: &&Value| {
            any(&statement["Action"], |pattern| is_action(pattern, action))
                && is_principal(&statement["Principal"], asker)
                && conditions_hold(&statement["Condition"], asker)
        };
        let statements = self.statements();
        let mut matching = statements.into_iter().filter(applies).peekable();
        matching.peek().is_some() && matching.all(|statement| statement["Effect"] == "Allow")
    }
}

/// Whether one of the texts in a value, which is a text or a list, is as wanted.
fn any(value: &Value, is_wanted: impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is_wanted(text),
        Value::Array(items) => items.iter().filter_map(Value::as_str).any(is_wanted),
        _ => false,
    }
}

fn is_action(pattern: &str, action: &str) -> bool {
    matches!(pattern, "*" | "sts:*") || pattern.eq_ignore_ascii_case(action)
}

fn is_principal(principal: &Value, asker: &Asker<'_>) -> bool {
    if principal == "*" {
        return true;
    }
    any(&principal["AWS"], |name| {
        name == "*"
            || name == asker.account
            || name == asker.arn
            || asker.role == Some(name)
            || name
                .strip_suffix(":root")
                .is_some_and(|account| account.rsplit(':').next() == Some(asker.account))
    })
}

/// Conditions on who asks. One that is about anything else does not hold.
fn conditions_hold(conditions: &Value, asker: &Asker<'_>) -> bool {
    let Some(conditions) = conditions.as_object() else { return true };
    conditions.iter().all(|(operator, keys)| {
        let Some(keys) = keys.as_object() else { return false };
        keys.iter().all(|(key, wanted)| {
            let found = match key.to_ascii_lowercase().as_str() {
                "sts:externalid" => asker.external_id,
                "aws:principalarn" => Some(asker.role.unwrap_or(asker.arn)),
                "aws:principalaccount" => Some(asker.account),
                _ => return false,
            };
            if operator == "Null" {
                let is_missing = if found.is_none() { "true" } else { "false" };
                return any(wanted, |wanted| wanted == is_missing) || *wanted == found.is_none();
            }
            let Some(found) = found else { return operator.ends_with("IfExists") };
            match operator.trim_end_matches("IfExists") {
                "StringEquals" | "ArnEquals" => any(wanted, |wanted| wanted == found),
                "StringNotEquals" | "ArnNotEquals" => !any(wanted, |wanted| wanted == found),
                "StringLike" | "ArnLike" => any(wanted, |pattern| is_like(pattern, found)),
                _ => false,
            }
        })
    })
}

/// Whether a text fits a pattern with `*` and `?`.
fn is_like(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    loop {
        match (pattern.next(), text.clone().next()) {
            (None, next) => return next.is_none(),
            (Some('*'), _) => {
                let rest = pattern.as_str();
                return std::iter::successors(Some(text.as_str()), |text| {
                    text.chars().next().map(|first| &text[first.len_utf8()..])
                })
                .any(|text| is_like(rest, text));
            }
            (Some('?'), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => return false,
        }
        text.next();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const USER: &str = "arn:aws:iam::123456789012:user/sandbox";

    fn trusts(statement: &Value, external_id: Option<&str>) -> bool {
        let trust = json!({ "Statement": statement });
        let role = Role { arn: String::new(), id: String::new(), trust, longest_session: 3600 };
        let asker = Asker { arn: USER, role: None, account: "123456789012", external_id };
        role.trusts(&asker, "sts:AssumeRole")
    }

    #[test]
    fn who_is_trusted() {
        for principal in ["*", "123456789012", "arn:aws:iam::123456789012:root", USER] {
            let statement = json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": principal } });
            assert!(trusts(&statement, None), "{principal}");
        }
        for principal in
            [json!({ "Service": "ecs-tasks.amazonaws.com" }), json!({ "AWS": "210987654321" })]
        {
            let statement =
                json!([{ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal }]);
            assert!(!trusts(&statement, None), "{principal}");
        }
        let tags = json!({ "Effect": "Allow", "Action": "sts:TagSession", "Principal": "*" });
        assert!(!trusts(&tags, None), "another action");
        let denied = json!([
            { "Effect": "Allow", "Action": "*", "Principal": "*" },
            { "Effect": "Deny", "Action": "sts:AssumeRole", "Principal": { "AWS": USER } },
        ]);
        assert!(!trusts(&denied, None));
    }

    #[test]
    fn conditions() {
        let with = |condition: Value| json!({ "Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": "*", "Condition": condition });
        let external = with(json!({ "StringEquals": { "sts:ExternalId": ["key"] } }));
        assert!(trusts(&external, Some("key")));
        assert!(!trusts(&external, Some("other")) && !trusts(&external, None));
        let deputy = with(json!({ "Null": { "sts:ExternalId": "false" } }));
        assert!(trusts(&deputy, Some("key")) && !trusts(&deputy, None));
        let like = with(json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:user/s?ndb*" } }));
        assert!(trusts(&like, None));
        let unlike = with(json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/*" } }));
        assert!(!trusts(&unlike, None));
        let unknown = with(json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" } }));
        assert!(!trusts(&unknown, None));
    }
}
