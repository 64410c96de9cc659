use crate::{
    fields::{Edge, Why},
    resources::Checked,
};
use bfd_core::{Address, Problem};
use std::collections::{BTreeMap, VecDeque};

/// Reports one cycle for every group of resources that wait for each other.
///
/// The shortest one, so that the message is short.
pub(crate) fn find(resources: &[Checked], problems: &mut Vec<Problem>) {
    let index: BTreeMap<&Address, usize> =
        resources.iter().enumerate().map(|(at, one)| (&one.address, at)).collect();
    let next: Vec<Vec<(usize, &Edge)>> = resources
        .iter()
        .map(|one| {
            one.edges.iter().filter_map(|edge| Some((*index.get(&edge.to)?, edge))).collect()
        })
        .collect();
    let groups = groups(&next);
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, group) in groups.iter().enumerate() {
        members.entry(*group).or_default().push(at);
    }
    let mut found: Vec<Vec<(usize, &Edge)>> = Vec::new();
    for members in members.values() {
        // The first by address, so that the message does not depend on the order of tables.
        let Some(&first) = members.iter().min_by_key(|at| &resources[**at].address) else {
            continue;
        };
        found.extend(shortest(first, &next, &groups));
    }
    found.sort_by(|a, b| resources[a[0].0].address.cmp(&resources[b[0].0].address));
    problems.extend(found.iter().map(|cycle| report(cycle, resources)));
}

/// The way from a resource back to itself: each member with the edge that leaves it.
fn shortest<'e>(
    first: usize,
    next: &[Vec<(usize, &'e Edge)>],
    groups: &[usize],
) -> Option<Vec<(usize, &'e Edge)>> {
    let mut came: BTreeMap<usize, (usize, &Edge)> = BTreeMap::new();
    let mut queue = VecDeque::from([first]);
    while let Some(at) = queue.pop_front() {
        for (to, edge) in next[at].iter().filter(|(to, _)| groups[*to] == groups[first]) {
            if *to == first {
                let mut cycle = vec![(at, *edge)];
                let mut at = at;
                while at != first {
                    let (before, edge) = came[&at];
                    cycle.push((before, edge));
                    at = before;
                }
                cycle.reverse();
                return Some(cycle);
            }
            if !came.contains_key(to) {
                came.insert(*to, (at, edge));
                queue.push_back(*to);
            }
        }
    }
    None
}

fn report(cycle: &[(usize, &Edge)], resources: &[Checked]) -> Problem {
    let mut problem = Problem::error("manifest::cycle", "resources wait for each other");
    for (at, edge) in cycle {
        let (from, to) = (&resources[*at].address, &edge.to);
        let label = match &edge.why {
            Why::Reference => format!("`{from}` needs an output of `{to}`"),
            Why::Written => format!("`{from}` depends on `{to}`"),
            Why::Link => format!("`{from}` belongs to `{to}`"),
            Why::Coordinator => format!("`{from}` waits for `{to}`, as everything does"),
            Why::Kind => format!("`{from}` waits for `{to}`"),
            Why::Shared(shared) => format!("`{from}` reads {shared} of `{to}`"),
        };
        problem = problem.at(edge.place.clone(), label);
    }
    let path = cycle.iter().chain(cycle.first());
    let path: Vec<String> = path.map(|(at, _)| resources[*at].address.to_string()).collect();
    problem.help(format!("the cycle is `{}`: remove one of these dependencies", path.join(" → ")))
}

/// Numbers the strongly connected groups: Tarjan's algorithm, with a stack of its
/// own, because a chain of dependencies may be as long as the manifest.
fn groups(next: &[Vec<(usize, &Edge)>]) -> Vec<usize> {
    const NONE: usize = usize::MAX;
    let count = next.len();
    let (mut order, mut low, mut group) = (vec![NONE; count], vec![0; count], vec![NONE; count]);
    let (mut visited, mut numbered) = (0, 0);
    let mut open = Vec::new();
    for root in 0..count {
        if order[root] != NONE {
            continue;
        }
        let mut calls = vec![(root, 0)];
        while let Some((at, edge)) = calls.last_mut() {
            let at = *at;
            if *edge == 0 {
                order[at] = visited;
                low[at] = visited;
                visited += 1;
                open.push(at);
            }
            if let Some((to, _)) = next[at].get(*edge) {
                *edge += 1;
                if order[*to] == NONE {
                    calls.push((*to, 0));
                } else if group[*to] == NONE {
                    low[at] = low[at].min(order[*to]);
                }
                continue;
            }
            calls.pop();
            if let Some((parent, _)) = calls.last() {
                low[*parent] = low[*parent].min(low[at]);
            }
            if low[at] == order[at] {
                while let Some(member) = open.pop() {
                    group[member] = numbered;
                    if member == at {
                        break;
                    }
                }
                numbered += 1;
            }
        }
    }
    group
}
