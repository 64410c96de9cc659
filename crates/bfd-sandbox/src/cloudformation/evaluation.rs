//! A stack's settings, ready to evaluate.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::errors::template_format;
use super::graph::{self, Dependencies};
use super::intrinsics::{Pseudo, Scope};
use super::parameters::{MASK, Parameter};
use super::references::function;
use super::stack::{Output, Resource, Settings};
use super::template::{self, Template};
use super::{conditions, nested};
use crate::error::QueryError;
use crate::world::World;

/// A template with its values and the order that follows from them.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) template: Template,
    pub(super) dependencies: Dependencies,
    parameters: BTreeMap<String, Parameter>,
    masked: BTreeMap<String, Parameter>,
    conditions: BTreeMap<String, bool>,
    pseudo: Pseudo,
    exports: BTreeMap<String, String>,
}

/// A resource as the template wants it.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) properties: Value,
    /// The same with `NoEcho` values masked.
    pub(super) shown: Value,
}

impl Prepared {
    /// Reads the template and settles conditions and order.
    pub(super) fn new(
        world: &World,
        id: &str,
        name: &str,
        settings: &Settings,
    ) -> Result<Self, QueryError> {
        let template = template::parse(&settings.template)?;
        let pseudo = Pseudo {
            account: world.account.clone(),
            region: world.region.clone(),
            stack_id: id.to_owned(),
            stack_name: name.to_owned(),
            notification_arns: settings.notification_arns.clone(),
        };
        let parameters = open(world, &settings.parameters);
        let conditions = conditions::settle(&template, &parameters, &pseudo)?;
        let dependencies = graph::dependencies(&template, &conditions)?;
        let exports =
            world.stacks.exports().into_iter().map(|(name, (value, _))| (name, value)).collect();
        let masked = masked(&parameters);
        Ok(Self { template, dependencies, parameters, masked, conditions, pseudo, exports })
    }

    /// Whether a secret may be in an evaluated property.
    pub(super) fn has_secrets(&self) -> bool {
        self.parameters.values().any(|parameter| parameter.no_echo)
    }

    pub(super) fn is_active(&self, logical_id: &str) -> bool {
        self.dependencies.contains_key(logical_id)
    }

    fn scope<'a>(
        &'a self,
        parameters: &'a BTreeMap<String, Parameter>,
        lookup: &'a dyn Fn(&str, Option<&str>) -> Option<Value>,
    ) -> Scope<'a> {
        Scope {
            template: &self.template,
            parameters,
            conditions: &self.conditions,
            pseudo: &self.pseudo,
            exports: &self.exports,
            resource: lookup,
            imported: RefCell::default(),
        }
    }

    /// Evaluates a resource's properties.
    pub(super) fn properties(
        &self,
        logical_id: &str,
        lookup: &dyn Fn(&str, Option<&str>) -> Option<Value>,
    ) -> Result<Wanted, QueryError> {
        let declared = &self.template.resources[logical_id].properties;
        let properties = self.scope(&self.parameters, lookup).value(declared)?;
        let shown = if self.has_secrets() {
            self.scope(&self.masked, lookup).value(declared)?
        } else {
            properties.clone()
        };
        Ok(Wanted { properties, shown })
    }

    /// Evaluates the outputs whose condition holds.
    pub(super) fn outputs(
        &self,
        lookup: &dyn Fn(&str, Option<&str>) -> Option<Value>,
    ) -> Result<BTreeMap<String, Output>, QueryError> {
        let scope = self.scope(&self.parameters, lookup);
        let mut outputs = BTreeMap::new();
        for (name, declared) in &self.template.outputs {
            let active = declared.condition.as_ref().is_none_or(|condition| {
                self.conditions.get(condition).copied().unwrap_or_default()
            });
            if !active {
                continue;
            }
            let text = |value: &Value| -> Result<String, QueryError> {
                super::parameters::scalar(&scope.value(value)?).ok_or_else(|| {
                    template_format(
                        "The Value field of every Outputs member must evaluate to a String.",
                    )
                })
            };
            let output = Output {
                value: text(&declared.value)?,
                description: declared.description.clone(),
                export: declared.export.as_ref().map(text).transpose()?,
            };
            outputs.insert(name.clone(), output);
        }
        Ok(outputs)
    }

    /// The exports that the active part of the template reads; a missing one is an error.
    pub(super) fn imports(&self) -> Result<BTreeSet<String>, QueryError> {
        let lookup = |_: &str, _: Option<&str>| None;
        let scope = self.scope(&self.parameters, &lookup);
        for logical_id in self.dependencies.keys() {
            self.read_imports(&scope, &self.template.resources[logical_id].properties)?;
        }
        for output in self.template.outputs.values() {
            self.read_imports(&scope, &output.value)?;
        }
        Ok(scope.imported.into_inner())
    }

    fn read_imports(&self, scope: &Scope<'_>, value: &Value) -> Result<(), QueryError> {
        match (function(value), value) {
            (Some(("Fn::ImportValue", _)), _) => scope.value(value).map(drop),
            (Some(("Fn::If", argument)), _) => {
                let (condition, yes, no) = super::references::if_of(argument)?;
                let taken = self.conditions.get(condition).copied().unwrap_or_default();
                self.read_imports(scope, if taken { yes } else { no })
            }
            (_, Value::Object(members)) => {
                members.values().try_for_each(|member| self.read_imports(scope, member))
            }
            (_, Value::Array(items)) => {
                items.iter().try_for_each(|item| self.read_imports(scope, item))
            }
            _ => Ok(()),
        }
    }
}

