//! The order of things that wait for each other.

use std::collections::{BTreeMap, BTreeSet};

/// What waits for what; every name that is waited for is a key as well.
pub(crate) type Waits<K> = BTreeMap<K, BTreeSet<K>>;

/// An order in which everything comes after what it waits for; of those that may come next, the
/// least.
///
/// # Errors
///
/// A cycle: each waits for the next, and the last for the first.
pub(crate) fn order<K: Clone + Ord>(waits: &Waits<K>) -> Result<Vec<K>, Vec<K>> {
    let mut left: BTreeMap<&K, usize> = waits.iter().map(|(key, on)| (key, on.len())).collect();
    let mut waited_by: BTreeMap<&K, Vec<&K>> = BTreeMap::new();
    for (key, on) in waits {
        for it in on {
            waited_by.entry(it).or_default().push(key);
        }
    }
    let mut ready: BTreeSet<&K> =
        left.iter().filter(|(_, count)| **count == 0).map(|(key, _)| *key).collect();
    let mut order = Vec::new();
    while let Some(next) = ready.pop_first() {
        order.push(next.clone());
        left.remove(next);
        for key in waited_by.get(next).into_iter().flatten() {
            if let Some(count) = left.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(key);
                }
            }
        }
    }
    if left.is_empty() { Ok(order) } else { Err(cycle(waits, &left)) }
}

/// A cycle among those that are left, each of which waits for another that is left.
fn cycle<K: Clone + Ord>(waits: &Waits<K>, left: &BTreeMap<&K, usize>) -> Vec<K> {
    let mut path: Vec<&K> = Vec::new();
    let mut next = left.keys().next().copied();
    while let Some(key) = next {
        if let Some(start) = path.iter().position(|it| *it == key) {
            let cycle = &path[start..];
            // From its least, so that the message is the same wherever it was entered.
            let least = (0..cycle.len()).min_by_key(|index| cycle[*index]).unwrap_or(0);
            return cycle.iter().cycle().skip(least).take(cycle.len()).copied().cloned().collect();
        }
        path.push(key);
        next = waits[key].iter().find(|it| left.contains_key(it));
    }
    path.into_iter().cloned().collect()
}

/// Everything that these wait for, with themselves.
pub(crate) fn closure<K: Clone + Ord>(waits: &Waits<K>, from: &BTreeSet<K>) -> BTreeSet<K> {
    let mut found = from.clone();
    let mut open: Vec<&K> = from.iter().collect();
    while let Some(key) = open.pop() {
        for next in waits.get(key).into_iter().flatten() {
            if found.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn waits(edges: &[(&'static str, &[&'static str])]) -> Waits<&'static str> {
        edges.iter().map(|(key, on)| (*key, on.iter().copied().collect())).collect()
    }

    #[test]
    fn the_least_comes_first() {
        let waits = waits(&[("a", &["z"]), ("b", &[]), ("c", &["b"]), ("z", &[])]);

        assert_eq!(order(&waits), Ok(vec!["b", "c", "z", "a"]));
        assert_eq!(closure(&waits, &["a"].into()), ["a", "z"].into());
    }

    #[test]
    fn a_cycle_is_told_from_its_least() {
        let waits =
            waits(&[("a", &["d"]), ("b", &["c"]), ("c", &["d"]), ("d", &["b"]), ("e", &[])]);

        assert_eq!(order(&waits), Err(vec!["b", "c", "d"]));
        assert_eq!(order(&super::tests::waits(&[("a", &["a"])])), Err(vec!["a"]));
    }

    proptest! {
        #[test]
        fn everything_comes_after_what_it_waits_for(
            edges in proptest::collection::vec((0_u8..12, 0_u8..12), 0..20)
        ) {
            let mut waits: Waits<u8> = (0..12).map(|key| (key, BTreeSet::new())).collect();
            for (from, to) in edges {
                waits.get_mut(&from).unwrap().insert(to);
            }
            match order(&waits) {
                Ok(order) => {
                    prop_assert_eq!(order.len(), 12);
                    for (index, key) in order.iter().enumerate() {
                        for on in &waits[key] {
                            prop_assert!(order[..index].contains(on));
                        }
                    }
                }
                Err(cycle) => {
                    prop_assert!(!cycle.is_empty());
                    for (index, key) in cycle.iter().enumerate() {
                        prop_assert!(waits[key].contains(&cycle[(index + 1) % cycle.len()]));
                    }
                }
            }
        }
    }
}
