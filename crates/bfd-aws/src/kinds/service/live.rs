//! Services as ECS describes them now.

use crate::{Aws, tags::Tags};
use aws_sdk_ecs::types::{Deployment, Service, ServiceField, Tag};
use bfd_provider::{ErrorClass, ProviderError};
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};

/// Services per request: the API's own limit.
const BATCH: usize = 10;

/// Reads services of one cluster with their tags. What is missing is left out; a cluster that
/// is missing has no services.
async fn describe(
    aws: &Aws,
    cluster: &str,
    names: &[String],
) -> Result<Vec<Service>, ProviderError> {
    let reads = names.chunks(BATCH).map(|names| async move {
        let request = aws
            .ecs
            .describe_services()
            .cluster(cluster)
            .set_services(Some(names.to_vec()))
            .include(ServiceField::Tags);
        match aws.call("ecs:DescribeServices", request.send()).await {
            Ok(answer) => Ok(answer.services.unwrap_or_default()),
            Err(error) if error.class == ErrorClass::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    });
    Ok(try_join_all(reads).await?.into_iter().flatten().collect())
}

/// Services by cluster and name.
pub(super) type ByKey = BTreeMap<(String, String), Service>;

/// Reads services of any clusters; those that are not there are left out.
pub(super) async fn by_key(
    aws: &Aws,
    keys: impl IntoIterator<Item = (String, String)>,
) -> Result<ByKey, ProviderError> {
    let mut clusters: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (cluster, name) in keys {
        clusters.entry(cluster).or_default().insert(name);
    }
    let reads = clusters.into_iter().map(|(cluster, names)| async move {
        let names: Vec<String> = names.into_iter().collect();
        let found = describe(aws, &cluster, &names).await?.into_iter().filter(is_there);
        let by_key = found.filter_map(|service| {
            Some(((cluster.clone(), service.service_name.clone()?), service))
        });
        Ok(by_key.collect::<Vec<_>>())
    });
    Ok(try_join_all(reads).await?.into_iter().flatten().collect())
}

/// Reads one service; `None` when it is not there any more.
pub(super) async fn find(
    aws: &Aws,
    cluster: &str,
    name: &str,
) -> Result<Option<Service>, ProviderError> {
    let found = describe(aws, cluster, &[name.to_owned()]).await?;
    Ok(found.into_iter().find(is_there))
}

/// Reads one service that was there a moment ago: that it is gone is believed when several
/// looks say so, for a single one may be old.
pub(super) async fn find_known(
    aws: &Aws,
    cluster: &str,
    name: &str,
) -> Result<Option<Service>, ProviderError> {
    aws.look_again(|| find(aws, cluster, name)).await
}

/// Whether it still exists: a deleted service stays visible as INACTIVE.
pub(super) fn is_there(service: &Service) -> bool {
    service.status.as_deref() != Some("INACTIVE")
}

pub(super) fn is_draining(service: &Service) -> bool {
    service.status.as_deref() == Some("DRAINING")
}

/// The deployment that the service is meant to be on.
pub(super) fn primary(service: &Service) -> Option<&Deployment> {
    let is_primary = |deployment: &&Deployment| deployment.status.as_deref() == Some("PRIMARY");
    service.deployments().iter().find(is_primary)
}

pub(super) fn tags(tags: &[Tag]) -> Tags {
    tags.iter()
        .filter_map(|tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default())))
        .collect()
}

pub(super) fn to_sdk(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// `web:7` of `arn:aws:ecs:…:task-definition/web:7`.
pub(super) fn short(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
