//! ECR: repositories and images, through its API and through the registry that it is.
//!
//! Requests, answers and refusals of the API follow its reference, version 2015-09-21; those of
//! the registry are in `distribution`.

mod account;
pub(crate) mod distribution;
mod image;
mod layer;
mod policy;
mod repository;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use self::image::push_minimal_image;
use self::layer::Upload;
use self::repository::Repository;
pub(crate) use self::repository::add_system_tags;
use crate::error::JsonError;
use crate::json;
use crate::world::World;

const INVALID: &str = "InvalidParameterException";

/// Every repository of a world.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Registry {
    repositories: BTreeMap<String, Repository>,
    /// What was set with PutAccountSetting.
    #[serde(default)]
    settings: BTreeMap<String, String>,
    /// Unfinished uploads stay out of the file: their bytes would be written with every request.
    #[serde(skip)]
    uploads: BTreeMap<String, Upload>,
}

impl Registry {
    /// The digest of `repository:tag` or `repository@digest`, if there is such an image.
    pub(crate) fn resolve(&self, name: &str) -> Option<String> {
        if let Some((repository, digest)) = name.split_once('@') {
            let repository = repository.split(':').next().unwrap_or(repository);
            let images = &self.repositories.get(repository)?.images;
            return images.contains_key(digest).then(|| digest.to_owned());
        }
        let (repository, tag) = name.split_once(':').unwrap_or((name, "latest"));
        self.repositories.get(repository)?.labels.get(tag).cloned()
    }

    /// `repository:tag` for every tag of the image.
    pub(crate) fn names_of(&self, name: &str) -> Vec<String> {
        let repository = name.split(['@', ':']).next().unwrap_or(name);
        let (Some(digest), Some(found)) = (self.resolve(name), self.repositories.get(repository))
        else {
            return Vec::new();
        };
        let labels = found.labels.iter().filter(|(_, labelled)| **labelled == digest);
        labels.map(|(tag, _)| format!("{repository}:{tag}")).collect()
    }

    /// The platforms of an image that [`Registry::resolve`] found, where they are known.
    pub(crate) fn platforms(&self, name: &str, digest: &str) -> Option<Vec<String>> {
        let repository = name.split(['@', ':']).next().unwrap_or(name);
        let platforms = &self.repositories.get(repository)?.images.get(digest)?.platforms;
        Some(platforms.clone()).filter(|platforms| !platforms.is_empty())
    }

    /// Takes over what the text of a world that is being replaced does not hold.
    pub(crate) fn adopt_uploads(&mut self, other: &mut Self) {
        self.uploads = std::mem::take(&mut other.uploads);
    }

    /// Whether a blob is in any repository.
    pub(crate) fn uses(&self, digest: &str) -> bool {
        self.repositories.values().any(|repository| repository.layers.contains_key(digest))
    }
}

/// Answers a call that comes from within.
pub(crate) fn handle(
    world: &mut World,
    now: f64,
    operation: &str,
    body: &Value,
) -> Result<Value, JsonError> {
    answer(world, now, operation, body, None)
}

/// Answers a call of the API. `origin` is where the sandbox serves, when it is on a socket.
pub(crate) fn answer(
    world: &mut World,
    now: f64,
    operation: &str,
    body: &Value,
    origin: Option<&str>,
) -> Result<Value, JsonError> {
    if let Some(registry) = json::text(body, "registryId")
        && registry != world.account
    {
        return Err(JsonError::new(
            "AccessDeniedException",
            format!("not authorized to the registry with id '{registry}'"),
        ));
    }
    match operation {
        "CreateRepository" => repository::create(world, now, body),
        "DescribeRepositories" => repository::describe(world, body),
        "DeleteRepository" => repository::delete(world, body),
        "PutImageTagMutability" => repository::put_tag_mutability(world, body),
        "PutImageScanningConfiguration" => repository::put_scanning(world, body),
        "TagResource" => repository::tag(world, body),
        "UntagResource" => repository::untag(world, body),
        "ListTagsForResource" => repository::list_tags(world, body),
        "PutLifecyclePolicy" => policy::put_lifecycle(world, now, body),
        "GetLifecyclePolicy" => policy::get_lifecycle(world, body),
        "DeleteLifecyclePolicy" => policy::delete_lifecycle(world, body),
        "SetRepositoryPolicy" => policy::set_access(world, body),
        "GetRepositoryPolicy" => policy::get_access(world, body),
        "DeleteRepositoryPolicy" => policy::delete_access(world, body),
        "InitiateLayerUpload" => layer::initiate(world, body),
        "UploadLayerPart" => layer::upload_part(world, body),
        "CompleteLayerUpload" => layer::complete(world, body),
        "BatchCheckLayerAvailability" => layer::check_availability(world, body),
        "GetDownloadUrlForLayer" => layer::download_url(world, now, body, origin),
        "PutImage" => image::put(world, now, body),
        "BatchGetImage" => image::batch_get(world, body),
        "DescribeImages" => image::describe(world, body),
        "ListImages" => image::list(world, body),
        "BatchDeleteImage" => image::batch_delete(world, body),
        "GetAuthorizationToken" => Ok(distribution::authorization(world, now)),
        "GetAccountSetting" => account::get(world, body),
        "PutAccountSetting" => account::put(world, body),
        _ => Err(JsonError::unknown_operation(operation)),
    }
}

fn invalid(message: impl Into<String>) -> JsonError {
    JsonError::new(INVALID, message)
}

/// Refuses a list that is longer than the operation takes.
fn at_most(body: &Value, member: &str, most: usize) -> Result<(), JsonError> {
    if json::array(body, member).len() > most {
        return Err(invalid(format!(
            "Invalid parameter at '{member}' failed to satisfy constraint: 'Member must have \
             length less than or equal to {most}'"
        )));
    }
    Ok(())
}
