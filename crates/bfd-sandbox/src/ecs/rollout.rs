//! The service scheduler: what it does whenever something about a service has changed.

use super::deployment::{Deployment, Rollout};
use super::launch;
use super::revision::{Image, Revision};
use super::service::{Service, Status as ServiceStatus};
use super::service_deployment::{Rollback, ServiceDeployment, Status};
use super::settings;
use super::task::{Cause, Outcome, Task};
use super::task_definition;
use crate::json;
use crate::world::World;

/// How long the scheduler takes to notice a request, in seconds.
pub(super) const TICK: f64 = 1.0;
/// The least time a deleted service is DRAINING, in seconds.
const DRAINING: f64 = 10.0;
/// Seconds between rounds of launches that fail one after another, up to the 27 minutes that
/// AWS documents as the longest wait.
const BACKOFF: [f64; 6] = [10.0, 60.0, 180.0, 420.0, 900.0, 1620.0];
/// How often the scheduler says that it has nowhere to run tasks, in seconds.
const NO_CAPACITY: f64 = 300.0;

/// Makes sure that the scheduler looks at a service at `at` or before.
pub(super) fn wake(service: &mut Service, at: f64) {
    service.wake_at = Some(service.wake_at.map_or(at, |known| known.min(at)));
}

/// Starts rolling a service's present settings out.
pub(super) fn deploy(world: &mut World, key: &str, now: f64) {
    let Some(mut service) = world.ecs.services.remove(key) else { return };
    let sources = service.deployments.iter().filter(|it| it.rollout != Rollout::Failed);
    let sources = sources.map(|it| it.revision.clone()).collect();
    for earlier in &mut service.history {
        earlier.supersede("A newer service deployment took its place.", now);
    }
    let revision = revise(world, &service, now);
    let breaker = settings::breaker(&service.settings, service.desired);
    let tracker = ServiceDeployment {
        id: world.next_hex()[..21].to_owned(),
        status: Status::Pending,
        reason: None,
        sources,
        target: revision.id.clone(),
        created_at: now,
        updated_at: now,
        started_at: None,
        finished_at: None,
        stopped_at: None,
        configuration: service.settings["deploymentConfiguration"].clone(),
        breaker: breaker.map(|breaker| (0, breaker.threshold)),
        is_tripped: false,
        rollback: None,
    };
    let reason = "in progress";
    put_in_front(world, &mut service, &revision, &tracker.id, now, reason);
    service.history.push(tracker);
    service.revisions.push(revision);
    wake(&mut service, now + TICK);
    world.ecs.services.insert(key.to_owned(), service);
}

/// Brings a service closer to what it should be, and to its next state if it is there.
pub(super) fn schedule(world: &mut World, key: &str, now: f64) {
    let Some(mut service) = world.ecs.services.remove(key) else { return };
    match service.status {
        ServiceStatus::Active => {
            follow_requests(world, &mut service, now);
            scale(world, &mut service, now);
            settle(world, &mut service, now);
        }
        ServiceStatus::Draining => drain(world, &mut service, now),
        ServiceStatus::Inactive => {}
    }
    world.ecs.services.insert(key.to_owned(), service);
}

/// Takes in what happened to a task of a service.
pub(super) fn report(world: &mut World, key: &str, deployment: &str, outcome: Outcome, now: f64) {
    let Some(mut service) = world.ecs.services.remove(key) else { return };
    let breaker = settings::breaker(&service.settings, service.desired);
    let at = service.deployments.iter().position(|it| it.id == deployment);
    if let Some(at) = at {
        let deployment = &mut service.deployments[at];
        match outcome {
            Outcome::Healthy => {
                deployment.setbacks = 0;
                if breaker.is_none_or(|breaker| breaker.resets) {
                    deployment.failures = 0;
                }
            }
            Outcome::Failed => fail(world, &mut service, at, now),
            Outcome::Changed => {}
        }
        let (failures, tracker) =
            (service.deployments[at].failures, service.deployments[at].tracker.clone());
        let has_tripped = breaker.filter(|breaker| {
            let deployment = &service.deployments[at];
            deployment.is_primary
                && deployment.rollout == Rollout::InProgress
                && deployment.failures >= breaker.threshold
        });
        if let Some(tracker) = service.tracker_mut(&tracker)
            && !tracker.status.is_final()
            && let Some(breaker) = breaker
        {
            tracker.breaker = Some((failures, breaker.threshold));
        }
        if let Some(breaker) = has_tripped {
            trip(world, &mut service, breaker.rollback, now);
        }
    }
    service.is_steady &= outcome != Outcome::Failed;
    world.ecs.services.insert(key.to_owned(), service);
    schedule(world, key, now);
}

