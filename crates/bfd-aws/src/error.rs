//! From the SDK's errors to the engine's.

use crate::{Aws, transport::NotSent};
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bfd_provider::{ErrorClass, ProviderError};
use std::error::Error;
use thiserror::Error;

/// What a service said, in its own words.
#[derive(Debug, Error)]
#[error("{code}: {message}")]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// Why there was no answer.
#[derive(Debug, Error)]
#[error("{0}")]
struct NoAnswer(String);

/// The service's own code, where it was the service that refused.
pub(crate) fn code(error: &ProviderError) -> Option<&str> {
    error.source.downcast_ref::<Refusal>().map(|refusal| refusal.code.as_str())
}

/// The service's own message, where it was the service that refused.
pub(crate) fn message(error: &ProviderError) -> Option<&str> {
    error.source.downcast_ref::<Refusal>().map(|refusal| refusal.message.as_str())
}

/// Says what a service said in other words.
pub(crate) fn rewrite(mut error: ProviderError, say: impl Fn(&str) -> String) -> ProviderError {
    if let Some(refusal) = error.source.downcast_mut::<Refusal>() {
        refusal.message = say(&refusal.message);
    }
    error
}

/// Removes a plaintext from what a service said: validation errors quote their input.
pub(crate) fn redact(mut error: ProviderError, plaintext: &str) -> ProviderError {
    if let Some(refusal) = error.source.downcast_mut::<Refusal>()
        && !plaintext.is_empty()
    {
        refusal.message = refusal.message.replace(plaintext, "(secret)");
    }
    error
}

/// Says an error of the SDK in the engine's words.
pub(crate) fn translate<E>(
    operation: &'static str,
    aws: &Aws,
    error: &SdkError<E, HttpResponse>,
) -> ProviderError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let service = operation.split(':').next().unwrap_or_default();
    translate_at(operation, &aws.endpoint(service), error)
}

/// The same, of a request that went to `endpoint`.
pub(crate) fn translate_at<E>(
    operation: &'static str,
    endpoint: &str,
    error: &SdkError<E, HttpResponse>,
) -> ProviderError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    if let Some(credentials) = find::<CredentialsError>(error) {
        return no_credentials(operation, credentials);
    }
    if let Some(unsent) = unsent(operation, error) {
        return unsent;
    }
    match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let request_id = request_id(answer.raw());
            let mut refused = refusal(operation, status, answer.err());
            refused.request_id = request_id;
            refused
        }
        SdkError::TimeoutError(_) => ProviderError::new(
            operation,
            ErrorClass::NetworkFailure,
            NoAnswer(format!("no answer from {endpoint} in time")),
        )
        .hint("check the network, and repeat: what took effect is found again"),
        SdkError::DispatchFailure(failure) => {
            let text = error.source().map(chain).unwrap_or_default();
            let what = if failure.is_timeout() {
                format!("no connection to {endpoint} in time: {text}")
            } else {
                format!("{endpoint} cannot be reached: {text}")
            };
            let unreachable =
                ProviderError::new(operation, ErrorClass::NetworkFailure, NoAnswer(what));
            if text.contains("dns") || text.contains("resolve") || text.contains("lookup") {
                unreachable.hint("check the region and the endpoint: its name is not known")
            } else {
                unreachable.hint("check the network, the proxy settings and `endpoint_url`")
            }
        }
        SdkError::ResponseError(answer) => {
            let status = answer.raw().status().as_u16();
            let mut broken = ProviderError::new(
                operation,
                ErrorClass::ServiceInternalError,
                NoAnswer(format!("{endpoint} answered with status {status}, and not as AWS does")),
            );
            broken.request_id = request_id(answer.raw());
            broken
        }
        _ => ProviderError::new(operation, ErrorClass::InvalidRequest, NoAnswer(chain(error))),
    }
}

