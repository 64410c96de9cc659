//! `bfd-lab`: tells the stories of seeds, and every single failure of a manifest.

#![expect(clippy::print_stdout, reason = "it reports to the person who ran it")]

use bfd_lab::{
    exhaust::{self, Job, Point},
    scenario::{Report, tell},
};
use clap::{Args, Parser, Subcommand};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

/// Seeds of which some end in every way.
const ENOUGH: usize = 300;
/// Of a hundred runs, how many end so at least.
const FLOORS: [(&str, usize); 4] =
    [("applied", 40), ("rolled back", 20), ("cleanup pending", 2), ("stuck", 1)];

#[derive(Debug, Parser)]
#[command(about = "Whole runs of bfd in virtual time, with everything that can go wrong")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Tells the stories of many seeds, or replays one
    Simulate(Simulate),
    /// Disturbs the creation and changes of environments at every single place
    Exhaust(Exhaust),
}

#[derive(Args, Debug)]
struct Exhaust {
    /// Manifests of the repository's `environments/`
    #[arg(required = true)]
    manifests: Vec<PathBuf>,
    /// Every place in a line of its own
    #[arg(long)]
    all: bool,
}

#[derive(Args, Debug)]
struct Simulate {
    /// How many seeds
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// Tells one seed's story in full
    #[arg(long, conflicts_with_all = ["seeds", "start"])]
    seed: Option<u64>,
    /// Stories told at the same time
    #[arg(long)]
    threads: Option<usize>,
    /// Stop after so many failing seeds
    #[arg(long, default_value_t = 10)]
    failures: usize,
    /// Tells each story twice, and compares every byte
    #[arg(long)]
    twice: bool,
}

fn main() -> ExitCode {
    match Cli::parse().task {
        Task::Simulate(options) => match options.seed {
            Some(seed) => replay(seed),
            None => simulate(&options),
        },
        Task::Exhaust(options) => exhaust(&options),
    }
}

fn exhaust(options: &Exhaust) -> ExitCode {
    let (mut tried, mut failed) = (0, 0);
    for manifest in &options.manifests {
        let begun = Instant::now();
        let points = exhaust::read(manifest)
            .map_err(|error| error.to_string())
            .and_then(|project| exhaust::exhaust(&project, &|jobs| in_parallel(jobs)));
        let points = match points {
            Ok(points) => points,
            Err(why) => {
                println!("{}: {why}", manifest.display());
                return ExitCode::FAILURE;
            }
        };
        let seconds = begun.elapsed().as_secs_f64();
        println!("{}: {} single failures in {seconds:.1} s", manifest.display(), points.len());
        table(&points, options.all);
        for point in points.iter().filter(|point| !point.violations.is_empty()) {
            failed += 1;
            let Point { scenario, failure, at, operation, violations, .. } = point;
            println!("  {scenario}: {} {at} ({operation}) breaks a law:", failure.words());
            for violation in violations {
                println!("    {violation}");
            }
        }
        tried += points.len();
    }
    println!("{} passed, {failed} failed", tried - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn in_parallel(jobs: &[Job<'_>]) -> Vec<Point> {
    let next = AtomicUsize::new(0);
    let done: Mutex<BTreeMap<usize, Point>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(number) else { return };
                    let point = job.try_it();
                    done.lock().expect("no thread panics with it").insert(number, point);
                }
            });
        }
    });
    done.into_inner().expect("all threads have ended").into_values().collect()
}

/// Failures by kind and call, with their outcomes and the longest of their times.
fn table(points: &[Point], all: bool) {
    let mut rows: BTreeMap<(&str, &str, String, &str), (usize, f64)> = BTreeMap::new();
    for point in points {
        let place = if all {
            format!("{:>4} {}", point.at, point.operation)
        } else {
            point.operation.clone()
        };
        let key = (point.scenario, point.failure.words(), place, point.outcome.as_str());
        let row = rows.entry(key).or_default();
        *row = (row.0 + 1, row.1.max(point.seconds));
    }
    row("scenario", "failure", "at", "outcome", "count", "seconds");
    for ((scenario, failure, place, outcome), (count, seconds)) in rows {
        let (count, seconds) = (count.to_string(), format!("{seconds:.0}"));
        row(scenario, failure, &place, outcome, &count, &seconds);
    }
}

