//! How long a run that fails takes at worst, and whether the deadline allows for it.
//!
//! A rollback undoes dependents before what they depend on ([`WayBack`]), as parallel as they
//! allow: it takes as long as the longest path over the undos. What fails may be anything, and
//! everything else may have taken effect by then, so the figure of a resource is its own
//! detection and the longest path that its undo is on.

use crate::way_back::WayBack;
use bfd_core::{
    Address,
    plan::{
        Change, Effect, Estimate, FieldChange, FieldSeconds, Phase, Rollback, Share, Step, Warning,
        in_words,
    },
};
use bfd_kinds::{
    KindSpec,
    clock::{Clock, Lever, Term, Work, total},
};
use std::collections::{BTreeMap, BTreeSet};

/// A raised deadline is suggested in multiples of this many seconds.
const ROUND: u64 = 30;
/// Terms of a resource that a warning names.
const TERMS: usize = 4;

/// What a plan is about to do, as far as time is concerned.
pub(crate) struct Clockwork<'a> {
    steps: &'a [Step],
    fields: BTreeMap<&'a Address, &'a [FieldChange]>,
    specs: &'a BTreeMap<&'a str, &'static KindSpec>,
    way_back: WayBack,
    /// By step.
    clocks: Vec<Clock>,
    times: Times,
}

/// Seconds, by step.
#[derive(Clone)]
struct Times {
    detection: Vec<u64>,
    undo: Vec<u64>,
    /// The longest path of undos that ends with the one of the step, and that begins with it.
    since: Vec<u64>,
    until: Vec<u64>,
}

/// Fields of one step with the values that are tried.
type Settings<'a> = Vec<(&'a Lever, u64)>;

impl<'a> Clockwork<'a> {
    pub(crate) fn new(
        steps: &'a [Step],
        changes: &'a [Change],
        specs: &'a BTreeMap<&'a str, &'static KindSpec>,
    ) -> Self {
        let fields = changes.iter().map(|change| (&change.address, &change.fields[..])).collect();
        let way_back = WayBack::of(steps.iter());
        let times = Times::new(&way_back, &[], steps.len());
        let mut all = Self { steps, fields, specs, way_back, clocks: Vec::new(), times };
        all.clocks = steps.iter().map(|step| all.clock(step, &[])).collect();
        all.times = Times::new(&all.way_back, &all.clocks, steps.len());
        all
    }

    pub(crate) fn estimate(&self) -> Option<Estimate> {
        let deploys = || self.steps.iter().filter(|step| step.phase == Phase::Deploy);
        let (detection, undo) = (self.times.longest_detection(), self.times.longest_path());
        if detection == 0 && undo == 0 {
            return None;
        }
        let slowest = first_max(deploys(), |at| self.times.detection[at])?;
        let is_on_path = |step: &&Step| self.times.through(step.id.index()) == undo;
        let heaviest = first_max(deploys().filter(is_on_path), |at| self.times.undo[at])?;
        let share = |seconds, step: &Step, terms: &[Term]| Share {
            seconds,
            address: step.address.clone(),
            fields: fields(&step.address, terms),
        };
        Some(Estimate {
            detection: share(detection, slowest, &self.clocks[slowest.id.index()].detection),
            undo: share(undo, heaviest, &self.clocks[heaviest.id.index()].undo),
        })
    }

    /// One for each resource with which the deadline cannot be kept, by address.
    pub(crate) fn warnings(&self, rollback: Rollback) -> Vec<Warning> {
        if !rollback.on_failure {
            return Vec::new();
        }
        let deadline = rollback.deadline;
        let all = self.exceeding(deadline);
        let alone = all.len() == 1;
        let warning = |(address, at): (Address, usize)| Warning {
            message: self.message(at, deadline),
            help: Some(self.help(at, deadline, alone)),
            address: Some(address),
        };
        all.into_iter().map(warning).collect()
    }

    /// Cleanup only goes forward, and takes no time of a rollback.
    fn clock(&self, step: &Step, settings: &[(&Lever, u64)]) -> Clock {
        let Some(spec) = self.specs.get(step.address.kind().as_str()) else {
            return Clock::default();
        };
        if step.phase == Phase::Cleanup {
            return Clock::default();
        }
        let fields = self.fields.get(&step.address).copied().unwrap_or_default();
        if settings.is_empty() {
            return (spec.clock)(&Work { op: &step.op, fields });
        }
        let (mut op, mut fields) = (step.op.clone(), fields.to_vec());
        for (lever, value) in settings {
            op = lever.set(&op, *value);
            fields.push(touched(spec, lever));
        }
        (spec.clock)(&Work { op: &op, fields: &fields })
    }

