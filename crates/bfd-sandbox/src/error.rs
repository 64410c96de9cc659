use std::borrow::Cow;

/// A refusal of a service that speaks JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonError {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
}

impl JsonError {
    /// A refusal with status 400, as nearly all of AWS's are.
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into() }
    }

    pub(crate) fn unknown_operation(operation: &str) -> Self {
        Self::new(
            "UnknownOperationException",
            format!("the sandbox does not know the operation {operation}"),
        )
    }
}

/// A refusal of a service that speaks the query protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryError {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
}

impl QueryError {
    /// A refusal with status 400.
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into() }
    }

    pub(crate) fn unknown_action(action: &str) -> Self {
        Self::new("InvalidAction", format!("Could not find operation {action} for this version"))
    }
}
