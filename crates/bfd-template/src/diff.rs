//! What changes between two templates, and what that does.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use crate::compare::{Change, canonical_text, compare};
use crate::create_only;
use crate::effects::{Effect, Replaces, is_taken_back, replaces};
use crate::mask::Mask;
use crate::nested;
use crate::path::Path;
use crate::resolve::Context;
use crate::template::{Template, members};
use crate::through::{Reach, Through};
use crate::weight::{Weight, is_kept, is_stateful, weigh};

/// Compares templates.
pub struct Difference;

/// What changes between two templates.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TemplateDiff {
    /// The resources that change, the gravest first, then by logical id.
    pub resources: Vec<ResourceDiff>,
    /// What changes outside of resources, by path.
    pub sections: Vec<SectionDiff>,
    /// The parameters that both declare and whose values change, by name.
    pub parameters: Vec<ParameterDiff>,
}

/// A resource that changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResourceDiff {
    /// Its logical id; behind those of the stacks that it is in, as in `Data/Bucket`.
    pub logical: String,
    /// Its type; the new one, when that changes.
    pub type_name: String,
    /// What happens to the object.
    pub effect: Effect,
    /// How much it deserves to be looked at.
    pub weight: Weight,
    /// Whether it is written differently and that is all: its metadata, or what the CDK
    /// remembers about itself.
    pub metadata_only: bool,
    /// Whether the object stays when the resource leaves the stack.
    pub kept: bool,
    /// Whether it is a stack within the stack, and what changes there is listed with it.
    #[serde(skip)]
    pub is_opened: bool,
    /// What changes of it, by path. Empty for one that leaves as a whole, and for one that is
    /// made, unless it says who may do or reach what.
    pub properties: Vec<PropertyDiff>,
}

impl ResourceDiff {
    /// Whether AWS changes the object in place and never back: its version, or how much it stores.
    pub fn goes_one_way(&self) -> bool {
        let one_way = |it: &PropertyDiff| {
            it.replaces == Replaces::No
                && !it.same_value
                && !is_taken_back(&self.type_name, &it.path)
        };
        self.effect == Effect::Update && self.properties.iter().any(one_way)
    }

    /// Whether the way back leaves the very object that was there, with what is in it. Of types
    /// that are not in the table, and of stacks within that could not be opened, that is not known.
    pub fn is_undone_in_place(&self) -> bool {
        match self.effect {
            Effect::None => true,
            Effect::Update if self.metadata_only => true,
            Effect::Update => {
                let is_known = match self.type_name.as_str() {
                    nested::STACK => self.is_opened,
                    name => create_only::of(name).is_some(),
                };
                let is_back = |it: &PropertyDiff| {
                    it.replaces == Replaces::No
                        && (it.same_value || is_taken_back(&self.type_name, &it.path))
                };
                is_known && self.properties.iter().all(is_back)
            }
            Effect::Create | Effect::MayReplace | Effect::Replacement | Effect::Delete => false,
        }
    }
}

/// A part of a resource that changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PropertyDiff {
    /// Where, from the top of the resource.
    pub path: Path,
    /// What it was; secrets are hidden.
    pub before: Option<Value>,
    /// What it will be; secrets are hidden.
    pub after: Option<Value>,
    /// Whether it is written differently and comes to what it was.
    pub same_value: bool,
    /// By what an expression that stays as it is comes to another value.
    pub through: Vec<Through>,
    /// Whether that replaces the object.
    pub replaces: Replaces,
}

/// A part of a template outside of resources that changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SectionDiff {
    /// Where, from the top of the template.
    pub path: Path,
    /// What it was; secrets are hidden.
    pub before: Option<Value>,
    /// What it will be; secrets are hidden.
    pub after: Option<Value>,
    /// By what an expression that stays as it is comes to another value; of outputs alone.
    pub through: Vec<Through>,
}

