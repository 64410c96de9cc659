//! The number of a service's tasks, left to Application Auto Scaling.

use crate::Aws;
use aws_sdk_applicationautoscaling::types::{
    MetricType, PolicyType, PredefinedMetricSpecification, ScalableDimension, ScalableTarget,
    ScalingPolicy, ServiceNamespace, TargetTrackingScalingPolicyConfiguration,
};
use bfd_core::Value;
use bfd_provider::{ErrorClass, ProviderError};
use serde_json::{Map, json};
use std::collections::BTreeMap;

/// Scalable targets per request: the API's own limit.
const BATCH: usize = 50;

/// One policy per metric: the field that declares it, the metric, and the end of its name.
const METRICS: [(&str, MetricType, &str); 2] = [
    ("target_cpu", MetricType::EcsServiceAverageCpuUtilization, "cpu"),
    ("target_memory", MetricType::EcsServiceAverageMemoryUtilization, "memory"),
];

/// What Application Auto Scaling calls a service.
pub(super) fn resource_id(cluster: &str, name: &str) -> String {
    format!("service/{cluster}/{name}")
}

/// Reads the autoscaling of services, by resource id, in the canonical form.
pub(super) async fn read(
    aws: &Aws,
    resources: &[String],
) -> Result<BTreeMap<String, Value>, ProviderError> {
    if resources.is_empty() {
        return Ok(BTreeMap::new());
    }
    let targets = targets(aws, resources).await?;
    if targets.is_empty() {
        return Ok(BTreeMap::new());
    }
    let policies = policies(aws, resources).await?;
    Ok(targets
        .into_iter()
        .map(|target| {
            let of_it = policies.iter().filter(|policy| policy.resource_id == target.resource_id);
            (target.resource_id.clone(), canonical(&target, of_it))
        })
        .collect())
}

async fn targets(aws: &Aws, resources: &[String]) -> Result<Vec<ScalableTarget>, ProviderError> {
    let mut targets = Vec::new();
    for resources in resources.chunks(BATCH) {
        let mut token = None;
        loop {
            let request = aws
                .autoscaling
                .describe_scalable_targets()
                .service_namespace(ServiceNamespace::Ecs)
                .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
                .set_resource_ids(Some(resources.to_vec()))
                .set_next_token(token);
            let page =
                aws.call("application-autoscaling:DescribeScalableTargets", request.send()).await?;
            targets.extend(page.scalable_targets.unwrap_or_default());
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
    }
    Ok(targets)
}

/// All policies of ECS services in one paged listing; of one service alone when only one is
/// asked for.
async fn policies(aws: &Aws, resources: &[String]) -> Result<Vec<ScalingPolicy>, ProviderError> {
    let only = match resources {
        [one] => Some(one.clone()),
        _ => None,
    };
    let mut policies = Vec::new();
    let mut token = None;
    loop {
        let request = aws
            .autoscaling
            .describe_scaling_policies()
            .service_namespace(ServiceNamespace::Ecs)
            .set_resource_id(only.clone())
            .set_next_token(token);
        let page =
            aws.call("application-autoscaling:DescribeScalingPolicies", request.send()).await?;
        policies.extend(page.scaling_policies.unwrap_or_default());
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(policies);
        }
    }
}

fn canonical<'a>(
    target: &ScalableTarget,
    policies: impl Iterator<Item = &'a ScalingPolicy>,
) -> Value {
    let mut autoscaling = Map::new();
    autoscaling.insert("min".to_owned(), target.min_capacity.into());
    autoscaling.insert("max".to_owned(), target.max_capacity.into());
    for policy in policies {
        let Some(tracking) = &policy.target_tracking_scaling_policy_configuration else { continue };
        let metric = tracking.predefined_metric_specification.as_ref();
        let metric = metric.map(|metric| &metric.predefined_metric_type);
        let Some((field, ..)) = METRICS.iter().find(|(_, known, _)| metric == Some(known)) else {
            continue;
        };
        autoscaling.insert((*field).to_owned(), number(tracking.target_value));
        if let Some(seconds) = tracking.scale_in_cooldown {
            autoscaling.insert("scale_in_cooldown".to_owned(), seconds.into());
        }
        if let Some(seconds) = tracking.scale_out_cooldown {
            autoscaling.insert("scale_out_cooldown".to_owned(), seconds.into());
        }
    }
    Value::Object(autoscaling)
}

