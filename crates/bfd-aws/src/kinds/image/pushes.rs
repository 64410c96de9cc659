//! What a plan does to the images of repositories: what it pushes, and the policies it sets.

use super::super::repository::lifecycle;
use bfd_core::{
    Expr, Inputs, Properties, Value,
    plan::{Op, Phase, Plan},
};
use bfd_kinds::image::default_tag;
use std::collections::{BTreeMap, BTreeSet};

/// By the names of repositories.
#[derive(Debug, Default)]
pub(crate) struct Pushes {
    tags: BTreeMap<String, BTreeSet<String>>,
    policies: BTreeMap<String, Option<String>>,
}

impl Pushes {
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut pushes = Self::default();
        for step in plan.steps.iter().filter(|step| step.phase == Phase::Deploy) {
            let (Op::Create { inputs, .. } | Op::Update { inputs, .. } | Op::Adopt { inputs, .. }) =
                &step.op
            else {
                continue;
            };
            match step.address.kind().as_str() {
                "image" => pushes.image(&known(inputs)),
                "repository" => pushes.repository(&known(inputs)),
                _ => {}
            }
        }
        pushes
    }

    /// Whether an image of the repository may expire because of the plan.
    pub(crate) fn reach(&self, repository: &str) -> bool {
        self.tags.contains_key(repository) || self.policies.contains_key(repository)
    }

    /// The tags of the images that are pushed there.
    pub(super) fn tags(&self, repository: &str) -> Option<&BTreeSet<String>> {
        self.tags.get(repository)
    }

    /// Whether the plan says which policy the repository has.
    pub(super) fn knows_policy(&self, repository: &str) -> bool {
        self.policies.contains_key(repository)
    }

    /// The policy that the plan leaves there, if it leaves one.
    pub(super) fn policy(&self, repository: &str) -> Option<&str> {
        self.policies.get(repository)?.as_deref()
    }

    fn image(&mut self, inputs: &Properties) {
        let text = |name: &str| inputs.get(name).and_then(Value::as_str);
        let is = |name: &str| inputs.get(name) == Some(&Value::Bool(true));
        // Of an image that is there already at most a tag is moved.
        if !inputs.contains_key("origin") || is("fallback_active") || is("was_there") {
            return;
        }
        let Some(repository) = text("repository") else { return };
        let tag = text("tag").map(str::to_owned).or_else(|| text("content").map(default_tag));
        self.tags.entry(repository.to_owned()).or_default().extend(tag);
    }

    fn repository(&mut self, inputs: &Properties) {
        let Some(name) = inputs.get("name").and_then(Value::as_str) else { return };
        self.policies.insert(name.to_owned(), lifecycle(inputs));
    }
}

fn known(inputs: &Inputs) -> Properties {
    let known = inputs.iter().filter_map(|(name, value)| Some((name.clone(), literal(value)?)));
    known.collect()
}

fn literal(value: &Expr) -> Option<Value> {
    value.resolve(&|_: &_| None::<Value>).ok()
}
