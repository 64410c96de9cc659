//! A seed's whole story: an environment, its changes, and what goes wrong with them.

use crate::{
    cloud::Cloud,
    dice::Dice,
    disk::SimDisk,
    environment::{
        CRASHING_TAG, Environment, GOOD_TAGS, MEMORY_TAG, SECRETS, SLOW_TAG, UNHEALTHY_TAG,
    },
    images::{self, Images},
    laws,
    life::{Command, End, Lab, Project},
    links::Links,
    trouble::Trouble,
};
use bfd_apply::{Ended, Unended};
use bfd_core::Outcome;
use bfd_sandbox::{Behaviour, Options, Sandbox};
use bfd_store::Unfinished;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::PathBuf,
    time::Duration,
};

/// When every story begins: 2026-01-01T00:00:00Z.
const EPOCH: f64 = 1_767_225_600.0;
/// Lives that may go wrong before one is left in peace.
const BAD_LIVES: usize = 3;
/// How long the registry's passwords are good for: a run outlives several.
const PASSWORDS: Duration = Duration::from_mins(5);

/// What is refused by right: another stack still imports what goes, somebody else's image is not
/// there, a tag that may not move would.
const BY_RIGHT: [&str; 3] = [
    "an export goes that another stack imports",
    "the image is not there",
    "an immutable tag cannot be moved",
];

/// What came of a story.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What should hold and did not.
    pub violations: Vec<String>,
    pub trace: String,
    /// Of everything that was written, asked and left.
    pub digest: String,
    pub runs: usize,
    pub outcomes: BTreeMap<&'static str, usize>,
    /// The longest way back, in virtual seconds.
    pub longest: f64,
    /// Times that were compared with the estimate of a plan: two of every run in peace that
    /// failed and was rolled back.
    pub laps: usize,
    /// Rollbacks after which the earlier project was planned again.
    pub planned_again: usize,
    /// The largest part of its estimate that one of them needed.
    pub closest: f64,
}

/// Tells the story of a seed, in virtual time.
pub fn tell(seed: u64) -> Report {
    in_virtual_time(seed, async { Box::pin(Story::new(seed).tell()).await })
}

/// A runtime of one thread whose clock jumps, with everything random pinned.
pub fn in_virtual_time<T>(seed: u64, story: impl Future<Output = T>) -> T {
    fastrand::seed(seed);
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        // What is read from disk is there in the order in which it was asked for.
        .max_blocking_threads(1)
        .start_paused(true)
        .build()
        .expect("a runtime without I/O can be built")
        .block_on(story)
}

/// A lab whose disk may never hold a secret.
pub fn lab(seed: u64) -> Lab {
    let options =
        Options { seed, epoch: EPOCH, memory: Duration::from_secs(30), ..Options::default() };
    let sandbox = Sandbox::open(options).expect("a world in memory can be opened");
    for (tag, behaviour) in [
        (CRASHING_TAG, Behaviour::Crash { exit_code: 3, after: Duration::from_secs(4) }),
        (UNHEALTHY_TAG, Behaviour::Unhealthy),
        (MEMORY_TAG, Behaviour::OutOfMemory),
        (SLOW_TAG, Behaviour::SlowStart(Duration::from_secs(15))),
    ] {
        sandbox.behave(&format!(":{tag}"), behaviour);
    }
    Lab::new(sandbox, SimDisk::new(SECRETS.iter().map(|(_, it)| (*it).to_owned()).collect()))
}

