//! Client-side rate limits: waiting before a request is cheaper than being throttled after it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// Requests that share one of AWS's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    EcsServiceModify,
    EcsServiceRead,
    EcsServiceDeployment,
    EcsTaskDefinitionModify,
    EcsTaskDefinitionRead,
    EcsOther,
    EcrPolicy,
    EcrOther,
    SsmPut,
    SsmTag,
    SsmRead,
    CloudFormation,
    LogsRead,
    RegistryImage,
    RegistryLayer,
    Other,
}

/// How many requests at once, and how many per second after that.
struct Limit {
    burst: f64,
    per_second: f64,
}

impl Family {
    fn of(operation: &str) -> Self {
        let (service, call) = operation.split_once(':').unwrap_or(("", operation));
        match (service, call) {
            ("ecs", "CreateService" | "UpdateService" | "DeleteService") => Self::EcsServiceModify,
            ("ecs", "DescribeServices" | "ListServices") => Self::EcsServiceRead,
            ("ecs", "RegisterTaskDefinition" | "DeregisterTaskDefinition") => {
                Self::EcsTaskDefinitionModify
            }
            ("ecs", "DescribeTaskDefinition" | "ListTaskDefinitions") => {
                Self::EcsTaskDefinitionRead
            }
            ("ecs", call) if call.contains("ServiceDeployment") => Self::EcsServiceDeployment,
            ("ecs", _) => Self::EcsOther,
            ("ecr", call) if call.contains("Policy") => Self::EcrPolicy,
            ("ecr", _) => Self::EcrOther,
            ("ssm", "PutParameter" | "DeleteParameter" | "DeleteParameters") => Self::SsmPut,
            ("ssm", "AddTagsToResource" | "RemoveTagsFromResource") => Self::SsmTag,
            ("ssm", _) => Self::SsmRead,
            ("cloudformation", _) => Self::CloudFormation,
            ("registry", "PutManifest") => Self::RegistryImage,
            ("registry", _) => Self::RegistryLayer,
            ("logs", _) => Self::LogsRead,
            _ => Self::Other,
        }
    }

    /// ECS: "Request throttling for the Amazon ECS API"; ECR and SSM: "Service quotas" of
    /// each, of a registry 10 images put and 100 uploads begun per second; CloudWatch Logs: 10
    /// GetLogEvents per second in the narrowest regions; CloudFormation publishes none, and
    /// throttles describing in loops.
    fn limit(self) -> Limit {
        let (burst, per_second) = match self {
            Self::EcsServiceModify => (50.0, 5.0),
            Self::EcsServiceRead => (100.0, 20.0),
            Self::EcsServiceDeployment
            | Self::EcsTaskDefinitionRead
            | Self::EcsOther
            | Self::EcrOther
            | Self::Other => (50.0, 20.0),
            Self::EcsTaskDefinitionModify => (20.0, 1.0),
            Self::EcrPolicy => (20.0, 10.0),
            Self::SsmPut => (10.0, 3.0),
            Self::SsmTag => (10.0, 5.0),
            Self::SsmRead => (40.0, 40.0),
            Self::CloudFormation => (60.0, 10.0),
            Self::LogsRead | Self::RegistryImage => (10.0, 10.0),
            Self::RegistryLayer => (100.0, 100.0),
        };
        Limit { burst, per_second }
    }
}

/// A token bucket per family of requests.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<BTreeMap<Family, Bucket>>);

#[derive(Debug)]
struct Bucket {
    /// Negative when requests already wait for tokens to come.
    tokens: f64,
    filled: SystemTime,
}

impl Rates {
    /// Takes a token for one request and says how long to wait until it is there.
    ///
    /// Tokens are handed out in the order of asking, so nobody starves.
    pub(crate) fn take(&self, operation: &str, now: SystemTime) -> Duration {
        let family = Family::of(operation);
        let limit = family.limit();
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(family).or_insert(Bucket { tokens: limit.burst, filled: now });
        // A clock that was set back must not take tokens away.
        let passed = now.duration_since(bucket.filled).unwrap_or_default().as_secs_f64();
        bucket.tokens = limit.burst.min(bucket.tokens + passed * limit.per_second) - 1.0;
        bucket.filled = now;
        if bucket.tokens >= 0.0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64(-bucket.tokens / limit.per_second)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_the_rest_is_spread() {
        let rates = Rates::default();
        let now = SystemTime::UNIX_EPOCH;
        let waits: Vec<u128> =
            (0..16).map(|_| rates.take("ssm:PutParameter", now).as_millis()).collect();
        assert!(waits[..10].iter().all(|wait| *wait == 0), "{waits:?}");
        assert_eq!(waits[10..], [333, 666, 1000, 1333, 1666, 2000]);
    }

    #[test]
    fn tokens_come_back_with_time() {
        let rates = Rates::default();
        let start = SystemTime::UNIX_EPOCH;
        for _ in 0..10 {
            rates.take("ssm:PutParameter", start);
        }
        let later = start + Duration::from_secs(1);
        let waits: Vec<bool> =
            (0..4).map(|_| rates.take("ssm:PutParameter", later).is_zero()).collect();
        assert_eq!(waits, [true, true, true, false]);
    }

    #[test]
    fn families_do_not_wait_for_each_other() {
        let rates = Rates::default();
        let now = SystemTime::UNIX_EPOCH;
        for _ in 0..100 {
            rates.take("ssm:PutParameter", now);
        }
        assert_eq!(rates.take("ssm:DescribeParameters", now), Duration::ZERO);
        assert_eq!(rates.take("ecs:CreateService", now), Duration::ZERO);
    }
}
