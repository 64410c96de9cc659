use crate::{
    bootstrap,
    cli::BootstrapArgs,
    commands::{apply, plan},
    exit::{CommandError, Exit},
    screen::Screen,
};

/// Makes what an environment needs before its first apply.
pub(super) async fn run(args: &BootstrapArgs, screen: Screen) -> Result<Exit, CommandError> {
    let found = bootstrap::find(&args.manifest).await?;
    for why in &found.told {
        screen.say(&format!("{why}\n"));
    }
    if found.parts.is_empty() {
        screen.data("Nothing to bootstrap.\n");
        return Ok(Exit::Done);
    }
    let mut worst = Exit::Done;
    for part in &found.parts {
        let exit = if args.plan {
            plan::run(&part.plan(args.detailed_exitcode), screen).await?
        } else {
            apply::run(&part.apply(args.yes), screen).await?
        };
        if exit != Exit::Done {
            worst = exit;
            if !args.plan {
                break;
            }
        }
    }
    Ok(worst)
}
