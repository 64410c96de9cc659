use crate::Object;
use bfd_core::journal::Failure;
use std::error::Error as _;
use thiserror::Error;

/// How a cloud refused a call.
#[derive(Debug, Error)]
#[error("{operation} failed")]
pub struct ProviderError {
    /// Service and call as IAM spells them, such as `ecs:CreateService`.
    pub operation: String,
    pub class: ErrorClass,
    pub request_id: Option<String>,
    /// The object, if the call created or changed it before failing.
    pub left: Option<Box<Object>>,
    /// `Some(true)`: the call may have taken effect, and nobody could find out.
    /// `Some(false)`: somebody looked, and it has not. `None`: its class has to tell.
    pub in_doubt: Option<bool>,
    /// What was seen around it: stop reasons, exit codes, events, last log lines.
    pub details: Vec<String>,
    pub hint: Option<String>,
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// What went wrong, in the words of the CloudFormation handler contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    // A repeat may help.
    Throttling,
    NetworkFailure,
    ResourceConflict,
    ServiceInternalError,
    // A repeat will not help.
    AccessDenied,
    /// No credentials, or credentials that have expired.
    Unauthenticated,
    AlreadyExists,
    NotFound,
    InvalidRequest,
    /// Accepted, but the object did not become ready.
    NotStabilized,
    ServiceLimitExceeded,
    /// The run turned back while the call was waiting.
    Canceled,
    /// Something that bfd itself needs is missing, such as a secret.
    Local,
}

impl ProviderError {
    pub fn new(
        operation: impl Into<String>,
        class: ErrorClass,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            operation: operation.into(),
            class,
            request_id: None,
            left: None,
            in_doubt: None,
            details: Vec::new(),
            hint: None,
            source: source.into(),
        }
    }

    #[must_use]
    pub fn leaving(mut self, left: Object) -> Self {
        self.left = Some(Box::new(left));
        self
    }

    /// Says so; what "exists already" may then well be ours.
    #[must_use]
    pub fn in_doubt(mut self) -> Self {
        self.in_doubt = Some(true);
        if self.class == ErrorClass::AlreadyExists {
            self.class = ErrorClass::ResourceConflict;
        }
        self
    }

    /// Says that the call has not taken effect, for certain.
    #[must_use]
    pub fn without_effect(mut self) -> Self {
        self.in_doubt = Some(false);
        self
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Flattens the error chain, because the journal outlives the error.
    pub fn to_failure(&self) -> Failure {
        let mut causes = Vec::new();
        let mut cause: Option<&dyn std::error::Error> = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if causes.last() != Some(&text) {
                causes.push(text);
            }
            cause = error.source();
        }
        Failure {
            message: causes.join(": "),
            operation: Some(self.operation.clone()),
            request_id: self.request_id.clone(),
            details: self.details.clone(),
            hint: self.hint.clone(),
        }
    }
}
