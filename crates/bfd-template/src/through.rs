//! How a change reaches what is written as before: through a parameter, a mapping, a condition
//! or another resource.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::compare::{Change, steps};
use crate::diff::ParameterDiff;
use crate::intrinsics::call;
use crate::mask::Mask;
use crate::path::Path;
use crate::references::{self, Kind};
use crate::resolve::{Context, Resolver, Secrets};
use crate::template::{Template, sorted};

/// By what an expression comes to another value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Through {
    /// A parameter; its values are hidden when they are secrets.
    Parameter {
        /// Its name.
        name: String,
        /// What it was.
        before: Option<String>,
        /// What it will be.
        after: Option<String>,
    },
    /// A table of `Mappings`.
    Mapping {
        /// Its name.
        name: String,
    },
    /// A condition.
    Condition {
        /// Its name.
        name: String,
    },
    /// A resource that is or may be replaced.
    Resource {
        /// Its logical id.
        name: String,
    },
    /// An output of a stack within the stack.
    Output {
        /// Its name, behind the logical id of the stack: `Data/Bucket`.
        name: String,
    },
}

/// What a dynamic reference begins with.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html>
const DYNAMIC: &str = "{{resolve:";

/// An expression that is written as before and may come to something else.
pub(crate) struct Reached<'value> {
    pub(crate) path: Path,
    pub(crate) expression: &'value Value,
    pub(crate) through: Vec<Through>,
    /// Whether it does come to something else.
    pub(crate) is_certain: bool,
}

/// A reference to a resource: by which resource, at which path, in which expression.
type Referrer<'all> = (&'all str, Path, &'all Value);

/// What changes beside resources, and whom that reaches.
pub(crate) struct Reach<'all> {
    old: Resolver<'all>,
    new: Resolver<'all>,
    parameters: BTreeMap<String, ParameterDiff>,
    /// Of the changed parameters those of which only the name in SSM is known, or nothing yet.
    uncertain: BTreeSet<String>,
    mappings: BTreeSet<String>,
    conditions: BTreeSet<String>,
    referrers: BTreeMap<&'all str, Vec<Referrer<'all>>>,
}

impl<'all> Reach<'all> {
    pub(crate) fn new(
        old: (&'all Template, &'all Context),
        new: (&'all Template, &'all Context),
        mask: &Mask,
    ) -> Self {
        let mut reach = Self {
            old: Resolver::new(old.0, old.1, Secrets::Known),
            new: Resolver::new(new.0, new.1, Secrets::Known),
            parameters: BTreeMap::new(),
            uncertain: BTreeSet::new(),
            mappings: BTreeSet::new(),
            conditions: BTreeSet::new(),
            referrers: referrers(new.0),
        };
        reach.find_parameters(old, new, mask);
        let changed = |section: &str| {
            let others: BTreeMap<&str, &Value> = new.0.section(section).collect();
            let differs = |(name, value): &(&str, &Value)| {
                others.get(name).is_some_and(|other| other != value)
            };
            let names = old.0.section(section).filter(differs);
            names.map(|(name, _)| name.to_owned()).collect::<BTreeSet<String>>()
        };
        reach.mappings = changed("Mappings");
        reach.find_conditions(old.0, new.0, &changed("Conditions"));
        reach
    }

    fn find_parameters(
        &mut self,
        old: (&Template, &Context),
        new: (&Template, &Context),
        mask: &Mask,
    ) {
        let declared = new.0.parameters();
        for (name, was) in old.0.parameters() {
            let Some(is) = declared.get(&name) else { continue };
            let (before, after) = (was.value(&old.1.parameters), is.value(&new.1.parameters));
            let elsewhere = (old.1.elsewhere.get(&name), new.1.elsewhere.get(&name));
            let is_later = |context: &Context, elsewhere: Option<&String>| {
                context.unknown.contains(&name) || elsewhere.is_some()
            };
            let mut later = (is_later(old.1, elsewhere.0), is_later(new.1, elsewhere.1));
            if elsewhere.0.is_some() && elsewhere.0 == elsewhere.1 {
                // Whatever it is, it is what it was.
                later = (false, new.1.unknown.contains(&name));
                if !later.1 {
                    continue;
                }
            }
            let before = before.filter(|_| !later.0);
            let after = after.filter(|_| !later.1);
            let is_later = later.0 || later.1;
            let is_unknown = before.is_none() || after.is_none();
            let is_same = is_unknown || before == after && was.reads_ssm() == is.reads_ssm();
            if is_same && !is_later {
                continue;
            }
            let no_echo = was.no_echo || is.no_echo;
            let shown =
                |value: Option<&str>| value.map(|value| mask.parameter(&name, no_echo, value));
            let (before, after) = (shown(before), shown(after));
            if was.reads_ssm() || is.reads_ssm() || is_later {
                self.uncertain.insert(name.clone());
            }
            self.parameters.insert(name.clone(), ParameterDiff { name, before, after });
        }
    }

