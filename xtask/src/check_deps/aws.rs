//! Who may use the AWS SDK, and how it is declared.

use std::collections::BTreeMap;

use super::Violation;
use super::workspace::{Dependency, Purpose, Workspace};

/// Every use of the SDK outside `bfd-aws`, and every declaration that would build it twice.
pub(super) fn check(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut first: BTreeMap<&str, (&str, &Dependency)> = BTreeMap::new();
    for (member, dependency) in workspace.dependencies() {
        let (name, used) = (member.name.as_str(), dependency.name.as_str());
        if !used.starts_with("aws-") {
            continue;
        }
        if let Some(reason) = refusal(name, used, dependency.purpose) {
            violations.push(format!("{name} -> {used}: {reason}"));
        }
        if dependency.default_features {
            violations.push(format!(
                "{name} -> {used}: its default features bring a second HTTP and TLS stack"
            ));
        }
        let (other, declared) = first.entry(used).or_insert((name, dependency));
        if declared.features != dependency.features {
            violations.push(format!(
                "{name} -> {used}: {other} declares other features, which builds the SDK twice; \
                 put them into [workspace.dependencies]"
            ));
        }
    }
    violations
}

/// Why a crate may not use this part of the SDK.
fn refusal(name: &str, used: &str, purpose: Purpose) -> Option<&'static str> {
    let is_transport = used.starts_with("aws-smithy-");
    match name {
        "bfd-aws" => None,
        "bfd-sandbox" if is_transport || used == "aws-credential-types" => None,
        "bfd-sandbox" if purpose == Purpose::Development => None,
        "bfd-sandbox" => Some("it answers the SDK's requests and sees only their transport"),
        "bfd-cli" if is_transport => None,
        "bfd-cli" => Some("it joins the SDK to a transport and sees nothing else of it"),
        _ => Some("only bfd-aws talks to AWS"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::workspace::sample::{dev, normal, with, workspace};
    use super::*;

    #[test]
    fn each_may_use_its_part() {
        let workspace = workspace(&[
            ("bfd-aws", &[normal("aws-sdk-ecs"), normal("aws-config")]),
            ("bfd-cli", &[normal("aws-smithy-runtime-api")]),
            ("bfd-sandbox", &[normal("aws-smithy-types"), dev("aws-sdk-ecs")]),
        ]);

        assert_eq!(check(&workspace), Vec::<String>::new());
    }

    #[test]
    fn others_may_not() {
        let workspace = workspace(&[
            ("bfd-cli", &[normal("aws-sdk-ecs")]),
            ("bfd-sandbox", &[normal("aws-sdk-ecs")]),
            ("bfd-store", &[dev("aws-smithy-types")]),
        ]);

        assert_eq!(
            check(&workspace),
            [
                "bfd-cli -> aws-sdk-ecs: it joins the SDK to a transport and sees nothing else of it",
                "bfd-sandbox -> aws-sdk-ecs: it answers the SDK's requests and sees only their \
                 transport",
                "bfd-store -> aws-smithy-types: only bfd-aws talks to AWS",
            ]
        );
    }

    #[test]
    fn default_features_are_refused() {
        let workspace = workspace(&[("bfd-aws", &[with("aws-sdk-ecs", None, true, &[])])]);

        assert_eq!(
            check(&workspace),
            ["bfd-aws -> aws-sdk-ecs: its default features bring a second HTTP and TLS stack"]
        );
    }

    #[test]
    fn a_second_set_of_features_is_refused() {
        let workspace = workspace(&[
            ("bfd-aws", &[with("aws-sdk-ecs", None, false, &["rt-tokio"])]),
            ("bfd-sandbox", &[with("aws-sdk-ecs", Some("dev"), false, &["test-util"])]),
        ]);

        assert_eq!(
            check(&workspace),
            ["bfd-sandbox -> aws-sdk-ecs: bfd-aws declares other features, which builds the SDK \
              twice; put them into [workspace.dependencies]"]
        );
    }
}
