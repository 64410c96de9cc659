use crate::{
    cli::{Cli, Command, ManifestArgs},
    commands,
    connect::connect,
    exit::{CommandError, Exit, help_after_a_bug},
    load::{SecretUse, called, load, locks_are_free, show},
    saved,
    screen::Screen,
    views::Style,
};
use bfd_store::StoreError;
use std::{error::Error as _, fmt::Write as _, panic};
use tracing_subscriber::EnvFilter;

/// Runs one command line and tells the exit code. The only place errors are shown.
pub fn run(cli: &Cli) -> Exit {
    let screen = Screen::new(cli.color);
    log(cli.verbose, screen);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(err) => {
            screen.say(&format!("error: no runtime: {err}\n"));
            return Exit::Bug;
        }
    };
    let command =
        panic::AssertUnwindSafe(|| runtime.block_on(commands::dispatch(&cli.command, screen)));
    let ended = panic::catch_unwind(command);
    let ended = match ended {
        Ok(Err(error)) => Ok(Err(runtime.block_on(explained(error, cli)))),
        other => other,
    };
    runtime.block_on(locks_are_free());
    let exit = match ended {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            screen.say(&explain(&error, &manifest(cli), &screen.stderr_style()));
            error.exit()
        }
        Err(_) => {
            let help = help_after_a_bug(&manifest(cli));
            screen.say(&format!("error: this is a bug in bfd\nhelp: {help}\n"));
            Exit::Bug
        }
    };
    let exit = match screen.unwritten() {
        Some(why) => {
            let ended = without_output(exit, &cli.command);
            let word = if ended == exit { "warning" } else { "error" };
            screen.say(&format!("{word}: not all output could be written: {why}\n"));
            ended
        }
        None => exit,
    };
    // A request in flight must not hold back the end of the process.
    runtime.shutdown_background();
    exit
}

/// How a command ends whose output is incomplete. One that changes something keeps telling what
/// became of it; of the others the output is all there is.
fn without_output(exit: Exit, command: &Command) -> Exit {
    match exit {
        Exit::Done | Exit::Changes if !command.changes_something() => Exit::Refused,
        other => other,
    }
}

/// Why a state in a bucket was refused, when it is that the credentials are of another account.
async fn explained(error: CommandError, cli: &Cli) -> CommandError {
    if !matches!(error, CommandError::Store(StoreError::Unreachable { .. })) {
        return error;
    }
    let Some(path) = cli.command.input() else { return error };
    let args = match saved::read(path).ok().flatten() {
        Some(saved) => {
            ManifestArgs { manifest: saved.manifest, vars: saved.vars.into_iter().collect() }
        }
        None => ManifestArgs { manifest: path.into(), vars: cli.command.vars().to_vec() },
    };
    // It takes nothing but the environment's account; what else is wrong has been said.
    let Ok(loaded) = load(&args, SecretUse::Ignored) else { return error };
    match connect(&loaded).await {
        Err(other @ CommandError::WrongAccount { .. }) => other,
        _ => error,
    }
}

/// The manifest at hand with its variables, for the next command: also when a saved plan was given.
fn manifest(cli: &Cli) -> String {
    let Some(path) = cli.command.input() else { return "MANIFEST".to_owned() };
    match saved::read(path).ok().flatten() {
        Some(saved) => called(&saved.manifest, &saved.vars.into_iter().collect::<Vec<_>>()),
        None => called(path, cli.command.vars()),
    }
}

fn log(verbose: u8, screen: Screen) {
    let filter = match verbose {
        0 => return,
        1 => "bfd=debug",
        _ => "debug",
    };
    let ansi = screen.stderr_style().color;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .with_env_filter(EnvFilter::new(filter))
        .init();
}

/// The chain of causes, each telling its own part, and the way out.
pub(crate) fn explain(error: &CommandError, manifest: &str, style: &Style) -> String {
    if let CommandError::Problems { problems, sources } = error {
        return show(problems, sources, style);
    }
    let mut text = format!("error: {error}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        writeln!(text, "  because: {error}").expect("writing to a string");
        cause = error.source();
    }
    if let CommandError::Provider(error) = error {
        for detail in &error.details {
            writeln!(text, "  {detail}").expect("writing to a string");
        }
        if let Some(id) = &error.request_id {
            writeln!(text, "  request id: {id}").expect("writing to a string");
        }
    }
    if let Some(help) = error.help(manifest) {
        writeln!(text, "help: {help}").expect("writing to a string");
    }
    text
}