    /// A condition changes when it comes to something else, or when that is not known and what
    /// it is made of changes.
    fn find_conditions(&mut self, old: &Template, new: &Template, rewritten: &BTreeSet<String>) {
        let both: BTreeMap<&str, &Value> = new.section("Conditions").collect();
        let both: Vec<(&str, &Value)> = old
            .section("Conditions")
            .filter_map(|(name, _)| both.get(name).map(|value| (name, *value)))
            .collect();
        // Conditions name others: what changes grows until nothing is added.
        loop {
            let added: Vec<String> = both
                .iter()
                .filter(|(name, _)| !self.conditions.contains(*name))
                .filter(|(name, value)| {
                    match (self.old.condition(name), self.new.condition(name)) {
                        (Some(before), Some(after)) => before != after,
                        _ => rewritten.contains(*name) || !self.by(value).is_empty(),
                    }
                })
                .map(|(name, _)| (*name).to_owned())
                .collect();
            if added.is_empty() {
                return;
            }
            self.conditions.extend(added);
        }
    }

    /// The parameters whose values change.
    pub(crate) fn parameters(&self) -> Vec<ParameterDiff> {
        self.parameters.values().cloned().collect()
    }

    /// Whether the stack had a resource, as far as is known.
    pub(crate) fn was_there(&self, resource: Option<&Value>) -> bool {
        is_there(&self.old, resource)
    }

    /// Whether the stack will have a resource, as far as is known.
    pub(crate) fn is_there(&self, resource: Option<&Value>) -> bool {
        is_there(&self.new, resource)
    }

    /// Whether it is known of both that the stack has them.
    pub(crate) fn is_known(&self, old: &Value, new: &Value) -> bool {
        let holds = |resolver: &Resolver<'_>, resource: &Value| {
            let condition = resource.get("Condition").and_then(Value::as_str);
            condition.is_none_or(|name| resolver.condition(name).is_some())
        };
        holds(&self.old, old) && holds(&self.new, new)
    }

    /// Whether two values that are written differently come to the same.
    pub(crate) fn comes_to_the_same(&self, change: &Change) -> Option<bool> {
        let is_literal = |value: &Option<Value>| value.as_ref().is_none_or(is_literal);
        if is_literal(&change.before) && is_literal(&change.after) {
            return Some(false);
        }
        match (&change.before, &change.after) {
            (Some(before), Some(after)) => {
                let (before, after) = (self.old.text(before)?, self.new.text(after)?);
                // What AWS looks up elsewhere may be the same under another name.
                let is_known = !before.contains(DYNAMIC) && !after.contains(DYNAMIC);
                (is_known || before == after).then_some(before == after)
            }
            _ => None,
        }
    }

    /// What a value is made of that changes.
    fn by(&self, value: &Value) -> Vec<Through> {
        let mut through = BTreeSet::new();
        let condition = condition_names(value);
        let found = references::all(value);
        let found = found.iter().map(|found| (found.kind, found.name));
        for (kind, name) in found.chain(condition.map(|name| (Kind::Condition, name))) {
            let owned = || name.to_owned();
            match kind {
                Kind::Value => {
                    if let Some(ParameterDiff { name, before, after }) =
                        self.parameters.get(name).cloned()
                    {
                        through.insert(Through::Parameter { name, before, after });
                    }
                }
                Kind::Mapping if self.mappings.contains(name) => {
                    through.insert(Through::Mapping { name: owned() });
                }
                Kind::Condition if self.conditions.contains(name) => {
                    through.insert(Through::Condition { name: owned() });
                }
                Kind::Mapping | Kind::Condition | Kind::Attribute => {}
            }
        }
        through.into_iter().collect()
    }

    /// The expressions of a resource that are written as before and come, or may come, to
    /// something else.
    pub(crate) fn reached<'value>(
        &self,
        old: &'value Value,
        new: &'value Value,
    ) -> Vec<Reached<'value>> {
        if self.parameters.is_empty() && self.mappings.is_empty() && self.conditions.is_empty() {
            return Vec::new();
        }
        let mut before = BTreeMap::new();
        for_each_expression(old, &mut Path::default(), &mut |path, value| {
            before.insert(path.clone(), value);
        });
        let mut reached = Vec::new();
        for_each_expression(new, &mut Path::default(), &mut |path, expression| {
            if before.get(path) == Some(&expression) {
                reached.extend(self.reach(path, expression));
            }
        });
        let condition =
            |resource: &Value| resource.get("Condition").and_then(Value::as_str).map(str::to_owned);
        if let Some(name) = condition(new).filter(|name| Some(name) == condition(old).as_ref())
            && self.conditions.contains(&name)
        {
            reached.push(Reached {
                path: Path::of(&["Condition"]),
                expression: &new["Condition"],
                through: vec![Through::Condition { name }],
                is_certain: false,
            });
        }
        reached
    }

    fn reach<'value>(&self, path: &Path, expression: &'value Value) -> Option<Reached<'value>> {
        let through = self.by(expression);
        if through.is_empty() {
            return None;
        }
        let texts = (self.old.text(expression), self.new.text(expression));
        let is_uncertain = |through: &Through| matches!(through, Through::Parameter { name, .. } if self.uncertain.contains(name));
        let is_certain = match texts {
            (Some(before), Some(after)) if before == after => return None,
            (Some(_), Some(_)) => true,
            // The rest of the expression, which is not known here, stays what it was.
            _ => {
                through.iter().all(|each| matches!(each, Through::Parameter { .. }))
                    && !through.iter().any(is_uncertain)
                    && references::all(expression).iter().all(|found| !found.in_branch)
            }
        };
        Some(Reached { path: path.clone(), expression, through, is_certain })
    }

    /// The properties that refer to a resource.
    pub(crate) fn references_to(&self, logical: &str) -> Vec<Referrer<'all>> {
        self.referrers.get(logical).cloned().unwrap_or_default()
    }
}

