//! What an expression comes to, as far as it is known without AWS.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::intrinsics::call;
use crate::parameters::{Parameter, scalar_text};
use crate::references::{Piece, pieces};
use crate::template::Template;

/// How deep conditions may name each other.
const DEEPEST_CONDITION: usize = 100;

/// What is known about the stack that a template is for.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// `AWS::AccountId`.
    pub account: Option<String>,
    /// `AWS::Region`; decides `AWS::Partition` and `AWS::URLSuffix` too.
    pub region: Option<String>,
    /// `AWS::StackName`.
    pub stack_name: Option<String>,
    /// The given parameters.
    pub parameters: BTreeMap<String, String>,
    /// The parameters that are given and whose values are not known yet.
    pub unknown: BTreeSet<String>,
    /// The parameters whose values must not be shown, beside those with `NoEcho`. What stands
    /// for them in `parameters` is compared, never checked.
    pub hidden: BTreeSet<String>,
    /// The parameters that a stack around it gives something that only AWS knows, such as the id
    /// of a network. What stands for them is compared, never resolved.
    pub elsewhere: BTreeMap<String, String>,
    /// The templates of stacks within it, by where they are kept: what `TemplateURL` ends with.
    pub nested: BTreeMap<String, Arc<Template>>,
}

/// Without the values of parameters, which may be secret.
impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Context")
            .field("account", &self.account)
            .field("region", &self.region)
            .field("stack_name", &self.stack_name)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// A context of parameters alone.
    pub fn of_parameters(parameters: &BTreeMap<String, String>) -> Self {
        Self { parameters: parameters.clone(), ..Self::default() }
    }

    fn pseudo(&self, name: &str) -> Option<String> {
        match name {
            "AWS::AccountId" => self.account.clone(),
            "AWS::Region" => self.region.clone(),
            "AWS::StackName" => self.stack_name.clone(),
            "AWS::Partition" => self.region.as_deref().map(|region| partition(region).to_owned()),
            "AWS::URLSuffix" => {
                let suffix = match partition(self.region.as_deref()?) {
                    "aws" | "aws-us-gov" => "amazonaws.com",
                    "aws-cn" => "amazonaws.com.cn",
                    _ => return None,
                };
                Some(suffix.to_owned())
            }
            _ => None,
        }
    }
}

/// The partition that a region is in.
fn partition(region: &str) -> &'static str {
    let of = |prefix| region.starts_with(prefix);
    match () {
        () if of("cn-") => "aws-cn",
        () if of("us-gov-") => "aws-us-gov",
        () if of("us-isob-") => "aws-iso-b",
        () if of("us-isof-") => "aws-iso-f",
        () if of("eu-isoe-") => "aws-iso-e",
        () if of("us-iso-") => "aws-iso",
        () if of("eusc-") => "aws-eusc",
        () => "aws",
    }
}

/// Whether values of `NoEcho` parameters may be part of what comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrets {
    /// For what is shown.
    Unknown,
    /// For what is only compared.
    Known,
}

/// Works out expressions of one template.
pub(crate) struct Resolver<'template> {
    template: &'template Template,
    declared: BTreeMap<String, Parameter>,
    context: &'template Context,
    secrets: Secrets,
    /// What conditions have come to, for each may be named by many others. One that is being
    /// worked out is unknown, which ends circles.
    conditions: RefCell<BTreeMap<String, Option<bool>>>,
    depth: Cell<usize>,
}

impl<'template> Resolver<'template> {
    pub(crate) fn new(
        template: &'template Template,
        context: &'template Context,
        secrets: Secrets,
    ) -> Self {
        Self {
            template,
            declared: template.parameters(),
            context,
            secrets,
            conditions: RefCell::default(),
            depth: Cell::default(),
        }
    }