/// A parameter whose value changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParameterDiff {
    /// Its name.
    pub name: String,
    /// What it was; hidden when it is a secret, nothing while it is not known.
    pub before: Option<String>,
    /// What it will be; hidden when it is a secret, nothing while it is not known.
    pub after: Option<String>,
}

impl TemplateDiff {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.sections.is_empty() && self.parameters.is_empty()
    }

    /// Whether an object changes, is made or leaves.
    pub fn touches(&self) -> bool {
        self.resources.iter().any(|resource| resource.effect != Effect::None)
    }
}

impl SectionDiff {
    /// Whether CloudFormation may find something to do for it. Other sections change nothing by
    /// themselves.
    ///
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/conditions-section-structure.html>
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/metadata-section-structure.html>
    pub(crate) fn is_update(&self) -> bool {
        let keys: Vec<&str> = self.path.keys().collect();
        match keys.as_slice() {
            ["Parameters", _, "NoEcho" | "Type", ..] | [] => true,
            [first, ..] => !matches!(
                *first,
                "AWSTemplateFormatVersion"
                    | "Conditions"
                    | "Description"
                    | "Mappings"
                    | "Metadata"
                    | "Parameters"
            ),
        }
    }
}

impl Difference {
    /// What changes from one template with its parameters to another with its own.
    ///
    /// The old values of parameters may be incomplete: of one without a value and a default
    /// nothing is told. What a parameter in SSM holds may change too, which no template tells.
    pub fn between(
        old: &Template,
        new: &Template,
        old_parameters: &BTreeMap<String, String>,
        new_parameters: &BTreeMap<String, String>,
    ) -> TemplateDiff {
        let contexts =
            (Context::of_parameters(old_parameters), Context::of_parameters(new_parameters));
        Self::of((old, &contexts.0), (new, &contexts.1))
    }

    /// Whether CloudFormation would find anything to do, or may: a template that is written
    /// otherwise and means the same is "No updates are to be performed", and so is a
    /// parameter that reaches nothing.
    ///
    /// What a macro makes of a template is not known, so that any difference counts there.
    pub fn is_update(old: (&Template, &Context), new: (&Template, &Context)) -> bool {
        if old.0.is_open() || new.0.is_open() {
            let value = |context: &Context, name: &String| context.parameters.get(name).cloned();
            let names: BTreeSet<&String> =
                old.1.parameters.keys().chain(new.1.parameters.keys()).collect();
            let is_later = !old.1.unknown.is_empty() || !new.1.unknown.is_empty();
            return is_later
                || old.0 != new.0
                || names.iter().any(|name| {
                    let default = || old.0.parameters().get(*name)?.default.clone();
                    value(old.1, name).or_else(default) != value(new.1, name).or_else(default)
                });
        }
        let difference = Self::of(old, new);
        !difference.resources.is_empty() || difference.sections.iter().any(SectionDiff::is_update)
    }

    /// As [`Difference::between`], with all that is known of the stack.
    pub fn of(old: (&Template, &Context), new: (&Template, &Context)) -> TemplateDiff {
        let mask = Mask::of(&[old, new]);
        let reach = Reach::new(old, new, &mask);
        let ((old, old_context), (new, new_context)) = (old, new);
        let mut builder = Builder { old, new, mask: &mask, reach: &reach, drafts: BTreeMap::new() };
        builder.resources();
        builder.follow_outputs(&nested::changed_outputs(
            (old, old_context),
            (new, new_context),
            &reach,
        ));
        builder.follow_replacements();
        let mut resources: Vec<ResourceDiff> = std::mem::take(&mut builder.drafts)
            .into_iter()
            .map(|(logical, draft)| builder.finish(logical, draft))
            .collect();
        nested::open(&mut resources, (old, old_context), (new, new_context), &reach);
        resources
            .sort_by(|one, other| (one.weight, &one.logical).cmp(&(other.weight, &other.logical)));
        TemplateDiff { resources, sections: builder.sections(), parameters: reach.parameters() }
    }
}

