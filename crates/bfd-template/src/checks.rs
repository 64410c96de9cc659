//! What AWS would refuse about a template, told before it is asked.
//!
//! Each check is of something that CloudFormation is known to refuse, with its own words in the
//! comment beside it. What it might accept is let through: a template with a transform, a loop
//! or a module ([`Template::is_open`]) is checked for aliases alone. Rules are for AWS to check.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cycles;
use crate::parameters;
use crate::path::{Path, Step};
use crate::problem::{Problem, did_you_mean, sort};
use crate::references::{self, Found, Kind, PSEUDO};
use crate::template::{SECTIONS, Template, members};

impl Template {
    /// Everything in it that AWS would refuse, in the order of the text.
    pub fn check(&self) -> Vec<Problem> {
        let mut checker = Checker::new(self);
        checker.aliases();
        if !self.is_open() {
            checker.sections();
            checker.resources();
            checker.names();
            checker.nulls();
            checker.references();
            checker.cycles();
            checker.problems.extend(parameters::check_declarations(self));
        }
        sort(&mut checker.problems);
        checker.problems
    }
}

struct Checker<'template> {
    template: &'template Template,
    parameters: BTreeSet<&'template str>,
    resources: BTreeSet<&'template str>,
    conditions: BTreeSet<&'template str>,
    mappings: BTreeSet<&'template str>,
    problems: Vec<Problem>,
}

impl<'template> Checker<'template> {
    fn new(template: &'template Template) -> Self {
        let names = |section| template.section(section).map(|(name, _)| name).collect();
        Self {
            template,
            parameters: names("Parameters"),
            resources: names("Resources"),
            conditions: names("Conditions"),
            mappings: names("Mappings"),
            problems: Vec::new(),
        }
    }

    fn add(&mut self, path: &Path, problem: Problem) {
        self.problems.push(self.template.locate(problem, path));
    }

    /// "YAML aliases are not allowed in CloudFormation templates"
    fn aliases(&mut self) {
        for place in self.template.aliases() {
            let problem = Problem::new(
                "template::alias",
                "YAML aliases are not allowed in templates",
                "an alias".to_owned(),
            );
            self.problems.push(
                problem
                    .at(*place)
                    .help("write the value out: CloudFormation refuses templates with aliases"),
            );
        }
    }

    /// "Invalid template property or properties [Resource]", "At least one Resources member must
    /// be defined", "unsupported value for AWSTemplateFormatVersion"
    fn sections(&mut self) {
        let tree = self.template.tree();
        for (name, _) in members(Some(tree)) {
            if !SECTIONS.contains(&name) {
                let problem = Problem::new(
                    "template::section",
                    "unknown section",
                    format!("`{name}` is not a section of a template"),
                )
                .help(format!("the sections are {}", SECTIONS.join(", ")))
                .maybe_help(did_you_mean(name, SECTIONS.iter().copied()));
                self.add(&Path::of(&[name]), problem);
            }
        }
        if tree
            .get("Resources")
            .is_none_or(|value| value.as_object().is_none_or(serde_json::Map::is_empty))
        {
            let problem = Problem::new(
                "template::no_resources",
                "the template declares no resources",
                "CloudFormation takes no template without one".to_owned(),
            );
            self.add(&Path::of(&["Resources"]), problem);
        }
        if let Some(Value::String(version)) = tree.get("AWSTemplateFormatVersion")
            && version != "2010-09-09"
        {
            let problem = Problem::new(
                "template::version",
                "unknown version of the template format",
                format!("`{version}` is not a version of the format"),
            )
            .help("the only one is `2010-09-09`");
            self.add(&Path::of(&["AWSTemplateFormatVersion"]), problem);
        }
    }

    /// "Every Resources object must contain a Type member"
    fn resources(&mut self) {
        for (logical, resource) in self.template.resources() {
            let path = Path::of(&["Resources", logical]);
            if !resource.is_object() {
                let problem = Problem::new(
                    "template::resource",
                    "a resource is not a map",
                    format!("`{logical}` has no members"),
                )
                .help("give it a `Type`");
                self.add(&path, problem);
            } else if resource.get("Type").is_none() {
                let problem = Problem::new(
                    "template::no_type",
                    "a resource has no type",
                    format!("`{logical}` has no `Type`"),
                )
                .help("such as `Type: AWS::S3::Bucket`");
                self.add(&path, problem);
            }
        }
    }

