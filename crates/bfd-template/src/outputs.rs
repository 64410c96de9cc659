//! What a template gives to other stacks, takes from them and makes of them.

use serde::Serialize;
use serde_json::Value;

use crate::intrinsics::call;
use crate::path::{Path, Step};
use crate::resolve::{Context, Resolver, Secrets};
use crate::template::{Template, sorted};

/// A value that a stack tells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// The expression that it is.
    pub value: Value,
    /// The expression of the name that other stacks import it by.
    pub export: Option<Value>,
    /// The condition under which it is there.
    pub condition: Option<String>,
}

/// A value taken from another stack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Import {
    /// Where it is used.
    pub path: Path,
    /// The expression of the name.
    pub expression: Value,
    /// The name, when it is known.
    pub name: Option<String>,
}

/// A stack within the stack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NestedStack {
    /// Its logical id.
    pub logical: String,
    /// The expression of where its template is.
    pub template_url: Value,
    /// The names of the parameters that it is given.
    pub parameters: Vec<String>,
}

impl Template {
    /// The declared outputs, by name.
    pub fn outputs(&self) -> Vec<Output> {
        let read = |(name, output): (&str, &Value)| Output {
            name: name.to_owned(),
            value: output.get("Value").cloned().unwrap_or_default(),
            export: output.get("Export").and_then(|export| export.get("Name")).cloned(),
            condition: output.get("Condition").and_then(Value::as_str).map(str::to_owned),
        };
        self.section("Outputs").map(read).collect()
    }

    /// The names under which it exports, as far as they are known.
    pub fn exports(&self, context: &Context) -> Vec<String> {
        let resolver = Resolver::new(self, context, Secrets::Unknown);
        let mut names: Vec<String> = self
            .outputs()
            .iter()
            .filter_map(|output| resolver.text(output.export.as_ref()?))
            .collect();
        names.sort();
        names
    }

    /// What it takes from other stacks, in the order of paths.
    pub fn imports(&self, context: &Context) -> Vec<Import> {
        let resolver = Resolver::new(self, context, Secrets::Unknown);
        let mut imports = Vec::new();
        for section in ["Resources", "Outputs"] {
            if let Some(value) = self.tree().get(section) {
                collect(value, &mut Path::of(&[section]), &resolver, &mut imports);
            }
        }
        imports
    }

    /// The stacks within it, by logical id.
    pub fn nested_stacks(&self) -> Vec<NestedStack> {
        let nested = self.resources().filter(|(_, resource)| {
            resource.get("Type").and_then(Value::as_str) == Some("AWS::CloudFormation::Stack")
        });
        let read = |(logical, resource): (&str, &Value)| {
            let property = |name| resource.get("Properties").and_then(|all| all.get(name));
            let parameters = property("Parameters").and_then(Value::as_object);
            NestedStack {
                logical: logical.to_owned(),
                template_url: property("TemplateURL").cloned().unwrap_or_default(),
                parameters: parameters
                    .map(|map| sorted(map).into_iter().map(|(name, _)| name.to_owned()).collect())
                    .unwrap_or_default(),
            }
        };
        nested.map(read).collect()
    }
}

fn collect(value: &Value, path: &mut Path, resolver: &Resolver<'_>, imports: &mut Vec<Import>) {
    match value {
        Value::Object(map) => {
            if let Some(("Fn::ImportValue", argument)) = call(value) {
                imports.push(Import {
                    path: path.clone(),
                    expression: argument.clone(),
                    name: resolver.text(argument),
                });
                return;
            }
            for (key, value) in sorted(map) {
                path.push_key(key);
                collect(value, path, resolver, imports);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Index(index));
                collect(item, path, resolver, imports);
                path.pop();
            }
        }
        _ => {}
    }
}
