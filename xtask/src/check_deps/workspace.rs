//! The workspace's crates and what they ask for, as `cargo metadata` tells it.

use serde_json::Value;

use crate::Result;

/// All member crates.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) members: Vec<Member>,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One dependency as declared, whether or not it is active.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) purpose: Purpose,
    pub(crate) default_features: bool,
    pub(crate) features: Vec<String>,
}

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The crate itself, or its build script.
    Build,
    /// Its tests, examples and benchmarks.
    Development,
}

impl Workspace {
    /// Reads the answer of `cargo metadata`.
    pub(crate) fn from_metadata(metadata: &Value) -> Result<Self> {
        let members = metadata["packages"].as_array().ok_or("metadata without packages")?;
        let members = members.iter().map(Member::from_metadata).collect::<Result<_>>()?;
        Ok(Self { members })
    }

    /// Whether a dependency of this name is one of the members.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.name == name)
    }

    /// Every dependency with the member that declares it.
    pub(crate) fn dependencies(&self) -> impl Iterator<Item = (&Member, &Dependency)> {
        self.members.iter().flat_map(|member| {
            member.dependencies.iter().map(move |dependency| (member, dependency))
        })
    }
}

impl Member {
    fn from_metadata(package: &Value) -> Result<Self> {
        let dependencies = package["dependencies"].as_array().ok_or("a package without a list")?;
        Ok(Self {
            name: text(package, "name")?,
            dependencies: dependencies
                .iter()
                .map(Dependency::from_metadata)
                .collect::<Result<_>>()?,
        })
    }
}

impl Dependency {
    fn from_metadata(dependency: &Value) -> Result<Self> {
        let features = dependency["features"].as_array().ok_or("a dependency without features")?;
        let mut features: Vec<_> =
            features.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        features.sort();
        Ok(Self {
            name: text(dependency, "name")?,
            purpose: match dependency["kind"].as_str() {
                Some("dev") => Purpose::Development,
                _ => Purpose::Build,
            },
            default_features: dependency["uses_default_features"].as_bool().unwrap_or(true),
            features,
        })
    }
}

fn text(value: &Value, field: &str) -> Result<String> {
    let text = value[field].as_str().ok_or_else(|| format!("metadata without `{field}`"))?;
    Ok(text.to_owned())
}

#[cfg(test)]
pub(crate) mod sample {
    //! Metadata in cargo's shape, with as much as a test wants to say.

    use serde_json::{Value, json};

    use super::Workspace;

    pub(crate) fn workspace(packages: &[(&str, &[Value])]) -> Workspace {
        let packages = packages
            .iter()
            .map(|(name, dependencies)| json!({ "name": name, "dependencies": dependencies }))
            .collect::<Vec<_>>();
        Workspace::from_metadata(&json!({ "packages": packages })).unwrap()
    }

    pub(crate) fn normal(name: &str) -> Value {
        with(name, None, false, &[])
    }

    pub(crate) fn dev(name: &str) -> Value {
        with(name, Some("dev"), false, &[])
    }

    pub(crate) fn with(
        name: &str,
        kind: Option<&str>,
        default_features: bool,
        features: &[&str],
    ) -> Value {
        json!({
            "name": name,
            "kind": kind,
            "uses_default_features": default_features,
            "features": features,
        })
    }
}
