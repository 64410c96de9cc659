use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::deployment::Deployment;
use super::revision::Revision;
use super::service_deployment::ServiceDeployment;
use super::{
    INVALID, active_cluster, check_name, invalid, paged, rollout, settings, short, task_definition,
    view,
};
use crate::error::JsonError;
use crate::image::digest;
use crate::json;
use crate::tags::{self, Tags};
use crate::world::World;

/// Events that are kept, as AWS does.
const EVENTS: usize = 100;

/// A service. `settings` is what was declared and updated, in AWS's spelling.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Service {
    pub(super) cluster: String,
    pub(super) name: String,
    pub(super) status: Status,
    pub(super) settings: Value,
    pub(super) desired: usize,
    pub(super) tags: Tags,
    pub(super) created_at: f64,
    /// The client's token, and a digest of the request that came with it.
    token: Option<(String, String)>,
    /// The primary one first.
    pub(super) deployments: Vec<Deployment>,
    /// Service deployments, oldest first.
    pub(super) history: Vec<ServiceDeployment>,
    pub(super) revisions: Vec<Revision>,
    /// The revision that was last rolled out completely.
    pub(super) completed: Option<String>,
    /// Oldest first.
    pub(super) events: Vec<Event>,
    /// When the scheduler looks at it without being told to.
    pub(super) wake_at: Option<f64>,
    pub(super) is_steady: bool,
    pub(super) deleted_at: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Status {
    Active,
    Draining,
    Inactive,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) at: f64,
    pub(super) message: String,
}

impl Service {
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.cluster, self.name)
    }

    pub(super) fn arn(&self, world: &World) -> String {
        world.arn("ecs", &format!("service/{}", self.key()))
    }

    pub(super) fn is_active(&self) -> bool {
        self.status == Status::Active
    }

    /// Whether it still keeps its cluster from being deleted.
    pub(super) fn is_there(&self) -> bool {
        self.status != Status::Inactive
    }

    /// Records an event, which begins with the service's name.
    pub(super) fn log(&mut self, world: &mut World, at: f64, message: &str) {
        let message = format!("(service {}) {message}", self.name);
        self.events.push(Event { id: world.next_uuid(), at, message });
        if self.events.len() > EVENTS {
            self.events.remove(0);
        }
    }

    pub(super) fn tracker_mut(&mut self, id: &str) -> Option<&mut ServiceDeployment> {
        self.history.iter_mut().find(|it| it.id == id)
    }
}

/// The key of the service that a request names in its cluster.
pub(super) fn find(world: &World, body: &Value, member: &str) -> Result<String, JsonError> {
    let name = json::required(body, member, INVALID)?;
    // An ARN names its cluster, too.
    let cluster = match name.split_once(":service/") {
        Some((_, path)) if path.contains('/') && body["cluster"].is_null() => {
            let cluster = json!({ "cluster": path.split('/').next() });
            active_cluster(world, &cluster)?
        }
        _ => active_cluster(world, body)?,
    };
    let key = format!("{cluster}/{}", short(name));
    if world.ecs.services.contains_key(&key) {
        return Ok(key);
    }
    Err(JsonError::new("ServiceNotFoundException", "Service not found."))
}

pub(super) fn create(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let name = json::required(body, "serviceName", INVALID)?;
    check_name(name, "Service")?;
    let cluster = active_cluster(world, body)?;
    let key = format!("{cluster}/{name}");
    let token = json::text(body, "clientToken");
    let token = token.map(|token| (token.to_owned(), digest(body.to_string().as_bytes())));
    if token.as_ref().is_some_and(|(token, _)| token.len() > 36) {
        return Err(invalid("clientToken can have up to 36 characters."));
    }
    match world.ecs.services.get(&key) {
        Some(known) if known.is_active() => {
            if token.is_some() && known.token == token {
                return Ok(json!({ "service": view::service(world, known, true) }));
            }
            return Err(invalid("Creation of service was not idempotent."));
        }
        Some(known) if known.status == Status::Draining => {
            return Err(invalid("Unable to Start a service that is still Draining."));
        }
        _ => {}
    }
    let service = prepare(world, now, body, &cluster, token)?;
    world.ecs.services.insert(key.clone(), service);
    rollout::deploy(world, &key, now);
    Ok(json!({ "service": view::service(world, &world.ecs.services[&key], true) }))
}

