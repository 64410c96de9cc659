//! Tags that name the commit.

use super::dock::Dock;
use crate::harbor::tell;
use bfd_tests::{Workspace, exit};

const TAG: &str =
    "repository = \"web\"\ncontext = \"app\"\ntag = \"${git.branch}-${git.short_sha}\"";

#[test]
fn a_tag_names_branch_and_commit_and_another_commit_alone_changes_nothing() {
    let dock = Dock::new();
    dock.image_is(TAG);
    let workspace = dock.project.workspace();
    git(workspace, &["init", "--quiet", "--initial-branch", "feature/login"]);
    workspace.write(".gitignore", ".bfd\n");
    commit(workspace);
    let sha = git(workspace, &["rev-parse", "HEAD"]);

    dock.project.apply().run().succeeds().never_mentions("differ");

    let tag = format!("feature-login-{}", &sha[..12]);
    let pushed = dock.pushed();
    assert_eq!(pushed.first(), Some(&format!("{} {tag}", dock.digest())));
    workspace.write("app/notes", "of a day");
    let dirty = dock.project.plan().env("COLUMNS", "300").run().succeeds().prints("No changes");
    tell(&format!("{dirty}"));
    dirty
        .prints("1 file differs from the commit that `${git.branch}` and `${git.short_sha}` name:");
    commit(workspace);
    dock.project.plan().run().succeeds().prints("No changes").never_mentions("differ");
    assert_eq!(dock.pushed(), pushed);
}

#[test]
fn outside_of_a_work_tree_a_commit_is_refused_in_its_place() {
    let dock = Dock::new();
    dock.image_is("repository = \"web\"\ncontext = \"app\"\ntag = \"${git.sha}\"");

    let refused = dock.project.plan().run().exits(exit::REFUSED);

    tell(&format!("{refused}"));
    refused.says("[manifest.toml:15:8]").says("not a git repository");
}

#[track_caller]
fn commit(workspace: &Workspace) {
    git(workspace, &["add", "--all"]);
    git(workspace, &["commit", "--quiet", "--message", "more"]);
}

#[track_caller]
fn git(workspace: &Workspace, arguments: &[&str]) -> String {
    let who = ["-c", "user.name=tests", "-c", "user.email=tests@example.com"];
    let output = workspace.command("git").args(who).args(arguments).run().succeeds();
    output.stdout.trim_end().to_owned()
}
