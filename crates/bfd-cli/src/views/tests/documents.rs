//! What `docs/recovery.md` shows is what bfd prints.

use super::runs::{MANIFEST, all};
use crate::{
    exit::{CommandError, help_after_a_bug},
    run::explain,
    saved::Stale,
    views::{
        Style,
        outcome::{Ending, outcome},
        run,
    },
};
use bfd_apply::ApplyError;
use bfd_store::{LockHolder, StoreError};
use std::{collections::BTreeMap, fs, path::Path};

/// Every sample by its name in the page.
fn samples() -> BTreeMap<String, String> {
    let mut samples = BTreeMap::new();
    for (name, told) in all() {
        let ending = Ending {
            run: &told.header.run,
            plan: &told.plan,
            entries: &told.entries,
            verdict: told.verdict,
            manifest: MANIFEST,
        };
        samples.insert(format!("end {name}"), outcome(&ending, &Style::PLAIN).unwrap());
        let shown = run::text(&told, MANIFEST, &Style::PLAIN).unwrap();
        samples.insert(format!("show {name}"), shown);
    }
    let holder = LockHolder {
        who: "ann@desk".into(),
        command: "bfd apply".into(),
        process: 4711,
        since: "2026-11-23T10:00:00Z".into(),
    };
    let errors: [(&str, CommandError); 4] = [
        ("locked", StoreError::Locked { holder: Box::new(holder) }.into()),
        (
            "stale",
            CommandError::Stale {
                why: Stale::Moved(["service.web".parse().unwrap()].into()),
                targets: Vec::new(),
            },
        ),
        (
            "wrong account",
            CommandError::WrongAccount {
                wanted: "123456789012".into(),
                found: "999999999999 (arn:aws:iam::999999999999:user/ann)".into(),
            },
        ),
        (
            "journal cannot be written",
            ApplyError::Store(StoreError::Write {
                place: "environments/.bfd/dev/journal.jsonl".into(),
                source: std::io::Error::other("no space left on device"),
            })
            .into(),
        ),
    ];
    for (name, error) in errors {
        samples.insert(name.to_owned(), explain(&error, MANIFEST, &Style::PLAIN));
    }
    let help = help_after_a_bug(MANIFEST);
    samples.insert("bug".into(), format!("error: this is a bug in bfd\nhelp: {help}\n"));
    samples
}

/// The blocks of a page that follow `<!-- sample: NAME -->`.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let parts = page.split("<!-- sample: ").skip(1);
    parts
        .map(|part| {
            let (name, rest) = part.split_once(" -->\n```text\n").expect("a marker and a block");
            let (block, _) = rest.split_once("```\n").expect("the end of a block");
            (name, block)
        })
        .collect()
}

#[test]
fn the_samples_of_the_recovery_page_are_what_is_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/recovery.md");
    let page = fs::read_to_string(path).unwrap();
    let samples = samples();
    let blocks = blocks(&page);
    for (name, block) in &blocks {
        let printed = samples.get(*name).unwrap_or_else(|| panic!("no sample `{name}`"));
        assert_eq!(block, printed, "docs/recovery.md is out of date at `{name}`:\n{printed}");
    }
    for wanted in [
        "end cleanup_pending",
        "end rolled_back",
        "end undo_failed",
        "end deadline",
        "show killed",
        "show recovered",
        "locked",
        "stale",
        "wrong account",
        "bug",
    ] {
        assert!(blocks.iter().any(|(name, _)| *name == wanted), "`{wanted}` has no sample");
    }
}
