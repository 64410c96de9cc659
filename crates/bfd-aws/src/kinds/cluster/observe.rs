use super::super::Reading;
use crate::{
    Aws,
    inputs::{self, Collect},
    tags::{self, Tags},
};
use aws_sdk_ecs::types::{Cluster, ClusterField, ClusterSettingName};
use bfd_core::{Object, Observation, Observed, Properties, Value};
use bfd_provider::{ProviderError, Wanted};
use futures_util::future::try_join_all;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The most clusters that DescribeClusters takes.
const NAMES: usize = 100;

pub(super) async fn observe(
    reading: &Reading<'_>,
    wanted: &[Wanted<'_>],
) -> Result<Observation, ProviderError> {
    let names: BTreeSet<String> =
        wanted.iter().filter_map(|wanted| inputs::name(wanted, "name")).collect();
    let found = describe(reading.aws, &names).await?;
    let observed = |wanted: &Wanted<'_>| {
        let cluster = found.get(&inputs::name(wanted, "name")?)?;
        let owner = wanted.prior.is_none().then(|| tags::owner(&tags_of(cluster)));
        Some(Observed { object: object_of(cluster), owner, notes: Vec::new() })
    };
    Ok(wanted.iter().map(|wanted| (wanted.address.clone(), observed(wanted))).collect())
}

/// Reads clusters by name. Those that are missing or INACTIVE are left out.
pub(super) async fn describe(
    aws: &Aws,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, Cluster>, ProviderError> {
    let names: Vec<String> = names.iter().cloned().collect();
    let reads = names.chunks(NAMES).map(|names| async {
        let request = aws
            .ecs
            .describe_clusters()
            .set_clusters(Some(names.to_vec()))
            .include(ClusterField::Settings)
            .include(ClusterField::Tags);
        aws.call("ecs:DescribeClusters", request.send()).await
    });
    let clusters = try_join_all(reads).await?.into_iter();
    let clusters = clusters.flat_map(|answer| answer.clusters.unwrap_or_default());
    let live = clusters.filter(|cluster| cluster.status() != Some("INACTIVE"));
    Ok(live.filter_map(|cluster| Some((cluster.cluster_name.clone()?, cluster))).collect())
}

pub(super) fn object_of(cluster: &Cluster) -> Object {
    let insights = cluster
        .settings()
        .iter()
        .find(|setting| setting.name == Some(ClusterSettingName::ContainerInsights))
        .and_then(|setting| setting.value.clone());
    let mut providers = cluster.capacity_providers().to_vec();
    providers.sort();
    let mut strategy: Vec<Value> = cluster
        .default_capacity_provider_strategy()
        .iter()
        .map(|item| {
            json!({
                "capacityProvider": item.capacity_provider,
                "weight": item.weight,
                "base": item.base,
            })
        })
        .collect();
    strategy.sort_by_key(|item| item["capacityProvider"].as_str().map(str::to_owned));
    let inputs = Collect::default()
        .maybe("name", cluster.cluster_name.clone())
        .maybe("container_insights", insights)
        .maybe("capacity_providers", Some(providers))
        .maybe("default_capacity_provider_strategy", Some(strategy))
        .maybe("tags", Some(tags::to_value(&tags_of(cluster))))
        .done();
    Object {
        id: cluster.cluster_name.clone().unwrap_or_default(),
        inputs,
        outputs: outputs_of(cluster),
    }
}

pub(super) fn outputs_of(cluster: &Cluster) -> Properties {
    Collect::default()
        .maybe("name", cluster.cluster_name.clone())
        .maybe("arn", cluster.cluster_arn.clone())
        .done()
}

fn tags_of(cluster: &Cluster) -> Tags {
    let tag = |tag: &aws_sdk_ecs::types::Tag| Some((tag.key.clone()?, tag.value.clone()?));
    cluster.tags().iter().filter_map(tag).collect()
}
