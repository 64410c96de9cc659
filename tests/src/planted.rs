//! Secrets of tests. Whatever a test is about: nothing that bfd prints holds one, and nothing
//! that it leaves in a workspace.

use std::{fs, path::Path};

/// What every secret of every test begins with; found nowhere by chance.
const BEGINNINGS: [&str; 4] =
    ["correct-horse-battery", "wrong-donkey-accumulator", "patient-mule-generator", "hunter2"];

/// How much of what is around a secret is shown, in bytes.
const AROUND: usize = 200;

/// Panics when a text holds a secret.
#[track_caller]
pub fn never_in(place: &str, text: &[u8]) {
    for secret in BEGINNINGS {
        let at = text.windows(secret.len()).position(|window| window == secret.as_bytes());
        let Some(at) = at else { continue };
        let around = &text[at.saturating_sub(AROUND)..text.len().min(at + AROUND)];
        panic!("{secret:?} in {place}: …{}…", String::from_utf8_lossy(around));
    }
}

/// Looks through what bfd writes below a directory: its own directories, events and plans.
#[track_caller]
pub fn never_below(directory: &Path) {
    let mut directories = vec![(directory.to_owned(), false)];
    while let Some((directory, is_ours)) = directories.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                directories.push((path, is_ours || name == ".bfd"));
            } else if is_ours || name.ends_with(".jsonl") || name.ends_with(".json") {
                never_in(&path.display().to_string(), &fs::read(&path).unwrap_or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_what_bfd_writes() {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().join("environments/.bfd/dev");
        fs::create_dir_all(&own).unwrap();
        fs::write(directory.path().join("secret"), "correct-horse-battery-staple").unwrap();
        never_below(directory.path());
        for place in [own.join("state.json"), directory.path().join("events.jsonl")] {
            fs::write(&place, "said correct-horse-battery-staple").unwrap();
            let found = std::panic::catch_unwind(|| never_below(directory.path()));
            assert!(found.is_err(), "{place:?}");
            fs::remove_file(place).unwrap();
        }
    }
}