/// A request that was held back, where that is why there is no answer.
pub(crate) fn unsent(operation: &str, error: &(dyn Error + 'static)) -> Option<ProviderError> {
    let unsent = find::<NotSent>(error)?.clone();
    // Nothing has arrived: of no class that leaves a doubt.
    Some(ProviderError::new(operation, ErrorClass::InvalidRequest, unsent))
}

fn refusal<E>(operation: &'static str, status: u16, error: &E) -> ProviderError
where
    E: Error + ProvideErrorMetadata,
{
    let code = error.code().unwrap_or_default().to_owned();
    let message = error.message().unwrap_or_default().to_owned();
    let class = classify(&code, &message, status);
    let refusal = if code.is_empty() {
        Refusal { code: format!("status {status}"), message: chain(error) }
    } else {
        Refusal { code: code.clone(), message: message.clone() }
    };
    let refused = ProviderError::new(operation, class, refusal);
    match class {
        ErrorClass::AccessDenied => {
            let who = principal(&message).map_or_else(
                || format!("the role in use lacks `{operation}`"),
                |who| format!("`{who}` lacks `{operation}`"),
            );
            refused.hint(format!("{who}: add the action to its policy"))
        }
        ErrorClass::Unauthenticated if is_expired(&code) => {
            refused.hint("the session has expired: sign in again, for example with `aws sso login`")
        }
        ErrorClass::Unauthenticated => {
            refused.hint("AWS does not know these credentials: check `aws sts get-caller-identity`")
        }
        ErrorClass::Throttling => {
            refused.hint("AWS throttles this account: repeat later, or lower `--parallelism`")
        }
        ErrorClass::ServiceLimitExceeded => {
            refused.hint("a quota of the account is used up: raise it under Service Quotas")
        }
        _ => refused,
    }
}

fn classify(code: &str, message: &str, status: u16) -> ErrorClass {
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException" => ErrorClass::Throttling,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "AuthorizationError"
        | "NotAuthorized" => ErrorClass::AccessDenied,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "InvalidAccessKeyId" => ErrorClass::Unauthenticated,
        "ParameterAlreadyExists"
        | "RepositoryAlreadyExistsException"
        | "AlreadyExistsException"
        | "AlreadyExists" => ErrorClass::AlreadyExists,
        // CloudFormation has one code for everything; its words tell.
        "ValidationError" if message.contains("does not exist") => ErrorClass::NotFound,
        "NoSuchBucket"
        | "ParameterNotFound"
        | "ParameterVersionNotFound"
        | "RepositoryNotFoundException"
        | "ImageNotFoundException"
        | "LifecyclePolicyNotFoundException"
        | "RepositoryPolicyNotFoundException"
        | "ClusterNotFoundException"
        | "ServiceNotFoundException"
        | "TaskSetNotFoundException"
        | "ServiceDeploymentNotFoundException"
        | "ObjectNotFoundException"
        | "ResourceNotFoundException"
        | "StackNotFoundException"
        | "ChangeSetNotFound"
        | "InvalidResourceId" => ErrorClass::NotFound,
        // SSM: "there are concurrent updates for a resource that supports one update at a time".
        "TooManyUpdates"
        | "ConflictException"
        | "ConcurrentUpdateException"
        | "UpdateInProgressException"
        | "OperationInProgressException"
        | "ResourceInUseException"
        | "ResourceInUse"
        | "ServiceNotActiveException"
        | "ClusterContainsServicesException"
        | "ClusterContainsTasksException"
        | "ClusterContainsContainerInstancesException"
        | "RepositoryNotEmptyException"
        | "TokenAlreadyExistsException" => ErrorClass::ResourceConflict,
        "LimitExceededException"
        | "LimitExceeded"
        | "ParameterLimitExceeded"
        | "ParameterMaxVersionLimitExceeded"
        | "TooManyTagsException"
        | "TooManyTagsError"
        | "AttributeLimitExceededException" => ErrorClass::ServiceLimitExceeded,
        _ if status == 429 => ErrorClass::Throttling,
        _ if status == 403 => ErrorClass::AccessDenied,
        _ if status >= 500 => ErrorClass::ServiceInternalError,
        _ => ErrorClass::InvalidRequest,
    }
}

fn is_expired(code: &str) -> bool {
    code.contains("Expired")
}

/// The caller that a denial names: `User: arn:… is not authorized to perform: …`.
fn principal(message: &str) -> Option<&str> {
    let rest = &message[message.find("User: ")? + "User: ".len()..];
    rest.split_whitespace().next()
}

fn no_credentials(operation: &'static str, error: &CredentialsError) -> ProviderError {
    let text = chain(error);
    let failed = ProviderError::new(
        operation,
        ErrorClass::Unauthenticated,
        NoAnswer(format!("no AWS credentials were found: {text}")),
    );
    if text.contains("expired") || text.contains("sso") || text.contains("SSO") {
        failed.hint("sign in again, for example with `aws sso login`")
    } else {
        failed.hint(
            "set `AWS_PROFILE`, or `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, \
             or run where a role is attached",
        )
    }
}

/// The answer's request id, under each of the names that AWS gives it.
fn request_id(answer: &HttpResponse) -> Option<String> {
    ["x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id"]
        .into_iter()
        .find_map(|name| answer.headers().get(name))
        .map(str::to_owned)
}

/// Looks for an error of one type among the causes.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The texts of an error and its causes; a cause that repeats the text before it is left out.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &str) -> ProviderError {
        let refusal =
            Refusal { code: "ValidationException".to_owned(), message: message.to_owned() };
        ProviderError::new("ssm:PutParameter", ErrorClass::InvalidRequest, refusal)
    }

    #[test]
    fn a_quoted_secret_is_taken_out() {
        let error = redact(refused("Value 'hunter2' at 'value' is too short"), "hunter2");
        let told = format!("{error:?} {:?}", error.to_failure());
        assert!(!told.contains("hunter2"), "{told}");
        assert_eq!(message(&error), Some("Value '(secret)' at 'value' is too short"));
        assert_eq!(message(&redact(refused("as it was"), "")), Some("as it was"));
    }

    #[test]
    fn a_denial_names_who_was_denied() {
        let message =
            "User: arn:aws:iam::1:role/ci is not authorized to perform: ecs:CreateService";
        assert_eq!(principal(message), Some("arn:aws:iam::1:role/ci"));
        assert_eq!(principal("no"), None);
    }

    #[test]
    fn codes_have_their_class() {
        let class = |code, status| classify(code, "", status);
        assert_eq!(class("ThrottlingException", 400), ErrorClass::Throttling);
        assert_eq!(class("ExpiredTokenException", 403), ErrorClass::Unauthenticated);
        assert_eq!(class("AccessDeniedException", 400), ErrorClass::AccessDenied);
        assert_eq!(class("Unknown", 503), ErrorClass::ServiceInternalError);
        assert_eq!(class("Unknown", 400), ErrorClass::InvalidRequest);
        let missing = classify("ValidationError", "Stack [s] does not exist", 400);
        assert_eq!(missing, ErrorClass::NotFound);
    }
}