struct Story {
    dice: Dice,
    /// Of images, where the story has some.
    image_dice: Option<Dice>,
    /// Of what stacks take from each other, where the story is about that.
    link_dice: Option<Dice>,
    lab: Lab,
    report: Report,
    /// The cloud before the run that is open or comes next.
    before: Cloud,
    /// What the environment is made of, where that is known for certain.
    made_of: Option<Project>,
    /// What some state has recorded and stays when it no longer does, and what is nobody's of
    /// the environment: revisions, images, tags.
    known: BTreeSet<String>,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let lab = lab(dice.number());
        let (report, before, known) = (Report::default(), Cloud::default(), BTreeSet::new());
        let image_dice = Images::dice(seed);
        let link_dice = Links::dice(seed);
        Self { dice, image_dice, link_dice, lab, report, before, made_of: None, known }
    }

    async fn tell(mut self) -> Report {
        let mut environment = Environment::thrown(&mut self.dice);
        let mut images = self.image_dice.as_mut().map(Images::thrown);
        if let Some(dice) = &mut self.link_dice {
            environment = environment.linked(dice);
        }
        let stages = 2 + self.dice.below(2);
        for stage in 0..stages {
            if stage > 0 {
                self.push_images(&environment).await;
                environment = environment.changed(&mut self.dice);
                images = images.map(|images| self.change_images(&images));
                environment.links = environment.links.map(|links| self.change_links(&links));
            }
            if images.is_some() {
                self.lab.sandbox.limit_passwords(PASSWORDS);
                self.push_upstream(stage).await;
            }
            self.lab.trace.say(format!("=== stage {stage}"));
            let project = project(&environment, images.as_ref());
            for (name, text) in &project.files {
                self.lab.trace.say(format!("# {}\n{text}", name.display()));
            }
            let command =
                if stage > 0 && self.dice.percent(8) { Command::Destroy } else { Command::Apply };
            self.stage(command, &project).await;
            if !self.report.violations.is_empty() {
                break;
            }
        }
        self.finish()
    }

    /// Images of every kind in every repository that exists.
    async fn push_images(&mut self, environment: &Environment) {
        let state = self.lab.record().await.0.state;
        for key in environment.repositories.keys() {
            let address = format!("repository.{key}").parse().expect("a valid address");
            let Some(repository) = state.resources.get(&address) else { continue };
            for tag in
                GOOD_TAGS.into_iter().chain([CRASHING_TAG, UNHEALTHY_TAG, MEMORY_TAG, SLOW_TAG])
            {
                self.lab.sandbox.push_image(&repository.id, tag);
            }
        }
    }

    fn change_images(&mut self, images: &Images) -> Images {
        self.image_dice.as_mut().map_or_else(|| images.clone(), |dice| images.changed(dice))
    }

    fn change_links(&mut self, links: &Links) -> Links {
        self.link_dice.as_mut().map_or_else(|| links.clone(), |dice| links.changed(dice))
    }

    /// Somebody else's images, and a tag of theirs that moves from stage to stage.
    async fn push_upstream(&self, stage: usize) {
        let registry = self.lab.upstream().await;
        for number in 0..3 {
            let moving = (number == stage % 3).then_some(images::MOVING_TAG);
            registry.push(number, moving).await;
        }
    }

    /// One change of the environment, with as many lives as it takes.
    async fn stage(&mut self, command: Command, project: &Project) {
        self.before = Cloud::of(&self.lab.sandbox);
        self.known.extend(self.before.pushed());
        let is_bad = self.dice.percent(85);
        let bad_lives = if is_bad { 1 + self.dice.below(BAD_LIVES) } else { 0 };
        for life in 0..bad_lives + 4 {
            let trouble = if life < bad_lives {
                let trouble = Trouble::thrown(&mut self.dice);
                self.image_dice.as_mut().map_or(trouble.clone(), |dice| trouble.with_images(dice))
            } else {
                Trouble::default()
            };
            let (snapshot, open) = self.lab.record().await;
            self.known.extend(laws::lasting(&snapshot.state));
            let now = if open.is_some() { Command::Recover } else { command };
            let begun = self.lab.time();
            let asked = self.lab.sandbox.requests().len();
            let end = self.lab.live(now, project, &trouble).await;
            if matches!(end, End::Planned(_) | End::Refused(_)) {
                let requests = self.lab.sandbox.requests().into_iter().skip(asked);
                let wrote = laws::asked_only(requests.map(|request| request.operation));
                self.report.violations.extend(wrote);
            }
            let is_peaceful = trouble.is_none();
            match end {
                End::Died => {
                    let power = self.dice.percent(30);
                    self.lab.disk.kill(power, &mut self.dice);
                    if self.lab.record().await.1.is_none() {
                        // It may have died after the end of its run, whatever that was.
                        self.made_of = None;
                    }
                }
                End::Ended { ended, run } => {
                    self.ended(&ended, &run, begun, is_peaceful).await;
                    self.gone_back(&ended, &run).await;
                    if is_peaceful && now == command && ended.outcome == Outcome::RolledBack {
                        self.estimated(&run);
                    }
                    if is_peaceful && ended.left_open.is_none() && now == command {
                        return self.settled(command, project, ended.outcome).await;
                    }
                }
                End::Planned(_) if is_peaceful => return,
                End::Planned(_) => {}
                End::Refused(why) => {
                    if is_peaceful && BY_RIGHT.iter().any(|it| why.starts_with(it)) {
                        return;
                    }
                    if is_peaceful {
                        return self.violation(format!("{now:?} in peace was refused: {why}"));
                    }
                }
                End::Failed(why) => {
                    if is_peaceful {
                        self.violation(format!("a run in peace failed: {why}"));
                    }
                }
            }
            if !self.report.violations.is_empty() {
                return;
            }
        }
        self.violation("no life came to a good end".to_owned());
    }

    /// What must hold when a run has ended.
    async fn ended(&mut self, ended: &Ended, run: &Unfinished, begun: f64, is_peaceful: bool) {
        self.report.runs += 1;
        let name = match (ended.outcome, ended.left_open) {
            (_, Some(Unended::Deadline)) => "left open at the deadline",
            (_, Some(Unended::UndoFailed)) => "stuck",
            (_, Some(Unended::Aborted)) => "left at once",
            (Outcome::Applied, _) => "applied",
            (Outcome::CleanupPending, _) => "cleanup pending",
            (Outcome::RolledBack, _) => "rolled back",
            (Outcome::Stopped, _) => "stopped",
            (Outcome::Stuck, _) => "stuck",
        };
        *self.report.outcomes.entry(name).or_default() += 1;
        let now = self.lab.time();
        let late = laws::in_time(ended, run, begun, now, moment);
        self.report.violations.extend(late);
        if let Some(leak) = self.lab.disk.leak() {
            self.violation(format!("a secret was written: {leak}"));
        }
        if is_peaceful && ended.left_open.is_some() {
            self.violation(format!("left open in peace: {ended:?}"));
        }
        if ended.left_open.is_some() {
            return;
        }
        let (snapshot, open) = self.lab.record().await;
        if open.is_some() {
            self.violation("ended, and its journal is still open".to_owned());
        }
        let cloud = Cloud::of(&self.lab.sandbox);
        if ended.outcome == Outcome::RolledBack {
            let took = laws::way_back(run, now, moment).unwrap_or_default();
            self.report.longest = self.report.longest.max(took);
            let differences = laws::as_before(&self.before, &cloud, &run.plan);
            self.report.violations.extend(differences);
            self.known.extend(laws::only_tags(&self.before, &cloud));
        }
        self.known.extend(laws::lasting(&snapshot.state));
        let disagreements = laws::agreed(&cloud, &snapshot.state, &self.known, run);
        self.report.violations.extend(disagreements);
        self.before = cloud;
    }

    /// After a rollback there is nothing to do for what the environment was made of. After
    /// anything else it is made of something new, in part.
    async fn gone_back(&mut self, ended: &Ended, run: &Unfinished) {
        if ended.left_open.is_some() {
            return;
        }
        if ended.outcome != Outcome::RolledBack {
            self.made_of = None;
        }
        let Some(project) = &self.made_of else { return };
        self.report.planned_again += 1;
        match self.lab.live(Command::Plan, project, &Trouble::default()).await {
            End::Planned(plan) => {
                self.report.violations.extend(laws::nothing_to_do(&plan, &run.plan));
            }
            other => self.violation(format!("rolled back, and the next plan is {other:?}")),
        }
    }

    /// A run that nothing disturbed takes no longer than its plan said.
    fn estimated(&mut self, run: &Unfinished) {
        for lap in laws::Lap::all(run, self.lab.time(), moment) {
            self.report.laps += 1;
            self.report.closest = self.report.closest.max(lap.share());
            self.report.violations.extend(lap.in_estimate());
        }
    }

    /// After an end in peace there is nothing left to do, or the change itself is bad.
    async fn settled(&mut self, command: Command, project: &Project, outcome: Outcome) {
        if outcome != Outcome::Applied || command == Command::Destroy {
            return;
        }
        match self.lab.live(Command::Plan, project, &Trouble::default()).await {
            End::Planned(plan) if plan.is_empty() && plan.drift.is_empty() => {
                self.made_of = Some(project.clone());
            }
            End::Planned(plan) => {
                let left: Vec<String> = plan.changes.iter().map(|it| format!("{it:?}")).collect();
                let drift = format!("{:?}", plan.drift);
                self.violation(format!("applied, and the next plan has {left:?}, drift {drift}"));
            }
            other => self.violation(format!("applied, and the next plan is {other:?}")),
        }
    }

    fn violation(&mut self, what: String) {
        self.report.violations.push(what);
    }

    fn finish(mut self) -> Report {
        if let Some(leak) = self.lab.disk.leak() {
            self.violation(format!("a secret was written: {leak}"));
        }
        let trace = self.lab.trace.text();
        for (_, plaintext) in SECRETS {
            if trace.contains(plaintext) {
                self.violation(format!("a secret was told: {plaintext}"));
            }
        }
        let mut hash = Sha256::new();
        hash.update(&trace);
        for (path, bytes) in self.lab.disk.contents() {
            hash.update(path.display().to_string());
            hash.update(bytes);
        }
        hash.update(self.lab.sandbox.snapshot().to_string());
        let mut report = self.report;
        report.digest = hash.finalize().iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string");
            text
        });
        report.trace = trace;
        report
    }
}

fn project(environment: &Environment, images: Option<&Images>) -> Project {
    // Paths of images are real ones: theirs is the directory of the manifest.
    let directory = if images.is_some() { images::fixtures() } else { PathBuf::from("/lab") };
    let at = |(name, text): (String, String)| (directory.join(name), text);
    let mut files: BTreeMap<PathBuf, String> = environment.files().into_iter().map(at).collect();
    let manifest = directory.join("lab.toml");
    if let (Some(images), Some(text)) = (images, files.get_mut(&manifest)) {
        text.push_str(&images.tables());
    }
    Project {
        manifest,
        files,
        secrets: SECRETS.iter().map(|(name, it)| ((*name).to_owned(), (*it).to_owned())).collect(),
        variables: BTreeMap::new(),
    }
}

/// An entry's time in the sandbox's seconds.
pub(crate) fn moment(at: &str) -> f64 {
    crate::life::seconds_between("2026-01-01T00:00:00Z", at) + EPOCH
}
