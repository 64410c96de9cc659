use crate::{
    cli::{ShowFormat, StatusArgs},
    connect::connect,
    exit::{CommandError, Exit},
    load::{SecretUse, about, known, load},
    screen::Screen,
    views::{
        self,
        stack_status::{Condition, StackStatus},
        status::{Rollout, ServiceStatus},
        status_json::{self, Statuses},
    },
};
use bfd_aws::StackCondition;
use bfd_core::{Address, ResourceState, Value};
use std::collections::BTreeMap;

/// Shows services as they run now, and stacks as they are.
pub(super) async fn run(args: &StatusArgs, screen: Screen) -> Result<Exit, CommandError> {
    let loaded = load(&args.manifest, SecretUse::Known)?;
    let connection = connect(&loaded).await?;
    let (snapshot, open) = known(&loaded).await?;
    if let Some(open) = &open {
        screen.say(&format!("{}\n", about(&loaded, open).await?));
    }
    let of_kind = |kind: &str| -> Vec<(&Address, &ResourceState)> {
        let all = snapshot.state.resources.iter();
        all.filter(|(address, _)| address.kind().as_str() == kind).collect()
    };
    let (services, stacks) = (of_kind("service"), of_kind("stack"));
    if services.is_empty() && stacks.is_empty() && args.format == ShowFormat::Text {
        let yet = if open.is_some() { " yet" } else { "" };
        let name = &loaded.manifest.environment.name;
        screen.data(&format!("no service and no stack of {name} is recorded{yet}\n"));
        return Ok(Exit::Done);
    }
    let provider = &connection.provider;
    let (running, deployed) = tokio::try_join!(
        async {
            match services.as_slice() {
                [] => Ok(Vec::new()),
                some => provider.service_status(some).await,
            }
        },
        async {
            match stacks.as_slice() {
                [] => Ok(Vec::new()),
                some => provider.stack_status(some).await,
            }
        }
    )?;
    let images = snapshot.state.resources.iter().filter(|(_, image)| is_not_there(image));
    let stand_ins: BTreeMap<&Address, Option<String>> =
        images.map(|(address, image)| (address, stand_in(image))).collect();
    if args.format == ShowFormat::Json {
        let services: Vec<_> =
            running.into_iter().map(|it| (it.clone(), row(it).rollout)).collect();
        let stacks: Vec<_> =
            deployed.into_iter().map(|it| (it.clone(), stack_row(it).condition)).collect();
        screen.data(&status_json::json(&Statuses {
            environment: &loaded.manifest.environment,
            services: &services,
            stacks: &stacks,
            stand_ins: &stand_ins,
        }));
        return Ok(Exit::Done);
    }
    let style = screen.stdout_style();
    let mut parts = Vec::new();
    if !running.is_empty() {
        let rows: Vec<_> = running.into_iter().map(row).collect();
        parts.push(views::status::status(&rows, &style));
    }
    let instead = stand_ins.iter().map(|(address, image)| {
        let instead = match image {
            Some(image) => format!("`{image}` stands in for it"),
            None => "its services have no tasks".to_owned(),
        };
        format!("{address} is not there yet: {instead}\n")
    });
    let instead: String = instead.collect();
    // What runs in place of an image is told where its services are.
    match parts.last_mut() {
        Some(table) => table.push_str(&instead),
        None => parts.extend((!instead.is_empty()).then_some(instead)),
    }
    if !deployed.is_empty() {
        let rows: Vec<_> = deployed.into_iter().map(stack_row).collect();
        parts.push(views::stack_status::stack_status(&rows, &style));
    }
    screen.data(&parts.join("\n"));
    Ok(Exit::Done)
}

/// Whether it is an image that is not there yet.
fn is_not_there(image: &ResourceState) -> bool {
    image.outputs.get("fallback_active") == Some(&Value::Bool(true))
}

/// What runs in place of such an image; without it, nothing does.
fn stand_in(image: &ResourceState) -> Option<String> {
    image.inputs.get("fallback").map(|fallback| bfd_core::to_text(&fallback["image"]))
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

fn stack_row(found: bfd_aws::StackStatus) -> StackStatus {
    let condition = match found.condition {
        StackCondition::Good => Condition::Good(found.status),
        StackCondition::UnderWay => Condition::UnderWay(found.status),
        StackCondition::Bad => Condition::Bad(found.status),
        StackCondition::Missing => Condition::Missing,
    };
    StackStatus {
        address: found.address,
        name: found.name,
        condition,
        since: found.since,
        reasons: found.reasons,
    }
}
