use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What may go wrong with one request. Durations are virtual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused with the service's own throttling error; nothing is applied.
    Throttle,
    /// The connection breaks before the request has an effect.
    ResetBefore,
    /// The request is applied, then the connection breaks.
    LostAnswer,
    /// Refused with status 500; nothing is applied.
    ServerError,
    /// Refused as not authorized; nothing is applied.
    AccessDenied,
    /// Applied and answered, later than usual.
    Delay(Duration),
    /// Never applied and never answered.
    Hang,
    /// Answered from the world as it was that long ago; nothing is applied.
    Stale(Duration),
}

/// One request as the sandbox received it.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestLog {
    /// Arrival, in virtual seconds since 1970.
    pub at: f64,
    /// Service and operation as IAM spells them: `ssm:GetParameters`.
    pub operation: String,
    /// The scripted fault that the request met.
    pub fault: Option<Fault>,
}

/// Scripted faults: per operation a queue, each used once.
#[derive(Debug, Default)]
pub(crate) struct Script(BTreeMap<String, VecDeque<Fault>>);

impl Script {
    pub(crate) fn push(&mut self, operation: &str, fault: Fault) {
        self.0.entry(operation.to_owned()).or_default().push_back(fault);
    }

    /// Takes the next fault of an operation; `ecs:*` and `*` stand for any.
    pub(crate) fn take(&mut self, operation: &str) -> Option<Fault> {
        let service = operation.split(':').next().unwrap_or_default();
        [operation, &format!("{service}:*"), "*"]
            .into_iter()
            .find_map(|key| self.0.get_mut(key)?.pop_front())
    }
}
