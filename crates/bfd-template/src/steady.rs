//! Outputs that an update leaves as they are.

use std::collections::BTreeSet;

use crate::diff::{Difference, TemplateDiff};
use crate::outputs::Output;
use crate::references::{self, Kind};
use crate::resolve::Context;
use crate::template::Template;

/// What only AWS works out, whenever it does.
const LOOKED_UP: [&str; 3] = ["Fn::ImportValue", "Fn::Transform", "{{resolve:"];

impl Difference {
    /// The outputs that come to what they came to before: written as they were, of resources
    /// that do not change at all and parameters that keep their values.
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
        let before = old.0.outputs();
        let is_steady =
            |output: &Output| before.contains(output) && stays(output, &difference, old, new);
        let outputs = new.0.outputs().into_iter();
        outputs.filter(is_steady).map(|output| output.name).collect()
    }
}

fn stays(
    output: &Output,
    difference: &TemplateDiff,
    old: (&Template, &Context),
    new: (&Template, &Context),
) -> bool {
    let text = output.value.to_string();
    if LOOKED_UP.iter().any(|name| text.contains(name)) {
        return false;
    }
    let changes =
        |section: &str| difference.sections.iter().any(|it| it.path.keys().next() == Some(section));
    let is_given_otherwise = !difference.parameters.is_empty()
        || changes("Parameters")
        || !old.1.unknown.is_empty()
        || !new.1.unknown.is_empty();
    let found = references::all(&output.value);
    let is_conditional = output.condition.is_some()
        || found.iter().any(|it| matches!(it.kind, Kind::Condition | Kind::Mapping));
    if is_conditional && (is_given_otherwise || changes("Conditions") || changes("Mappings")) {
        return false;
    }
    let parameters = new.0.parameters();
    let mut values = found.iter().filter(|it| matches!(it.kind, Kind::Value | Kind::Attribute));
    values.all(|it| match parameters.get(it.name) {
        Some(parameter) => !is_given_otherwise && !parameter.type_name.starts_with("AWS::SSM::"),
        None => !difference
            .resources
            .iter()
            .any(|resource| resource.logical.split('/').next().unwrap_or_default() == it.name),
    })
}
