//! How long a bad change of a service goes unnoticed, and how long the way back takes.

use super::tree::{Map, int, list, text};
use crate::clock::{Clock, Lever, Term, Unit, Work, total};
use bfd_core::{
    Expr, Properties,
    plan::{Effect, FieldChange, Op},
};

/// Seconds to place a task, attach its network interface and pull its image. AWS gives no
/// figure: Fargate usually takes 10 to 15 s for the interface, and pulls some 20 s for an image
/// of a few hundred MB. The sandbox takes 26 s at most.
const STARTING: u64 = 35;
/// Seconds between two looks at a deployment.
const LOOKING: u64 = 5;
/// Seconds that a task without any check has to run before it counts as started.
const SETTLING: u64 = 10;
/// Seconds for the calls of an undo and for ECS to act on them: it usually begins within
/// a second or two.
const ASKING: u64 = 10;
/// Tasks that ECS launches for one service on Fargate in a minute ("Service quotas" in the ECS
/// developer guide).
const LAUNCHES_PER_MINUTE: u64 = 500;
/// An Application Load Balancer looks every 30 s, waits 5 s, takes 2 failures for unhealthy
/// and 1 success of a new target for healthy ("Health checks for target groups", Elastic Load
/// Balancing). Target groups may say otherwise; they are no part of the manifest.
const TARGET_UNHEALTHY: u64 = 65;
const TARGET_HEALTHY: u64 = 35;
/// `deregistration_delay.timeout_seconds` of a target group, by default.
const DEREGISTERING: u64 = 300;
/// `stopTimeout` of a container that has none, by default of the ECS agent and of Fargate.
const STOP_TIMEOUT: u64 = 30;
/// Seconds for the network interface to go and the service to become INACTIVE.
const LEAVING: u64 = 20;
/// `startTimeout` by default: how long Fargate waits for a dependency between containers.
const START_TIMEOUT: u64 = 180;
/// ECS takes no more tasks than this in a service, by default quota.
const MOST_TASKS: u64 = 5_000;
/// The one field that makes it faster when it grows.
const MAXIMUM: &str = "maximum_percent";

pub(super) fn clock(work: &Work<'_>) -> Clock {
    match work.op {
        Op::Create { inputs, .. } => {
            let new = Tasks::new(inputs.clone(), true);
            Clock { detection: new.rollout(true, 1), undo: new.deletion() }
        }
        Op::Update { prior, inputs, .. } | Op::Adopt { prior, inputs, .. } => {
            let (new, old) = (Tasks::new(inputs.clone(), true), recorded(&prior.inputs));
            changed(&new, &old, work.fields)
        }
        // It makes room for another of its name: undone, it is created again.
        Op::Delete { prior } => {
            let old = recorded(&prior.inputs);
            let mut undo = vec![Term::of("asking ECS", ASKING)];
            undo.extend(old.rollout(false, 1));
            Clock { detection: old.deletion(), undo }
        }
    }
}

fn recorded(inputs: &Properties) -> Tasks {
    let inputs = inputs.iter().map(|(name, value)| (name.clone(), Expr::from(value.clone())));
    Tasks::new(inputs.collect(), false)
}

fn changed(new: &Tasks, old: &Tasks, fields: &[FieldChange]) -> Clock {
    let asking = || vec![Term::of("asking ECS to go back", ASKING)];
    let retried = fields.iter().any(|field| field.path == "proven");
    let restarts = fields.iter().any(|field| field.effect == Effect::RestartsTasks);
    let scales = fields.iter().any(|field| {
        field.path == "desired_count" || field.path.split('.').next() == Some("autoscaling")
    });
    if !retried && !restarts && !scales {
        return Clock { detection: vec![Term::of("the calls", LOOKING)], undo: asking() };
    }
    let rolls = restarts || retried;
    let detection = new.rollout(true, if rolls { new.batches() } else { 1 });
    let mut undo = asking();
    // What never got healthy is put back without waiting for its health.
    if !retried {
        // On the way back ECS scales within the limits of either side, whichever is in force.
        let both = Tasks {
            least: new.least.max(old.least),
            most: new.most.min(old.most),
            count: new.count.max(old.count),
            ..old.clone()
        };
        undo.extend(both.rollout(false, if rolls { both.batches() } else { 1 }));
    }
    Clock { detection, undo }
}

