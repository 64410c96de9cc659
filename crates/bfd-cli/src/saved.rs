//! A plan in a file: what was reviewed is what gets applied.

use crate::{
    cli::ManifestArgs,
    exit::CommandError,
    host,
    views::{self, plan::Origin},
};
use bfd_core::{
    Address, Snapshot, State,
    plan::{FORMAT_VERSION, Op, Plan},
};
use bfd_kinds::spec::OutputSource;
use bfd_manifest::{Source, Sources};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// `sha256:` and twelve digits: enough for people.
const SHORT: usize = 19;

#[derive(Debug, Serialize, Deserialize)]
pub struct SavedPlan {
    /// Tells a plan from other JSON files.
    pub bfd_plan: u32,
    /// As it was given to `bfd plan`, from the directory that it was run in.
    pub manifest: PathBuf,
    /// Given with `--var`. They are in the plan as well, so they are no secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// When it was made, RFC 3339.
    pub made_at: String,
    /// The digest of every file that the manifest is made of, as seen from it.
    pub files: BTreeMap<String, String>,
    /// The digest of the record of each resource that the plan is about; of what is not
    /// recorded, none.
    pub rests_on: BTreeMap<Address, Option<String>>,
    /// Of the plan and all that it is bound to, but for its time: the same plan has the same.
    pub digest: String,
    /// Of the digest and the time: what was reviewed cannot be edited afterwards.
    pub seal: String,
    pub plan: Plan,
}

/// Why a saved plan is not what would be planned now.
#[derive(Debug, PartialEq, Eq)]
pub enum Stale {
    /// Another state altogether.
    Lineage,
    /// What is recorded of these is not what it was.
    Moved(BTreeSet<Address>),
    /// Other files than those that were read.
    Files(Vec<String>),
    /// Older than the manifest allows.
    Old { made_at: String, limit: Duration },
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: Vec<String>| names.join(", ");
        match self {
            Self::Lineage => f.write_str("the state is another one than the plan was made from"),
            Self::Moved(moved) => {
                let names = list(moved.iter().map(|address| format!("`{address}`")).collect());
                write!(f, "changed since the plan was made: {names}")
            }
            Self::Files(files) => {
                let names = list(files.iter().map(|file| format!("`{file}`")).collect());
                write!(f, "not what it was when the plan was made: {names}")
            }
            Self::Old { made_at, limit } => {
                let limit = bfd_core::plan::in_words(limit.as_secs());
                write!(f, "the plan of {made_at} is older than {limit}, or ahead of this clock")
            }
        }
    }
}

impl SavedPlan {
    /// A plan with all that it rests on.
    pub fn new(manifest: &ManifestArgs, sources: &Sources, state: &State, plan: &Plan) -> Self {
        let mut saved = Self {
            bfd_plan: FORMAT_VERSION,
            manifest: manifest.manifest.clone(),
            vars: manifest.vars.iter().cloned().collect(),
            made_at: host::now(),
            files: files(sources),
            rests_on: rests_on(plan)
                .into_iter()
                .map(|it| (it.clone(), recorded(state, &it)))
                .collect(),
            digest: String::new(),
            seal: String::new(),
            plan: plan.clone(),
        };
        saved.digest = saved.own_digest();
        saved.seal = saved.own_seal();
        saved
    }

    fn own_digest(&self) -> String {
        let bound = (&self.manifest, &self.vars, &self.files, &self.rests_on, &self.plan);
        digest(&serde_json::to_vec(&bound).expect("a plan is plain data"))
    }

    fn own_seal(&self) -> String {
        digest(format!("{} {}", self.digest, self.made_at).as_bytes())
    }

    /// What people compare: the beginning of the digest.
    pub fn short_digest(&self) -> &str {
        self.digest.get(..SHORT).unwrap_or(&self.digest)
    }

    /// What a reader of its file is told of it.
    pub fn origin<'a>(&'a self, file: &'a Path) -> Origin<'a> {
        Origin::Saved { file, digest: self.short_digest(), made_at: &self.made_at }
    }

    /// The plan for programs.
    pub fn json(&self) -> String {
        let mut json = views::plan::json(&self.plan);
        json["digest"] = self.digest.clone().into();
        json["made_at"] = self.made_at.clone().into();
        serde_json::to_string_pretty(&json).expect("a plan is plain data") + "\n"
    }

