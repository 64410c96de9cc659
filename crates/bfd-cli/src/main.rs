//! The `bfd` command.

use bfd_cli::{cli::Cli, run};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => ExitCode::from(run(&cli) as u8),
        Err(error) => {
            let _ = error.print();
            // Help and version were asked for; anything else is a wrong command line.
            ExitCode::from(if error.use_stderr() { bfd_cli::exit::Exit::Usage as u8 } else { 0 })
        }
    }
}