fn row(scenario: &str, failure: &str, at: &str, outcome: &str, count: &str, seconds: &str) {
    println!("  {scenario:<15}{failure:<36}{at:<46}{outcome:<26}{count:>6}{seconds:>9}");
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn replay(seed: u64) -> ExitCode {
    let report = checked(seed, true);
    println!("{}", report.trace);
    for violation in &report.violations {
        println!("VIOLATION: {violation}");
    }
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A story, and with `twice` whether it is the same when told again.
fn checked(seed: u64, twice: bool) -> Report {
    let told = |seed| {
        catch_unwind(AssertUnwindSafe(|| tell(seed))).unwrap_or_else(|panic| {
            let why = panic.downcast_ref::<String>().cloned();
            let why = why.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
            let why = format!("a panic: {}", why.unwrap_or_default());
            Report { violations: vec![why], ..Report::default() }
        })
    };
    let mut report = told(seed);
    if twice && report.violations.is_empty() && told(seed).digest != report.digest {
        report.violations.push("told again, it is another story".to_owned());
    }
    report
}

fn simulate(options: &Simulate) -> ExitCode {
    let begun = Instant::now();
    let threads = options
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let next = AtomicU64::new(options.start);
    let end = options.start + options.seeds;
    let done: Mutex<BTreeMap<u64, Report>> = Mutex::default();
    let failed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || failed.load(Ordering::Relaxed) >= options.failures as u64 {
                        return;
                    }
                    let mut report = checked(seed, options.twice);
                    if report.violations.is_empty() {
                        report.trace = String::new();
                    } else {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    done.lock().expect("no thread panics with it").insert(seed, report);
                }
            });
        }
    });
    summarize(&done.into_inner().expect("all threads have ended"), begun.elapsed().as_secs_f64())
}

fn summarize(done: &BTreeMap<u64, Report>, seconds: f64) -> ExitCode {
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut runs, mut longest, mut failed) = (0, 0.0_f64, 0);
    let (mut laps, mut closest, mut planned_again) = (0, 0.0_f64, 0);
    for (seed, report) in done {
        runs += report.runs;
        longest = longest.max(report.longest);
        laps += report.laps;
        planned_again += report.planned_again;
        closest = closest.max(report.closest);
        for (outcome, count) in &report.outcomes {
            *outcomes.entry(outcome).or_default() += count;
        }
        if !report.violations.is_empty() {
            failed += 1;
            println!("seed {seed} breaks a law:");
            for violation in &report.violations {
                println!("  {violation}");
            }
            println!("  replay: cargo xtask simulate --seed {seed}");
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of runs")]
    let speed = runs as f64 / seconds;
    println!("{} seeds, {runs} runs in {seconds:.1} s: {speed:.0} runs per second", done.len());
    for (outcome, count) in &outcomes {
        println!("  {count:>7} {outcome}");
    }
    println!("  longest way back: {longest:.0} virtual seconds");
    println!(
        "  {planned_again} rollbacks after which the earlier project was planned: nothing to do"
    );
    println!(
        "  {laps} times compared with estimates, the closest took {:.0} % of its own",
        closest * 100.0
    );
    println!("{} passed, {failed} failed", done.len() - failed);
    let tame = if done.len() < ENOUGH { Vec::new() } else { tame(&outcomes, runs) };
    for line in &tame {
        println!("{line}");
    }
    if failed == 0 && tame.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What happened too rarely for its law to mean much: a tool that always goes back keeps
/// nearly all of them.
fn tame(outcomes: &BTreeMap<&str, usize>, runs: usize) -> Vec<String> {
    let is_rare = |(outcome, percent): &(&str, usize)| {
        outcomes.get(outcome).copied().unwrap_or_default() * 100 < runs * percent
    };
    let rare = FLOORS.into_iter().filter(is_rare);
    rare.map(|(outcome, percent)| format!("less than {percent} % of the runs: {outcome}")).collect()
}