/// Records the digests that a task of the revision has pulled.
pub(super) fn pulled(world: &mut World, key: &str, deployment: &str, digests: &[(String, String)]) {
    let Some(service) = world.ecs.services.get_mut(key) else { return };
    let Some(revision) = service.deployments.iter().find(|it| it.id == deployment) else { return };
    let id = revision.revision.clone();
    for revision in service.revisions.iter_mut().filter(|revision| revision.id == id) {
        for image in &mut revision.images {
            let pulled = digests.iter().find(|(container, _)| *container == image.container);
            if let (None, Some((_, digest))) = (&image.digest, pulled) {
                image.digest = Some(digest.clone());
            }
        }
    }
}

fn revise(world: &mut World, service: &Service, now: f64) -> Revision {
    let name = service.settings["taskDefinition"].as_str().unwrap_or_default().to_owned();
    let definition = task_definition::find(world, &name);
    let containers = definition.map(|it| it.containers().to_vec()).unwrap_or_default();
    let images = containers.iter().map(|container| Image {
        container: json::text(container, "name").unwrap_or_default().to_owned(),
        name: json::text(container, "image").unwrap_or_default().to_owned(),
        digest: None,
    });
    Revision {
        id: world.next_digits(),
        created_at: now,
        task_definition: name,
        settings: service.settings.clone(),
        images: images.collect(),
    }
}

/// Adds a deployment of a revision as the primary one.
fn put_in_front(
    world: &mut World,
    service: &mut Service,
    revision: &Revision,
    tracker: &str,
    now: f64,
    state: &str,
) {
    let id = format!("ecs-svc/{}", world.next_digits());
    for earlier in &mut service.deployments {
        earlier.is_primary = false;
        earlier.updated_at = now;
    }
    let reason = format!("ECS deployment {id} {state}.");
    service.is_steady = false;
    service.deployments.insert(
        0,
        Deployment {
            id,
            revision: revision.id.clone(),
            task_definition: revision.task_definition.clone(),
            is_primary: true,
            desired: service.desired,
            created_at: now,
            updated_at: now,
            rollout: Rollout::InProgress,
            reason,
            failures: 0,
            setbacks: 0,
            launch_at: now,
            tracker: tracker.to_owned(),
        },
    );
}

/// Begins what was asked for: a pending deployment, a stop, a rollback.
fn follow_requests(world: &mut World, service: &mut Service, now: f64) {
    let Some(tracker) = service.history.last_mut() else { return };
    match tracker.status {
        Status::Pending => tracker.set(Status::InProgress, now),
        Status::StopRequested => {
            tracker.set(Status::Stopped, now);
            tracker.reason = Some("Service deployment was stopped by the user.".to_owned());
            if let Some(primary) = service.deployments.first_mut() {
                halt(primary, "ECS deployment was stopped by the user.", now);
            }
        }
        Status::RollbackRequested => {
            if let Some(primary) = service.deployments.first_mut() {
                halt(primary, "ECS deployment was stopped by the user.", now);
            }
            roll_back(
                world,
                service,
                "Service deployment rollback was requested by the user.",
                now,
            );
        }
        _ => {}
    }
}

