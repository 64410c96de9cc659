use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::service::Service;
use super::{check_list, cluster, settings};
use crate::error::JsonError;
use crate::json;
use crate::world::World;

/// A service revision: the settings that one deployment rolls out. It never changes, but for the
/// image digests, which are known once the first task has pulled them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Revision {
    pub(super) id: String,
    pub(super) created_at: f64,
    pub(super) task_definition: String,
    pub(super) settings: Value,
    pub(super) images: Vec<Image>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Image {
    pub(super) container: String,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
}

pub(super) fn arn(world: &World, service: &Service, id: &str) -> String {
    world.arn("ecs", &format!("service-revision/{}/{}/{id}", service.cluster, service.name))
}

pub(super) fn describe(world: &World, body: &Value) -> Result<Value, JsonError> {
    check_list(body, "serviceRevisionArns", 20)?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for asked in json::strings(body, "serviceRevisionArns") {
        match locate(world, asked) {
            Some((service, revision)) => found.push(view(world, service, revision)),
            None => failures.push(json!({ "arn": asked, "reason": "MISSING" })),
        }
    }
    Ok(json!({ "serviceRevisions": found, "failures": failures }))
}

fn locate<'a>(world: &'a World, arn: &str) -> Option<(&'a Service, &'a Revision)> {
    let (key, id) = arn.split_once(":service-revision/")?.1.rsplit_once('/')?;
    let service = world.ecs.services.get(key)?;
    Some((service, service.revisions.iter().find(|revision| revision.id == id)?))
}

fn view(world: &World, service: &Service, revision: &Revision) -> Value {
    let mut view = settings::shared_view(&revision.settings);
    view["serviceRevisionArn"] = json!(arn(world, service, &revision.id));
    view["serviceArn"] = json!(service.arn(world));
    view["clusterArn"] = json!(cluster::arn(world, &service.cluster));
    view["taskDefinition"] = json!(revision.task_definition);
    view["createdAt"] = json::time(revision.created_at);
    view["guardDutyEnabled"] = json!(false);
    let images = revision.images.iter().map(|image| {
        let mut view = json!({ "containerName": image.container, "image": image.name });
        if let Some(digest) = &image.digest {
            view["imageDigest"] = json!(digest);
        }
        view
    });
    view["containerImages"] = images.collect();
    view
}
