//! What stacks share with each other by name: exports, outputs, parameters in Parameter Store.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::intrinsics::call;
use crate::nested;
use crate::resolve::{Context, Resolver, Secrets};
use crate::template::Template;

/// Something of a name that one stack makes and another one reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "what", content = "name")]
pub enum Shared {
    /// An export, read with `Fn::ImportValue`.
    Export(String),
    /// The outputs of a stack of this name, read with `Fn::GetStackOutput`.
    Outputs(String),
    /// A parameter in Parameter Store.
    Parameter(String),
}

impl fmt::Display for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Export(name) => write!(formatter, "the export `{name}`"),
            Self::Outputs(stack) => write!(formatter, "the outputs of `{stack}`"),
            Self::Parameter(name) => write!(formatter, "the parameter `{name}`"),
        }
    }
}

impl Template {
    /// What others may read, as far as its name is known.
    ///
    /// What a condition is known to keep out is left out.
    pub fn gives(&self, context: &Context) -> BTreeSet<Shared> {
        let resolver = Resolver::new(self, context, Secrets::Unknown);
        let mut gives = BTreeSet::new();
        for output in self.outputs() {
            let condition = output.condition.as_deref();
            if condition.and_then(|name| resolver.condition(name)) != Some(false) {
                let name = output.export.as_ref().and_then(|name| resolver.text(name));
                gives.extend(name.map(Shared::Export));
            }
        }
        let named = self.named_resources(context).into_iter();
        let stored = named.filter(|resource| resource.type_name == "AWS::SSM::Parameter");
        gives.extend(stored.map(|resource| Shared::Parameter(resource.name)));
        gives.extend(context.stack_name.clone().map(Shared::Outputs));
        for inner in nested::all(self, context) {
            gives.extend(inner.template.gives(&inner.context));
        }
        gives
    }

    /// Whether it may export under names that are not known.
    pub fn may_export_more(&self, context: &Context) -> bool {
        let resolver = Resolver::new(self, context, Secrets::Unknown);
        let is_unknown = |export: &Value| resolver.text(export).is_none();
        self.is_open()
            || self.outputs().iter().any(|it| it.export.as_ref().is_some_and(is_unknown))
            || nested::all(self, context)
                .iter()
                .any(|inner| inner.template.may_export_more(&inner.context))
    }

    /// What it reads of others, as far as its name is known.
    ///
    /// What a condition is known to keep out is left out, and so is what is in another region.
    pub fn takes(&self, context: &Context) -> BTreeSet<Shared> {
        let resolver = Resolver::new(self, context, Secrets::Unknown);
        let mut takes = BTreeSet::new();
        for parameter in self.parameters().values() {
            let is_known = !context.unknown.contains(&parameter.name)
                && !context.elsewhere.contains_key(&parameter.name)
                && !context.hidden.contains(&parameter.name);
            let name = parameter.ssm_name(&context.parameters).filter(|_| is_known);
            takes.extend(name.map(|name| Shared::Parameter(without_version(name).to_owned())));
        }
        let mut reads = Taker { context, resolver: &resolver, takes };
        for section in ["Resources", "Outputs"] {
            for (_, one) in self.section(section) {
                let condition = one.get("Condition").and_then(Value::as_str);
                if condition.and_then(|name| resolver.condition(name)) != Some(false) {
                    reads.value(one);
                }
            }
        }
        let mut takes = reads.takes;
        for inner in nested::all(self, context) {
            takes.extend(inner.template.takes(&inner.context));
        }
        takes
    }
}

/// A version or a label may stand behind a name in Parameter Store: `/url:3`.
fn without_version(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

struct Taker<'all> {
    context: &'all Context,
    resolver: &'all Resolver<'all>,
    takes: BTreeSet<Shared>,
}

impl Taker<'_> {
    fn value(&mut self, value: &Value) {
        match (value, call(value)) {
            (_, Some(("Fn::ImportValue", name))) => {
                self.takes.extend(self.resolver.text(name).map(Shared::Export));
                self.value(name);
            }
            (_, Some(("Fn::GetStackOutput", argument))) => self.output(argument),
            (_, Some(("Fn::If", Value::Array(all)))) => {
                let holds = all.first().and_then(Value::as_str);
                match (holds.and_then(|name| self.resolver.condition(name)), all.as_slice()) {
                    (Some(true), [_, branch, _]) | (Some(false), [_, _, branch]) => {
                        self.value(branch);
                    }
                    _ => all.iter().for_each(|branch| self.value(branch)),
                }
            }
            (Value::Object(map), _) => map.values().for_each(|value| self.value(value)),
            (Value::Array(items), _) => items.iter().for_each(|item| self.value(item)),
            _ => {}
        }
    }

    /// With a region or a role it may be a stack of the same name somewhere else.
    fn output(&mut self, argument: &Value) {
        let text = |key: &str| argument.get(key).map(|value| self.resolver.text(value));
        let is_here = match text("Region") {
            Some(region) => region.is_some() && region == self.context.region,
            None => true,
        };
        let is_ours = match (text("RoleArn"), &self.context.account) {
            (Some(Some(role)), Some(account)) => role.split(':').nth(4) == Some(account),
            (Some(_), _) => false,
            (None, _) => true,
        };
        if is_here && is_ours {
            self.takes.extend(text("StackName").flatten().map(Shared::Outputs));
        }
    }
}