/// What matters about a service's tasks.
#[derive(Clone, Debug)]
struct Tasks {
    inputs: Map,
    /// Whether the manifest decides, and not what is recorded.
    is_desired: bool,
    count: u64,
    /// `minimumHealthyPercent` and `maximumPercent`.
    least: u64,
    most: u64,
}

impl Tasks {
    fn new(inputs: Map, is_desired: bool) -> Self {
        let scaling = map(&inputs, "autoscaling");
        let count = scaling.map_or_else(
            || number(&inputs, "desired_count", 1),
            |scaling| number(scaling, "max", 1),
        );
        let deployment =
            map(&inputs, "service").and_then(|service| map(service, "deploymentConfiguration"));
        let percent = |key, default| deployment.map_or(default, |it| number(it, key, default));
        let (least, most) = (percent("minimumHealthyPercent", 100), percent("maximumPercent", 200));
        Self { inputs, is_desired, count, least, most }
    }

    fn containers(&self) -> Option<&Map> {
        map(map(&self.inputs, "task_definition")?, "containers")
    }

    fn service(&self) -> Option<&Map> {
        map(&self.inputs, "service")
    }

    fn has_load_balancer(&self) -> bool {
        self.service().is_some_and(|service| list(service, "loadBalancers").next().is_some())
    }

    /// How many rounds of starting tasks the limits force, at most for any count up to this one:
    /// ECS rounds the minimum up and the maximum down, so that fewer tasks may need more rounds.
    fn batches(&self) -> u64 {
        let of = |count: u64| {
            let least = count.saturating_mul(self.least).div_ceil(100);
            let most = count.saturating_mul(self.most) / 100;
            count.div_ceil(most.saturating_sub(least).max(1))
        };
        (1..=self.count.min(MOST_TASKS)).map(of).max().unwrap_or(0).max(of(self.count)).max(1)
    }

    /// From the request until the last of the tasks is healthy, or where it `fails`, until that
    /// is seen.
    fn rollout(&self, fails: bool, batches: u64) -> Vec<Term> {
        let mut terms = vec![Term::of("placing a task and pulling its image", STARTING)];
        terms.extend(if fails { self.unhealthy() } else { self.healthy() });
        if self.most <= 100 && batches > 1 {
            // Every round begins when the one before it has made room.
            terms.extend(self.stopping());
        }
        let extra = total(&terms).saturating_mul(batches - 1);
        if extra > 0 {
            let field = MAXIMUM;
            let path = ["service", "deploymentConfiguration", "maximumPercent"];
            let what = "more rounds, because not all tasks may start at once";
            terms.push(self.term(
                what,
                field,
                extra,
                vec![lever(field, &path, self.most, 200, Unit::Number)],
            ));
        }
        let launching = self.count.saturating_mul(60) / LAUNCHES_PER_MINUTE;
        if launching > 0 {
            let what = "launching tasks at the rate of Fargate";
            terms.push(self.term(what, "desired_count", launching, Vec::new()));
        }
        let baking = if fails { self.baking() } else { 0 };
        if baking > 0 {
            let what = "shifting and watching traffic";
            let field = "service_definition.deploymentConfiguration";
            terms.push(self.term(what, field, baking, Vec::new()));
        }
        terms.push(Term::of("the next look", LOOKING));
        terms
    }

    /// Blue/green, linear and canary deployments watch the new tasks for a while.
    fn baking(&self) -> u64 {
        let Some(of) = self.service().and_then(|it| map(it, "deploymentConfiguration")) else {
            return 0;
        };
        let canary = map(of, "canaryConfiguration");
        let canary = canary.map_or(0, |it| number(it, "canaryBakeTimeInMinutes", 10));
        let linear = map(of, "linearConfiguration").map_or(0, |it| {
            let steps = 100_u64.div_ceil(number(it, "stepPercent", 10).max(1));
            number(it, "stepBakeTimeInMinutes", 6).saturating_mul(steps)
        });
        let minutes = number(of, "bakeTimeInMinutes", 0).saturating_add(canary);
        minutes.saturating_add(linear).saturating_mul(60)
    }

