//! Starting and stopping tasks of a service.

use super::service::Service;
use super::task::{self, Cause, Task};
use super::{short, task_definition};
use crate::world::World;

/// The tasks of a service that run or are about to, oldest first; those that run before those
/// that do not.
pub(super) fn live(world: &World, service: &Service) -> Vec<String> {
    let mut tasks: Vec<&Task> =
        world.ecs.tasks.values().filter(|task| task.is_of(service) && task.is_live()).collect();
    tasks.sort_by(|a, b| {
        let order = b.is_healthy().cmp(&a.is_healthy());
        order.then(a.created_at.total_cmp(&b.created_at)).then(a.id.cmp(&b.id))
    });
    tasks.into_iter().map(|task| task.id.clone()).collect()
}

pub(super) fn start(world: &mut World, service: &mut Service, count: usize, now: f64) {
    let Some(primary) = service.deployments.first() else { return };
    let (id, name) = (primary.id.clone(), primary.task_definition.clone());
    let Some(definition) = task_definition::find(world, &name).cloned() else { return };
    let mut ids = Vec::new();
    for _ in 0..count {
        let task = task::launch(world, service, &definition, &id, now);
        ids.push(task.id.clone());
        world.ecs.tasks.insert(task.id.clone(), task);
    }
    service.is_steady = false;
    let list = list(&ids);
    service.log(world, now, &format!("has started {count} tasks: {list}."));
}

pub(super) fn stop(
    world: &mut World,
    service: &mut Service,
    tasks: &[String],
    cause: &Cause,
    now: f64,
) {
    if tasks.is_empty() {
        return;
    }
    for id in tasks {
        if let Some(task) = world.ecs.tasks.get_mut(id) {
            task.stop(cause, now);
        }
    }
    service.is_steady = false;
    let (count, list) = (tasks.len(), list(tasks));
    service.log(world, now, &format!("has stopped {count} running tasks: {list}."));
}

fn list(ids: &[String]) -> String {
    let ids: Vec<_> = ids.iter().map(|id| format!("(task {})", short(id))).collect();
    ids.join(" ")
}
