//! How long it takes from text to resources. The promise: 10,000 resources in
//! well under a quarter of a second, and twice as many in twice the time.

use bfd_manifest::{Options, load};
use divan::{Bencher, black_box};
use std::{collections::BTreeMap, fmt::Write as _, path::Path};

fn main() {
    divan::main();
}

/// Parameters in groups, each waiting for the one before.
fn manifest(resources: usize) -> String {
    let mut text = "[environment]\nname = \"dev\"\naccount = \"123456789012\"\nregion = \"ap-southeast-1\"\n[coordinator]\nparameter_prefix = \"/d\"\n".to_owned();
    for at in 0..resources {
        let value = match at % 10 {
            0 => format!("{at}-${{environment.name}}"),
            _ => format!("${{parameter.p{}.version}}", at - 1),
        };
        let _ = write!(text, "[parameter.p{at}]\nname = \"/p/{at}\"\nvalue = \"{value}\"\n");
    }
    text
}

#[divan::bench(args = [1_000, 10_000, 20_000])]
fn text_to_resources(bencher: Bencher<'_, '_>, resources: usize) {
    let text = manifest(resources);
    let vars = BTreeMap::new();
    bencher.bench_local(|| {
        let options = Options {
            read: &|_| Ok(text.clone()),
            env: &|_| None,
            git: &|_| Err("there is no work tree".to_owned()),
            vars: &vars,
            files: &bfd_manifest::Disk,
            secret_digest: &|_, _, _| Ok(String::new()),
            kinds: bfd_kinds::all(),
        };
        let manifest = load(black_box(Path::new("dev.toml")), &options).expect("it is valid");
        assert_eq!(manifest.resources.len(), resources + 1);
        manifest
    });
}

/// Every name is wrong, so that every hint is asked for.
#[divan::bench(args = [1_000, 10_000])]
fn text_to_problems(bencher: Bencher<'_, '_>, resources: usize) {
    let text = manifest(resources).replace("${parameter.p", "${parameter.q");
    let vars = BTreeMap::new();
    bencher.bench_local(|| {
        let options = Options {
            read: &|_| Ok(text.clone()),
            env: &|_| None,
            git: &|_| Err("there is no work tree".to_owned()),
            vars: &vars,
            files: &bfd_manifest::Disk,
            secret_digest: &|_, _, _| Ok(String::new()),
            kinds: bfd_kinds::all(),
        };
        load(black_box(Path::new("dev.toml")), &options).expect_err("it is not valid")
    });
}