    /// The text that a value comes to, when all of it is known.
    pub(crate) fn text(&self, value: &Value) -> Option<String> {
        let Some((function, argument)) = call(value) else { return scalar_text(value) };
        match function {
            "Ref" => self.name(argument.as_str()?),
            "Fn::Sub" => {
                let (text, variables) = match argument {
                    Value::Array(both) => (both.first()?.as_str()?, both.get(1)?),
                    text => (text.as_str()?, &Value::Null),
                };
                let part = |piece| match piece {
                    // `${!Name}` stands for `${Name}`.
                    Piece::Text(text) => Some(text.replacen("${!", "${", 1)),
                    Piece::Variable(name) => match variables.get(name) {
                        Some(value) => self.text(value),
                        None => self.name(name),
                    },
                };
                pieces(text).map(part).collect()
            }
            "Fn::Join" => {
                let both = argument.as_array()?;
                let items = self.list(both.get(1)?)?;
                Some(items.join(both.first()?.as_str()?))
            }
            "Fn::Select" => {
                let both = argument.as_array()?;
                let index: usize = self.text(both.first()?)?.parse().ok()?;
                self.list(both.get(1)?)?.get(index).cloned()
            }
            "Fn::If" => {
                let all = argument.as_array()?;
                let is_true = self.condition(all.first()?.as_str()?)?;
                self.text(all.get(if is_true { 1 } else { 2 })?)
            }
            "Fn::FindInMap" => {
                let all = argument.as_array()?;
                let [map, first, second] = all.as_slice() else { return None };
                let map = self.template.tree().get("Mappings")?.get(self.text(map)?)?;
                scalar_text(map.get(self.text(first)?)?.get(self.text(second)?)?)
            }
            _ => None,
        }
    }

    fn name(&self, name: &str) -> Option<String> {
        if name.starts_with("AWS::") {
            return self.context.pseudo(name);
        }
        let parameter = self.declared.get(name)?;
        let is_hidden = parameter.no_echo || self.context.hidden.contains(name);
        if parameter.reads_ssm()
            || self.context.unknown.contains(name)
            || self.context.elsewhere.contains_key(name)
            || is_hidden && self.secrets == Secrets::Unknown
        {
            return None;
        }
        parameter.value(&self.context.parameters).map(str::to_owned)
    }

    /// The texts of a list, when all of them are known.
    pub(crate) fn list(&self, value: &Value) -> Option<Vec<String>> {
        match (value, call(value)) {
            (Value::Array(items), _) => items.iter().map(|item| self.text(item)).collect(),
            (_, Some(("Ref", Value::String(name)))) if self.declared.get(name)?.is_list() => {
                let text = self.name(name)?;
                Some(text.split(',').map(|item| item.trim().to_owned()).collect())
            }
            (_, Some(("Fn::Split", Value::Array(both)))) => {
                let text = self.text(both.get(1)?)?;
                Some(text.split(both.first()?.as_str()?).map(str::to_owned).collect())
            }
            _ => None,
        }
    }

    /// Whether a condition holds, when that is known.
    pub(crate) fn condition(&self, name: &str) -> Option<bool> {
        if let Some(known) = self.conditions.borrow().get(name) {
            return *known;
        }
        if self.depth.get() >= DEEPEST_CONDITION {
            return None;
        }
        self.conditions.borrow_mut().insert(name.to_owned(), None);
        self.depth.set(self.depth.get() + 1);
        let conditions = self.template.tree().get("Conditions");
        let holds = conditions.and_then(|all| self.holds(all.get(name)?));
        self.depth.set(self.depth.get() - 1);
        self.conditions.borrow_mut().insert(name.to_owned(), holds);
        holds
    }

    fn holds(&self, value: &Value) -> Option<bool> {
        let (function, argument) = call(value)?;
        if function == "Condition" {
            return self.condition(argument.as_str()?);
        }
        let items = argument.as_array()?;
        if function == "Fn::Equals" {
            let [one, other] = items.as_slice() else { return None };
            return Some(self.text(one)? == self.text(other)?);
        }
        let all: Vec<Option<bool>> = items.iter().map(|item| self.holds(item)).collect();
        // One that decides does so whatever the others are.
        let (decides, otherwise) = match function {
            "Fn::Not" => return all.first().copied()?.map(|holds| !holds),
            "Fn::And" => (false, true),
            "Fn::Or" => (true, false),
            _ => return None,
        };
        if all.contains(&Some(decides)) {
            return Some(decides);
        }
        all.iter().all(Option::is_some).then_some(otherwise)
    }
}