    /// From the start of a task until its health check has passed. A container that is slow has
    /// its start period to get ready in, and the check after that sees it.
    fn healthy(&self) -> Vec<Term> {
        let own = self.slowest(false);
        if self.has_load_balancer() && total(&own) < TARGET_HEALTHY {
            return vec![Term::of("the first check of the load balancer", TARGET_HEALTHY)];
        }
        own
    }

    /// From the start of a task until ECS gives it up. Container checks that fail during the
    /// grace period are overlooked, like those of a load balancer.
    fn unhealthy(&self) -> Vec<Term> {
        let own = self.slowest(true);
        let grace = self.service().map_or(0, |it| number(it, "healthCheckGracePeriodSeconds", 0));
        let mut patience = Vec::new();
        if grace > 0 {
            let path = ["service", "healthCheckGracePeriodSeconds"];
            let field = "grace_period";
            let levers = vec![lever(field, &path, grace, 10, Unit::Seconds)];
            let what = "failing checks that are overlooked";
            patience.push(self.term(what, field, grace, levers));
        }
        if self.has_load_balancer() {
            patience.push(Term::of("failing checks of the load balancer", TARGET_UNHEALTHY));
        }
        if total(&patience) > total(&own) { patience } else { own }
    }

    /// The container that decides: the last essential one.
    fn slowest(&self, fails: bool) -> Vec<Term> {
        let settled = vec![Term::of("running for a while, without a health check", SETTLING)];
        let Some(containers) = self.containers() else { return settled };
        let essential = containers.iter().filter_map(|(name, it)| Some((name, it.as_map()?)));
        let essential =
            essential.filter(|(_, it)| it.get("essential").and_then(Expr::as_bool) != Some(false));
        essential
            .map(|(name, container)| {
                let mut terms = self.waiting(name, container, fails, containers.len());
                terms.extend(self.checks(name, container, fails));
                terms
            })
            .max_by_key(|terms| total(terms))
            .filter(|terms| total(terms) >= SETTLING)
            .unwrap_or(settled)
    }

    /// Before a container starts: others that it waits for. `depth` ends a circle.
    fn waiting(&self, name: &str, container: &Map, fails: bool, depth: usize) -> Vec<Term> {
        let others = self.containers().filter(|_| depth > 0);
        let waits = list(container, "dependsOn").filter_map(|it| {
            let (other, condition) = (text(it, "containerName")?, text(it, "condition")?);
            let dependency = others?.get(other).filter(|_| other != name)?.as_map()?;
            let mut terms = self.waiting(other, dependency, fails, depth - 1);
            match condition {
                "HEALTHY" => terms.extend(self.checks(other, dependency, fails)),
                "COMPLETE" | "SUCCESS" => {
                    let field = format!("container.{other}.start_timeout");
                    let seconds = number(dependency, "startTimeout", START_TIMEOUT);
                    let path = at(other, &["startTimeout"]);
                    let levers = vec![lever(&field, &path, seconds, 2, Unit::Seconds)];
                    let what = "waiting for a container to complete";
                    terms.push(self.term(what, &field, seconds, levers));
                }
                _ => {}
            }
            Some(terms)
        });
        waits.max_by_key(|terms| total(terms)).unwrap_or_default()
    }

