//! Which crate of the workspace may use which.

use super::Violation;
use super::workspace::{Purpose, Workspace};

/// A crate, the crates it may use, and why no others.
struct Rule {
    name: &'static str,
    may_use: &'static [&'static str],
    reason: &'static str,
}

const ALL: &[&str] = &[
    "bfd-assembly",
    "bfd-core",
    "bfd-image",
    "bfd-kinds",
    "bfd-manifest",
    "bfd-plan",
    "bfd-provider",
    "bfd-store",
    "bfd-apply",
    "bfd-aws",
    "bfd-sandbox",
    "bfd-template",
    "bfd-cli",
];

const RULES: &[Rule] = &[
    Rule {
        name: "bfd-assembly",
        may_use: &[],
        reason: "what a CDK application says is the same whoever deploys it",
    },
    Rule { name: "bfd-core", may_use: &[], reason: "the nouns stand on their own" },
    Rule {
        name: "bfd-image",
        may_use: &[],
        reason: "an image on disk is the same whoever runs it",
    },
    Rule {
        name: "bfd-kinds",
        may_use: &["bfd-core", "bfd-template"],
        reason: "what a kind is can be said without a network",
    },
    Rule {
        name: "bfd-manifest",
        may_use: &["bfd-assembly", "bfd-core", "bfd-kinds"],
        reason: "reading a manifest needs neither state nor a cloud",
    },
    Rule {
        name: "bfd-plan",
        may_use: &["bfd-core", "bfd-kinds"],
        reason: "a plan is a function of what it is given",
    },
    Rule {
        name: "bfd-provider",
        may_use: &["bfd-core"],
        reason: "the boundary to a cloud knows no cloud and no kind",
    },
    Rule {
        name: "bfd-store",
        may_use: &["bfd-core"],
        reason: "what is kept does not depend on who made it",
    },
    Rule {
        name: "bfd-apply",
        may_use: &["bfd-core", "bfd-provider", "bfd-store"],
        reason: "it carries out a plan and must not be able to make another",
    },
    Rule {
        name: "bfd-aws",
        may_use: &[
            "bfd-assembly",
            "bfd-core",
            "bfd-image",
            "bfd-kinds",
            "bfd-provider",
            "bfd-store",
        ],
        reason: "it talks to AWS and decides nothing",
    },
    Rule {
        name: "bfd-sandbox",
        may_use: &["bfd-template"],
        reason: "an embedded AWS that knew bfd could not judge it",
    },
    Rule {
        name: "bfd-template",
        may_use: &[],
        reason: "a template means the same to whoever reads it",
    },
    Rule { name: "bfd-cli", may_use: ALL, reason: "" },
    Rule { name: "bfd-lab", may_use: ALL, reason: "" },
    Rule { name: "bfd-tests", may_use: ALL, reason: "" },
    Rule { name: "xtask", may_use: &[], reason: "it must build when nothing else does" },
];

/// Crates whose tests may not use more than the crate itself.
///
/// For all others development dependencies are free: a test of the driver wants
/// a real plan.
const ALONE_IN_TESTS: &[&str] = &["bfd-core", "bfd-sandbox", "xtask"];

/// Every use of a member that the table does not allow.
pub(super) fn check(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for member in &workspace.members {
        let name = &member.name;
        let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
            violations.push(format!("{name}: not in the table of xtask/src/check_deps/edges.rs"));
            continue;
        };
        for dependency in &member.dependencies {
            let used = dependency.name.as_str();
            let free =
                dependency.purpose == Purpose::Development && !ALONE_IN_TESTS.contains(&rule.name);
            // A crate's tests may name the crate itself, to turn features on.
            let own = used == name;
            if workspace.has(used) && !rule.may_use.contains(&used) && !free && !own {
                violations.push(format!("{name} -> {used}: {}", rule.reason));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::workspace::sample::{dev, normal, workspace};
    use super::*;

    #[test]
    fn edges_of_the_table_are_allowed() {
        let workspace = workspace(&[
            ("bfd-core", &[normal("serde")]),
            ("bfd-plan", &[normal("bfd-core"), normal("petgraph")]),
            ("bfd-cli", &[normal("bfd-core"), normal("bfd-plan")]),
        ]);

        assert_eq!(check(&workspace), Vec::<String>::new());
    }

    #[test]
    fn apply_cannot_plan() {
        let workspace = workspace(&[("bfd-apply", &[normal("bfd-plan")]), ("bfd-plan", &[])]);

        assert_eq!(
            check(&workspace),
            ["bfd-apply -> bfd-plan: it carries out a plan and must not be able to make another"]
        );
    }

    #[test]
    fn tests_of_apply_can() {
        let workspace = workspace(&[("bfd-apply", &[dev("bfd-plan")]), ("bfd-plan", &[])]);

        assert_eq!(check(&workspace), Vec::<String>::new());
    }

    #[test]
    fn core_and_sandbox_are_alone_in_their_tests_too() {
        let workspace = workspace(&[
            ("bfd-core", &[dev("bfd-plan")]),
            ("bfd-plan", &[]),
            ("bfd-sandbox", &[dev("bfd-core")]),
        ]);

        assert_eq!(
            check(&workspace),
            [
                "bfd-core -> bfd-plan: the nouns stand on their own",
                "bfd-sandbox -> bfd-core: an embedded AWS that knew bfd could not judge it",
            ]
        );
    }

    #[test]
    fn a_crate_must_be_in_the_table() {
        let workspace = workspace(&[("bfd-extra", &[])]);

        assert_eq!(
            check(&workspace),
            ["bfd-extra: not in the table of xtask/src/check_deps/edges.rs"]
        );
    }
}