    /// "Resource name {name} is non alphanumeric"
    fn names(&mut self) {
        for section in ["Outputs", "Parameters", "Resources"] {
            for (name, _) in self.template.section(section) {
                if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    let problem = Problem::new(
                        "template::name",
                        "a logical name is not alphanumeric",
                        format!("`{name}` has other characters than letters and digits"),
                    );
                    self.add(&Path::of(&[section, name]), problem);
                }
            }
        }
    }

    /// "[/Resources/Name/Properties] 'null' values are not allowed in templates"
    fn nulls(&mut self) {
        for section in ["Conditions", "Mappings", "Outputs", "Parameters", "Resources"] {
            if let Some(value) = self.template.tree().get(section) {
                self.null(value, &mut Path::of(&[section]));
            }
        }
    }

    fn null(&mut self, value: &Value, path: &mut Path) {
        match value {
            Value::Null => {
                let problem = Problem::new(
                    "template::null",
                    "null values are not allowed in templates",
                    "no value".to_owned(),
                )
                .help("leave the key out, or write `!Ref AWS::NoValue`");
                self.add(path, problem);
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Index(index));
                    self.null(item, path);
                    path.pop();
                }
            }
            // What metadata may hold is not documented.
            Value::Object(_) => {
                for (key, value) in members(Some(value)).filter(|(key, _)| *key != "Metadata") {
                    path.push_key(key);
                    self.null(value, path);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    /// "Unresolved resource dependencies [Name] in the Resources block of the template", and the
    /// like for the other sections.
    fn references(&mut self) {
        let template = self.template;
        for (name, condition) in template.section("Conditions") {
            // A condition may name another without any function around it.
            if let Some(Value::String(other)) = condition.get("Condition") {
                self.condition(other, &Path::of(&["Conditions", name, "Condition"]));
            }
            self.expression(condition, Path::of(&["Conditions", name]), Scope::Conditions);
        }
        for (logical, resource) in template.resources() {
            let path = Path::of(&["Resources", logical]);
            for part in ["Properties", "UpdatePolicy", "CreationPolicy"] {
                if let Some(value) = resource.get(part) {
                    self.expression(value, path.join(part), Scope::Everything);
                }
            }
            if let Some(Value::String(name)) = resource.get("Condition") {
                self.condition(name, &path.join("Condition"));
            }
            for (name, path) in depends_on(logical, resource) {
                if !self.resources.contains(name) {
                    let known = self.resources.iter().copied();
                    let problem = undeclared(name, "resource", "DependsOn")
                        .maybe_help(did_you_mean(name, known));
                    self.add(&path, problem);
                }
            }
        }
        for (name, output) in template.section("Outputs") {
            let path = Path::of(&["Outputs", name]);
            for part in ["Value", "Export"] {
                if let Some(value) = output.get(part) {
                    self.expression(value, path.join(part), Scope::Everything);
                }
            }
            if let Some(Value::String(name)) = output.get("Condition") {
                self.condition(name, &path.join("Condition"));
            }
        }
    }

    fn expression(&mut self, value: &'template Value, mut path: Path, scope: Scope) {
        let mut found = Vec::new();
        references::visit(value, &mut path, &mut |name, path| found.push((name, path.clone())));
        for (name, path) in found {
            self.name(name, &path, scope);
        }
    }

    fn name(&mut self, found: Found<'_>, path: &Path, scope: Scope) {
        let name = found.name;
        match found.kind {
            Kind::Condition => self.condition(name, path),
            Kind::Mapping if !self.mappings.contains(name) => {
                let known = self.mappings.iter().copied();
                let problem = undeclared(name, "mapping", "Fn::FindInMap")
                    .maybe_help(did_you_mean(name, known));
                self.add(path, problem);
            }
            Kind::Attribute if scope == Scope::Everything && !self.resources.contains(name) => {
                let known = self.resources.iter().copied();
                let problem = undeclared(name, "resource", "an attribute")
                    .maybe_help(did_you_mean(name, known));
                self.add(path, problem);
            }
            Kind::Value => {
                let in_resources = scope == Scope::Everything && self.resources.contains(name);
                if !in_resources && !self.parameters.contains(name) && !PSEUDO.contains(&name) {
                    let resources = (scope == Scope::Everything).then_some(&self.resources);
                    let known = self.parameters.iter().chain(PSEUDO);
                    let known = known.chain(resources.into_iter().flatten()).copied();
                    let what = match scope {
                        Scope::Everything => "parameter or resource",
                        Scope::Conditions => "parameter",
                    };
                    let problem =
                        undeclared(name, what, "a reference").maybe_help(did_you_mean(name, known));
                    self.add(path, problem);
                }
            }
            Kind::Mapping | Kind::Attribute => {}
        }
    }

    fn condition(&mut self, name: &str, path: &Path) {
        if !self.conditions.contains(name) {
            let known = self.conditions.iter().copied();
            let problem =
                undeclared(name, "condition", "a condition").maybe_help(did_you_mean(name, known));
            self.add(path, problem);
        }
    }

    /// "Circular dependency between resources: [A, B]"
    fn cycles(&mut self) {
        for cycle in cycles::find(self.template) {
            let path = Path::of(&["Resources", &cycle[0]]);
            let mut chain = cycle.clone();
            chain.push(cycle[0].clone());
            let problem = Problem::new(
                "template::cycle",
                "resources depend on each other in a circle",
                chain.join(" → "),
            )
            .help("take one of the references out, or put it into a resource of its own");
            self.add(&path, problem);
        }
    }
}

/// What names may stand for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everything,
    /// "Cannot reference resources in the Conditions block of the template"
    Conditions,
}

fn undeclared(name: &str, what: &str, by: &str) -> Problem {
    Problem::new(
        "template::undeclared",
        "a name is not declared",
        format!("{by} names `{name}`, and there is no such {what}"),
    )
    .help(format!("declare the {what}, or correct the name"))
}

/// The names in `DependsOn`, with their paths.
pub(crate) fn depends_on<'value>(
    logical: &str,
    resource: &'value Value,
) -> Vec<(&'value str, Path)> {
    let path = Path::of(&["Resources", logical, "DependsOn"]);
    match resource.get("DependsOn") {
        Some(Value::String(name)) => vec![(name.as_str(), path)],
        Some(Value::Array(items)) => {
            let named = |(index, item): (usize, &'value Value)| {
                let mut path = path.clone();
                path.push(Step::Index(index));
                item.as_str().map(|name| (name, path))
            };
            items.iter().enumerate().filter_map(named).collect()
        }
        _ => Vec::new(),
    }
}
