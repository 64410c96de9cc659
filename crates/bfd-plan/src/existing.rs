//! Objects that exist and are in no state: nobody takes them over unasked. What all of them have
//! in common is said once.

use bfd_core::{Address, Observed, Owner, Problem, Resource, Span};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// So many objects are named where several stand in one place.
const NAMED: usize = 3;

/// An object that is there.
#[derive(Debug)]
pub(crate) struct Existing {
    id: String,
    whose: Whose,
    /// The assembly whose `adopt` takes it over.
    assembly: Option<String>,
    span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Stack(String),
    Tags(Vec<String>),
    Unknown,
}

impl Existing {
    pub(crate) fn new(
        resource: &Resource,
        observed: Option<&Observed>,
        assemblies: &BTreeSet<String>,
    ) -> Self {
        let whose = match observed.and_then(|observed| observed.owner.as_ref()) {
            Some(Owner::Stack(stack)) => Whose::Stack(stack.clone()),
            Some(Owner::Tags(tags)) => Whose::Tags(tags.clone()),
            Some(Owner::Unknown) | None => Whose::Unknown,
        };
        Self {
            id: observed.map_or("", |observed| observed.object.id.as_str()).to_owned(),
            whose,
            assembly: assembly_of(&resource.address, assemblies),
            span: resource.span.clone(),
        }
    }
}

/// The assembly that a stack comes from: `stack.ASSEMBLY/NAME`. Other kinds it does not adopt.
fn assembly_of(address: &Address, assemblies: &BTreeSet<String>) -> Option<String> {
    let (assembly, _) = address.name().split_once('/')?;
    let is_of_it = address.kind().as_str() == "stack" && assemblies.contains(assembly);
    is_of_it.then(|| assembly.to_owned())
}

/// One problem for all objects with the same way out, each object at its place.
pub(crate) fn problems(mut found: Vec<Existing>) -> Vec<Problem> {
    found.sort_by(|a, b| a.id.cmp(&b.id));
    let mut by_way: BTreeMap<Way, Vec<Existing>> = BTreeMap::new();
    for existing in found {
        by_way.entry(Way::of(&existing)).or_default().push(existing);
    }
    by_way.into_iter().map(|(way, found)| problem(&way, &found)).collect()
}

fn problem(way: &Way, found: &[Existing]) -> Problem {
    let headline = match found.len() {
        1 => "an object exists but is not in the state",
        _ => "objects exist but are not in the state",
    };
    let mut by_place: BTreeMap<&Span, Vec<&Existing>> = BTreeMap::new();
    for existing in found {
        by_place.entry(&existing.span).or_default().push(existing);
    }
    let problem = Problem::error("plan::exists", headline);
    let problem = by_place
        .into_iter()
        .fold(problem, |problem, (span, here)| problem.at(span.clone(), label(&here)));
    problem.help(way.told(found.len() > 1))
}

/// What there is in one place, and whose it is where all of it is the same one's.
fn label(here: &[&Existing]) -> String {
    let several = here.len() > 1;
    let mut text = if let [one] = here {
        format!("`{}` is there already", one.id)
    } else {
        let named: Vec<String> =
            here.iter().take(NAMED).map(|one| format!("`{}`", one.id)).collect();
        let more = match here.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{} are there already: {}{more}", here.len(), named.join(", "))
    };
    let whose: BTreeSet<&Whose> = here.iter().map(|one| &one.whose).collect();
    if let [whose] = whose.into_iter().collect::<Vec<_>>().as_slice() {
        let _ = write!(text, "; {}", whose.told(several));
    }
    text
}

impl Whose {
    fn told(&self, several: bool) -> String {
        match (self, several) {
            (Self::Stack(stack), false) => {
                format!("it belongs to the CloudFormation stack `{stack}`")
            }
            (Self::Stack(stack), true) => {
                format!("they belong to the CloudFormation stack `{stack}`")
            }
            (Self::Tags(tags), false) => format!("its tags say `{}`", tags.join("`, `")),
            (Self::Tags(tags), true) => format!("their tags say `{}`", tags.join("`, `")),
            (Self::Unknown, false) => "nothing tells who made it".to_owned(),
            (Self::Unknown, true) => "nothing tells who made them".to_owned(),
        }
    }
}

/// What a person may do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// Adopt all that the assembly has.
    Assembly(String),
    Adopt,
    /// It has to leave the stack first.
    LeaveStack(String),
}

impl Way {
    fn of(existing: &Existing) -> Self {
        match (&existing.whose, &existing.assembly) {
            (Whose::Stack(stack), _) => Self::LeaveStack(stack.clone()),
            (_, Some(assembly)) => Self::Assembly(assembly.clone()),
            (_, None) => Self::Adopt,
        }
    }

    fn told(&self, several: bool) -> String {
        match (self, several) {
            (Self::Assembly(assembly), false) => format!(
                "set `adopt = true` in `[assembly.{assembly}]` to take over what there is of it, \
                 without recreating it"
            ),
            (Self::Assembly(assembly), true) => format!(
                "set `adopt = true` in `[assembly.{assembly}]` to take over all of them, without \
                 recreating them"
            ),
            (Self::Adopt, false) => {
                "set `adopt = true` to take it over without recreating it, or rename it".to_owned()
            }
            (Self::Adopt, true) => "set `adopt = true` in each to take them over without \
                                    recreating them, or rename them"
                .to_owned(),
            (Self::LeaveStack(stack), false) => format!(
                "rename it here, or remove it from `{stack}` (keeping the object with \
                 `DeletionPolicy: Retain`) and then set `adopt = true`"
            ),
            (Self::LeaveStack(stack), true) => format!(
                "rename them here, or remove them from `{stack}` (keeping the objects with \
                 `DeletionPolicy: Retain`) and then set `adopt = true` in each"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bfd_core::{Object, Properties};

    #[test]
    fn stacks_of_an_assembly_are_taken_over_by_one_line() {
        let resource = |address: &str| Resource {
            address: address.parse().expect("an address"),
            inputs: BTreeMap::new(),
            depends_on: BTreeSet::new(),
            adopt: false,
            protect: false,
            span: Span::default(),
            spans: BTreeMap::new(),
        };
        let observed = |id: &str| Observed {
            object: Object {
                id: id.to_owned(),
                inputs: Properties::new(),
                outputs: Properties::new(),
            },
            owner: Some(Owner::Tags(vec!["Team=a".to_owned()])),
            notes: Vec::new(),
        };
        let assemblies = ["app".to_owned()].into();
        let of = |address: &str| {
            let seen = observed(address.rsplit('/').next().expect("a name"));
            Existing::new(&resource(address), Some(&seen), &assemblies)
        };

        let told = problems(["stack.app/one", "stack.app/two", "stack.other/three"].map(of).into());

        let told: Vec<_> =
            told.iter().map(|it| (it.labels[0].text.as_str(), it.help.as_deref())).collect();
        let all = "set `adopt = true` in `[assembly.app]` to take over all of them, without \
                   recreating them";
        let one = "set `adopt = true` to take it over without recreating it, or rename it";
        assert_eq!(
            told,
            [
                ("2 are there already: `one`, `two`; their tags say `Team=a`", Some(all)),
                ("`three` is there already; its tags say `Team=a`", Some(one))
            ]
        );
    }
}
