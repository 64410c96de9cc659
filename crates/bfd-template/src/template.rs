//! A template: a tree that is the same whether it was written as YAML or as JSON.

use std::fmt;

use serde_json::{Map, Value};

use crate::node::Node;
use crate::path::Path;
use crate::problem::{Place, Problem, TemplateError};
use crate::{intrinsics, json, yaml};

/// Deeper nesting than any template needs, and shallow enough for the stack.
pub(crate) const DEEPEST: usize = 100;

/// The sections of a template.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html>
pub(crate) const SECTIONS: &[&str] = &[
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Hooks",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
];

pub(crate) fn too_deep(place: Place) -> Problem {
    let label = format!("more than {DEEPEST} levels deep");
    Problem::new("template::depth", "the template nests too deep", label).at(place)
}

/// A template as it was written, with every function in its long form.
#[derive(Clone)]
pub struct Template {
    root: Node,
    tree: Value,
    aliases: Vec<Place>,
    open: bool,
}

/// Only its size: what it holds may be secret.
impl fmt::Debug for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resources = self.resources().count();
        formatter.debug_struct("Template").field("resources", &resources).finish_non_exhaustive()
    }
}

/// Two are equal when they say the same, however they are written.
impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.tree == other.tree
    }
}

impl Eq for Template {}

impl Template {
    /// Reads a template in YAML or JSON.
    ///
    /// # Errors
    /// The first error of syntax; or else every repeated key, unknown tag and merge key.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let failed = |problem: Problem| TemplateError::new(vec![problem]);
        // As CloudFormation tells them apart: what begins with a brace has to be JSON, though
        // YAML would take it with a comma too many.
        let (mut root, aliases, mut problems) = if text.trim_start().starts_with('{') {
            (json::read(text).map_err(failed)?, Vec::new(), Vec::new())
        } else {
            let document = yaml::read(text).map_err(failed)?;
            (document.node, document.aliases, document.problems)
        };
        root.duplicates(&mut problems);
        intrinsics::canonical(&mut root);
        let tree = root.value();
        if !tree.is_object() && problems.is_empty() {
            problems.push(
                Problem::new(
                    "template::syntax",
                    "the template has no sections",
                    "expected a map of sections".to_owned(),
                )
                .at(root.place)
                .help("begin with `Resources:`"),
            );
        }
        if !problems.is_empty() {
            return Err(TemplateError::new(problems));
        }
        let open = is_open(&tree);
        Ok(Self { root, tree, aliases, open })
    }

    /// A template without resources: what there is before a stack, and after it.
    pub fn empty() -> Self {
        Self::parse("Resources: {}").expect("it has its section")
    }

    /// The whole tree.
    pub fn tree(&self) -> &Value {
        &self.tree
    }

    /// The members of a section by name; empty when there is none.
    pub fn section(&self, name: &str) -> impl Iterator<Item = (&str, &Value)> {
        members(self.tree.get(name))
    }

    /// The resources by logical id.
    pub fn resources(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.section("Resources")
    }

    /// One resource.
    pub fn resource(&self, logical: &str) -> Option<&Value> {
        self.tree.get("Resources")?.get(logical)
    }

    /// The type of a resource, such as `AWS::ECS::Service`.
    pub fn resource_type(&self, logical: &str) -> Option<&str> {
        self.resource(logical)?.get("Type")?.as_str()
    }

    /// The place of what is at a path, or of the innermost part of it that is there.
    pub fn place_at(&self, path: &Path) -> Place {
        self.root.place_at(path)
    }

    /// Whether AWS makes another template of it before it carries it out.
    ///
    /// Transforms, macros, loops and modules declare what the text does not: then nothing can be
    /// called undeclared. Rules declare nothing; they judge values of parameters.
    pub fn is_open(&self) -> bool {
        self.open
    }

    pub(crate) fn aliases(&self) -> &[Place] {
        &self.aliases
    }

    /// A problem at a path, with its place.
    pub(crate) fn locate(&self, problem: Problem, path: &Path) -> Problem {
        Problem { place: Some(self.place_at(path)), path: path.clone(), ..problem }
    }
}

/// The members of a map, sorted by key whatever order `serde_json` keeps.
pub(crate) fn members(value: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    let map = value.and_then(Value::as_object);
    map.map(sorted).unwrap_or_default().into_iter()
}

pub(crate) fn sorted(map: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut all: Vec<_> = map.iter().map(|(key, value)| (key.as_str(), value)).collect();
    all.sort_unstable_by_key(|(key, _)| *key);
    all
}

fn is_open(tree: &Value) -> bool {
    let module = |(_, resource): (&str, &Value)| {
        resource["Type"].as_str().is_some_and(|name| name.ends_with("::MODULE"))
    };
    tree.get("Transform").is_some()
        // Modules of the AWS CLI, put in before the template is sent.
        || tree.get("Modules").is_some()
        || tree.get("Hooks").is_some()
        || members(tree.get("Resources")).any(module)
        || has_macro(tree)
}

/// Whether a part of a tree is replaced by what a macro or a loop makes of it.
pub(crate) fn has_macro(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, value)| {
            key == "Fn::Transform" || key.starts_with("Fn::ForEach") || has_macro(value)
        }),
        Value::Array(items) => items.iter().any(has_macro),
        _ => false,
    }
}
