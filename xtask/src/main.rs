//! Development tasks, run as `cargo xtask TASK`.

#![expect(clippy::print_stdout, reason = "a development task reports to the person who ran it")]
#![expect(clippy::print_stderr, reason = "a development task reports to the person who ran it")]

mod cargo;
mod check_deps;
mod docs;
mod simulate;
mod stages;
mod test;
mod tools;

use std::env;
use std::process::ExitCode;

/// A task's end: all is well, or one message that says what is not.
type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const HELP: &str = "\
Development tasks

Usage: cargo xtask TASK

  test [-- ARGS]  Install the test tools, build, and run every test;
                  ARGS go to the test binaries: a NAME runs the tests that contain it
  simulate [ARGS] Tell the stories of many seeds in virtual time: --seeds N, --seed N, --twice
  exhaust [ARGS]  Disturb the repository's environments at every single place; --all lists each
  tools           Install the test tools, so that `cargo test` runs on its own
  check-deps      Check which crate uses which, and that no banned crate is built
  docs [--check]  Generate docs from the binary, or check that they are up to date";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["test", "--", filter @ ..] | ["test", filter @ ..] => test::run(filter),
        ["simulate", arguments @ ..] => simulate::run(arguments),
        ["exhaust", arguments @ ..] => simulate::exhaust(arguments),
        ["tools"] => tools::install().map(drop),
        ["check-deps"] => check_deps::run(),
        ["docs"] => docs::generate(),
        ["docs", "--check"] => docs::check(),
        ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(64);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