/// A whole number where it is one, so that it equals what was declared.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e9 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and small, as just checked")]
        let whole = value as i64;
        json!(whole)
    } else {
        json!(value)
    }
}

/// Makes a service's autoscaling as desired. Safe to repeat: each call replaces what was there.
pub(super) async fn set(
    aws: &Aws,
    cluster: &str,
    name: &str,
    prior: Option<&Value>,
    desired: Option<&Value>,
) -> Result<(), ProviderError> {
    let Some(desired) = desired else {
        return match prior {
            Some(_) => remove(aws, cluster, name).await,
            None => Ok(()),
        };
    };
    let resource = resource_id(cluster, name);
    let whole = |field: &str| desired.get(field).and_then(Value::as_i64).and_then(to_i32);
    let request = aws
        .autoscaling
        .register_scalable_target()
        .service_namespace(ServiceNamespace::Ecs)
        .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
        .resource_id(&resource)
        .set_min_capacity(whole("min"))
        .set_max_capacity(whole("max"));
    aws.call("application-autoscaling:RegisterScalableTarget", request.send()).await?;
    for (field, metric, suffix) in METRICS {
        let policy = format!("bfd-{cluster}-{name}-{suffix}");
        let target = desired.get(field).and_then(Value::as_f64);
        let Some(target) = target else {
            if prior.is_some_and(|prior| prior.get(field).is_some()) {
                remove_policy(aws, &resource, &policy).await?;
            }
            continue;
        };
        let metric = PredefinedMetricSpecification::builder()
            .predefined_metric_type(metric)
            .build()
            .expect("the metric is set");
        let tracking = TargetTrackingScalingPolicyConfiguration::builder()
            .target_value(target)
            .predefined_metric_specification(metric)
            .set_scale_in_cooldown(whole("scale_in_cooldown"))
            .set_scale_out_cooldown(whole("scale_out_cooldown"))
            .build()
            .expect("the target is set");
        let request = aws
            .autoscaling
            .put_scaling_policy()
            .policy_name(policy)
            .service_namespace(ServiceNamespace::Ecs)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .resource_id(&resource)
            .policy_type(PolicyType::TargetTrackingScaling)
            .target_tracking_scaling_policy_configuration(tracking);
        aws.call("application-autoscaling:PutScalingPolicy", request.send()).await?;
    }
    Ok(())
}

fn to_i32(value: i64) -> Option<i32> {
    i32::try_from(value).ok()
}

async fn remove_policy(aws: &Aws, resource: &str, policy: &str) -> Result<(), ProviderError> {
    let request = aws
        .autoscaling
        .delete_scaling_policy()
        .policy_name(policy)
        .service_namespace(ServiceNamespace::Ecs)
        .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
        .resource_id(resource);
    let answer = aws.call("application-autoscaling:DeleteScalingPolicy", request.send()).await;
    gone(answer)
}

/// Deregisters the service; its policies go with it.
pub(super) async fn remove(aws: &Aws, cluster: &str, name: &str) -> Result<(), ProviderError> {
    let request = aws
        .autoscaling
        .deregister_scalable_target()
        .service_namespace(ServiceNamespace::Ecs)
        .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
        .resource_id(resource_id(cluster, name));
    let answer = aws.call("application-autoscaling:DeregisterScalableTarget", request.send()).await;
    gone(answer)
}

/// What is gone already needs no removing.
fn gone<T>(answer: Result<T, ProviderError>) -> Result<(), ProviderError> {
    match answer {
        Err(error) if error.class != ErrorClass::NotFound => Err(error),
        _ => Ok(()),
    }
}
