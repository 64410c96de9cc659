use bfd_core::{Address, Problem, Resource};
use petgraph::{
    Direction,
    algo::{tarjan_scc, toposort},
    graph::{DiGraph, NodeIndex},
};
use std::collections::{BTreeMap, BTreeSet};

/// The desired resources and what each waits for. Acyclic by construction.
#[derive(Debug)]
pub struct Graph {
    inner: DiGraph<Resource, ()>,
    order: Vec<NodeIndex>,
    index: BTreeMap<Address, NodeIndex>,
}

impl Graph {
    /// Links resources by their references and dependencies.
    ///
    /// Fails with every dependency on nothing and every cycle.
    pub fn build(mut resources: Vec<Resource>) -> Result<Self, Vec<Problem>> {
        // The order of the manifest's tables must not show in a plan.
        resources.sort_by(|a, b| a.address.cmp(&b.address));
        let mut inner = DiGraph::with_capacity(resources.len(), resources.len());
        let mut problems = Vec::new();
        let mut index = BTreeMap::new();
        for resource in resources {
            let (address, span) = (resource.address.clone(), resource.span.clone());
            if index.insert(address.clone(), inner.add_node(resource)).is_some() {
                let headline = "two resources have the same address";
                problems.push(
                    Problem::error("plan::duplicate", headline).at(span, address.to_string()),
                );
            }
        }
        for (from, &node) in &index {
            for to in inner[node].dependencies() {
                if let Some(&dependency) = index.get(&to) {
                    // Dependencies are a set, so no edge is added twice.
                    inner.add_edge(dependency, node, ());
                } else {
                    let problem = Problem::error(
                        "plan::unknown_reference",
                        "a resource depends on one that is not declared",
                    );
                    let label = format!("`{from}` depends on `{to}`");
                    problems.push(problem.at(inner[node].span.clone(), label));
                }
            }
        }
        problems.extend(cycles(&inner));
        if !problems.is_empty() {
            return Err(problems);
        }
        let order = toposort(&inner, None).expect("cycles were reported above");
        Ok(Self { inner, order, index })
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub fn get(&self, address: &Address) -> Option<&Resource> {
        self.index.get(address).map(|&node| &self.inner[node])
    }

    /// Every resource, each after all it depends on.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.order.iter().map(|&node| &self.inner[node])
    }

    /// Every resource with what it waits for directly, by address.
    pub fn edges(&self) -> BTreeMap<Address, BTreeSet<Address>> {
        let edges = self.index.iter().map(|(address, &node)| {
            let before = self.inner.neighbors_directed(node, Direction::Incoming);
            (address.clone(), before.map(|n| self.inner[n].address.clone()).collect())
        });
        edges.collect()
    }

    /// The targets and everything they depend on.
    ///
    /// Fails with the targets that are not declared.
    pub fn closure(
        &self,
        targets: &BTreeSet<Address>,
    ) -> Result<BTreeSet<Address>, BTreeSet<Address>> {
        let unknown: BTreeSet<Address> =
            targets.iter().filter(|t| !self.index.contains_key(t)).cloned().collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let mut left: Vec<NodeIndex> = targets.iter().map(|t| self.index[t]).collect();
        let mut found = BTreeSet::new();
        while let Some(node) = left.pop() {
            if found.insert(self.inner[node].address.clone()) {
                left.extend(self.inner.neighbors_directed(node, Direction::Incoming));
            }
        }
        Ok(found)
    }
}

fn cycles(graph: &DiGraph<Resource, ()>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for component in tarjan_scc(graph) {
        let own_edge = component.len() == 1 && graph.contains_edge(component[0], component[0]);
        if component.len() < 2 && !own_edge {
            continue;
        }
        let mut members: Vec<&Resource> = component.iter().map(|&node| &graph[node]).collect();
        members.sort_by(|a, b| a.address.cmp(&b.address));
        let mut problem = Problem::error("plan::cycle", "resources depend on each other");
        for member in members {
            problem =
                problem.at(member.span.clone(), format!("`{}` is in the cycle", member.address));
        }
        problems.push(problem.help("remove one of the references, or one `depends_on`"));
    }
    problems
}