/// What `Ref` and `Fn::GetAtt` give for the resources of a stack.
pub(super) fn lookup(
    world: &World,
    resources: &BTreeMap<String, Resource>,
    name: &str,
    attribute: Option<&str>,
) -> Option<Value> {
    let resource = resources.get(name).filter(|resource| resource.exists())?;
    let Some(attribute) = attribute else {
        return Some(Value::String(resource.physical_id.clone()));
    };
    if let Some(value) = resource.attributes.get(attribute) {
        return Some(open_attribute(world, value));
    }
    let (first, rest) = attribute.split_once('.').unwrap_or((attribute, ""));
    let nested = rest.split('.').fold(resource.attributes.get(first), |value, part| {
        value.and_then(|value| value.get(part))
    });
    // Whatever a custom resource's function would have answered.
    Some(
        nested
            .cloned()
            .unwrap_or_else(|| Value::String(format!("{}-{attribute}", resource.physical_id))),
    )
}

/// The first output of a nested stack that was asked for and is not there.
#[derive(Debug, Default)]
pub(super) struct MissingOutput(RefCell<Option<String>>);

impl MissingOutput {
    /// Looks at one reference.
    pub(super) fn note(
        &self,
        resources: &BTreeMap<String, Resource>,
        name: &str,
        attribute: Option<&str>,
    ) {
        let stack = resources.get(name).filter(|one| one.kind == nested::KIND && one.exists());
        if let (Some(stack), Some(attribute)) = (stack, attribute)
            && !stack.attributes.contains_key(attribute)
        {
            let output = attribute.strip_prefix("Outputs.").unwrap_or(attribute);
            let id = &stack.physical_id;
            *self.0.borrow_mut() = Some(format!("Output '{output}' not found in stack '{id}'"));
        }
    }

    pub(super) fn check(self) -> Result<(), String> {
        self.0.into_inner().map_or(Ok(()), Err)
    }
}

/// Attributes to be kept: texts sealed where a secret may be in them.
pub(super) fn seal_attributes(
    world: &mut World,
    secret: bool,
    mut attributes: BTreeMap<String, Value>,
) -> BTreeMap<String, Value> {
    for value in attributes.values_mut().filter(|_| secret) {
        if let Value::String(text) = value {
            *text = world.seal(text);
        }
    }
    attributes
}

pub(super) fn open_attributes(
    world: &World,
    attributes: &BTreeMap<String, Value>,
) -> BTreeMap<String, Value> {
    attributes.iter().map(|(name, value)| (name.clone(), open_attribute(world, value))).collect()
}

fn open_attribute(world: &World, value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(world.unseal(text)),
        other => other.clone(),
    }
}

/// Parameters with their secrets sealed, to be kept.
pub(super) fn seal(
    world: &mut World,
    mut parameters: BTreeMap<String, Parameter>,
) -> BTreeMap<String, Parameter> {
    for parameter in parameters.values_mut().filter(|parameter| parameter.no_echo) {
        parameter.value = world.seal(&parameter.value);
        parameter.resolved = parameter.resolved.as_ref().map(|text| world.seal(text));
    }
    parameters
}

/// Parameters as they are.
pub(super) fn open(
    world: &World,
    parameters: &BTreeMap<String, Parameter>,
) -> BTreeMap<String, Parameter> {
    let mut opened = parameters.clone();
    for parameter in opened.values_mut().filter(|parameter| parameter.no_echo) {
        parameter.value = world.unseal(&parameter.value);
        parameter.resolved = parameter.resolved.as_ref().map(|text| world.unseal(text));
    }
    opened
}

fn masked(parameters: &BTreeMap<String, Parameter>) -> BTreeMap<String, Parameter> {
    let mut masked = parameters.clone();
    for parameter in masked.values_mut().filter(|parameter| parameter.no_echo) {
        MASK.clone_into(&mut parameter.value);
        parameter.resolved = None;
    }
    masked
}

/// Properties to be kept: as sealed text where a secret may be in them.
pub(super) fn seal_properties(world: &mut World, secret: bool, properties: &Value) -> Value {
    if secret { Value::String(world.seal(&properties.to_string())) } else { properties.clone() }
}

pub(super) fn open_properties(world: &World, properties: &Value) -> Value {
    match properties {
        Value::String(sealed) => serde_json::from_str(&world.unseal(sealed)).unwrap_or_default(),
        other => other.clone(),
    }
}
