//! Files and variables that are only in memory.

use bfd_core::{Address, Environment, Expr, Resource, SecretSource};
use bfd_kinds::KindSpec;
use bfd_manifest::{Disk, Entry, Failed, Files, Manifest, Options, load};
use std::{collections::BTreeMap, io, path::Path};

/// What a manifest needs before anything else in it matters.
pub(crate) const HEAD: &str = "[environment]
name = \"dev\"
account = \"123456789012\"
region = \"ap-southeast-1\"
";

#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    files: BTreeMap<String, String>,
    env: BTreeMap<String, String>,
    vars: BTreeMap<String, String>,
}

impl World {
    /// A world with one manifest, `environments/dev.toml`, that begins with [`HEAD`].
    pub(crate) fn with(body: &str) -> Self {
        Self::bare(&format!("{HEAD}{body}"))
    }

    /// A world with one manifest, as it is.
    pub(crate) fn bare(text: &str) -> Self {
        Self::default().file("environments/dev.toml", text)
    }

    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn load(&self) -> Result<Manifest, Failed> {
        self.load_with(bfd_kinds::all())
    }

    pub(crate) fn load_with(&self, kinds: &[&'static KindSpec]) -> Result<Manifest, Failed> {
        let read = |path: &Path| {
            let path = path.to_str().expect("paths in tests are text");
            let bytes = Files::read(self, Path::new(path))?;
            String::from_utf8(bytes).map_err(io::Error::other)
        };
        let digest = |source: &SecretSource, environment: &Environment, address: &Address| {
            let found = match source {
                SecretSource::Env(name) => self.env.get(name),
                SecretSource::File(path) => self.files.get(&format!("environments/{path}")),
                SecretSource::Command(words) => words.last(),
            };
            let plain = found.ok_or_else(|| format!("the {source} is not there"))?;
            Ok(format!("{}/{address}/{}", environment.name, plain.len()))
        };
        let options = Options {
            read: &read,
            files: self,
            env: &|name| self.env.get(name).cloned(),
            git: &|_| Err("there is no work tree".to_owned()),
            vars: &self.vars,
            secret_digest: &digest,
            kinds,
        };
        load(Path::new("environments/dev.toml"), &options)
    }

    /// The manifest, which must be free of mistakes.
    pub(crate) fn good(&self) -> Manifest {
        self.load().unwrap_or_else(|failed| panic!("{}", crate::render::failed(&failed)))
    }

    /// What is said about a manifest that has mistakes in it.
    pub(crate) fn bad(&self) -> String {
        crate::render::failed(&self.load().expect_err("the manifest has mistakes in it"))
    }
}

/// The fixture of the CDK is on the disk: above this crate, or by its whole path.
fn is_outside(path: &Path) -> bool {
    path.is_absolute() || path.starts_with("..")
}

impl Files for World {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.files.get(path.to_str().expect("paths in tests are text")) {
            Some(text) => Ok(text.clone().into_bytes()),
            None if is_outside(path) => Disk.read(path),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        match self.files.get(path.to_str().expect("paths in tests are text")) {
            Some(text) => Ok(Entry::File { size: text.len() as u64 }),
            None if is_outside(path) => Disk.entry(path),
            None if self.files.keys().any(|file| Path::new(file).starts_with(path)) => {
                Ok(Entry::Directory)
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

pub(crate) fn resource<'m>(manifest: &'m Manifest, address: &str) -> &'m Resource {
    let find = |resource: &&Resource| resource.address.to_string() == address;
    manifest.resources.iter().find(find).expect("it is declared")
}

/// An input by its dotted path.
pub(crate) fn input<'m>(manifest: &'m Manifest, address: &str, path: &str) -> &'m Expr {
    let mut parts = path.split('.');
    let first = parts.next().expect("a path has a first part");
    let mut expr = &resource(manifest, address).inputs[first];
    for part in parts {
        expr = match expr {
            Expr::Map(map) => &map[part],
            Expr::List(list) => &list[part.parse::<usize>().expect("lists have numbers")],
            other => panic!("{path} leads into {other:?}"),
        };
    }
    expr
}
