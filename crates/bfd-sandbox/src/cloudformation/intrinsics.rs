//! Evaluating intrinsic functions.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_types::base64;
use serde_json::{Map, Value};

use super::errors::{template_error, validation};
use super::parameters::{Parameter, scalar};
use super::references::{attribute_of, function, if_of, sub_of, transform};
use super::substitution::{Piece, pieces};
use super::template::Template;
use super::{cidr, errors, rules};
use crate::error::QueryError;

/// What stands for a value that only exists once another resource has been made; AWS shows
/// the same text in a change set.
pub(super) const KNOWN_AFTER_APPLY: &str = "{{changeSet:KNOWN_AFTER_APPLY}}";

const PSEUDO: [&str; 8] = [
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

pub(super) fn is_pseudo(name: &str) -> bool {
    PSEUDO.contains(&name)
}

/// The values of the pseudo parameters.
#[derive(Clone, Debug, Default)]
pub(super) struct Pseudo {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) stack_id: String,
    pub(super) stack_name: String,
    pub(super) notification_arns: Vec<String>,
}

/// Where a template's references get their values.
pub(super) struct Scope<'a> {
    pub(super) template: &'a Template,
    pub(super) parameters: &'a BTreeMap<String, Parameter>,
    pub(super) conditions: &'a BTreeMap<String, bool>,
    pub(super) pseudo: &'a Pseudo,
    pub(super) exports: &'a BTreeMap<String, String>,
    /// What `Ref` (without an attribute) or `Fn::GetAtt` gives for a resource; `None` where it
    /// does not exist yet.
    pub(super) resource: &'a dyn Fn(&str, Option<&str>) -> Option<Value>,
    /// The names of the exports that were read.
    pub(super) imported: RefCell<BTreeSet<String>>,
}

