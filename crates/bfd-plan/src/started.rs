//! What tasks read when they start, and keep until others take their place.

use crate::Graph;
use bfd_core::{
    Address, Expr, Inputs, Resource, State,
    plan::{Action, Change, Effect, Warning},
};
use bfd_kinds::KindSpec;
use std::collections::{BTreeMap, BTreeSet};

/// Warns of services whose tasks go on with a value that the plan changes.
pub(crate) fn warnings(
    desired: &Graph,
    changes: &[Change],
    specs: &BTreeMap<&str, &'static KindSpec>,
    refreshed: &State,
) -> Vec<Warning> {
    let rewritten: Vec<&Resource> = changes
        .iter()
        .filter(|change| change.action == Action::Update)
        .filter(|change| change.fields.iter().any(|field| field.path == "value"))
        .filter_map(|change| desired.get(&change.address))
        .collect();
    if rewritten.is_empty() {
        return Vec::new();
    }
    let starts = |address: &Address| {
        changes.iter().find(|change| change.address == *address).is_some_and(|change| {
            change.action != Action::Update
                || change.fields.iter().any(|field| field.effect == Effect::RestartsTasks)
        })
    };
    let of = |resource: &Resource| {
        let paths = specs.get(resource.address.kind().as_str())?.read_at_start;
        let recorded = refreshed.resources.get(&resource.address)?;
        let mut read = Read::default();
        for path in paths {
            read.at(&resource.inputs, path);
        }
        let read: Vec<String> = rewritten
            .iter()
            .filter(|changed| read.is_of(changed))
            .map(|changed| format!("`{}`", changed.address))
            .collect();
        if read.is_empty() || starts(&resource.address) {
            return None;
        }
        let help = recorded.id.split_once('/').map(|(cluster, service)| {
            format!(
                "to restart them after the apply: `aws ecs update-service --cluster {cluster} \
                 --service {service} --force-new-deployment`"
            )
        });
        Some(Warning {
            address: Some(resource.address.clone()),
            message: format!(
                "its tasks read {} when they start: those that run keep the value that they have",
                read.join(", ")
            ),
            help,
        })
    };
    desired.resources().filter_map(of).collect()
}

/// What is read: other resources, and texts that may name them.
#[derive(Debug, Default)]
struct Read<'a> {
    resources: BTreeSet<Address>,
    texts: Vec<&'a str>,
}

impl<'a> Read<'a> {
    /// Adds what is at a path, of which `*` stands for one name.
    fn at(&mut self, inputs: &'a Inputs, path: &str) {
        let mut keys = path.split('.');
        let Some(first) = keys.next().and_then(|key| inputs.get(key)) else { return };
        let keys: Vec<&str> = keys.collect();
        self.below(first, &keys);
    }

    fn below(&mut self, expr: &'a Expr, keys: &[&str]) {
        match (keys, expr) {
            (["*", rest @ ..], Expr::Map(all)) => {
                for expr in all.values() {
                    self.below(expr, rest);
                }
            }
            ([key, rest @ ..], Expr::Map(all)) => {
                if let Some(expr) = all.get(*key) {
                    self.below(expr, rest);
                }
            }
            ([], Expr::Map(all)) => {
                for expr in all.values() {
                    self.below(expr, &[]);
                }
            }
            ([], Expr::List(all)) => {
                for expr in all {
                    self.below(expr, &[]);
                }
            }
            ([], expr) => {
                let mut found = BTreeSet::new();
                expr.references(&mut found);
                self.resources.extend(found.into_iter().map(|reference| reference.of));
                self.texts.extend(expr.as_str());
            }
            _ => {}
        }
    }

    /// By a reference, by its name, or by an ARN that ends with that.
    fn is_of(&self, resource: &Resource) -> bool {
        let named = |text: &&&str| {
            let Some(name) = resource.inputs.get("name").and_then(Expr::as_str) else {
                return false;
            };
            let named = |text: &str| text.trim_start_matches('/') == name.trim_start_matches('/');
            named(text) || text.split_once(":parameter/").is_some_and(|(_, path)| named(path))
        };
        self.resources.contains(&resource.address) || self.texts.iter().any(|text| named(&text))
    }
}
