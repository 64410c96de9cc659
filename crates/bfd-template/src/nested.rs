//! Stacks within stacks, where their templates are known.
//!
//! A template is found by where it is kept: the end of the `TemplateURL`, which is a new one
//! whenever what is kept there changes. So one set of templates serves the old and the new side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::compare::canonical_text;
use crate::diff::{Difference, ResourceDiff, SectionDiff, in_place, is_metadata_only};
use crate::effects::{Effect, Replaces};
use crate::path::Path;
use crate::references;
use crate::resolve::{Context, Resolver, Secrets};
use crate::template::{Template, members};
use crate::through::Reach;

pub(crate) const STACK: &str = "AWS::CloudFormation::Stack";

/// A stack within a stack, and what it is given.
pub(crate) struct Inner {
    pub(crate) template: Arc<Template>,
    pub(crate) context: Context,
}

impl Template {
    /// Where the templates of the stacks within it are kept, as far as their parameters tell: by
    /// logical id. What depends on account and region stands as it is written: `${AWS::Region}`.
    pub fn template_urls(&self, context: &Context) -> BTreeMap<String, String> {
        let symbolic = Context {
            account: Some("${AWS::AccountId}".to_owned()),
            region: Some("${AWS::Region}".to_owned()),
            parameters: context.parameters.clone(),
            unknown: context.unknown.clone(),
            elsewhere: context.elsewhere.clone(),
            ..Context::default()
        };
        let resolver = Resolver::new(self, &symbolic, Secrets::Known);
        let nested = self.nested_stacks().into_iter();
        nested.filter_map(|it| Some((it.logical, resolver.text(&it.template_url)?))).collect()
    }
}

/// Whether what is kept under a key of a bucket is what a URL names.
pub fn is_kept_at(url: &str, key: &str) -> bool {
    url.strip_suffix(key).is_some_and(|rest| rest.ends_with('/'))
}

/// What is known of the stacks within a stack; those that a condition is known to keep out are
/// left out.
pub(crate) fn all(template: &Template, context: &Context) -> Vec<Inner> {
    if context.nested.is_empty() {
        return Vec::new();
    }
    let resolver = Resolver::new(template, context, Secrets::Unknown);
    let urls = template.template_urls(context);
    let is_there = |logical: &&String| {
        let condition = template.resource(logical).and_then(|it| it.get("Condition")?.as_str());
        condition.and_then(|name| resolver.condition(name)) != Some(false)
    };
    let there = urls.keys().filter(is_there);
    there.filter_map(|logical| inner(template, context, logical, urls.get(logical)?)).collect()
}

fn inner(template: &Template, context: &Context, logical: &str, url: &str) -> Option<Inner> {
    let (key, nested) = context.nested.iter().find(|(key, _)| is_kept_at(url, key))?;
    let known = Resolver::new(template, context, Secrets::Known);
    let shown = Resolver::new(template, context, Secrets::Unknown);
    // One within itself has no end.
    let others = context.nested.iter().filter(|(other, _)| *other != key);
    let mut inside = Context {
        account: context.account.clone(),
        region: context.region.clone(),
        nested: others.map(|(key, template)| (key.clone(), Arc::clone(template))).collect(),
        ..Context::default()
    };
    let given = template.resource(logical)?.get("Properties").and_then(|it| it.get("Parameters"));
    for (name, value) in members(given) {
        let text = |resolver: &Resolver<'_>| match value {
            Value::Array(_) => resolver.list(value).map(|items| items.join(",")),
            value => resolver.text(value),
        };
        match text(&known) {
            Some(known) => {
                if text(&shown).is_none() {
                    inside.hidden.insert(name.to_owned());
                }
                inside.parameters.insert(name.to_owned(), known);
            }
            None => {
                inside.elsewhere.insert(name.to_owned(), canonical_text(value));
            }
        }
    }
    Some(Inner { template: Arc::clone(nested), context: inside })
}

/// The outputs of nested stacks that come, or may come, to something else, by logical id.
pub(crate) fn changed_outputs(
    old: (&Template, &Context),
    new: (&Template, &Context),
    reach: &Reach<'_>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut changed = BTreeMap::new();
    if old.1.nested.is_empty() && new.1.nested.is_empty() {
        return changed;
    }
    let urls = [old, new].map(|(template, context)| template.template_urls(context));
    for (logical, url) in &urls[1] {
        let stays =
            reach.was_there(old.0.resource(logical)) && reach.is_there(new.0.resource(logical));
        let before = urls[0].get(logical).and_then(|url| inner(old.0, old.1, logical, url));
        let after = inner(new.0, new.1, logical, url);
        let (true, Some(before), Some(after)) = (stays, before, after) else { continue };
        let difference = Difference::of(before.as_pair(), after.as_pair());
        let mut outputs: BTreeSet<String> = difference
            .sections
            .iter()
            .filter_map(|section| {
                let mut keys = section.path.keys();
                (keys.next() == Some("Outputs")).then(|| keys.next().map(str::to_owned)).flatten()
            })
            .collect();
        let is_another = |name: &str| {
            difference.resources.iter().any(|resource| {
                resource.logical == name
                    && matches!(resource.effect, Effect::MayReplace | Effect::Replacement)
            })
        };
        let told = after.template.outputs().into_iter();
        let told = told.filter(|output| {
            references::all(&output.value).iter().any(|found| is_another(found.name))
        });
        outputs.extend(told.map(|output| output.name));
        if !outputs.is_empty() {
            changed.insert(logical.clone(), outputs);
        }
    }
    changed
}

