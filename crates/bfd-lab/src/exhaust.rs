//! Every single failure of an environment: each request failing, each answer lost, a crash at
//! each request and at each write of the journal.

use crate::{
    cloud::Cloud,
    disk::{Moment, SimDisk},
    laws,
    life::{Command, End, Lab, Project},
    scenario::{in_virtual_time, moment},
    trouble::{Death, Trouble},
};
use bfd_core::{Outcome, journal::Event, plan::Plan};
use bfd_sandbox::{Behaviour, Fault, Options, Sandbox};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// When every story begins: 2026-01-01T00:00:00Z.
const EPOCH: f64 = 1_767_225_600.0;
/// Lives in peace that an end may take: one to recover, one to apply, one to see.
const LIVES: usize = 4;
const IMAGE_TAG: &str = "IMAGE_TAG";
/// What environments look like after the next commit, by the file that all of them have: those
/// of the repository, and the one of images.
const EDITS: [(&str, Edits); 2] = [("base.toml", &SERVICES), ("images.toml", &IMAGES)];
/// In a file, from a text to another.
type Edits = &'static [(&'static str, &'static str, &'static str)];
const SERVICES: [(&str, &str, &str); 4] = [
    (
        "base.toml",
        "https://api-${environment.name}.bellyfed.com\"\ndesc",
        "https://new-api\"\ndesc",
    ),
    ("base.toml", "deploy-infra-stack = \"true\"", "deploy-infra-stack = \"false\""),
    ("base.toml", "container_insights = \"enabled\"", "container_insights = \"disabled\""),
    ("templates/infrastructure.yaml", "RetentionInDays: 30", "RetentionInDays: 60"),
];
const IMAGES: [(&str, &str, &str); 2] = [
    ("images.toml", "../fixtures/site-1", "../fixtures/site-2"),
    ("images.toml", "../fixtures/archive-0", "../fixtures/archive-2"),
];

/// One way in which a run can be disturbed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    Refused,
    AnswerLost,
    CrashBefore,
    CrashAfter,
    CrashAtWrite,
    CrashAfterWrite,
}

impl Failure {
    fn trouble(self, at: u64) -> Trouble {
        let (single, death) = match self {
            Self::Refused => (Some((at, Fault::AccessDenied)), None),
            Self::AnswerLost => (Some((at, Fault::LostAnswer)), None),
            Self::CrashBefore => (None, Some(Death::Request(at, Moment::Before))),
            Self::CrashAfter => (None, Some(Death::Request(at, Moment::After))),
            Self::CrashAtWrite => (None, Some(Death::Write(at, Moment::Torn))),
            Self::CrashAfterWrite => (None, Some(Death::Write(at, Moment::After))),
        };
        Trouble { single: single.into_iter().collect(), death, ..Trouble::default() }
    }

    /// In words, for the table.
    pub fn words(self) -> &'static str {
        match self {
            Self::Refused => "request refused",
            Self::AnswerLost => "answer lost",
            Self::CrashBefore => "crash before the request",
            Self::CrashAfter => "crash after the request",
            Self::CrashAtWrite => "crash in a write of the journal",
            Self::CrashAfterWrite => "crash after a write of the journal",
        }
    }
}

/// What came of one failure.
#[derive(Clone, Debug)]
pub struct Point {
    pub scenario: &'static str,
    pub failure: Failure,
    /// The request or write, counted from 0, and which request it is.
    pub at: u64,
    pub operation: String,
    pub outcome: String,
    /// Virtual seconds from the failure until everything was as before, or applied.
    pub seconds: f64,
    pub violations: Vec<String>,
}

/// A state of the world from which stories begin.
struct Beginning {
    sandbox: Sandbox,
    disk: SimDisk,
    time: f64,
    known: BTreeSet<String>,
    /// What it was made of, unless nothing has been made.
    made_of: Option<Project>,
}