fn is_there(resolver: &Resolver<'_>, resource: Option<&Value>) -> bool {
    let Some(resource) = resource else { return false };
    let condition = resource.get("Condition").and_then(Value::as_str);
    condition.and_then(|name| resolver.condition(name)) != Some(false)
}

/// The name in a condition that is nothing but another one.
fn condition_names(value: &Value) -> Option<&str> {
    match call(value)? {
        ("Condition", name) => name.as_str(),
        _ => None,
    }
}

fn is_literal(value: &Value) -> bool {
    match value {
        Value::Object(map) => call(value).is_none() && map.values().all(is_literal),
        Value::Array(items) => items.iter().all(is_literal),
        Value::String(text) => !text.contains(DYNAMIC),
        _ => true,
    }
}

/// Tells the outermost expressions of a value with their paths.
fn for_each_expression<'value>(
    value: &'value Value,
    path: &mut Path,
    tell: &mut dyn FnMut(&Path, &'value Value),
) {
    match value {
        Value::Object(_) if call(value).is_some() => tell(path, value),
        Value::Object(map) => {
            for (key, value) in sorted(map) {
                path.push_key(key);
                for_each_expression(value, path, tell);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (step, item) in steps(items).into_iter().zip(items) {
                path.push(step);
                for_each_expression(item, path, tell);
                path.pop();
            }
        }
        _ => {}
    }
}

/// By logical id, who refers to it in properties.
fn referrers(template: &Template) -> BTreeMap<&str, Vec<Referrer<'_>>> {
    let mut referrers: BTreeMap<&str, Vec<Referrer<'_>>> = BTreeMap::new();
    for (logical, resource) in template.resources() {
        let Some(properties) = resource.get("Properties") else { continue };
        for_each_expression(properties, &mut Path::of(&["Properties"]), &mut |path, expression| {
            let names: BTreeSet<&str> = references::all(expression)
                .iter()
                .filter(|found| matches!(found.kind, Kind::Value | Kind::Attribute))
                .map(|found| found.name)
                .collect();
            for name in names.into_iter().filter(|name| template.resource(name).is_some()) {
                referrers.entry(name).or_default().push((logical, path.clone(), expression));
            }
        });
    }
    referrers
}
