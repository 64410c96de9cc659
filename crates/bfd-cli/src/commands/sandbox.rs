use crate::{
    cli::{ManifestArgs, SandboxCommand},
    connect::{empty_sandbox, open_sandbox},
    exit::{CommandError, Exit},
    load::{self, Loaded, SecretUse, load},
    running::Stop,
    screen::Screen,
};
use bfd_manifest::ProviderKind;
use std::path::Path;
use tokio::net::TcpListener;

/// Serves or empties the embedded AWS of a manifest.
pub(super) async fn run(command: &SandboxCommand, screen: Screen) -> Result<Exit, CommandError> {
    match command {
        SandboxCommand::Serve { manifest, port } => serve(manifest, *port, screen).await,
        SandboxCommand::Reset { manifest } => {
            let loaded = of_sandbox(manifest)?;
            // Not under the hands of a run.
            let guard = loaded.store.lock(load::holder("bfd sandbox reset")).await?;
            empty_sandbox(&loaded.manifest)?;
            drop(guard);
            screen.data("the sandbox is empty; what bfd recorded of it stays: the next plan creates it anew\n");
            Ok(Exit::Done)
        }
    }
}

async fn serve(manifest: &Path, port: u16, screen: Screen) -> Result<Exit, CommandError> {
    let sandbox = open_sandbox(&of_sandbox(manifest)?.manifest)?;
    let refused = |err: std::io::Error| {
        CommandError::refused_with(
            format!("127.0.0.1:{port}: {err}"),
            "choose another port with `--port`, or 0 for a free one",
        )
    };
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    screen.data(&format!("http://{address}\n"));
    screen.say("set AWS_ENDPOINT_URL to it, and any credentials; interrupt to end\n");
    let stop = Stop::on_signals()?;
    let ended = async move { stop.cancel.cancelled().await };
    sandbox.serve(listener, ended).await.map_err(refused)?;
    Ok(Exit::Done)
}

fn of_sandbox(manifest: &Path) -> Result<Loaded, CommandError> {
    let loaded = load(
        &ManifestArgs { manifest: manifest.to_owned(), vars: Vec::new() },
        SecretUse::Ignored,
    )?;
    if loaded.manifest.provider.kind != ProviderKind::Sandbox {
        return Err(CommandError::refused_with(
            format!("{} is not on the sandbox", manifest.display()),
            "name a manifest with `provider.kind = \"sandbox\"`",
        ));
    }
    Ok(loaded)
}
