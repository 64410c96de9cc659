//! What to type next.

use super::View;
use crate::views::{
    layout::{plain, styled},
    palette,
    verdict::{Open, Verdict},
};
use bfd_core::Outcome;

impl View<'_> {
    /// The exact next command, and the other one where there is a choice.
    pub(crate) fn next(&mut self) {
        let all = self.commands();
        self.page.blank_if(!all.is_empty());
        for says in all {
            self.page.line(0, 6, &[styled(palette::HELP, "help: "), plain(says)]);
        }
    }

    fn commands(&self) -> Vec<String> {
        let manifest = self.ending.manifest;
        let run = |command: &str| format!("`bfd {command} {manifest}`");
        match self.ending.verdict {
            Verdict::Ended(Outcome::Applied) => vec![],
            Verdict::Ended(Outcome::CleanupPending) if self.destroys() => {
                vec![format!("{} tries again", run("destroy"))]
            }
            Verdict::Ended(Outcome::CleanupPending) => {
                vec![format!("{} deletes what is left", run("apply"))]
            }
            Verdict::Ended(Outcome::RolledBack) if self.was_canceled() => {
                vec![format!("{} begins again", run("apply"))]
            }
            Verdict::Ended(Outcome::RolledBack) => {
                vec![format!("{} tries again, once the cause is gone", run("apply"))]
            }
            Verdict::Ended(Outcome::Stopped) => {
                vec![format!("{} continues, once the cause is gone", run("apply"))]
            }
            Verdict::Abandoned => vec![format!("{} shows what differs", run("plan"))],
            Verdict::Open(Open::UnderWay) => {
                vec![format!("wait for its end; {} tells about its process", run("unlock"))]
            }
            Verdict::Ended(Outcome::Stuck) | Verdict::Open(Open::UndoFailed) => {
                let says = "tries those undos again, once their cause is gone";
                vec![format!("{} {says}", run("recover")), self.abandon()]
            }
            Verdict::Open(Open::Deadline) => {
                let says = "goes on rolling back, with a new deadline";
                vec![format!("{} {says}", run("recover")), self.abandon()]
            }
            Verdict::Open(Open::Died | Open::Aborted) => self.resume(&run("recover")),
        }
    }

    /// Where an interrupted run goes from here.
    fn resume(&self, recover: &str) -> Vec<String> {
        let manifest = self.ending.manifest;
        if self.run.unwinding() {
            return vec![format!("{recover} goes on rolling back"), self.abandon()];
        }
        if self.run.pivoted() {
            return vec![format!("{recover} goes on; there is no way back any more")];
        }
        let back = format!("`bfd recover {manifest} --back` rolls it back");
        vec![format!("{recover} goes on, for nothing had failed"), back]
    }

    fn abandon(&self) -> String {
        let manifest = self.ending.manifest;
        format!("`bfd recover {manifest} --abandon` closes it, once you have seen to the rest")
    }
}
