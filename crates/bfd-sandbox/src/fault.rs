use std::collections::{BTreeMap, VecDeque};
use std::fmt;
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
    /// Applied and never answered: what a client that dies leaves behind.
    Unanswered,
    /// The connection breaks after so many bytes of the request's body, or at its end. Of an
    /// upload to the registry these bytes stay in the upload; nothing else is applied.
    BrokenBody(u64),
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

/// One request as it arrives, for who decides what goes wrong with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival<'a> {
    /// Counts requests from 0 since the sandbox was opened.
    pub number: u64,
    /// As IAM spells it: `ssm:GetParameters`.
    pub operation: &'a str,
    /// Whether it can change anything.
    pub is_write: bool,
    /// In virtual seconds since 1970.
    pub at: f64,
}

type Decision = Box<dyn FnMut(&Arrival<'_>) -> Option<Fault> + Send>;

/// Scripted faults: per operation a queue, each used once; for requests that meet none of
/// them, whatever is decided on their arrival.
#[derive(Default)]
pub(crate) struct Script {
    queues: BTreeMap<String, VecDeque<Fault>>,
    decision: Option<Decision>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("queues", &self.queues).finish_non_exhaustive()
    }
}

impl Script {
    pub(crate) fn push(&mut self, operation: &str, fault: Fault) {
        self.queues.entry(operation.to_owned()).or_default().push_back(fault);
    }

    pub(crate) fn decide(&mut self, decision: Option<Decision>) {
        self.decision = decision;
    }

    /// The fault of a request, if there is to be one.
    pub(crate) fn meet(&mut self, arrival: &Arrival<'_>) -> Option<Fault> {
        self.take(arrival.operation).or_else(|| self.decision.as_mut()?(arrival))
    }

    /// Takes the next fault of an operation; `ecs:*` and `*` stand for any.
    fn take(&mut self, operation: &str) -> Option<Fault> {
        let service = operation.split(':').next().unwrap_or_default();
        [operation, &format!("{service}:*"), "*"]
            .into_iter()
            .find_map(|key| self.queues.get_mut(key)?.pop_front())
    }
}
