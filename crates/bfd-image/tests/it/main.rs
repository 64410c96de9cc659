//! Builders: the real buildah, and scripts in place of docker and podman.
//!
//! Buildah has to be installed: `apt-get install -y --no-install-recommends buildah crun`.

mod buildah;
mod scripts;

use bfd_image::{Build, ImageError, Layout, SecretFrom, Tools};
use std::{
    collections::BTreeMap,
    fs,
    future::{Future, pending},
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// A context and a place for what is built.
struct Scene {
    root: TempDir,
    build: Build,
    tools: Tools,
    secrets: BTreeMap<String, Zeroizing<String>>,
}

/// What a build came to.
struct Outcome {
    result: Result<Layout, ImageError>,
    lines: Vec<String>,
}

impl Scene {
    fn new(dockerfile: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let context = root.path().join("context");
        fs::create_dir(&context).unwrap();
        fs::create_dir(root.path().join("into")).unwrap();
        fs::write(context.join("Dockerfile"), dockerfile).unwrap();
        fs::write(context.join("hello"), "hello").unwrap();
        let build = Build { context, ..Build::default() };
        Self { root, build, tools: Tools::default(), secrets: BTreeMap::new() }
    }

    fn into(&self) -> PathBuf {
        self.root.path().join("into")
    }

    fn secret(&mut self, id: &str, value: &str) {
        self.build.secrets.insert(id.to_owned(), SecretFrom::Environment("X".to_owned()));
        self.secrets.insert(id.to_owned(), Zeroizing::new(value.to_owned()));
    }

    async fn run(&self) -> Outcome {
        self.run_until(pending(), &mut |_| {}).await
    }

    async fn run_until(
        &self,
        cancelled: impl Future<Output = ()> + Send,
        each: &mut (dyn FnMut(&str) + Send),
    ) -> Outcome {
        let mut lines = Vec::new();
        let mut progress = |line: &str| {
            each(line);
            lines.push(line.to_owned());
        };
        let (tools, secrets, into) = (&self.tools, &self.secrets, self.into());
        let build = bfd_image::build(&self.build, tools, secrets, &into, &mut progress, cancelled);
        let result = is_send(build).await;
        Outcome { result, lines }
    }

    /// What is left in the place for the image, hidden files included.
    fn left(&self) -> Vec<String> {
        names(&self.into())
    }
}

/// Builds run in tasks of their own.
fn is_send<F: Future + Send>(future: F) -> F {
    future
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