/// A beginning, and the change that is disturbed.
struct Scenario {
    name: &'static str,
    beginning: Beginning,
    project: Project,
    /// What comes of it when nothing is disturbed.
    expected: Outcome,
    /// Requests of an undisturbed run, by number, and writes.
    operations: Vec<String>,
    writes: u64,
}

/// Reads a manifest and everything beside it.
pub fn read(manifest: &Path) -> io::Result<Project> {
    let directory = manifest.parent().unwrap_or(Path::new("."));
    let mut files = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                files.insert(path, text);
            }
        }
    }
    let variables = BTreeMap::from([(IMAGE_TAG.to_owned(), "v1".to_owned())]);
    Ok(Project { manifest: manifest.to_owned(), files, secrets: BTreeMap::new(), variables })
}

/// Disturbs the creation of an environment, a change of it, and a change that fails, at every
/// single place.
pub fn exhaust(
    project: &Project,
    each: &(dyn Fn(&[Job<'_>]) -> Vec<Point> + Sync),
) -> Result<Vec<Point>, String> {
    let mut points = Vec::new();
    for scenario in scenarios(project)? {
        let requests = scenario.operations.len() as u64;
        let mut jobs = Vec::new();
        for failure in
            [Failure::Refused, Failure::AnswerLost, Failure::CrashBefore, Failure::CrashAfter]
        {
            jobs.extend((0..requests).map(|at| Job { scenario: &scenario, failure, at }));
        }
        for failure in [Failure::CrashAtWrite, Failure::CrashAfterWrite] {
            jobs.extend((0..scenario.writes).map(|at| Job { scenario: &scenario, failure, at }));
        }
        points.extend(each(&jobs));
    }
    Ok(points)
}

/// One disturbance that is yet to be tried.
#[expect(missing_debug_implementations, reason = "holds a whole world")]
pub struct Job<'a> {
    scenario: &'a Scenario,
    failure: Failure,
    at: u64,
}

fn scenarios(project: &Project) -> Result<Vec<Scenario>, String> {
    let changed = changed(project)?;
    let mut failing = changed.clone();
    failing.variables.insert(IMAGE_TAG.to_owned(), "crash".to_owned());
    let empty = beginning(project, Stage::Before)?;
    let made = || beginning(project, Stage::Made);
    Ok(vec![
        scenario("create", empty, project, Outcome::Applied)?,
        scenario("change", made()?, &changed, Outcome::Applied)?,
        scenario("failing change", made()?, &failing, Outcome::RolledBack)?,
    ])
}

fn changed(project: &Project) -> Result<Project, String> {
    let mut changed = project.clone();
    changed.variables.insert(IMAGE_TAG.to_owned(), "v2".to_owned());
    let directory = project.manifest.parent().unwrap_or(Path::new("."));
    let found = EDITS.iter().find(|(file, _)| project.files.contains_key(&directory.join(file)));
    let (_, edits) = found.ok_or_else(|| "nobody knows how to change it".to_owned())?;
    for (file, from, to) in *edits {
        let path: PathBuf = directory.join(file);
        let text = changed.files.get_mut(&path).ok_or_else(|| format!("no {}", path.display()))?;
        if !text.contains(from) {
            return Err(format!("{} has no {from:?}", path.display()));
        }
        *text = text.replacen(from, to, 1);
    }
    Ok(changed)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Before,
    Made,
}

/// The world before the environment is made, or after. Where a plan needs images that are
/// pushed, the repositories are there already.
fn beginning(project: &Project, stage: Stage) -> Result<Beginning, String> {
    in_virtual_time(1, async {
        let options = Options { epoch: EPOCH, memory: Duration::ZERO, ..Options::default() };
        let sandbox = Sandbox::open(options).map_err(|error| error.to_string())?;
        for tag in [":crash", "status-crash"] {
            let behaviour = Behaviour::Crash { exit_code: 3, after: Duration::from_secs(4) };
            sandbox.behave(tag, behaviour);
        }
        let mut lab = Lab::new(sandbox, SimDisk::default());
        let peace = Trouble::default();
        let mut known = BTreeSet::new();
        if let End::Refused(_) = lab.live(Command::Plan, project, &peace).await {
            expect(lab.live(Command::ApplyRepositories, project, &peace).await)?;
            push(&lab).await;
        }
        if stage == Stage::Made {
            expect(lab.live(Command::Apply, project, &peace).await)?;
            push(&lab).await;
            known.extend(laws::lasting(&lab.record().await.0.state));
            // An image that was not there yet is now.
            match lab.live(Command::Apply, project, &peace).await {
                End::Planned(_) => {}
                end => expect(end)?,
            }
            // Until what the creation began has come to rest.
            tokio::time::sleep(Duration::from_mins(20)).await;
        }
        known.extend(laws::lasting(&lab.record().await.0.state));
        let time = lab.time();
        let made_of = (stage == Stage::Made).then(|| project.clone());
        Ok(Beginning { time, sandbox: lab.sandbox, disk: lab.disk, known, made_of })
    })
}

fn expect(end: End) -> Result<(), String> {
    match end {
        End::Ended { ended, .. } if ended.outcome == Outcome::Applied => Ok(()),
        other => Err(format!("without any failure: {other:?}")),
    }
}

async fn push(lab: &Lab) {
    let state = lab.record().await.0.state;
    let repositories = state.resources.values().filter(|it| it.kind.as_str() == "repository");
    for repository in repositories {
        for tag in ["v1", "v2", "crash"] {
            lab.sandbox.push_image(&repository.id, tag);
        }
    }
}

fn scenario(
    name: &'static str,
    beginning: Beginning,
    project: &Project,
    expected: Outcome,
) -> Result<Scenario, String> {
    let (operations, writes) = in_virtual_time(1, async {
        let mut lab = beginning.again();
        let end = lab.live(Command::Apply, project, &Trouble::default()).await;
        match end {
            End::Ended { ended, run } if ended.outcome == expected => {
                let mut late = laws::Lap::all(&run, lab.time(), moment).into_iter();
                if let Some(late) = late.find_map(laws::Lap::in_estimate) {
                    return Err(format!("{name}, undisturbed: {late}"));
                }
            }
            other => return Err(format!("{name}, undisturbed: {other:?}\n{}", lab.trace.text())),
        }
        let requests = lab.sandbox.requests().into_iter().map(|request| request.operation);
        Ok((requests.collect::<Vec<_>>(), lab.disk.writes()))
    })?;
    Ok(Scenario { name, beginning, project: project.clone(), expected, operations, writes })
}

impl Beginning {
    /// The same beginning in the runtime that this is called in.
    fn again(&self) -> Lab {
        Lab::new(self.sandbox.fork(self.time), self.disk.copy())
    }
}

impl Job<'_> {
    /// Disturbs the run, then lets bfd be in peace until all is well.
    pub fn try_it(&self) -> Point {
        in_virtual_time(1, self.told())
    }

    async fn told(&self) -> Point {
        let Self { scenario, failure, at } = self;
        let mut lab = scenario.beginning.again();
        let before = Cloud::of(&lab.sandbox);
        let mut known = scenario.beginning.known.clone();
        known.extend(before.pushed());
        let mut violations = Vec::new();
        let mut outcomes: Vec<&str> = Vec::new();
        let mut disturbed_at = None;
        let mut trouble = failure.trouble(*at);
        for life in 0..=LIVES {
            if life == LIVES {
                violations.push("no life came to a good end".to_owned());
                break;
            }
            let open = lab.record().await.1;
            let command = if open.is_some() { Command::Recover } else { Command::Apply };
            let asked = lab.sandbox.requests().len();
            let end = lab.live(command, &scenario.project, &trouble).await;
            trouble = Trouble::default();
            let (snapshot, _) = lab.record().await;
            known.extend(laws::lasting(&snapshot.state));
            match end {
                End::Died => {
                    outcomes.push("died");
                    disturbed_at = Some(lab.time());
                    lab.disk.kill(true, &mut crate::dice::Dice::new(*at));
                }
                End::Ended { ended, run } => {
                    let failed = run.entries.iter().find(|entry| {
                        matches!(entry.event, Event::Failed { .. } | Event::Canceled)
                    });
                    disturbed_at = disturbed_at.or_else(|| failed.map(|it| moment(&it.at)));
                    if ended.left_open.is_some() {
                        outcomes.push("stuck");
                        continue;
                    }
                    let cloud = Cloud::of(&lab.sandbox);
                    known.extend(laws::only_tags(&before, &cloud));
                    violations.extend(laws::agreed(&cloud, &snapshot.state, &known, &run));
                    if life > 0 && outcomes == ["refused"] && ended.outcome != scenario.expected {
                        violations.push(format!("in peace: {ended:?}"));
                    }
                    match ended.outcome {
                        Outcome::RolledBack => {
                            outcomes.push("rolled back");
                            violations.extend(laws::as_before(&before, &cloud, &run.plan));
                            violations.extend(self.nothing_to_do(&mut lab, &run.plan).await);
                        }
                        Outcome::Applied => {
                            outcomes.push("applied");
                            violations.extend(self.converged(&mut lab).await);
                        }
                        Outcome::CleanupPending => outcomes.push("cleanup pending"),
                        Outcome::Stopped | Outcome::Stuck => outcomes.push("stopped"),
                    }
                    break;
                }
                End::Planned(_) => {
                    let requests = lab.sandbox.requests().into_iter().skip(asked);
                    violations.extend(laws::asked_only(requests.map(|it| it.operation)));
                    outcomes.push("applied");
                    break;
                }
                End::Refused(_) => {
                    outcomes.push("refused");
                    let requests = lab.sandbox.requests().into_iter().skip(asked);
                    violations.extend(laws::asked_only(requests.map(|it| it.operation)));
                    if life > 0 {
                        violations.push("refused in peace".to_owned());
                        break;
                    }
                }
                End::Failed(why) => violations.push(format!("failed: {why}")),
            }
        }
        let seconds = disturbed_at.map_or(0.0, |from| lab.time() - from);
        if outcomes.last() == Some(&"rolled back") && seconds > 300.0 {
            violations.push(format!("back after {seconds:.0} s"));
        }
        let operation = match failure {
            Failure::CrashAtWrite | Failure::CrashAfterWrite => "journal".to_owned(),
            _ => usize::try_from(*at)
                .ok()
                .and_then(|at| scenario.operations.get(at).cloned())
                .unwrap_or_default(),
        };
        Point {
            scenario: scenario.name,
            failure: *failure,
            at: *at,
            operation,
            outcome: outcomes.join(", "),
            seconds,
            violations,
        }
    }

    /// After a rollback there is nothing to do for what the environment was made of.
    async fn nothing_to_do(&self, lab: &mut Lab, run: &Plan) -> Vec<String> {
        let Some(project) = &self.scenario.beginning.made_of else { return Vec::new() };
        match lab.live(Command::Plan, project, &Trouble::default()).await {
            End::Planned(plan) => laws::nothing_to_do(&plan, run),
            other => vec![format!("rolled back, and the next plan is {other:?}")],
        }
    }

    /// After an apply there is nothing to do.
    async fn converged(&self, lab: &mut Lab) -> Vec<String> {
        match lab.live(Command::Plan, &self.scenario.project, &Trouble::default()).await {
            End::Planned(plan) if plan.is_empty() && plan.drift.is_empty() => Vec::new(),
            other => vec![format!("applied, and the next plan is {other:?}")],
        }
    }
}
