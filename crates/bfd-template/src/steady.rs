//! Outputs that an update leaves as they are.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::diff::{Difference, TemplateDiff};
use crate::outputs::Output;
use crate::parameters::Parameter;
use crate::references::{self, Found, Kind};
use crate::resolve::Context;
use crate::template::Template;

/// What AWS works out anew whenever a stack is updated, wherever it stands.
const LOOKED_UP: [&str; 4] =
    ["AWS::NotificationARNs", "Fn::GetStackOutput", "Fn::Transform", "{{resolve:"];
/// The same of an output. What is imported cannot change, and what is made in a zone stays there.
const LOOKED_UP_IN_OUTPUTS: [&str; 2] = ["Fn::GetAZs", "Fn::ImportValue"];
/// A stack within the stack is updated whenever the outer one is.
const NESTED: &str = "AWS::CloudFormation::Stack";

impl Difference {
    /// The outputs that come to what they came to before: written as they were, of parameters
    /// that keep their values and of resources that do not change, nor are made of any that do.
    ///
    /// Nothing is told of templates with macros.
    pub fn steady_outputs(
        old: (&Template, &Context),
        new: (&Template, &Context),
    ) -> BTreeSet<String> {
        if old.0.is_open() || new.0.is_open() {
            return BTreeSet::new();
        }
        let difference = Self::of(old, new);
        let moving = moving(&difference, new.0);
        let before = old.0.outputs();
        let is_steady = |output: &Output| {
            before.contains(output) && stays(output, &difference, &moving, [old.1, new.1], new.0)
        };
        let outputs = new.0.outputs().into_iter();
        outputs.filter(is_steady).map(|output| output.name).collect()
    }
}

/// The resources that an update may leave with other attributes: those that change, those that
/// are made of what is looked up, and whatever is made of one of them.
fn moving(difference: &TemplateDiff, template: &Template) -> BTreeSet<String> {
    let parameters = template.parameters();
    let is_looked_up = |logical: &str, resource: &Value| {
        let text = resource.to_string();
        let reads =
            |found: &Found<'_>| parameters.get(found.name).is_some_and(Parameter::reads_ssm);
        template.resource_type(logical) == Some(NESTED)
            || LOOKED_UP.iter().any(|name| text.contains(name))
            || references::all(resource).iter().any(reads)
    };
    let changing = difference
        .resources
        .iter()
        .map(|resource| resource.logical.split('/').next().unwrap_or_default().to_owned());
    let looked_up =
        template.resources().filter(|(logical, resource)| is_looked_up(logical, resource));
    let mut moving: BTreeSet<String> =
        changing.chain(looked_up.map(|(logical, _)| logical.to_owned())).collect();
    loop {
        let made_of_them = template.resources().filter(|(logical, resource)| {
            !moving.contains(*logical)
                && references::all(resource).iter().any(|found| moving.contains(found.name))
        });
        let more: Vec<String> = made_of_them.map(|(logical, _)| logical.to_owned()).collect();
        if more.is_empty() {
            return moving;
        }
        moving.extend(more);
    }
}

fn stays(
    output: &Output,
    difference: &TemplateDiff,
    moving: &BTreeSet<String>,
    contexts: [&Context; 2],
    template: &Template,
) -> bool {
    let text = output.value.to_string();
    if LOOKED_UP.iter().chain(&LOOKED_UP_IN_OUTPUTS).any(|name| text.contains(name)) {
        return false;
    }
    let changes =
        |section: &str| difference.sections.iter().any(|it| it.path.keys().next() == Some(section));
    let is_given_otherwise = !difference.parameters.is_empty()
        || changes("Parameters")
        || contexts.iter().any(|context| !context.unknown.is_empty());
    let found = references::all(&output.value);
    let is_conditional = output.condition.is_some()
        || found.iter().any(|it| matches!(it.kind, Kind::Condition | Kind::Mapping));
    if is_conditional && (is_given_otherwise || changes("Conditions") || changes("Mappings")) {
        return false;
    }
    let parameters = template.parameters();
    let mut values = found.iter().filter(|it| matches!(it.kind, Kind::Value | Kind::Attribute));
    values.all(|it| match parameters.get(it.name) {
        Some(parameter) => !is_given_otherwise && !parameter.reads_ssm(),
        None => !moving.contains(it.name),
    })
}
