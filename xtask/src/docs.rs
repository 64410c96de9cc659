//! `cargo xtask docs`: the pages that the binary writes about itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Result, cargo};

/// A committed file and the arguments with which `bfd` prints it.
struct Page {
    path: &'static str,
    arguments: &'static [&'static str],
}

const PAGES: &[Page] = &[
    Page { path: "docs/manifest.schema.json", arguments: &["schema"] },
    Page { path: "docs/manifest.md", arguments: &["schema", "--format", "markdown"] },
    Page { path: "docs/plan.schema.json", arguments: &["schema", "--plan"] },
];

/// Writes every page.
pub(crate) fn generate() -> Result<()> {
    cargo::build()?;
    let binary = cargo::bfd_binary()?;
    for page in PAGES {
        let path = cargo::root().join(page.path);
        let text = page.print(&binary)?;
        if fs::read_to_string(&path).is_ok_and(|committed| committed == text) {
            continue;
        }
        fs::create_dir_all(path.parent().expect("a page lies in a directory"))?;
        fs::write(path, text)?;
        println!("wrote {}", page.path);
    }
    Ok(())
}

/// Builds, and checks that every page is what the binary prints.
pub(crate) fn check() -> Result<()> {
    cargo::build()?;
    check_built()
}

/// Checks every page against the binary that is there.
pub(crate) fn check_built() -> Result<()> {
    let binary = cargo::bfd_binary()?;
    let mut differences = Vec::new();
    for page in PAGES {
        let committed = fs::read_to_string(cargo::root().join(page.path)).unwrap_or_default();
        if let Some(difference) = first_difference(&committed, &page.print(&binary)?) {
            differences.push(format!("{}:{difference}", page.path));
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    let differences = differences.join("\n");
    Err(format!("generated docs are out of date: run `cargo xtask docs`\n{differences}").into())
}

/// Whether there is anything to check yet.
pub(crate) fn are_committed() -> bool {
    cargo::root().join(PAGES[0].path).exists()
}

impl Page {
    fn print(&self, binary: &Path) -> Result<String> {
        cargo::read(Command::new(binary).args(self.arguments).env_clear())
    }
}

/// The first line that differs, as `LINE: what is there, what should be`.
fn first_difference(committed: &str, generated: &str) -> Option<String> {
    if committed == generated {
        return None;
    }
    let mut is = committed.split_inclusive('\n');
    let mut should = generated.split_inclusive('\n');
    let mut number = 1;
    loop {
        match (is.next(), should.next()) {
            (Some(is), Some(should)) if is == should => number += 1,
            (is, should) => {
                let show = |line: Option<&str>| line.unwrap_or("nothing").trim_end().to_owned();
                return Some(format!("{number}: `{}` should be `{}`", show(is), show(should)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pages_do_not_differ() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    }

    #[test]
    fn the_first_differing_line_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nc\n").unwrap(), "2: `b` should be `c`");
        assert_eq!(first_difference("a\n", "a\nc\n").unwrap(), "2: `nothing` should be `c`");
        assert_eq!(first_difference("a\nb\n", "a\n").unwrap(), "2: `b` should be `nothing`");
    }
}