    /// The checks of one container, until they pass at the latest, or until they have failed.
    ///
    /// ECS checks once per interval, beginning one interval after the start. A first success
    /// makes a container healthy at any time; failures count once the start period is over, and
    /// `retries` of them in a row make it unhealthy ("HealthCheck", ECS API reference).
    fn checks(&self, name: &str, container: &Map, fails: bool) -> Vec<Term> {
        let Some(check) = map(container, "healthCheck") else { return Vec::new() };
        let command = check.get("command").and_then(Expr::as_list).and_then(<[Expr]>::first);
        if command.and_then(Expr::as_str) == Some("NONE") {
            return Vec::new();
        }
        let field = |of: &str| format!("container.{name}.health_check.{of}");
        let one = |of: &str, key: &'static str, default, best, unit| {
            let path = at(name, &["healthCheck", key]);
            let now = number(check, key, default);
            (now, lever(&field(of), &path, now, best, unit))
        };
        let (interval, by_interval) = one("interval", "interval", 30, 5, Unit::Seconds);
        let (timeout, by_timeout) = one("timeout", "timeout", 5, 2, Unit::Seconds);
        let (retries, by_retries) = one("retries", "retries", 3, 2, Unit::Number);
        let (start, by_start) = one("start_period", "startPeriod", 0, 10, Unit::Seconds);
        let (times, retries) = if fails { (retries, vec![by_retries]) } else { (1, Vec::new()) };
        let mut all = Vec::new();
        if start > 0 {
            all.push(self.term("the start period", &field("start_period"), start, vec![by_start]));
        }
        let what = if fails { "failing checks" } else { "the first check" };
        let repeated = |seconds: u64, first: Lever| {
            (seconds.saturating_mul(times), [vec![first], retries.clone()].concat())
        };
        let (seconds, levers) = repeated(interval, by_interval);
        all.push(self.term(what, &field("interval"), seconds, levers));
        let (seconds, levers) = repeated(timeout, by_timeout);
        all.push(self.term("checks without an answer", &field("timeout"), seconds, levers));
        all
    }

    /// Until the container that takes the longest has stopped.
    fn stopping(&self) -> Option<Term> {
        let all = self.containers()?.iter().filter_map(|(name, it)| Some((name, it.as_map()?)));
        let (seconds, name) =
            all.map(|(name, it)| (number(it, "stopTimeout", STOP_TIMEOUT), name)).max()?;
        let field = format!("container.{name}.stop_timeout");
        let levers = vec![lever(&field, &at(name, &["stopTimeout"]), seconds, 5, Unit::Seconds)];
        Some(self.term("stopping a task", &field, seconds, levers))
    }

    /// From DeleteService until the service is INACTIVE: what is undone has to be gone before
    /// its cluster can go, or another of its name can come.
    fn deletion(&self) -> Vec<Term> {
        let mut terms = vec![Term::of("asking ECS to delete it", ASKING)];
        if self.has_load_balancer() {
            terms.push(Term::of("draining connections (deregistration delay)", DEREGISTERING));
        }
        terms.extend(self.stopping());
        terms.push(Term::of("network interfaces, and the next look", LEAVING + LOOKING));
        terms
    }

    fn term(&self, what: &'static str, field: &str, seconds: u64, levers: Vec<Lever>) -> Term {
        let useful = |lever: &Lever| self.is_desired && lever.now != lever.best;
        let levers = levers.into_iter().filter(useful).collect();
        Term { what, field: Some(field.to_owned()), seconds, levers }
    }
}

fn map<'a>(of: &'a Map, key: &str) -> Option<&'a Map> {
    of.get(key).and_then(Expr::as_map)
}

fn number(of: &Map, key: &str, default: u64) -> u64 {
    // Nothing here can be less than none.
    int(of, key).map_or(default, |value| u64::try_from(value).unwrap_or(0))
}

/// The path of something in a container's definition.
fn at<'a>(container: &'a str, path: &[&'a str]) -> Vec<&'a str> {
    [&["task_definition", "containers", container], path].concat()
}

/// What is best already, or better, has nothing to gain.
fn lever(field: &str, path: &[&str], now: u64, best: u64, unit: Unit) -> Lever {
    let path = path.iter().map(|part| (*part).to_owned()).collect();
    let best = if field == MAXIMUM { best.max(now) } else { best.min(now) };
    Lever { field: field.to_owned(), path, now, best, unit }
}
