//! What waits for what, as a drawing.

use bfd_core::Address;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// Each resource with what it waits for.
pub type Dependencies = BTreeMap<Address, BTreeSet<Address>>;

/// Graphviz. An arrow goes from a resource to what it waits for.
pub fn dot(graph: &Dependencies) -> String {
    let mut out = String::from("digraph bfd {\n  rankdir = \"LR\";\n  node [shape = box];\n");
    for address in nodes(graph) {
        let _ = writeln!(out, "  \"{address}\";");
    }
    for (address, waits_for) in graph {
        for other in waits_for {
            let _ = writeln!(out, "  \"{address}\" -> \"{other}\";");
        }
    }
    out.push_str("}\n");
    out
}

/// Mermaid, which GitHub draws. Node names are numbers, since addresses may hold
/// characters that Mermaid reads as syntax.
pub fn mermaid(graph: &Dependencies) -> String {
    let numbers: BTreeMap<&Address, usize> = nodes(graph).into_iter().zip(0..).collect();
    let mut out = String::from("flowchart LR\n");
    for (address, number) in &numbers {
        let _ = writeln!(out, "  n{number}[\"{address}\"]");
    }
    for (address, waits_for) in graph {
        for other in waits_for {
            let _ = writeln!(out, "  n{} --> n{}", numbers[address], numbers[other]);
        }
    }
    out
}

fn nodes(graph: &Dependencies) -> BTreeSet<&Address> {
    graph.iter().flat_map(|(address, others)| std::iter::once(address).chain(others)).collect()
}