/// A resource while what it depends on is still worked out.
struct Draft {
    presence: Presence,
    properties: Vec<PropertyDiff>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Made,
    Leaves,
    Stays,
    /// Conditions keep it out before and after.
    Absent,
}

impl Draft {
    fn effect(&self, is_metadata: bool) -> Effect {
        if is_metadata {
            return Effect::None;
        }
        match self.presence {
            Presence::Made => Effect::Create,
            Presence::Leaves => Effect::Delete,
            Presence::Absent => Effect::None,
            Presence::Stays => in_place(&self.properties),
        }
    }
}

/// What changes of properties do to an object that stays in its stack.
pub(crate) fn in_place(properties: &[PropertyDiff]) -> Effect {
    properties.iter().map(property_effect).max().unwrap_or(Effect::None)
}

fn property_effect(property: &PropertyDiff) -> Effect {
    match property.replaces {
        Replaces::Always => Effect::Replacement,
        Replaces::Maybe => Effect::MayReplace,
        Replaces::No if property.same_value => Effect::None,
        Replaces::No if property.path.keys().next() == Some("Properties") => Effect::Update,
        Replaces::No => Effect::None,
    }
}

struct Builder<'all> {
    old: &'all Template,
    new: &'all Template,
    mask: &'all Mask,
    reach: &'all Reach<'all>,
    drafts: BTreeMap<String, Draft>,
}