    pub fn write(&self, path: &Path) -> Result<(), CommandError> {
        let is_ours = |path: &Path| fs::read_to_string(path).is_ok_and(|text| is_plan(&text));
        if path.exists() && !is_ours(path) {
            return Err(CommandError::refused_with(
                format!("{} is there already, and it is no saved plan", path.display()),
                "choose another name for the plan",
            ));
        }
        let mut text = serde_json::to_string_pretty(self).expect("a plan is plain data");
        text.push('\n');
        let failed = |err| CommandError::refused(format!("{}: {err}", path.display()));
        let written = host::private_file(path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(failed)
    }

    /// Whether the files and the age are what they should be.
    pub fn check(&self, sources: &Sources, limit: Duration) -> Result<(), Stale> {
        let now = files(sources);
        let names: BTreeSet<&String> = self.files.keys().chain(now.keys()).collect();
        let changed = names.into_iter().filter(|name| self.files.get(*name) != now.get(*name));
        let changed: Vec<String> = changed.cloned().collect();
        if !changed.is_empty() {
            return Err(Stale::Files(changed));
        }
        let made_at: jiff::Timestamp = self.made_at.parse().unwrap_or(jiff::Timestamp::MIN);
        let age = jiff::Timestamp::now().duration_since(made_at);
        // Clocks differ a little, and no more.
        let is_ahead = age < -jiff::SignedDuration::from_mins(5);
        if is_ahead
            || age > jiff::SignedDuration::try_from(limit).unwrap_or(jiff::SignedDuration::MAX)
        {
            return Err(Stale::Old { made_at: self.made_at.clone(), limit });
        }
        Ok(())
    }

    /// The plan as it is to be carried out on what is recorded now: nothing that it rests on
    /// has moved, whatever else has.
    pub fn rebased(&self, now: &Snapshot) -> Result<Plan, Stale> {
        let mut plan = self.plan.clone();
        // The first run gives a state its lineage.
        if !plan.base.lineage.is_empty() && plan.base.lineage != now.version.lineage {
            return Err(Stale::Lineage);
        }
        let has_moved = |(address, was): (&Address, &Option<String>)| {
            (recorded(&now.state, address) != *was).then(|| address.clone())
        };
        let mut moved: BTreeSet<Address> = self.rests_on.iter().filter_map(has_moved).collect();
        // What depends by now on something that the plan deletes.
        let deleted = plan.steps.iter().filter(|step| matches!(step.op, Op::Delete { .. }));
        let deleted: BTreeSet<&Address> = deleted.map(|step| &step.address).collect();
        let depends = now.state.resources.iter().filter(|(address, resource)| {
            !self.rests_on.contains_key(*address)
                && resource.depends_on.iter().any(|it| deleted.contains(it))
        });
        moved.extend(depends.map(|(address, _)| address.clone()));
        if !moved.is_empty() {
            return Err(Stale::Moved(moved));
        }
        let mut state = now.state.clone();
        for address in self.rests_on.keys() {
            match plan.refreshed.resources.remove(address) {
                Some(refreshed) => state.resources.insert(address.clone(), refreshed),
                None => state.resources.remove(address),
            };
        }
        plan.refreshed = state;
        plan.missing.retain(|address, _| self.rests_on.contains_key(address));
        plan.base = now.version.clone();
        Ok(plan)
    }
}

/// Whose records a plan rests on: what its steps change, and what they refer to.
fn rests_on(plan: &Plan) -> BTreeSet<Address> {
    let mut all = BTreeSet::new();
    for step in &plan.steps {
        all.insert(step.address.clone());
        let (inputs, depends_on) = match &step.op {
            Op::Create { inputs, depends_on }
            | Op::Update { inputs, depends_on, .. }
            | Op::Adopt { inputs, depends_on, .. } => (inputs, depends_on),
            Op::Delete { prior } => {
                all.extend(prior.depends_on.iter().cloned());
                continue;
            }
        };
        all.extend(depends_on.iter().cloned());
        let mut references = BTreeSet::new();
        for input in inputs.values() {
            input.references(&mut references);
        }
        all.extend(references.into_iter().map(|reference| reference.of));
    }
    all
}

/// The digest of what is recorded of a resource, but for outputs that change by themselves: a
/// run that leaves an object alone records them as it finds them.
fn recorded(state: &State, address: &Address) -> Option<String> {
    let (resource, deposed) = (state.resources.get(address), state.deposed.get(address));
    if resource.is_none() && deposed.is_none() {
        return None;
    }
    let spec = bfd_kinds::all().iter().find(|spec| spec.name == address.kind().as_str());
    let is_lasting = |name: &str| {
        let outputs = spec.map_or(&[][..], |spec| spec.outputs);
        outputs.iter().any(|it| it.name == name && it.source != OutputSource::Volatile)
    };
    let resource = resource.map(|resource| {
        let mut resource = resource.clone();
        resource.outputs.retain(|name, _| is_lasting(name));
        resource
    });
    Some(digest(&serde_json::to_vec(&(resource, deposed)).expect("a record is plain data")))
}

fn files(sources: &Sources) -> BTreeMap<String, String> {
    let one =
        |source: &Source| (source.name().display().to_string(), digest(source.text.as_bytes()));
    sources.iter().map(|(_, source)| one(source)).collect()
}

/// `sha256:` and the hash in hexadecimal.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::from("sha256:"), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a string");
        hex
    })
}

