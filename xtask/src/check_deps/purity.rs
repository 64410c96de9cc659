//! The crates that only compute, and what keeps them that way.
//!
//! Clippy refuses the calls named in a crate's `clippy.toml`; here is checked
//! that the file is there and names them, and that no dependency brings what
//! the file forbids.

use std::fs;
use std::path::Path;

use super::Violation;
use super::workspace::{Purpose, Workspace};

const PURE: &[&str] = &["bfd-core", "bfd-kinds", "bfd-manifest", "bfd-plan", "bfd-template"];

/// What each `clippy.toml` must disallow at least.
const DISALLOWED: &[&str] = &[
    "std::env::var",
    "std::env::var_os",
    "std::env::vars",
    "std::fs::File::open",
    "std::fs::read",
    "std::fs::read_to_string",
    "std::fs::write",
    "std::process::exit",
    "std::thread::sleep",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
];

/// Crates that exist for I/O, for waiting, or for chance.
const IMPURE: &[&str] =
    &["async-trait", "fastrand", "getrandom", "jiff", "rand", "tempfile", "tokio", "tokio-util"];

/// Every dependency of a pure crate that makes it impure; its tests may use what they like.
pub(super) fn check_dependencies(workspace: &Workspace) -> Vec<Violation> {
    let impure = workspace.dependencies().filter(|(member, dependency)| {
        PURE.contains(&member.name.as_str())
            && dependency.purpose == Purpose::Build
            && IMPURE.contains(&dependency.name.as_str())
    });
    impure
        .map(|(member, dependency)| {
            let (name, used) = (&member.name, &dependency.name);
            format!("{name} -> {used}: {name} only computes: no I/O, no clock, no chance, no await")
        })
        .collect()
}

/// Every call that a pure crate's `clippy.toml` fails to disallow.
pub(super) fn check_clippy_files(root: &Path) -> Vec<Violation> {
    let check = |name: &&str| {
        let file = format!("crates/{name}/clippy.toml");
        match fs::read_to_string(root.join(&file)) {
            Ok(text) => check_clippy_file(&file, &text),
            Err(error) => vec![format!("{file}: {error}; without it {name} need not stay pure")],
        }
    };
    PURE.iter().flat_map(check).collect()
}

fn check_clippy_file(file: &str, text: &str) -> Vec<Violation> {
    let missing = DISALLOWED.iter().filter(|path| !text.contains(&format!("\"{path}\"")));
    missing.map(|path| format!("{file}: does not disallow `{path}`")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::workspace::sample::{dev, normal, workspace};
    use super::*;

    #[test]
    fn a_pure_crate_takes_no_runtime() {
        let workspace = workspace(&[
            ("bfd-plan", &[normal("petgraph"), normal("tokio"), dev("tempfile")]),
            ("bfd-apply", &[normal("tokio")]),
        ]);

        assert_eq!(
            check_dependencies(&workspace),
            ["bfd-plan -> tokio: bfd-plan only computes: no I/O, no clock, no chance, no await"]
        );
    }

    #[test]
    fn a_clippy_file_must_name_every_call() {
        let text = format!("{:?}", &DISALLOWED[1..]);

        assert_eq!(
            check_clippy_file("clippy.toml", &text),
            ["clippy.toml: does not disallow `std::env::var`"]
        );
    }

    #[test]
    fn a_clippy_file_must_be_there() {
        let violations = check_clippy_files(Path::new("no-such-directory"));

        assert_eq!(violations.len(), PURE.len());
        assert!(violations[0].contains("bfd-core need not stay pure"), "{}", violations[0]);
    }
}
