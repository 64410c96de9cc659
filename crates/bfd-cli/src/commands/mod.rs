//! One file per command. Each reads top to bottom.

mod apply;
mod bootstrap;
mod destroy;
mod graph;
mod plan;
mod recover;
mod rollback;
mod runs;
mod sandbox;
mod schema;
mod show;
mod state;
mod status;
mod unlock;
mod validate;

use crate::{
    cli::{Cli, Command},
    exit::{CommandError, Exit},
    screen::Screen,
};
use clap::CommandFactory;

/// Runs one command.
pub async fn dispatch(command: &Command, screen: Screen) -> Result<Exit, CommandError> {
    match command {
        Command::Validate(args) => validate::run(args, screen).await,
        Command::Bootstrap(args) => bootstrap::run(args, screen).await,
        Command::Plan(args) => plan::run(args, screen).await,
        Command::Apply(args) => apply::run(args, screen).await,
        Command::Destroy(args) => destroy::run(args, screen).await,
        Command::Recover(args) => recover::run(args, screen).await,
        Command::Rollback(args) => rollback::run(args, screen).await,
        Command::History(args) => runs::history(args, screen).await,
        Command::Show(args) => show::run(args, screen).await,
        Command::Graph(args) => graph::run(args, screen),
        Command::Status(args) => status::run(args, screen).await,
        Command::State(command) => state::run(command, screen).await,
        Command::Unlock(args) => unlock::run(args, screen).await,
        Command::Sandbox(command) => sandbox::run(command, screen).await,
        Command::Schema(args) => schema::run(args, screen),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "bfd", &mut text);
            screen.data(&String::from_utf8_lossy(&text));
            Ok(Exit::Done)
        }
    }
}
