//! Makes a service that exists like its desired inputs, in one UpdateService call at most.

use super::{input, key, live, requests, scaling};
use crate::{Aws, shapes, tags};
use aws_sdk_ecs::types::Service;
use bfd_core::{Properties, Value};
use bfd_kinds::service::{canonical_service, update_service};
use bfd_provider::{ErrorClass, ProviderError};
use serde_json::{Map, json};

const OPERATION: &str = "ecs:UpdateService";

/// The settings of a service as ECS describes it, in the canonical form.
pub(super) fn settings(service: &Service) -> Result<Value, ProviderError> {
    let described = shapes::write(Service::SCHEMA, service).map_err(|error| {
        ProviderError::new("ecs:DescribeServices", ErrorClass::ServiceInternalError, error)
    })?;
    Ok(canonical_service(&described))
}

/// A service between two sets of inputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Converge<'a> {
    pub(super) aws: &'a Aws,
    pub(super) live: &'a Service,
    /// What was declared before: settings in it that are desired no more are taken back.
    /// Everything else that AWS tells of the service is AWS's own.
    pub(super) before: &'a Properties,
    pub(super) desired: &'a Properties,
    /// The revision to run, by ARN.
    pub(super) task_definition: &'a str,
}

impl Converge<'_> {
    /// The request, or `None` where the service is as desired.
    pub(super) fn request(&self) -> Result<Option<Value>, ProviderError> {
        let null = Value::Null;
        let desired = self.desired.get("service").unwrap_or(&null);
        let before = self.before.get("service").unwrap_or(&null);
        let live = declared(&settings(self.live)?, &[before, desired]);
        let mut request = match update_service(&live, desired) {
            Some(Value::Object(request)) => request,
            _ => Map::new(),
        };
        if self.live.task_definition.as_deref() != Some(self.task_definition) {
            request.insert("taskDefinition".to_owned(), self.task_definition.into());
        }
        // With autoscaling, the number of tasks belongs to it.
        if input(self.desired, "autoscaling").is_none()
            && let Some(count) = input(self.desired, "desired_count")
            && count.as_i64() != Some(self.live.desired_count.into())
        {
            request.insert("desiredCount".to_owned(), count.clone());
        }
        if request.is_empty() {
            return Ok(None);
        }
        let (cluster, name) = key(self.desired);
        request.insert("cluster".to_owned(), cluster.into());
        request.insert("service".to_owned(), name.into());
        Ok(Some(Value::Object(request)))
    }

    /// The request with a new deployment in any case.
    pub(super) fn forced(&self, request: Option<Value>) -> Value {
        let (cluster, name) = key(self.desired);
        let mut request = request.unwrap_or_else(|| json!({ "cluster": cluster, "service": name }));
        request["forceNewDeployment"] = json!(true);
        request
    }

    /// Sends the request. An answer that was lost is looked for in the service itself.
    pub(super) async fn send(&self, request: &Value) -> Result<Service, ProviderError> {
        let call = requests::update_service(self.aws, request)?;
        let refused = match self.aws.call(OPERATION, call.send()).await {
            Ok(answer) => match answer.service {
                Some(service) => return Ok(service),
                None => ProviderError::new(
                    OPERATION,
                    ErrorClass::ServiceInternalError,
                    "ECS answered without the service",
                ),
            },
            Err(refused) => refused,
        };
        if !super::follow::is_passing(refused.class) {
            return Err(refused);
        }
        let (cluster, name) = key(self.desired);
        let Some(found) = live::find(self.aws, cluster, name).await? else { return Err(refused) };
        let again = Converge { live: &found, ..*self };
        // A forced deployment leaves no other trace than itself.
        let id = |service| live::primary(service).and_then(|it| it.id.as_deref());
        let is_there = request.get("forceNewDeployment").is_none() || id(&found) != id(self.live);
        if is_there && again.request()?.is_none() { Ok(found) } else { Err(refused) }
    }

    /// Sets what UpdateService does not: tags and autoscaling.
    pub(super) async fn send_the_rest(&self) -> Result<(), ProviderError> {
        let (cluster, name) = key(self.desired);
        let (was, is) = (input(self.before, "autoscaling"), input(self.desired, "autoscaling"));
        if was != is {
            scaling::set(self.aws, cluster, name, was, is).await?;
        }
        self.send_tags().await
    }

    async fn send_tags(&self) -> Result<(), ProviderError> {
        let desired = tags::declared(self.desired);
        let declared = tags::declared(self.before);
        let mut present = live::tags(self.live.tags());
        present.retain(|key, _| desired.contains_key(key) || declared.contains_key(key));
        let (set, removed) = tags::difference(&present, &desired);
        let arn = self.live.service_arn.as_deref().unwrap_or_default();
        if !set.is_empty() {
            let request = self.aws.ecs.tag_resource().resource_arn(arn);
            let request = request.set_tags(Some(live::to_sdk(&set)));
            self.aws.call("ecs:TagResource", request.send()).await?;
        }
        if !removed.is_empty() {
            let request = self.aws.ecs.untag_resource().resource_arn(arn);
            let request = request.set_tag_keys(Some(removed));
            self.aws.call("ecs:UntagResource", request.send()).await?;
        }
        Ok(())
    }
}

/// The parts of `live` that any of `by` declares, at every depth.
fn declared(live: &Value, by: &[&Value]) -> Value {
    match live {
        Value::Object(all) => {
            let kept = all.iter().filter_map(|(name, value)| {
                let by: Vec<&Value> = by.iter().filter_map(|it| it.get(name)).collect();
                (!by.is_empty()).then(|| (name.clone(), declared(value, &by)))
            });
            Value::Object(kept.collect())
        }
        Value::Array(all) => {
            let of_same_length = by.iter().filter_map(|it| it.as_array());
            let of_same_length: Vec<_> =
                of_same_length.filter(|it| it.len() == all.len()).collect();
            if of_same_length.is_empty() {
                return live.clone();
            }
            let kept = all.iter().enumerate().map(|(at, value)| {
                let by: Vec<&Value> = of_same_length.iter().map(|it| &it[at]).collect();
                declared(value, &by)
            });
            json!(kept.collect::<Vec<_>>())
        }
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_declared_is_left_out() {
        let live = json!({
            "platformVersion": "LATEST",
            "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["a"], "extra": 1 } },
            "loadBalancers": [{ "targetGroupArn": "t", "extra": 1 }],
            "enableExecuteCommand": true,
        });
        let before = json!({ "enableExecuteCommand": true });
        let desired = json!({
            "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["b"] } },
            "loadBalancers": [{ "targetGroupArn": "u" }],
        });
        let expected = json!({
            "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["a"] } },
            "loadBalancers": [{ "targetGroupArn": "t" }],
            "enableExecuteCommand": true,
        });
        assert_eq!(declared(&live, &[&before, &desired]), expected);
    }
}
