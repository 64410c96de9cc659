//! Assemblies that are made for one test.

use bfd_assembly::{Assembly, Entry, Files, Problems};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// Files that are nowhere. A path that is a part of another's is a directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(pub(crate) BTreeMap<PathBuf, Vec<u8>>);

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        if let Some(bytes) = self.0.get(path) {
            return Ok(Entry::File { size: bytes.len() as u64 });
        }
        let is_directory = self.0.keys().any(|file| file.starts_with(path));
        is_directory.then_some(Entry::Directory).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

pub(crate) const ROOT: &str = "/app/cdk.out";

impl Memory {
    pub(crate) fn with(mut self, path: &str, content: impl ToString) -> Self {
        self.0.insert(Path::new(ROOT).join(path), content.to_string().into_bytes());
        self
    }

    /// With a manifest of these artifacts.
    pub(crate) fn artifacts(self, artifacts: Value) -> Self {
        self.with("manifest.json", json!({ "version": "54.0.0", "artifacts": artifacts }))
    }

    /// With an empty template for each of these.
    pub(crate) fn templates(self, names: &[&str]) -> Self {
        names.iter().fold(self, |it, name| it.with(&format!("{name}.template.json"), "{}"))
    }

    pub(crate) fn open(&self) -> Result<Assembly, Problems> {
        Assembly::open(Path::new(ROOT), self)
    }

    pub(crate) fn problems(&self) -> String {
        self.open().unwrap_err().to_string()
    }
}

pub(crate) const ENVIRONMENT: &str = "aws://123456789012/eu-west-1";

/// A stack that depends on others.
pub(crate) fn stack(name: &str, dependencies: &[&str]) -> Value {
    json!({
        "type": "aws:cloudformation:stack",
        "environment": ENVIRONMENT,
        "properties": { "templateFile": format!("{name}.template.json"), "stackName": name },
        "dependencies": dependencies,
        "displayName": name,
    })
}

pub(crate) fn assets(file: &str) -> Value {
    json!({ "type": "cdk:asset-manifest", "properties": { "file": file } })
}

pub(crate) fn nested(directory: &str, dependencies: &[&str]) -> Value {
    json!({
        "type": "cdk:cloud-assembly",
        "properties": { "directoryName": directory },
        "dependencies": dependencies,
    })
}

/// Changes a value in the middle of another.
pub(crate) fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    value.pointer_mut(parent).unwrap()[key] = new;
    value
}
