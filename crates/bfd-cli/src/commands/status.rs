use crate::{
    cli::ManifestArgs,
    connect::connect,
    exit::{CommandError, Exit},
    load::{SecretUse, about, known, load},
    screen::Screen,
    views::{
        self,
        status::{Rollout, ServiceStatus},
    },
};
use bfd_core::{Address, ResourceState, Value};

/// Shows services as they run now.
pub(super) async fn run(args: &ManifestArgs, screen: Screen) -> Result<Exit, CommandError> {
    let loaded = load(args, SecretUse::Known)?;
    let connection = connect(&loaded).await?;
    let (snapshot, open) = known(&loaded).await?;
    if let Some(open) = &open {
        screen.say(&format!("{}\n", about(&loaded, open).await?));
    }
    let services: Vec<_> = snapshot
        .state
        .resources
        .iter()
        .filter(|(address, _)| address.kind().as_str() == "service")
        .collect();
    if services.is_empty() {
        let yet = if open.is_some() { " yet" } else { "" };
        let name = &loaded.manifest.environment.name;
        screen.data(&format!("no service of {name} is recorded{yet}\n"));
        return Ok(Exit::Done);
    }
    let found = connection.provider.service_status(&services).await?;
    let rows: Vec<_> = found.into_iter().map(row).collect();
    screen.data(&views::status::status(&rows, &screen.stdout_style()));
    for (address, image) in &snapshot.state.resources {
        screen.data(&instead_of(address, image).unwrap_or_default());
    }
    Ok(Exit::Done)
}

/// A line about an image that is not there yet.
fn instead_of(address: &Address, image: &ResourceState) -> Option<String> {
    if image.outputs.get("fallback_active") != Some(&Value::Bool(true)) {
        return None;
    }
    let instead = match image.inputs.get("fallback").map(|fallback| &fallback["image"]) {
        Some(image) => format!("`{}` stands in for it", bfd_core::to_text(image)),
        None => "its services have no tasks".to_owned(),
    };
    Some(format!("{address} is not there yet: {instead}\n"))
}

fn row(found: bfd_aws::ServiceStatus) -> ServiceStatus {
    let told = found.rollout_reason.unwrap_or_default();
    let rollout = match found.rollout.as_deref() {
        _ if !found.exists => Rollout::Missing,
        Some("FAILED") => Rollout::Failed(told),
        // What ECS adds to these names the deployment, which is of no use here.
        Some("COMPLETED") if found.running >= found.desired => {
            Rollout::Proven("completed".to_owned())
        }
        Some(_) => Rollout::UnderWay("in progress".to_owned()),
        // A server that tells nothing of rollouts: counting is all there is.
        None if found.running >= found.desired => Rollout::Proven("all tasks run".to_owned()),
        None => Rollout::UnderWay(format!("{} pending", found.pending)),
    };
    ServiceStatus {
        address: found.address,
        name: found.name,
        desired: found.desired,
        running: found.running,
        rollout,
        since: found.since,
        images: found.images.into_values().collect(),
        stopped: found.stopped,
    }
}
