//! What the containers of a task write to CloudWatch Logs, through the driver `awslogs`.

use serde_json::{Value, json};

use super::task::Task;
use super::task_definition;
use crate::image;
use crate::json;
use crate::logs;
use crate::world::World;

/// Where a container's lines go.
struct Destination {
    group: String,
    stream: String,
    creates_group: bool,
}

/// Makes the groups that drivers are to make. The reason why the task cannot start when one is
/// missing that none of them makes.
pub(super) fn prepare(world: &mut World, task: &Task, now: f64) -> Result<(), String> {
    for at in 0..task.containers.len() {
        let Some(to) = destination(world, task, at) else { continue };
        if world.logs.has_group(&to.group) {
            continue;
        }
        let wanted = json!({ "logGroupName": to.group });
        let made = if to.creates_group {
            logs::handle(world, now, "CreateLogGroup", &wanted).map_err(|error| error.message)
        } else {
            Err("ResourceNotFoundException: The specified log group does not exist.".to_owned())
        };
        made.map_err(|error| {
            format!(
                "ResourceInitializationError: failed to validate logger args: create stream has \
                 been retried 1 times: failed to create Cloudwatch log stream: {error} : exit \
                 status 1"
            )
        })?;
    }
    Ok(())
}

/// The first lines of a container: that it has started, and what it was told to say.
pub(super) fn start(world: &mut World, task: &Task, at: usize, now: f64) {
    let container = &task.containers[at];
    write(world, task, at, &format!("{} started", container.name), now);
    let names = image::names(world, &container.image);
    for line in world.logs.said(&names) {
        write(world, task, at, &line, now);
    }
}

/// Writes a line of a container, where its driver is `awslogs`.
pub(super) fn write(world: &mut World, task: &Task, at: usize, line: &str, now: f64) {
    if let Some(to) = destination(world, task, at) {
        world.logs.write(&to.group, &to.stream, line, now);
    }
}

/// Nowhere without the driver `awslogs`, or when it writes to another region: that is another
/// world.
fn destination(world: &World, task: &Task, at: usize) -> Option<Destination> {
    let definition = task_definition::find(world, &task.task_definition)?;
    let configuration = &definition.containers().get(at)?["logConfiguration"];
    let options = &configuration["options"];
    let option = |name: &str| json::text(options, name);
    let is_here = option("awslogs-region").is_none_or(|region| region == world.region);
    if configuration["logDriver"] != "awslogs" || !is_here {
        return None;
    }
    let container = &task.containers[at];
    Some(Destination {
        group: option("awslogs-group")?.to_owned(),
        stream: match option("awslogs-stream-prefix") {
            Some(prefix) => format!("{prefix}/{}/{}", container.name, task.id),
            None => container.runtime_id.clone(),
        },
        creates_group: match &options["awslogs-create-group"] {
            Value::String(text) => text == "true",
            other => other == &Value::Bool(true),
        },
    })
}