/// Stops and launches tasks within the limits.
fn scale(world: &mut World, service: &mut Service, now: f64) {
    let Some(primary) = service.deployments.first() else { return };
    if primary.rollout == Rollout::Failed {
        // It launches nothing, and so nothing of what ran before may go.
        return;
    }
    let (id, desired) = (primary.id.clone(), primary.desired);
    let limits = settings::limits(&service.settings, desired);
    let is_own = |task: &Task| task.deployment == id;

    let live = launch::live(world, service);
    let own: Vec<_> = live.iter().filter(|task| is_own(&world.ecs.tasks[*task])).cloned().collect();
    let mut leaving: Vec<String> = own.iter().skip(desired).cloned().collect();
    let is_healthy = |task: &String| world.ecs.tasks[task].is_healthy();
    let mut healthy =
        live.iter().filter(|task| is_healthy(task) && !leaving.contains(task)).count();
    // Of the earlier deployments first what serves nobody, then the rest as far as allowed.
    for task in live.iter().filter(|task| !is_own(&world.ecs.tasks[*task])) {
        if !is_healthy(task) {
            leaving.push(task.clone());
        } else if healthy > limits.least {
            healthy -= 1;
            leaving.push(task.clone());
        }
    }
    launch::stop(world, service, &leaving, &Cause::scaled(&id), now);

    let staying = live.len() - leaving.len();
    let missing = desired.saturating_sub(own.len()).min(limits.most.saturating_sub(staying));
    if missing == 0 {
        return;
    }
    let launch_at = service.deployments[0].launch_at;
    if launch_at > now {
        wake(service, launch_at);
    } else if settings::has_capacity(&service.settings) {
        launch::start(world, service, missing, now);
    } else {
        service.log(
            world,
            now,
            "was unable to place a task because no container instance met all of its \
             requirements. Reason: No Container Instances were found in your cluster.",
        );
        service.deployments[0].launch_at = now + NO_CAPACITY;
        wake(service, now + NO_CAPACITY);
    }
}

/// Completes the primary deployment once all its tasks serve and nobody else's do.
fn settle(world: &mut World, service: &mut Service, now: f64) {
    let Some(primary) = service.deployments.first() else { return };
    let (id, desired, rollout) = (primary.id.clone(), primary.desired, primary.rollout);
    let tasks = world.ecs.tasks.values().filter(|task| task.is_of(service));
    let (own, others): (Vec<_>, Vec<_>) = tasks
        .filter(|task| task.is_live() || task.is_draining())
        .partition(|task| task.deployment == id);
    let healthy = own.iter().filter(|task| task.is_healthy()).count();
    let is_there = own.len() == desired && healthy == desired && others.is_empty();
    // An earlier deployment is listed as long as it has tasks; a failed one until the end.
    let kept: Vec<String> = others.iter().map(|task| task.deployment.clone()).collect();
    service.deployments.retain(|it| {
        it.is_primary || kept.contains(&it.id) || it.rollout == Rollout::Failed && !is_there
    });
    if !is_there || rollout == Rollout::Failed {
        return;
    }
    if rollout == Rollout::InProgress {
        let primary = &mut service.deployments[0];
        primary.rollout = Rollout::Completed;
        primary.reason = format!("ECS deployment {id} completed.");
        primary.updated_at = now;
        primary.failures = 0;
        service.completed = Some(primary.revision.clone());
        let tracker = primary.tracker.clone();
        if let Some(tracker) = service.tracker_mut(&tracker) {
            let was_rollback = tracker.status == Status::RollbackInProgress;
            tracker.set(
                if was_rollback { Status::RollbackSuccessful } else { Status::Successful },
                now,
            );
        }
        service.log(world, now, &format!("(deployment {id}) deployment completed."));
    }
    if !service.is_steady {
        service.is_steady = true;
        service.log(world, now, "has reached a steady state.");
    }
}

