//! Crates that must not be built, however they come in.
//!
//! `cargo tree` is asked, not `cargo metadata` or the lock file: both of those
//! name optional dependencies that no build activates, `ring` below rustls for one.

use std::collections::BTreeSet;

use super::Violation;
use crate::Result;

/// Prints every crate that any target of any member is built with.
pub(super) const TREE: &[&str] = &[
    "tree",
    "--workspace",
    "--target=all",
    "--edges=normal,build,dev",
    "--prefix=none",
    "--format={p}",
    "--quiet",
];

/// A crate that is banned below a version, or in every one.
struct Ban {
    name: &'static str,
    below: Option<(u64, u64)>,
    reason: &'static str,
}

const BANS: &[Ban] = &[
    Ban { name: "chrono", below: None, reason: "time is jiff's" },
    Ban { name: "h2", below: Some((0, 4)), reason: "one HTTP generation, without advisories" },
    Ban { name: "http", below: Some((1, 0)), reason: "one HTTP generation" },
    Ban { name: "hyper", below: Some((1, 0)), reason: "one HTTP generation, without advisories" },
    Ban { name: "openssl-sys", below: None, reason: "TLS is rustls on aws-lc-rs" },
    Ban { name: "reqwest", below: None, reason: "all traffic goes through one transport" },
    Ban { name: "ring", below: None, reason: "TLS is rustls on aws-lc-rs" },
    Ban { name: "rustls", below: Some((0, 23)), reason: "one TLS generation, without advisories" },
];

/// Every banned crate in the output of [`TREE`].
pub(super) fn check(tree: &str) -> Result<Vec<Violation>> {
    let crates = tree.lines().filter(|line| !line.is_empty()).map(parse);
    let crates = crates.collect::<Result<BTreeSet<_>>>()?;
    let violations = crates.iter().flat_map(|(name, version)| {
        BANS.iter().filter(move |ban| ban.applies(name, version)).map(move |ban| {
            let (wanted, reason) = (ban.wanted(), ban.reason);
            format!(
                "{name} {version}: banned{wanted}: {reason}; \
                 see `cargo tree --workspace --target all --invert {name}@{version}`"
            )
        })
    });
    Ok(violations.collect())
}

/// Takes `NAME vVERSION …` apart.
fn parse(line: &str) -> Result<(&str, &str)> {
    let mut words = line.split(' ');
    let name = words.next();
    let version = words.next().and_then(|word| word.strip_prefix('v'));
    name.zip(version).ok_or_else(|| format!("`cargo tree` printed `{line}`").into())
}

impl Ban {
    fn applies(&self, name: &str, version: &str) -> bool {
        let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        self.name == name && self.below.is_none_or(|below| version < below)
    }

    fn wanted(&self) -> String {
        self.below.map_or_else(String::new, |(major, minor)| format!(" below {major}.{minor}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_generation_is_fine() {
        let tree = "bfd-core v0.1.0 (/bfd/crates/bfd-core)\nhttp v1.5.0\nrustls v0.23.46 (*)\n\n";

        assert_eq!(check(tree).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn an_old_generation_is_refused_once() {
        let tree = "http v0.2.12\nhttp v1.5.0\nhttp v0.2.12 (*)\n";

        assert_eq!(
            check(tree).unwrap(),
            ["http 0.2.12: banned below 1.0: one HTTP generation; \
              see `cargo tree --workspace --target all --invert http@0.2.12`"]
        );
    }

    #[test]
    fn a_crate_can_be_refused_altogether() {
        let tree = "ring v0.17.14\nrustls v0.21.1\n";

        let violations = check(tree).unwrap();

        assert_eq!(violations.len(), 2);
        assert!(violations[0].starts_with("ring 0.17.14: banned: TLS is rustls on aws-lc-rs"));
        assert!(violations[1].starts_with("rustls 0.21.1: banned below 0.23"));
    }

    #[test]
    fn a_tree_in_another_format_is_an_error() {
        assert!(check("ring 0.17.14").is_err());
    }
}
