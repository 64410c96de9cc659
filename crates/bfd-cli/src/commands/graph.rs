use crate::{
    cli::{GraphArgs, GraphFormat},
    exit::{CommandError, Exit},
    load::{SecretUse, load},
    screen::Screen,
    views,
};

/// Draws what waits for what.
pub(super) fn run(args: &GraphArgs, screen: Screen) -> Result<Exit, CommandError> {
    let loaded = load(&args.manifest, SecretUse::Ignored)?;
    let edges = loaded.graph.edges();
    screen.data(&match args.format {
        GraphFormat::Dot => views::graph::dot(&edges),
        GraphFormat::Mermaid => views::graph::mermaid(&edges),
    });
    Ok(Exit::Done)
}