/// Whether an expression, as a text, takes an output of a nested stack.
pub(crate) fn tells(expression: &str, output: &str) -> bool {
    let name = format!("Outputs.{output}");
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    expression.match_indices(&name).any(|(at, found)| !goes_on(&expression[at + found.len()..]))
}

/// Adds what changes within nested stacks, in place of that their templates are others.
pub(crate) fn open(
    resources: &mut Vec<ResourceDiff>,
    old: (&Template, &Context),
    new: (&Template, &Context),
    reach: &Reach<'_>,
) {
    if old.1.nested.is_empty() && new.1.nested.is_empty() {
        return;
    }
    let urls = [old, new].map(|(template, context)| template.template_urls(context));
    let names: BTreeSet<&String> = urls.iter().flat_map(BTreeMap::keys).collect();
    for logical in names {
        let side = |(template, context): (&Template, &Context), url: Option<&String>| {
            inner(template, context, logical, url?)
        };
        let was = reach.was_there(old.0.resource(logical));
        let is = reach.is_there(new.0.resource(logical));
        let before = if was { side(old, urls[0].get(logical)) } else { None };
        let after = if is { side(new, urls[1].get(logical)) } else { None };
        let own = resources.iter().position(|resource| resource.logical == **logical);
        match (before, after) {
            (Some(before), Some(after)) => {
                stays(resources, own, logical, &before, after);
            }
            (None, Some(after)) if !was => {
                let made =
                    Difference::of((&Template::empty(), &Context::default()), after.as_pair());
                add(resources, logical, made.resources);
                mark(resources, own);
            }
            (Some(before), None) if !is && own.is_some_and(|at| !resources[at].kept) => {
                let gone =
                    Difference::of(before.as_pair(), (&Template::empty(), &Context::default()));
                add(resources, logical, gone.resources);
                mark(resources, own);
            }
            _ => {}
        }
    }
}

impl Inner {
    fn as_pair(&self) -> (&Template, &Context) {
        (&self.template, &self.context)
    }
}

fn stays(
    resources: &mut Vec<ResourceDiff>,
    own: Option<usize>,
    logical: &str,
    before: &Inner,
    mut after: Inner,
) {
    // What the outer stack gives it, and changes, is known after that.
    for property in own.map(|at| resources[at].properties.as_slice()).unwrap_or_default() {
        let mut keys = property.path.keys();
        if (keys.next(), keys.next()) == (Some("Properties"), Some("Parameters"))
            && let Some(name) = keys.next()
            && after.context.elsewhere.contains_key(name)
        {
            after.context.unknown.insert(name.to_owned());
        }
    }
    let difference = Difference::of(before.as_pair(), after.as_pair());
    let is_open = before.template.is_open() || after.template.is_open();
    // Then that another template is there is all that can be said.
    let is_closed = difference.resources.is_empty()
        && (difference.sections.iter().any(SectionDiff::is_update)
            || is_open && before.template != after.template);
    if let Some(at) = own
        && resources[at].effect == Effect::Update
        && !is_closed
    {
        let one = &mut resources[at];
        let url = Path::of(&["Properties", "TemplateURL"]);
        one.properties.retain(|property| property.path != url);
        if one.properties.is_empty() {
            resources.remove(at);
        } else {
            one.effect = in_place(&one.properties);
            one.metadata_only = is_metadata_only(&one.properties);
            one.is_opened = one.properties.iter().all(|it| it.replaces == Replaces::No);
        }
    }
    add(resources, logical, difference.resources);
}

fn mark(resources: &mut [ResourceDiff], own: Option<usize>) {
    if let Some(at) = own {
        resources[at].is_opened = true;
    }
}

fn add(resources: &mut Vec<ResourceDiff>, logical: &str, inner: Vec<ResourceDiff>) {
    resources.extend(inner.into_iter().map(|resource| ResourceDiff {
        logical: format!("{logical}/{}", resource.logical),
        ..resource
    }));
}