/// Counts a failure and puts the next launch off.
fn fail(world: &mut World, service: &mut Service, at: usize, now: f64) {
    let deployment = &mut service.deployments[at];
    deployment.failures += 1;
    deployment.updated_at = now;
    // Tasks of one round fail together and are one setback.
    if deployment.launch_at <= now {
        let wait = BACKOFF[deployment.setbacks.min(BACKOFF.len() - 1)];
        deployment.setbacks += 1;
        deployment.launch_at = now + wait;
        let is_hopeless = deployment.setbacks == 3;
        wake(service, now + wait);
        if is_hopeless {
            service.log(
                world,
                now,
                "is unable to consistently start tasks successfully. For more information, see \
                 the Troubleshooting section of the Amazon ECS Developer Guide.",
            );
        }
    }
}

/// The circuit breaker gives a deployment up.
fn trip(world: &mut World, service: &mut Service, rollback: bool, now: f64) {
    let Some(primary) = service.deployments.first_mut() else { return };
    halt(primary, "ECS deployment circuit breaker: tasks failed to start.", now);
    let (id, tracker) = (primary.id.clone(), primary.tracker.clone());
    service.log(
        world,
        now,
        &format!("(deployment {id}) deployment failed: tasks failed to start."),
    );
    let can_return = service.completed.is_some();
    let Some(tracker) = service.tracker_mut(&tracker) else { return };
    tracker.is_tripped = true;
    tracker.updated_at = now;
    let reason =
        "Service deployment rolled back because the circuit breaker threshold was exceeded.";
    if tracker.status == Status::RollbackInProgress {
        tracker.set(Status::RollbackFailed, now);
        tracker.reason = Some("The rollback failed: tasks failed to start.".to_owned());
    } else if !rollback {
        tracker.set(Status::Stopped, now);
        tracker.reason =
            Some("Service deployment circuit breaker threshold was exceeded.".to_owned());
    } else if can_return {
        roll_back(world, service, reason, now);
    }
    // Otherwise there is nothing to go back to: the deployment stalls, neither running nor ended.
}

/// Ends a deployment's launches for good.
fn halt(deployment: &mut Deployment, reason: &str, now: f64) {
    deployment.rollout = Rollout::Failed;
    reason.clone_into(&mut deployment.reason);
    deployment.updated_at = now;
}

/// Makes the last complete revision the primary deployment again, and takes over what still
/// runs of it.
fn roll_back(world: &mut World, service: &mut Service, reason: &str, now: f64) {
    let target = service.completed.clone();
    let target = service.revisions.iter().find(|it| Some(&it.id) == target.as_ref()).cloned();
    let (Some(target), Some(failed)) = (target, service.deployments.first()) else { return };
    let tracker = failed.tracker.clone();
    if let Some(tracker) = service.tracker_mut(&tracker) {
        tracker.set(Status::RollbackInProgress, now);
        tracker.reason = Some(reason.to_owned());
        tracker.rollback = Some(Rollback {
            reason: reason.to_owned(),
            started_at: now,
            revision: target.id.clone(),
        });
    }
    let earlier = service.deployments.iter().filter(|it| it.revision == target.id);
    let earlier: Vec<String> = earlier.map(|it| it.id.clone()).collect();
    settings::revert(&mut service.settings, &target.settings);
    put_in_front(world, service, &target, &tracker, now, "in progress");
    let id = service.deployments[0].id.clone();
    service.deployments[0].reason =
        format!("ECS deployment circuit breaker: rolling back to deploymentId {id}.");
    service.deployments.retain(|it| !earlier.contains(&it.id));
    for task in world.ecs.tasks.values_mut() {
        if task.is_of(service) && earlier.contains(&task.deployment) {
            task.deployment.clone_from(&id);
        }
    }
    service.log(world, now, &format!("rolling back to deployment {id}."));
    wake(service, now + TICK);
}

fn drain(world: &mut World, service: &mut Service, now: f64) {
    let live = launch::live(world, service);
    launch::stop(world, service, &live, &Cause::scaled(""), now);
    let is_busy = world.ecs.tasks.values().any(|task| task.is_of(service) && !task.is_stopped());
    let end = service.deleted_at.unwrap_or(now) + DRAINING;
    if now < end {
        wake(service, end);
    } else if !is_busy {
        service.status = ServiceStatus::Inactive;
        service.deployments.clear();
    }
}
