//! From text to plan: how long it takes and how much memory, as an environment grows.
//!
//! `cargo bench` prints a table. Every size runs in a process of its own, so that
//! the peak of its memory is its own.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::disallowed_methods, reason = "it takes times, in processes of its own")]

use bfd_core::{Address, Environment, SecretSource, Snapshot, plan::Rollback};
use bfd_plan::{Graph, PlanInput, plan};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs, io,
    path::Path,
    process,
    time::Instant,
};

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
/// Each figure is the median of so many runs.
const RUNS: usize = 5;

fn main() {
    if let Some(size) = env::var("BFD_BENCH_SIZE").ok().and_then(|size| size.parse().ok()) {
        measure(size);
        return;
    }
    println!("from text to plan, median of {RUNS} runs, one process per size\n");
    println!("| resources | text | load | graph | plan | total | per resource | peak memory |");
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
    let this = env::current_exe().expect("a benchmark knows its own path");
    for size in SIZES {
        let run = process::Command::new(&this).env("BFD_BENCH_SIZE", size.to_string()).status();
        assert!(run.expect("the benchmark starts itself").success());
    }
}

fn measure(size: usize) {
    let text = manifest(size);
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(once(&text, size));
    }
    times.sort_by(|a, b| a.iter().sum::<f64>().total_cmp(&b.iter().sum()));
    let [load, graph, plan] = times[RUNS / 2];
    let total = load + graph + plan;
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    let (each, kilobytes) = (total * 1e6 / size as f64, text.len() as f64 / 1e3);
    println!(
        "| {size} | {kilobytes:.0} kB | {:.1} ms | {:.1} ms | {:.1} ms | {:.1} ms | {each:.2} µs | {:.0} MB |",
        load * 1e3,
        graph * 1e3,
        plan * 1e3,
        total * 1e3,
        peak_megabytes(),
    );
}

/// Seconds for loading, linking and planning.
fn once(text: &str, size: usize) -> [f64; 3] {
    let began = Instant::now();
    let vars = BTreeMap::new();
    let options = bfd_manifest::Options {
        read: &|_: &Path| -> io::Result<String> { Ok(text.to_owned()) },
        env: &|_| None,
        git: &|_| Err("there is no work tree".to_owned()),
        vars: &vars,
        files: &bfd_manifest::Disk,
        secret_digest: &|_: &SecretSource, _: &Environment, _: &Address| Ok(String::new()),
        kinds: bfd_kinds::all(),
    };
    let Ok(loaded) = bfd_manifest::load(Path::new("bench.toml"), &options) else {
        panic!("the generated manifest has problems")
    };
    let load = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let graph = Graph::build(loaded.resources).expect("the generated manifest has no cycles");
    let linked = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let observed = BTreeMap::new();
    let plan = plan(&PlanInput {
        manifest: "dev.toml",
        command: "bfd apply dev.toml",
        environment: &loaded.environment,
        endpoint: None,
        desired: &graph,
        current: &Snapshot::default(),
        observed: Some(&observed),
        kinds: bfd_kinds::all(),
        targets: None,
        fallback_images: true,
        assemblies: &BTreeSet::new(),
        deletes: true,
        rollback: Rollback::default(),
    })
    .expect("nothing stands in the way");
    assert_eq!(plan.steps.len(), size);
    [load, linked, began.elapsed().as_secs_f64()]
}

/// Parameters, repositories, clusters and services that refer to each other.
fn manifest(size: usize) -> String {
    let mut text = String::from(
        "[environment]\nname = \"bench\"\naccount = \"123456789012\"\nregion = \"eu-west-1\"\n\n\
         [coordinator]\nparameter_prefix = \"/bench\"\n\n[cluster.main]\nname = \"bench\"\n\n",
    );
    for index in 2..size {
        let write = match index % 10 {
            0 => writeln!(
                text,
                "[repository.r{index}]\nname = \"bench/r{index}\"\nkeep_images = 10\n"
            ),
            1 => writeln!(
                text,
                "[service.s{index}]\nname = \"s{index}\"\ncluster = \"main\"\ncpu = 256\nmemory = 512\n\
                 execution_role = \"arn:aws:iam::123456789012:role/r\"\n\
                 network = {{ subnets = [\"subnet-1\"] }}\n\
                 [service.s{index}.container.web]\nimage = \"nginx:alpine\"\nport = 80\n\
                 environment = {{ PARAMETER = \"${{parameter.p{}.name}}\" }}\n",
                (index + 1).min(size - 1).max(2)
            ),
            _ => writeln!(
                text,
                "[parameter.p{index}]\nname = \"/bench/p{index}\"\nvalue = \"value {index}\"\n"
            ),
        };
        write.expect("writing to a string");
    }
    text
}

/// The most memory this process has had, from the kernel.
fn peak_megabytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kilobytes.map_or(f64::NAN, |kilobytes: f64| kilobytes / 1e3)
}