impl Builder<'_> {
    fn resources(&mut self) {
        let names: BTreeSet<&str> =
            self.old.resources().chain(self.new.resources()).map(|(logical, _)| logical).collect();
        for logical in names {
            let (old, new) = (self.old.resource(logical), self.new.resource(logical));
            let (was, is) = (self.reach.was_there(old), self.reach.is_there(new));
            let presence = match (was, is) {
                (false, true) => Presence::Made,
                (true, false) => Presence::Leaves,
                (true, true) => Presence::Stays,
                (false, false) => Presence::Absent,
            };
            let properties = match (old, new) {
                (Some(old), Some(new)) => self.properties(old, new),
                _ => Vec::new(),
            };
            let is_one_sided = old.is_none() || new.is_none();
            if is_one_sided || !properties.is_empty() {
                self.drafts.insert(logical.to_owned(), Draft { presence, properties });
            }
        }
    }

    fn properties(&self, old: &Value, new: &Value) -> Vec<PropertyDiff> {
        let (old_one, new_one) = (one_form(old), one_form(new));
        let mut changes = Vec::new();
        compare(&mut Path::default(), Some(&old_one), Some(&new_one), &mut changes);
        let type_name = type_of(new);
        let mut properties: Vec<PropertyDiff> =
            changes.into_iter().map(|change| self.property(type_name, change)).collect();
        // What is written the same may come to something else.
        let is_listed =
            |path: &Path| properties.iter().any(|property| path.is_within(&property.path));
        let reached = self.reach.reached(&old_one, &new_one);
        let reached = reached.into_iter().filter(|reached| !is_listed(&reached.path));
        let reached: Vec<PropertyDiff> = reached
            .map(|reached| {
                let replaces = replaces(type_name, &reached.path);
                let replaces =
                    if reached.is_certain { replaces } else { replaces.min(Replaces::Maybe) };
                let value = Some(self.mask.value(&reached.path, reached.expression));
                PropertyDiff {
                    path: reached.path,
                    before: value.clone(),
                    after: value,
                    same_value: false,
                    through: reached.through,
                    replaces,
                }
            })
            .collect();
        properties.extend(reached);
        // Under another condition the resource may be made or leave, unless both are known.
        let is_known = self.reach.is_known(old, new);
        for property in &mut properties {
            if property.path.keys().next() == Some("Condition") && !is_known {
                property.replaces = Replaces::Maybe;
            }
        }
        properties.sort_by(|one, other| one.path.cmp(&other.path));
        properties
    }

    fn property(&self, type_name: &str, change: Change) -> PropertyDiff {
        let table = replaces(type_name, &change.path);
        // Two ways to write one value change nothing; an expression may come to what was there.
        let same_value = self.reach.comes_to_the_same(&change);
        let replaces = match same_value {
            Some(true) => Replaces::No,
            Some(false) => table,
            None => table.min(Replaces::Maybe),
        };
        let shown = |value: Option<Value>| value.map(|value| self.mask.value(&change.path, &value));
        PropertyDiff {
            before: shown(change.before),
            after: shown(change.after),
            same_value: same_value == Some(true),
            through: Vec::new(),
            replaces,
            path: change.path,
        }
    }

    /// Adds what refers to an object that is or may be replaced: it gets another id.
    ///
    /// Whether the attribute that is referred to changes with the object is for AWS to say, so
    /// that nothing more than a possible replacement follows from it.
    fn follow_replacements(&mut self) {
        let is_replaced =
            |draft: &Draft| matches!(draft.effect(false), Effect::Replacement | Effect::MayReplace);
        let first = self.drafts.iter().filter(|(_, draft)| is_replaced(draft));
        let mut waiting: BTreeSet<String> = first.map(|(logical, _)| logical.clone()).collect();
        let mut done = waiting.clone();
        while let Some(target) = waiting.pop_first() {
            for (logical, path, expression) in self.reach.references_to(&target) {
                let through = Through::Resource { name: target.clone() };
                let Some(draft) = self.refer(logical, path, expression, through) else { continue };
                if is_replaced(draft) && done.insert(logical.to_owned()) {
                    waiting.insert(logical.to_owned());
                }
            }
        }
    }

    /// Adds what refers to an output of a nested stack that changes.
    fn follow_outputs(&mut self, changed: &BTreeMap<String, BTreeSet<String>>) {
        for (nested, outputs) in changed {
            for (logical, path, expression) in self.reach.references_to(nested) {
                let text = canonical_text(expression);
                for output in outputs.iter().filter(|output| nested::tells(&text, output)) {
                    let through = Through::Output { name: format!("{nested}/{output}") };
                    self.refer(logical, path.clone(), expression, through);
                }
            }
        }
    }

    /// An expression of a resource that comes to something else, written as before.
    fn refer(
        &mut self,
        logical: &str,
        path: Path,
        expression: &Value,
        through: Through,
    ) -> Option<&Draft> {
        let is_there = self.reach.is_there(self.new.resource(logical));
        if !is_there && !self.drafts.contains_key(logical) {
            return None;
        }
        let draft = self
            .drafts
            .entry(logical.to_owned())
            .or_insert_with(|| Draft { presence: Presence::Stays, properties: Vec::new() });
        if draft.presence != Presence::Stays {
            return None;
        }
        let listed = |property: &&mut PropertyDiff| path.is_within(&property.path);
        match draft.properties.iter_mut().find(listed) {
            Some(property)
                if property.through.is_empty() || property.through.contains(&through) => {}
            Some(property) => {
                property.through.push(through);
                property.through.sort();
            }
            None => {
                let type_name = self.new.resource_type(logical).unwrap_or_default();
                let replaces = replaces(type_name, &path).min(Replaces::Maybe);
                let value = Some(self.mask.value(&path, expression));
                draft.properties.push(PropertyDiff {
                    path,
                    before: value.clone(),
                    after: value,
                    same_value: false,
                    through: vec![through],
                    replaces,
                });
                draft.properties.sort_by(|one, other| one.path.cmp(&other.path));
            }
        }
        Some(draft)
    }

    fn finish(&self, logical: String, mut draft: Draft) -> ResourceDiff {
        for property in &mut draft.properties {
            property.path = self.mask.path(&property.path);
        }
        let (old, new) = (self.old.resource(&logical), self.new.resource(&logical));
        let types: Vec<&str> = [old, new].into_iter().flatten().map(type_of).collect();
        let is_metadata = types.iter().all(|name| *name == "AWS::CDK::Metadata");
        let effect = draft.effect(is_metadata);
        let kept = effect == Effect::Delete && old.is_some_and(is_kept);
        let changed: Vec<&Path> = draft.properties.iter().map(|property| &property.path).collect();
        let weight = weigh(&types, effect, kept, &changed);
        if draft.properties.is_empty()
            && effect == Effect::Create
            && matches!(weight, Weight::Iam | Weight::Network)
        {
            draft.properties = self.whole(new);
        }
        ResourceDiff {
            type_name: types.last().copied().unwrap_or_default().to_owned(),
            effect,
            weight,
            metadata_only: is_metadata || is_metadata_only(&draft.properties),
            kept,
            is_opened: false,
            properties: draft.properties,
            logical,
        }
    }

    /// The properties of a resource that is made.
    fn whole(&self, resource: Option<&Value>) -> Vec<PropertyDiff> {
        let properties = resource.and_then(|resource| resource.get("Properties"));
        let property = |(key, value): (&str, &Value)| {
            let path = Path::of(&["Properties", key]);
            PropertyDiff {
                before: None,
                after: Some(self.mask.value(&path, value)),
                same_value: false,
                through: Vec::new(),
                replaces: Replaces::No,
                path,
            }
        };
        members(properties).map(property).collect()
    }

    fn sections(&self) -> Vec<SectionDiff> {
        let mut changes = Vec::new();
        let without = |template: &Template| {
            let mut tree = template.tree().clone();
            if let Some(map) = tree.as_object_mut() {
                map.remove("Resources");
            }
            tree
        };
        let (old, new) = (without(self.old), without(self.new));
        compare(&mut Path::default(), Some(&old), Some(&new), &mut changes);
        let shown =
            |path: &Path, value: Option<Value>| value.map(|value| self.mask.value(path, &value));
        let mut sections: Vec<SectionDiff> = Vec::new();
        let diff = |change: Change| SectionDiff {
            through: Vec::new(),
            before: shown(&change.path, change.before),
            after: shown(&change.path, change.after),
            path: self.mask.path(&change.path),
        };
        sections.extend(changes.into_iter().map(diff));
        // What is told to others may come to something else, written as before.
        let outputs: BTreeMap<&str, &Value> = self.old.section("Outputs").collect();
        for (name, output) in self.new.section("Outputs") {
            let Some(before) = outputs.get(name) else { continue };
            for reached in self.reach.reached(before, output) {
                let mut path = Path::of(&["Outputs", name]);
                reached.path.steps().iter().for_each(|step| path.push(step.clone()));
                if sections.iter().any(|section| path.is_within(&section.path)) {
                    continue;
                }
                let value = shown(&path, Some(reached.expression.clone()));
                sections.push(SectionDiff {
                    path: self.mask.path(&path),
                    before: value.clone(),
                    after: value,
                    through: reached.through,
                });
            }
        }
        sections.sort_by(|one, other| one.path.cmp(&other.path));
        sections
    }
}

pub(crate) fn is_metadata_only(properties: &[PropertyDiff]) -> bool {
    let is_metadata = |property: &PropertyDiff| property.path.keys().next() == Some("Metadata");
    !properties.is_empty() && properties.iter().all(is_metadata)
}

fn type_of(resource: &Value) -> &str {
    resource.get("Type").and_then(Value::as_str).unwrap_or_default()
}

/// A resource with a list where one name may stand for a list of it, and with properties.
fn one_form(resource: &Value) -> Value {
    let mut resource = resource.clone();
    if let Some(depends) = resource.get_mut("DependsOn").filter(|value| value.is_string()) {
        *depends = json!([depends.take()]);
    }
    // Without properties is with none.
    if let Some(map) = resource.as_object_mut() {
        map.entry("Properties").or_insert_with(|| json!({}));
    }
    resource
}

impl ResourceDiff {
    /// Whether its object holds data that is gone with it.
    pub fn is_stateful(&self) -> bool {
        is_stateful(&self.type_name)
    }
}