    /// The steps with which the deadline cannot be kept, one for each address.
    fn exceeding(&self, deadline: u64) -> BTreeMap<Address, usize> {
        let mut all: BTreeMap<Address, usize> = BTreeMap::new();
        let deploys = || self.steps.iter().filter(|step| step.phase == Phase::Deploy);
        for step in deploys() {
            let at = step.id.index();
            if self.times.figure(at) > deadline {
                let worst = all.entry(step.address.clone()).or_insert(at);
                if self.times.figure(at) > self.times.figure(*worst) {
                    *worst = at;
                }
            }
        }
        if all.is_empty() && self.times.whole() > deadline {
            // Only together: one is slow to fail, and others are slow to undo.
            let slowest = first_max(deploys(), |at| self.times.detection[at]);
            all.extend(slowest.map(|step| (step.address.clone(), step.id.index())));
        }
        all
    }

    fn message(&self, at: usize, deadline: u64) -> String {
        let (times, address) = (&self.times, &self.steps[at].address);
        let detection = times.detection[at];
        let is_slow_alone = times.figure(at) > deadline;
        let path = if is_slow_alone { self.path(at) } else { self.longest_path() };
        let undo = path.iter().fold(0_u64, |sum, step| sum.saturating_add(times.undo[*step]));
        let said = path.iter().filter(|step| times.undo[**step] > 0).map(|step| {
            let (of, seconds) = (&self.steps[*step].address, in_words(times.undo[*step]));
            if of == address {
                format!("{seconds} here: {}", terms(&self.clocks[*step].undo))
            } else {
                format!("{seconds} in `{of}`")
            }
        });
        format!(
            "if this change fails, all may be back only after {}, later than \
             `rollback.deadline` ({}): {} until the failure is known ({}), and {} to undo ({})",
            in_words(detection.saturating_add(undo)),
            in_words(deadline),
            in_words(detection),
            terms(&self.clocks[at].detection),
            in_words(undo),
            said.collect::<Vec<_>>().join("; "),
        )
    }

    /// The longest path of undos through a step, in the order in which they are undone.
    fn path(&self, at: usize) -> Vec<usize> {
        let times = &self.times;
        let mut path = vec![at];
        let mut last = at;
        loop {
            let is_next = |step: &&Step| {
                self.way_back.waits(last, step.id.index())
                    && times.since[last]
                        == times.undo[last].saturating_add(times.since[step.id.index()])
            };
            let deploys = self.steps.iter().filter(|step| step.phase == Phase::Deploy);
            let Some(next) = deploys.into_iter().find(is_next) else { break };
            last = next.id.index();
            path.insert(0, last);
        }
        last = at;
        while let Some(next) = self
            .way_back
            .next(last)
            .find(|next| times.until[last] == times.undo[last].saturating_add(times.until[*next]))
        {
            path.push(next);
            last = next;
        }
        path
    }

    fn longest_path(&self) -> Vec<usize> {
        let longest = self.times.longest_path();
        let start = (0..self.steps.len()).find(|at| self.times.through(*at) == longest);
        start.map_or_else(Vec::new, |start| self.path(start))
    }

    /// What to change, so that it fits: one field, else several, else the deadline.
    fn help(&self, at: usize, deadline: u64, alone: bool) -> String {
        let step = &self.steps[at];
        let address = &step.address;
        // Where others are too slow as well, each is helped by itself.
        let of = |times: &Times| if alone { times.whole() } else { times.figure(at) };
        let fits = |settings: &Settings<'_>| {
            let clock = self.clock(step, settings);
            let (mut detection, mut undo) = (self.times.detection.clone(), self.times.undo.clone());
            (detection[at], undo[at]) = (total(&clock.detection), total(&clock.undo));
            of(&Times::of(&self.way_back, detection, undo)) <= deadline
        };
        let named = |settings: &Settings<'_>| {
            let name = |(lever, value): &(&Lever, u64)| {
                format!("`{address}.{}` to `{}`", lever.field, lever.written(*value))
            };
            format!("set {}", settings.iter().map(name).collect::<Vec<_>>().join(", "))
        };
        let levers = levers(&self.clocks[at]);
        for lever in &levers {
            if let Some(value) = closest(lever, |value| fits(&vec![(*lever, value)])) {
                return named(&vec![(*lever, value)]);
            }
        }
        let mut settings: Settings<'_> = Vec::new();
        for lever in &levers {
            let with = |value| [settings.clone(), vec![(*lever, value)]].concat();
            if let Some(value) = closest(lever, |value| fits(&with(value))) {
                return named(&with(value));
            }
            settings = with(lever.best);
        }
        let why = if levers.is_empty() {
            "no field of this resource makes it shorter"
        } else {
            "the fields of this resource alone cannot make it short enough"
        };
        let enough = of(&self.times).div_ceil(ROUND).saturating_mul(ROUND);
        format!("raise `rollback.deadline` to `\"{enough}s\"`: {why}")
    }
}

