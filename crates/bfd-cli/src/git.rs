//! What the work tree of a manifest says of itself, for `${git.…}`.

use crate::host;
use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

/// The digits of a short name of a commit.
const SHORT: usize = 12;

/// Where CI systems put the branch while `HEAD` is detached: GitHub (of a pull request, and
/// else), GitLab, Bitbucket, Buildkite, CircleCI, Jenkins, CodeBuild.
const BRANCHES: &[&str] = &[
    "GITHUB_HEAD_REF",
    "GITHUB_REF_NAME",
    "CI_COMMIT_REF_NAME",
    "BITBUCKET_BRANCH",
    "BUILDKITE_BRANCH",
    "CIRCLE_BRANCH",
    "BRANCH_NAME",
    "CODEBUILD_WEBHOOK_HEAD_REF",
];

/// The work tree around a directory. Asks git only for what a manifest names.
#[derive(Debug)]
pub struct WorkTree {
    directory: PathBuf,
    changed: OnceCell<Result<usize, String>>,
    asked: RefCell<BTreeSet<String>>,
}

impl WorkTree {
    pub fn around(directory: &Path) -> Self {
        let directory =
            if directory.as_os_str().is_empty() { Path::new(".") } else { directory }.to_owned();
        Self { directory, changed: OnceCell::new(), asked: RefCell::default() }
    }

    /// The value of `${git.NAME}`, or why there is none.
    pub fn get(&self, name: &str) -> Result<String, String> {
        self.asked.borrow_mut().insert(name.to_owned());
        match name {
            "branch" => self.branch().map(|branch| as_tag(&branch)),
            "dirty" => self.changed().map(|changed| (changed > 0).to_string()),
            "sha" => self.run(&["rev-parse", "--verify", "HEAD"]),
            "short_sha" => {
                let sha = self.run(&["rev-parse", "--verify", "HEAD"])?;
                Ok(sha.chars().take(SHORT).collect())
            }
            "time" => self.time(),
            other => Err(format!("git tells nothing called `{other}`")),
        }
    }

    /// The commit, for the record of a run: `…-dirty` where something differs from it. None
    /// outside of a work tree.
    pub fn commit(&self) -> Option<String> {
        let sha = self.run(&["rev-parse", "--verify", "HEAD"]).ok()?;
        let is_dirty = self.changed().is_ok_and(|changed| changed > 0);
        Some(if is_dirty { format!("{sha}-dirty") } else { sha })
    }

    /// What to say when the commit that was named is not what is in the work tree.
    pub fn warning(&self) -> Option<String> {
        let asked = self.asked.borrow();
        // That it is dirty is no name of a commit.
        let asked: Vec<&String> = asked.iter().filter(|name| *name != "dirty").collect();
        if asked.is_empty() {
            return None;
        }
        let changed = self.changed().ok().filter(|changed| *changed > 0)?;
        let files =
            if changed == 1 { "1 file differs" } else { &format!("{changed} files differ") };
        let named: Vec<String> = asked.iter().map(|name| format!("`${{git.{name}}}`")).collect();
        let verb = if named.len() == 1 { "names" } else { "name" };
        let named = named.join(" and ");
        Some(format!("{files} from the commit that {named} {verb}: it is not what is here"))
    }

    fn branch(&self) -> Result<String, String> {
        if let Ok(branch) = self.run(&["symbolic-ref", "--quiet", "--short", "HEAD"]) {
            return Ok(branch);
        }
        // Outside of a work tree, that is what is wrong.
        self.run(&["rev-parse", "--git-dir"])?;
        let named = BRANCHES.iter().filter_map(|name| host::variable(name));
        let named = named.map(|name| name.trim_start_matches("refs/heads/").to_owned());
        named.into_iter().find(|name| !name.is_empty()).ok_or_else(|| {
            "`HEAD` is detached, and no variable of a CI system names the branch".to_owned()
        })
    }

    fn changed(&self) -> Result<usize, String> {
        let count = || Ok(self.run(&["status", "--porcelain"])?.lines().count());
        self.changed.get_or_init(count).clone()
    }

    /// `20260131T120000Z`.
    fn time(&self) -> Result<String, String> {
        let seconds = self.run(&["log", "-1", "--format=%ct"])?;
        let seconds = seconds.parse().map_err(|_| format!("git says `{seconds}` for a time"))?;
        let time = jiff::Timestamp::from_second(seconds).map_err(|error| error.to_string())?;
        Ok(time.strftime("%Y%m%dT%H%M%SZ").to_string())
    }

    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("git").arg("-C").arg(&self.directory).args(arguments).output();
        let output = output.map_err(|error| format!("git cannot be run: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(said.lines().next().unwrap_or("git failed").trim_start_matches("fatal: ").to_owned())
    }
}

/// A branch as a tag may have it in it: `feature/login` is `feature-login`.
fn as_tag(branch: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let text: String = branch.chars().map(|c| if plain(c) { c } else { '-' }).collect();
    text.trim_start_matches(['.', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_become_parts_of_tags() {
        assert_eq!(as_tag("main"), "main");
        assert_eq!(as_tag("feature/log in#2"), "feature-log-in-2");
        assert_eq!(as_tag("-x"), "x");
    }

    fn git(directory: &Path, arguments: &[&str]) {
        let who = ["-c", "user.name=tests", "-c", "user.email=tests@example.com"];
        let mut command = Command::new("git");
        let command = command.arg("-C").arg(directory).args(who).args(arguments);
        let output = command.env("GIT_COMMITTER_DATE", "2026-01-31T12:00:00Z").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn work_tree() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        git(directory.path(), &["init", "--quiet", "--initial-branch", "main"]);
        std::fs::write(directory.path().join("file"), "first").unwrap();
        git(directory.path(), &["add", "--all"]);
        git(directory.path(), &["commit", "--quiet", "--message", "first"]);
        directory
    }

    #[test]
    fn a_commit_has_names_and_a_time() {
        let directory = work_tree();
        let tree = WorkTree::around(directory.path());
        let sha = tree.get("sha").unwrap();
        assert_eq!(sha.len(), 40);
        assert_eq!(tree.get("short_sha").unwrap(), sha[..SHORT]);
        assert_eq!(tree.get("branch").unwrap(), "main");
        assert_eq!(tree.get("time").unwrap(), "20260131T120000Z");
        assert_eq!(tree.get("dirty").unwrap(), "false");
        assert_eq!(tree.get("tag").unwrap_err(), "git tells nothing called `tag`");
        assert_eq!(tree.warning(), None);
    }

    #[test]
    fn what_differs_from_the_commit_is_warned_of_where_the_commit_is_named() {
        let directory = work_tree();
        std::fs::write(directory.path().join("file"), "second").unwrap();
        std::fs::write(directory.path().join("new"), "").unwrap();
        let tree = WorkTree::around(directory.path());
        assert_eq!(tree.get("dirty").unwrap(), "true");
        assert_eq!(tree.warning(), None, "nothing names the commit");
        tree.get("sha").unwrap();
        tree.get("branch").unwrap();
        let warning = tree.warning().unwrap();
        let told = "2 files differ from the commit that `${git.branch}` and `${git.sha}` name: \
                    it is not what is here";
        assert_eq!(warning, told);
    }

    #[test]
    fn outside_of_a_work_tree_nothing_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let tree = WorkTree::around(directory.path());
        for name in ["sha", "branch", "dirty", "time"] {
            assert!(tree.get(name).unwrap_err().contains("not a git repository"), "{name}");
        }
    }
}
