//! The `Rules` section: what parameters have to satisfy together.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html>

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::errors::{template_error, template_format, validation};
use super::intrinsics::{Pseudo, Scope};
use super::parameters::Parameter;
use super::template::Template;
use crate::error::QueryError;

/// One rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    condition: Option<Value>,
    assertions: Vec<Assertion>,
}

#[derive(Clone, Debug)]
struct Assertion {
    assert: Value,
    description: Option<String>,
}

impl Rule {
    pub(super) fn read(name: &str, value: &Value) -> Result<Self, QueryError> {
        let malformed = || template_format(format!("Rule {name} is malformed"));
        let members = value.as_object().ok_or_else(malformed)?;
        let assertions = members
            .get("Assertions")
            .and_then(Value::as_array)
            .filter(|assertions| !assertions.is_empty())
            .ok_or_else(malformed)?;
        let read = |one: &Value| -> Result<Assertion, QueryError> {
            let members: &Map<String, Value> = one.as_object().ok_or_else(malformed)?;
            let description = members.get("AssertDescription").and_then(Value::as_str);
            Ok(Assertion {
                assert: members.get("Assert").ok_or_else(malformed)?.clone(),
                description: description.map(str::to_owned),
            })
        };
        Ok(Self {
            condition: members.get("RuleCondition").cloned(),
            assertions: assertions.iter().map(read).collect::<Result<_, _>>()?,
        })
    }
}

/// Checks every rule against the values that the parameters have.
pub(super) fn check(
    template: &Template,
    parameters: &BTreeMap<String, Parameter>,
    pseudo: &Pseudo,
) -> Result<(), QueryError> {
    let (conditions, exports) = (BTreeMap::new(), BTreeMap::new());
    let scope = Scope {
        template,
        parameters,
        conditions: &conditions,
        pseudo,
        exports: &exports,
        resource: &|_, _| None,
        imported: RefCell::default(),
    };
    for (name, rule) in &template.rules {
        if let Some(condition) = &rule.condition
            && !scope.operand(condition)?
        {
            continue;
        }
        for assertion in &rule.assertions {
            if !scope.operand(&assertion.assert)? {
                let why = assertion.description.as_deref().unwrap_or("Assertion failed");
                return Err(validation(format!("Template failed rule {name}: {why}")));
            }
        }
    }
    Ok(())
}

/// `Fn::Contains`, `Fn::EachMemberEquals` and `Fn::EachMemberIn`, whose arguments are evaluated.
pub(super) fn compare(name: &str, arguments: &[Value]) -> Result<bool, QueryError> {
    let refusal = || template_error(format!("every {name} object requires two arguments."));
    let [left, right] = arguments else { return Err(refusal()) };
    let list = |value: &Value| value.as_array().cloned().ok_or_else(refusal);
    match name {
        "Fn::Contains" => Ok(list(left)?.contains(right)),
        "Fn::EachMemberEquals" => Ok(list(left)?.iter().all(|member| member == right)),
        _ => {
            let allowed = list(right)?;
            Ok(list(left)?.iter().all(|member| allowed.contains(member)))
        }
    }
}