/// Whether a text says that it is a saved plan.
fn is_plan(text: &str) -> bool {
    let json = serde_json::from_str::<serde_json::Value>(text);
    json.is_ok_and(|json| json.get("bfd_plan").is_some())
}

/// The manifest that a saved plan names, also one that cannot be applied.
fn made_for(text: &str) -> String {
    let json = serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
    json["manifest"].as_str().unwrap_or("MANIFEST").to_owned()
}

/// Reads a saved plan; `None` when the file is something else, such as a manifest.
pub fn read(path: &Path) -> Result<Option<SavedPlan>, CommandError> {
    // A file that cannot be read is the manifest loader's to explain.
    let Ok(text) = fs::read_to_string(path) else { return Ok(None) };
    if !text.trim_start().starts_with('{') {
        return Ok(None);
    }
    let refused = |reason: String| {
        CommandError::refused_with(
            format!("{} is not a plan this bfd can apply: {reason}", path.display()),
            format!("make it again with `bfd plan {} -o {}`", made_for(&text), path.display()),
        )
    };
    let version = serde_json::from_str::<serde_json::Value>(&text)
        .map_err(|err| refused(err.to_string()))?
        .get("bfd_plan")
        .and_then(serde_json::Value::as_u64)
        .ok_or_else(|| refused("it has no `bfd_plan`".to_owned()))?;
    if version != u64::from(FORMAT_VERSION) {
        return Err(refused(format!("its format is {version}, not {FORMAT_VERSION}")));
    }
    let mut saved: SavedPlan =
        serde_json::from_str(&text).map_err(|err| refused(err.to_string()))?;
    if saved.digest != saved.own_digest() || saved.seal != saved.own_seal() {
        return Err(refused("it was edited after it was made".to_owned()));
    }
    if !saved.manifest.exists() {
        // It may have travelled: look from the plan's own place.
        saved.manifest = host::directory_of(path).join(&saved.manifest);
    }
    if !saved.manifest.exists() {
        return Err(CommandError::refused_with(
            format!("the manifest of this plan, {}, is not there", saved.manifest.display()),
            "apply it from the directory in which it was made",
        ));
    }
    Ok(Some(saved))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bfd_core::{
        Environment, Expr, Reference, ResourceState, StateVersion,
        plan::{Phase, Rollback, Step, StepId},
    };

    fn resource(value: &str, depends_on: &[&str]) -> ResourceState {
        ResourceState {
            kind: bfd_core::Kind::new("parameter"),
            id: value.to_owned(),
            inputs: [("value".to_owned(), value.into())].into(),
            outputs: BTreeMap::new(),
            depends_on: depends_on.iter().map(|it| it.parse().unwrap()).collect(),
        }
    }

    fn state(resources: &[(&str, ResourceState)]) -> State {
        let resources = resources.iter().map(|(at, it)| (at.parse().unwrap(), it.clone()));
        State { resources: resources.collect(), ..State::default() }
    }

    fn at(serial: u64, state: State) -> Snapshot {
        let version = StateVersion { lineage: "l".to_owned(), serial };
        Snapshot { version, environment: None, state }
    }

    /// `parameter.a` is updated, from what `parameter.b` says; `parameter.old` is deleted.
    fn saved() -> (SavedPlan, State) {
        let environment =
            Environment { name: "dev".into(), account: "1".into(), region: "r".into() };
        let recorded = state(&[
            ("parameter.a", resource("one", &["parameter.b"])),
            ("parameter.b", resource("b", &[])),
            ("parameter.old", resource("old", &[])),
            ("parameter.other", resource("other", &[])),
        ]);
        let prior = |at: &str| recorded.resources[&at.parse::<Address>().unwrap()].clone();
        let of = Reference { of: "parameter.b".parse().unwrap(), output: "value".to_owned() };
        let inputs = [("value".to_owned(), Expr::Reference(of))].into();
        let ops = [
            (
                "parameter.a",
                Op::Update { prior: prior("parameter.a"), inputs, depends_on: [].into() },
            ),
            ("parameter.old", Op::Delete { prior: prior("parameter.old") }),
        ];
        let step = |(id, (at, op)): (u32, (&str, Op))| Step {
            id: StepId(id),
            address: at.parse().unwrap(),
            phase: Phase::Deploy,
            op,
            after: [].into(),
            undone_after: BTreeSet::new(),
            path_seconds: 0,
        };
        // What was observed differs from what is recorded.
        let mut refreshed = recorded.clone();
        refreshed.resources.get_mut(&"parameter.a".parse().unwrap()).unwrap().id = "seen".into();
        let plan = Plan {
            format_version: FORMAT_VERSION,
            environment,
            endpoint: None,
            base: StateVersion { lineage: "l".to_owned(), serial: 7 },
            refreshed,
            missing: BTreeMap::new(),
            changes: vec![],
            unchanged: 0,
            steps: (0..).zip(ops).map(step).collect(),
            drift: vec![],
            stack_drift: Vec::new(),
            previews: Vec::new(),
            back_to: None,
            warnings: vec![],
            targets: BTreeSet::new(),
            rollback: Rollback::default().into(),
        };
        let manifest = ManifestArgs { manifest: "dev.toml".into(), vars: vec![] };
        (SavedPlan::new(&manifest, &Sources::default(), &recorded, &plan), recorded)
    }

    #[test]
    fn outputs_that_change_by_themselves_void_nothing() {
        let (saved, recorded) = saved();
        let with_output = |name: &str| {
            let mut resource =
                recorded.resources[&"parameter.a".parse::<Address>().unwrap()].clone();
            resource.outputs.insert(name.to_owned(), 1.into());
            with(recorded.clone(), "parameter.a", Some(resource))
        };
        assert!(saved.rebased(&at(9, with_output("last_modified"))).is_ok());
        assert!(saved.rebased(&at(9, with_output("arn"))).is_err());
    }

    fn with(mut state: State, at: &str, resource: Option<ResourceState>) -> State {
        let at: Address = at.parse().unwrap();
        match resource {
            Some(resource) => state.resources.insert(at, resource),
            None => state.resources.remove(&at),
        };
        state
    }

    #[test]
    fn a_plan_is_carried_out_on_top_of_what_it_does_not_touch() {
        let (saved, recorded) = saved();
        assert_eq!(saved.rebased(&at(7, recorded.clone())).unwrap(), saved.plan);
        let now = with(recorded.clone(), "parameter.other", Some(resource("new", &[])));
        let now = with(now, "parameter.more", Some(resource("more", &[])));
        let rebased = saved.rebased(&at(9, now)).unwrap();
        assert_eq!(rebased.base.serial, 9);
        let id = |at: &str| rebased.refreshed.resources[&at.parse::<Address>().unwrap()].id.clone();
        assert_eq!(id("parameter.other"), "new", "the change of others is kept");
        assert_eq!(id("parameter.more"), "more");
        assert_eq!(id("parameter.a"), "seen", "as the plan saw it");
        assert_eq!(rebased.steps, saved.plan.steps);
    }

    #[test]
    fn what_a_plan_rests_on_must_not_have_moved() {
        let (saved, recorded) = saved();
        let refused = |now: State| saved.rebased(&at(9, now)).unwrap_err().to_string();
        for address in ["parameter.a", "parameter.b", "parameter.old"] {
            let says = format!("changed since the plan was made: `{address}`");
            let changed = with(recorded.clone(), address, Some(resource("changed", &[])));
            assert_eq!(refused(changed), says);
            assert_eq!(refused(with(recorded.clone(), address, None)), says);
        }
        let depends = Some(resource("more", &["parameter.old"]));
        assert!(
            refused(with(recorded.clone(), "parameter.more", depends)).contains("`parameter.more`")
        );
        let mut other = at(9, recorded);
        other.version.lineage = "another".to_owned();
        assert_eq!(saved.rebased(&other), Err(Stale::Lineage));
    }

    #[test]
    fn files_and_age_are_bound() {
        let (mut saved, _) = saved();
        let day = Duration::from_hours(24);
        assert_eq!(saved.check(&Sources::default(), day), Ok(()));
        saved.files.insert("dev.toml".to_owned(), "sha256:1".to_owned());
        let other = Stale::Files(vec!["dev.toml".to_owned()]);
        assert_eq!(saved.check(&Sources::default(), day), Err(other));
        saved.files.clear();
        saved.made_at = "2026-01-01T00:00:00Z".to_owned();
        let old = saved.check(&Sources::default(), day).unwrap_err().to_string();
        assert!(old.starts_with("the plan of 2026-01-01T00:00:00Z is older than 24 h"));
        saved.made_at = "2999-01-01T00:00:00Z".to_owned();
        assert!(saved.check(&Sources::default(), day).is_err(), "nobody makes plans ahead");
        assert_ne!(saved.own_seal(), saved.seal, "its time cannot be edited either");
        assert_eq!(saved.own_digest(), saved.digest, "and is no part of the content");
    }
}