impl Scope<'_> {
    /// Evaluates a value; `AWS::NoValue` takes its member or item away.
    pub(super) fn value(&self, value: &Value) -> Result<Value, QueryError> {
        Ok(self.evaluate(value)?.unwrap_or(Value::Null))
    }

    /// Evaluates what has to be text.
    pub(super) fn text(&self, value: &Value, refusal: &str) -> Result<String, QueryError> {
        scalar(&self.value(value)?).ok_or_else(|| template_error(refusal))
    }

    fn evaluate(&self, value: &Value) -> Result<Option<Value>, QueryError> {
        if let Some((name, argument)) = function(value)
            && (name == "Ref" || name.starts_with("Fn::"))
        {
            return self.call(name, argument);
        }
        Ok(Some(match value {
            Value::Object(members) => {
                let mut evaluated = Map::new();
                for (name, member) in members {
                    if let Some(member) = self.evaluate(member)? {
                        evaluated.insert(name.clone(), member);
                    }
                }
                Value::Object(evaluated)
            }
            Value::Array(items) => Value::Array(self.items(items)?),
            other => other.clone(),
        }))
    }

    fn items(&self, items: &[Value]) -> Result<Vec<Value>, QueryError> {
        let mut evaluated = Vec::new();
        for item in items {
            evaluated.extend(self.evaluate(item)?);
        }
        Ok(evaluated)
    }

    fn call(&self, name: &str, argument: &Value) -> Result<Option<Value>, QueryError> {
        let value = match name {
            "Ref" => return self.reference(argument.as_str().unwrap_or_default()),
            "Fn::If" => {
                let (condition, yes, no) = if_of(argument)?;
                return match self.conditions.get(condition) {
                    Some(true) => self.evaluate(yes),
                    Some(false) => self.evaluate(no),
                    None => Err(template_error(format!(
                        "unresolved condition dependency {condition} in Fn::If"
                    ))),
                };
            }
            "Fn::GetAtt" => {
                let (resource, attribute) = attribute_of(argument)?;
                let attribute = self.text(attribute, "Fn::GetAtt requires an attribute name")?;
                self.attribute(resource, &attribute)
            }
            "Fn::Sub" => self.substitute(argument)?,
            "Fn::Join" => self.join(argument)?,
            "Fn::Split" => self.split(argument)?,
            "Fn::Select" => self.select(argument)?,
            "Fn::FindInMap" => self.find_in_map(argument)?,
            "Fn::ImportValue" => self.import(argument)?,
            "Fn::GetAZs" => self.zones(argument)?,
            "Fn::Base64" => {
                let text =
                    self.text(argument, "every Fn::Base64 object must have a String-typed value.")?;
                Value::String(base64::encode(text))
            }
            "Fn::Cidr" => self.cidr(argument)?,
            "Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not" => {
                Value::Bool(self.condition(name, argument)?)
            }
            "Fn::Contains" | "Fn::EachMemberEquals" | "Fn::EachMemberIn" => {
                let arguments = argument.as_array().map(Vec::as_slice).unwrap_or_default();
                Value::Bool(rules::compare(name, &self.items(arguments)?)?)
            }
            "Fn::Transform" => return Err(transform(argument)),
            _ => return Err(unsupported(name)),
        };
        Ok(Some(value))
    }

    fn reference(&self, name: &str) -> Result<Option<Value>, QueryError> {
        let text = |text: &str| Ok(Some(Value::String(text.to_owned())));
        match name {
            "AWS::NoValue" => Ok(None),
            "AWS::AccountId" => text(&self.pseudo.account),
            "AWS::Region" => text(&self.pseudo.region),
            "AWS::Partition" => text("aws"),
            "AWS::URLSuffix" => text("amazonaws.com"),
            "AWS::StackId" => text(&self.pseudo.stack_id),
            "AWS::StackName" => text(&self.pseudo.stack_name),
            "AWS::NotificationARNs" => {
                Ok(Some(self.pseudo.notification_arns.iter().cloned().map(Value::String).collect()))
            }
            _ => {
                if let Some(parameter) = self.parameters.get(name) {
                    return Ok(Some(parameter.reference()));
                }
                if !self.template.resources.contains_key(name) {
                    return Err(errors::template_format(format!(
                        "Unresolved resource dependencies [{name}] in the Resources block of the template"
                    )));
                }
                Ok(Some((self.resource)(name, None).unwrap_or_else(later)))
            }
        }
    }

    fn attribute(&self, resource: &str, attribute: &str) -> Value {
        (self.resource)(resource, Some(attribute)).unwrap_or_else(later)
    }

    fn substitute(&self, argument: &Value) -> Result<Value, QueryError> {
        let (text, variables) = sub_of(argument)?;
        let mut result = String::new();
        for piece in pieces(text)? {
            match piece {
                Piece::Text(text) => result.push_str(text),
                Piece::Literal(name) => {
                    result.push_str("${");
                    result.push_str(name);
                    result.push('}');
                }
                Piece::Variable(name) => {
                    let value = match variables.and_then(|variables| variables.get(name)) {
                        Some(value) => self.value(value)?,
                        None => match name.split_once('.') {
                            Some((resource, attribute)) => self.attribute(resource, attribute),
                            None => self.reference(name)?.unwrap_or(Value::String(String::new())),
                        },
                    };
                    result.push_str(&scalar(&value).ok_or_else(|| {
                        template_error(format!(
                            "every value of the context object of every Fn::Sub object must be a string or a function that returns a string; {name} is not"
                        ))
                    })?);
                }
            }
        }
        Ok(Value::String(result))
    }

    /// A list that may itself come from a function.
    fn list(&self, value: &Value) -> Result<Option<Vec<Value>>, QueryError> {
        Ok(match self.value(value)? {
            Value::Array(items) => Some(items),
            // A list that is only known later.
            Value::String(text) if text == KNOWN_AFTER_APPLY => Some(vec![Value::String(text)]),
            _ => None,
        })
    }

    fn join(&self, argument: &Value) -> Result<Value, QueryError> {
        let refusal = || {
            template_error(
                "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.",
            )
        };
        let Some([delimiter, list]) = argument.as_array().map(Vec::as_slice) else {
            return Err(refusal());
        };
        let delimiter = delimiter.as_str().ok_or_else(refusal)?;
        let items = self.list(list)?.ok_or_else(refusal)?;
        let texts: Option<Vec<String>> = items.iter().map(scalar).collect();
        Ok(Value::String(texts.ok_or_else(refusal)?.join(delimiter)))
    }

    fn split(&self, argument: &Value) -> Result<Value, QueryError> {
        let refusal = || {
            template_error(
                "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split.",
            )
        };
        let Some([delimiter, text]) = argument.as_array().map(Vec::as_slice) else {
            return Err(refusal());
        };
        let delimiter = delimiter.as_str().filter(|text| !text.is_empty()).ok_or_else(refusal)?;
        let text = scalar(&self.value(text)?).ok_or_else(refusal)?;
        if text == KNOWN_AFTER_APPLY {
            return Ok(Value::String(text));
        }
        Ok(text.split(delimiter).map(|part| Value::String(part.to_owned())).collect())
    }

    fn select(&self, argument: &Value) -> Result<Value, QueryError> {
        let refusal = || {
            template_error(
                "Fn::Select requires a list argument with two elements: an integer index and a list",
            )
        };
        let Some([index, list]) = argument.as_array().map(Vec::as_slice) else {
            return Err(refusal());
        };
        let index = self.text(
            index,
            "Fn::Select requires a list argument with two elements: an integer index and a list",
        )?;
        let index: usize = index.parse().map_err(|_| refusal())?;
        let evaluated = self.value(list)?;
        if evaluated.as_str() == Some(KNOWN_AFTER_APPLY) {
            return Ok(evaluated);
        }
        let items = evaluated.as_array().ok_or_else(refusal)?;
        if items.iter().any(|item| item.as_str() == Some(KNOWN_AFTER_APPLY)) && index >= items.len()
        {
            return Ok(later());
        }
        items.get(index).cloned().ok_or_else(|| {
            template_error(format!("Fn::Select cannot select nonexistent value at index {index}"))
        })
    }

    fn find_in_map(&self, argument: &Value) -> Result<Value, QueryError> {
        let refusal = "every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value";
        let Some([map, top, second]) = argument.as_array().map(Vec::as_slice) else {
            return Err(template_error(refusal));
        };
        let map = self.text(map, refusal)?;
        let top = self.text(top, refusal)?;
        let second = self.text(second, refusal)?;
        let Some(mapping) = self.template.mappings.get(&map) else {
            return Err(template_error(format!(
                "Mapping named '{map}' is not present in the 'Mappings' section of template."
            )));
        };
        mapping.get(&top).and_then(|members| members.get(&second)).cloned().ok_or_else(|| {
            template_error(format!("Unable to get mapping for {map}::{top}::{second}"))
        })
    }

    fn import(&self, argument: &Value) -> Result<Value, QueryError> {
        let name = self.text(
            argument,
            "the attribute in Fn::ImportValue must be a string or a function that returns a string",
        )?;
        if name.contains(KNOWN_AFTER_APPLY) {
            return Err(template_error(
                "the attribute in Fn::ImportValue must not depend on any resources, imported values, or Fn::GetAZs",
            ));
        }
        let value = self.exports.get(&name).cloned();
        self.imported.borrow_mut().insert(name.clone());
        value.map(Value::String).ok_or_else(|| validation(format!("No export named {name} found.")))
    }

    fn zones(&self, argument: &Value) -> Result<Value, QueryError> {
        let region = self.text(argument, "Fn::GetAZs requires a region name")?;
        let region = if region.is_empty() { &self.pseudo.region } else { &region };
        Ok(["a", "b", "c"].iter().map(|zone| Value::String(format!("{region}{zone}"))).collect())
    }

    fn cidr(&self, argument: &Value) -> Result<Value, QueryError> {
        let refusal = || {
            template_error(
                "every Fn::Cidr object requires two parameters, (1) a string ipBlock and (2) an integer count, and an optional integer cidrBits",
            )
        };
        let parts = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        let (block, count, bits) = match parts {
            [block, count] => (block, count, None),
            [block, count, bits] => (block, count, Some(bits)),
            _ => return Err(refusal()),
        };
        let block = scalar(&self.value(block)?).ok_or_else(refusal)?;
        let number = |value: &Value| -> Result<u32, QueryError> {
            scalar(&self.value(value)?).and_then(|text| text.parse().ok()).ok_or_else(refusal)
        };
        let count = number(count)?;
        let bits = bits.map(number).transpose()?;
        if block == KNOWN_AFTER_APPLY {
            return Ok((0..count).map(|_| later()).collect());
        }
        cidr::split(&block, count, bits)
            .map(|blocks| blocks.into_iter().map(Value::String).collect())
            .ok_or_else(|| {
                template_error(format!("Unable to process Fn::Cidr intrinsic function for {block}"))
            })
    }

    fn condition(&self, name: &str, argument: &Value) -> Result<bool, QueryError> {
        let operands = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        match (name, operands) {
            ("Fn::Equals", [left, right]) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                Ok(left == right || scalar(&left).is_some_and(|text| Some(text) == scalar(&right)))
            }
            ("Fn::Equals", _) => Err(template_error(
                "every Fn::Equals object requires a list of 2 string parameters.",
            )),
            ("Fn::Not", [operand]) => Ok(!self.operand(operand)?),
            ("Fn::Not", _) => {
                Err(template_error("every Fn::Not object requires one boolean parameter."))
            }
            (_, operands) if (2..=10).contains(&operands.len()) => {
                let mut all = true;
                let mut any = false;
                for operand in operands {
                    let value = self.operand(operand)?;
                    all &= value;
                    any |= value;
                }
                Ok(if name == "Fn::And" { all } else { any })
            }
            _ => Err(template_error(format!(
                "every {name} object requires a list of at least 2 and at most 10 boolean parameters."
            ))),
        }
    }

    /// Evaluates what has to be true or false.
    pub(super) fn operand(&self, value: &Value) -> Result<bool, QueryError> {
        if let Some(("Condition", Value::String(name))) = function(value) {
            return self.conditions.get(name).copied().ok_or_else(|| {
                template_error(format!("unresolved condition dependency {name} in Condition"))
            });
        }
        match self.value(value)? {
            Value::Bool(flag) => Ok(flag),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ => Err(errors::template_format(
                "Conditions can only be boolean operations on parameters and other conditions",
            )),
        }
    }
}

fn later() -> Value {
    Value::String(KNOWN_AFTER_APPLY.to_owned())
}

fn unsupported(name: &str) -> QueryError {
    template_error(format!(
        "Encountered unsupported function: {name} Supported functions are: [Fn::Base64, Fn::GetAtt, Fn::GetAZs, Fn::ImportValue, Fn::Join, Fn::Split, Fn::FindInMap, Fn::Select, Ref, Fn::Equals, Fn::If, Fn::Not, Condition, Fn::And, Fn::Or, Fn::Contains, Fn::EachMemberEquals, Fn::EachMemberIn, Fn::ValueOf, Fn::ValueOfAll, Fn::RefAll, Fn::Sub, Fn::Cidr]"
    ))
}