impl Times {
    fn new(way_back: &WayBack, clocks: &[Clock], steps: usize) -> Self {
        let of = |terms: fn(&Clock) -> &Vec<Term>| {
            clocks.iter().map(|clock| total(terms(clock))).collect::<Vec<_>>()
        };
        if clocks.is_empty() {
            return Self::of(way_back, vec![0; steps], vec![0; steps]);
        }
        Self::of(way_back, of(|clock| &clock.detection), of(|clock| &clock.undo))
    }

    fn of(way_back: &WayBack, detection: Vec<u64>, undo: Vec<u64>) -> Self {
        let (mut since, mut until) = (undo.clone(), undo.clone());
        for at in way_back.order() {
            for later in way_back.next(at) {
                since[later] = since[later].max(undo[later].saturating_add(since[at]));
            }
        }
        for at in way_back.order().rev() {
            let longest = way_back.next(at).map(|later| until[later]).max().unwrap_or(0);
            until[at] = undo[at].saturating_add(longest);
        }
        Self { detection, undo, since, until }
    }

    /// The longest path of undos that a step is on.
    fn through(&self, at: usize) -> u64 {
        self.since[at].saturating_add(self.until[at].saturating_sub(self.undo[at]))
    }

    /// From the beginning of a step until everything is back.
    fn figure(&self, at: usize) -> u64 {
        self.detection[at].saturating_add(self.through(at))
    }

    fn longest_detection(&self) -> u64 {
        self.detection.iter().copied().max().unwrap_or(0)
    }

    fn longest_path(&self) -> u64 {
        self.since.iter().copied().max().unwrap_or(0)
    }

    /// The worst case of the plan.
    fn whole(&self) -> u64 {
        self.longest_detection().saturating_add(self.longest_path())
    }
}

/// What the field of a lever would be as a change.
fn touched(spec: &KindSpec, lever: &Lever) -> FieldChange {
    let path: Vec<&str> = lever.path.iter().map(String::as_str).collect();
    let effect: Effect = (spec.effect)(&path);
    let path = lever.path.join(".");
    FieldChange { path, before: None, after: None, sensitive: false, known: true, effect }
}

/// Every lever once, those of the longest terms first.
fn levers(clock: &Clock) -> Vec<&Lever> {
    let mut terms: Vec<&Term> = clock.detection.iter().chain(&clock.undo).collect();
    terms.sort_by_key(|term| std::cmp::Reverse(term.seconds));
    let mut seen = BTreeSet::new();
    let levers = terms.into_iter().flat_map(|term| &term.levers);
    levers.filter(|lever| seen.insert(&lever.path)).collect()
}

/// The value nearest to the present one that fits; nothing where not even the best does.
fn closest(lever: &Lever, fits: impl Fn(u64) -> bool) -> Option<u64> {
    if !fits(lever.best) {
        return None;
    }
    let (mut good, mut bad) = (lever.best, lever.now);
    while good.abs_diff(bad) > 1 {
        let middle = good.min(bad) + good.abs_diff(bad) / 2;
        if fits(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Some(good)
}

/// The longest terms in words, the rest together.
fn terms(all: &[Term]) -> String {
    let mut sorted: Vec<&Term> = all.iter().filter(|term| term.seconds > 0).collect();
    sorted.sort_by_key(|term| std::cmp::Reverse(term.seconds));
    let said = sorted.iter().take(TERMS).map(|term| {
        let by = term.field.as_ref().map_or(String::new(), |field| format!(", `{field}`"));
        format!("{} {}{by}", in_words(term.seconds), term.what)
    });
    let rest = sorted.iter().skip(TERMS).fold(0_u64, |sum, term| sum.saturating_add(term.seconds));
    let rest = (rest > 0).then(|| format!("{} for the rest", in_words(rest)));
    said.chain(rest).collect::<Vec<_>>().join("; ")
}

fn fields(address: &Address, terms: &[Term]) -> Vec<FieldSeconds> {
    let mut all: BTreeMap<String, u64> = BTreeMap::new();
    for term in terms.iter().filter(|term| term.seconds > 0) {
        let Some(field) = &term.field else { continue };
        let seconds = all.entry(format!("{address}.{field}")).or_default();
        *seconds = seconds.saturating_add(term.seconds);
    }
    let mut all: Vec<FieldSeconds> =
        all.into_iter().map(|(field, seconds)| FieldSeconds { field, seconds }).collect();
    all.sort_by(|a, b| b.seconds.cmp(&a.seconds).then_with(|| a.field.cmp(&b.field)));
    all
}

/// The first of the largest.
fn first_max<'a>(
    steps: impl Iterator<Item = &'a Step>,
    by: impl Fn(usize) -> u64,
) -> Option<&'a Step> {
    let of = |step: &Step| by(step.id.index());
    steps.fold(None, |best: Option<&Step>, step| match best {
        Some(best) if of(best) >= of(step) => Some(best),
        _ => Some(step),
    })
}
