//! The manifests that `bfd bootstrap` writes.

use super::Part;
use crate::exit::CommandError;
use bfd_core::Value;
use bfd_manifest::{Manifest, ProviderKind};
use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

/// Where its state is, in its own directory.
pub(super) const STATE: &str = "state";
const MANIFEST: &str = "bootstrap.toml";

/// A manifest that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrittenPart {
    pub(crate) manifest: PathBuf,
}

/// Writes a manifest, with the templates of its stacks.
pub(super) fn write(
    of: &Manifest,
    directory: &Path,
    region: &str,
    parts: &[Part],
) -> Result<WrittenPart, CommandError> {
    let failed = |error: &io::Error| {
        CommandError::refused_with(
            format!("cannot write to {}: {error}", directory.display()),
            "check the permissions of that directory, and that there is space",
        )
    };
    fs::create_dir_all(directory).map_err(|error| failed(&error))?;
    for part in parts {
        let file = directory.join(format!("{}.yaml", part.resource));
        fs::write(file, &part.template).map_err(|error| failed(&error))?;
    }
    let manifest = directory.join(MANIFEST);
    fs::write(&manifest, text(of, region, parts)).map_err(|error| failed(&error))?;
    Ok(WrittenPart { manifest })
}

/// Text as TOML writes it, without a reference in it; a string of JSON is one of TOML.
fn quoted(text: &str) -> String {
    Value::from(text.replace("${", "$${")).to_string()
}

fn text(of: &Manifest, region: &str, parts: &[Part]) -> String {
    let mut text = String::from("# Written by `bfd bootstrap`, again each time. Do not edit.\n");
    let mut line = |line: std::fmt::Arguments<'_>| {
        writeln!(text, "{line}").expect("writing to a string");
    };
    let environment = &of.environment;
    line(format_args!("\n[environment]"));
    line(format_args!("name = {}", quoted(&format!("{}-bootstrap", environment.name))));
    line(format_args!("account = {}", quoted(&environment.account)));
    line(format_args!("region = {}", quoted(region)));
    if !of.tags.is_empty() {
        let tags: Vec<String> =
            of.tags.iter().map(|(k, v)| format!("{} = {}", quoted(k), quoted(v))).collect();
        line(format_args!("tags = {{ {} }}", tags.join(", ")));
    }
    line(format_args!("\n[provider]"));
    if of.provider.kind == ProviderKind::Sandbox {
        line(format_args!("kind = \"sandbox\""));
    }
    for (name, value) in
        [("endpoint_url", &of.provider.endpoint_url), ("profile", &of.provider.profile)]
    {
        if let Some(value) = value {
            line(format_args!("{name} = {}", quoted(value)));
        }
    }
    line(format_args!("\n[state]"));
    line(format_args!("directory = {}", quoted(STATE)));
    for part in parts {
        line(format_args!("\n[stack.{}]", part.resource));
        line(format_args!("name = {}", quoted(&part.stack)));
        line(format_args!("template = \"{}.yaml\"", part.resource));
        line(format_args!("capabilities = [\"CAPABILITY_NAMED_IAM\"]"));
        line(format_args!("termination_protection = true"));
        // Whoever bootstraps next may be on another machine.
        line(format_args!("adopt = true"));
        line(format_args!("\n[stack.{}.parameters]", part.resource));
        for (name, value) in &part.parameters {
            line(format_args!("{name} = {}", quoted(value)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use bfd_core::{Environment, plan::Rollback};
    use bfd_manifest::{Backend, Guard, StateSettings};
    use std::collections::BTreeMap;

    #[test]
    fn each_part_has_a_table_of_its_own_and_no_reference() {
        let of = Manifest {
            path: PathBuf::from("dev.toml"),
            environment: Environment::default(),
            tags: BTreeMap::from([("owner".to_owned(), "a${b}".to_owned())]),
            provider: bfd_manifest::ProviderSettings::default(),
            state: StateSettings { backend: Backend::Local { directory: PathBuf::new() } },
            rollback: Rollback::default(),
            log_lines: 0,
            deployments: 0,
            guard: Guard::default(),
            assemblies: Vec::new(),
            resources: Vec::new(),
            sources: bfd_manifest::Sources::default(),
            warnings: Vec::new(),
        };
        let part = |resource: &str| Part {
            resource: resource.to_owned(),
            stack: resource.to_owned(),
            template: String::new(),
            parameters: BTreeMap::new(),
        };
        let text = text(&of, "eu-west-1", &[part("cdk"), part("cdk-other")]);
        assert_eq!(text.matches("\n[stack.cdk]\n").count(), 1, "{text}");
        assert_eq!(text.matches("\n[stack.cdk-other]\n").count(), 1, "{text}");
        assert!(text.contains(r#""owner" = "a$${b}""#), "{text}");
    }
}
