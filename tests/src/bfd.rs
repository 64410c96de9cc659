//! A directory with manifests, and `bfd` run in it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use tempfile::TempDir;

use crate::command::Invocation;
use crate::planted;
use crate::tools;

/// A temporary project directory, with a home beside it that nothing else uses.
#[derive(Debug)]
pub struct Workspace {
    root: TempDir,
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if !thread::panicking() {
            planted::never_below(&self.path());
        }
    }
}

impl Workspace {
    #[track_caller]
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("bfd-test-").tempdir();
        let workspace = Self { root: root.expect("a directory can be made") };
        for directory in [workspace.path(), workspace.home()] {
            fs::create_dir(directory).expect("a directory can be made");
        }
        workspace
    }

    /// Where commands run.
    pub fn path(&self) -> PathBuf {
        self.root.path().join("project")
    }

    /// The home of commands, where their temporary files are as well.
    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// Writes a file, with the directories it needs.
    #[track_caller]
    pub fn write(&self, file: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(file);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).expect("a directory can be made");
        }
        fs::write(&path, contents).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Reads a file.
    #[track_caller]
    pub fn read(&self, file: impl AsRef<Path>) -> String {
        let path = self.path().join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Prepares `bfd` with arguments.
    ///
    /// # Panics
    /// When the binary was not built.
    #[track_caller]
    pub fn bfd(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Invocation {
        self.command(tools::bfd_binary()).args(arguments)
    }

    /// Prepares any other program.
    pub fn command(&self, program: impl Into<PathBuf>) -> Invocation {
        Invocation::new(program, &self.path(), &self.home())
    }

    /// Replaces what differs from run to run: the directory's own path, by `[DIR]`.
    pub fn scrub(&self, text: &str) -> String {
        text.replace(&*self.path().to_string_lossy(), "[DIR]")
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Self::new()
    }
}
