//! What resources give to each other by name, without a reference in the manifest.

pub use bfd_template::Shared;

use crate::spec::KindSpec;
use bfd_core::{Address, Environment, Expr, Inputs, Kind, Properties};
use std::collections::{BTreeMap, BTreeSet};

/// What a resource makes for others, and what of others it reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    pub gives: BTreeSet<Shared>,
    pub takes: BTreeSet<Shared>,
    /// It may give more than is known here.
    pub is_open: bool,
}

/// Of the resources that exchange anything, what.
pub type Exchanges = BTreeMap<Address, Exchange>;

/// One resource reads what another one makes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    pub from: Address,
    pub to: Address,
    pub shared: Shared,
}

/// What the given resources exchange.
pub fn of<'a>(
    resources: impl Iterator<Item = (&'a Address, &'a Inputs)>,
    spec: impl Fn(&Kind) -> Option<&'static KindSpec>,
    environment: &Environment,
) -> Exchanges {
    let one = |(address, inputs): (&Address, &Inputs)| {
        let exchange = spec(address.kind())?.exchange?;
        Some((address.clone(), exchange(inputs, environment)))
    };
    resources.filter_map(one).collect()
}

/// Inputs as they are recorded, for [`KindSpec::exchange`].
pub fn recorded(inputs: &Properties) -> Inputs {
    inputs.iter().map(|(name, value)| (name.clone(), Expr::from(value.clone()))).collect()
}

/// What more than one resource makes under one name, and who.
pub fn made_twice(exchanges: &Exchanges) -> Vec<(Shared, Vec<Address>)> {
    givers(exchanges)
        .into_iter()
        .filter(|(shared, makers)| makers.len() > 1 && !matches!(shared, Shared::Outputs(_)))
        .map(|(shared, makers)| (shared.clone(), makers.into_iter().cloned().collect()))
        .collect()
}

fn givers(exchanges: &Exchanges) -> BTreeMap<&Shared, Vec<&Address>> {
    let mut givers: BTreeMap<&Shared, Vec<&Address>> = BTreeMap::new();
    for (address, exchange) in exchanges {
        for shared in &exchange.gives {
            givers.entry(shared).or_default().push(address);
        }
    }
    givers
}

/// Who reads what of whom. Nobody waits for itself.
pub fn links(exchanges: &Exchanges) -> Vec<Link> {
    let givers = givers(exchanges);
    let mut links = Vec::new();
    for (from, exchange) in exchanges {
        for shared in exchange.takes.difference(&exchange.gives) {
            let to = givers.get(shared).into_iter().flatten();
            links.extend(to.map(|to| Link {
                from: from.clone(),
                to: (*to).clone(),
                shared: shared.clone(),
            }));
        }
    }
    links
}