/// Checks a request to create a service, and makes it with nothing deployed yet.
fn prepare(
    world: &World,
    now: f64,
    body: &Value,
    cluster: &str,
    token: Option<(String, String)>,
) -> Result<Service, JsonError> {
    let definition = json::text(body, "taskDefinition")
        .ok_or_else(|| invalid("TaskDefinition can not be blank."))?;
    let definition = task_definition::find_runnable(world, definition)?;
    if !json::array(body, "capacityProviderStrategy").is_empty() && !body["launchType"].is_null() {
        return Err(invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. \
             Remove one and try again.",
        ));
    }
    if body["schedulingStrategy"] == "DAEMON" && has_fargate(body) {
        return Err(invalid("Fargate does not support the DAEMON scheduling strategy."));
    }
    let desired = desired_count(body)?;
    let desired = match desired {
        Some(desired) => desired,
        None if body["schedulingStrategy"] == "DAEMON" => 0,
        None => {
            return Err(invalid("desiredCount is required when schedulingStrategy is REPLICA."));
        }
    };
    let mut settings = body.clone();
    for identity in ["serviceName", "cluster", "clientToken", "desiredCount", "tags"] {
        json::object(&mut settings).remove(identity);
    }
    settings["taskDefinition"] = json!(definition.arn());
    settings::fill_in(world, cluster, &mut settings);
    settings::check(&settings, definition)?;
    Ok(Service {
        cluster: cluster.to_owned(),
        name: json::text(body, "serviceName").unwrap_or_default().to_owned(),
        status: Status::Active,
        settings,
        desired,
        tags: tags::read(&body["tags"], tags::LOWER)?,
        created_at: now,
        token,
        deployments: Vec::new(),
        history: Vec::new(),
        revisions: Vec::new(),
        completed: None,
        events: Vec::new(),
        wake_at: None,
        is_steady: false,
        deleted_at: None,
    })
}

fn has_fargate(body: &Value) -> bool {
    settings::has_capacity(body)
}

/// The desired count of a request, if it has one.
pub(super) fn desired_count(body: &Value) -> Result<Option<usize>, JsonError> {
    match &body["desiredCount"] {
        Value::Null => Ok(None),
        number => match number.as_u64().and_then(|number| usize::try_from(number).ok()) {
            Some(number) if number <= 5000 => Ok(Some(number)),
            _ => Err(invalid("desiredCount must be between 0 and 5000.")),
        },
    }
}

pub(super) fn delete(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let key = find(world, body, "service")?;
    let Some(service) = world.ecs.services.get_mut(&key) else { return Ok(json!({})) };
    if !service.is_active() {
        return Err(JsonError::new("ServiceNotActiveException", "Service was not ACTIVE."));
    }
    if service.desired > 0 && !json::boolean(body, "force") {
        return Err(invalid("The service cannot be stopped while it is scaled above 0."));
    }
    service.status = Status::Draining;
    service.desired = 0;
    service.deleted_at = Some(now);
    for deployment in &mut service.deployments {
        deployment.desired = 0;
        deployment.updated_at = now;
    }
    for deployment in &mut service.history {
        deployment.supersede("The service was deleted.", now);
    }
    rollout::wake(service, now + rollout::TICK);
    Ok(json!({ "service": view::service(world, &world.ecs.services[&key], true) }))
}

pub(super) fn list(world: &World, body: &Value) -> Result<Value, JsonError> {
    let cluster = active_cluster(world, body)?;
    let fits = |service: &&Service| {
        let launch_type = json::text(body, "launchType");
        let strategy = json::text(body, "schedulingStrategy");
        service.cluster == cluster
            && service.is_there()
            && launch_type.is_none_or(|it| service.settings["launchType"] == it)
            && strategy.is_none_or(|it| service.settings["schedulingStrategy"] == it)
    };
    let found = world.ecs.services.values().filter(fits);
    paged(found.map(|service| service.arn(world)).collect(), body, "serviceArns", 10)
}
