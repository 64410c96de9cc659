//! Services of which bfd makes a single call, without their SDK crates.
//!
//! Each of those is large, CloudWatch Logs' as large as all of this workspace. What bfd needs is
//! a request and an answer in JSON, over the same transport, with the same signatures, retries
//! and timeouts as the SDK's clients have: the orchestrator that they are made of is public.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_runtime::{
    auth::{
        SigV4OperationSigningConfig, SigningOptions,
        sigv4::{SCHEME_ID, SigV4AuthScheme},
    },
    retries::classifiers::AwsErrorCodeClassifier,
    service_clock_skew::ServiceClockSkewInterceptor,
};
use aws_smithy_runtime::client::{
    orchestrator::operation::Operation,
    retries::{
        RetryPartition, TokenBucket,
        classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier},
    },
};
use aws_smithy_runtime_api::client::{
    auth::{
        AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
        static_resolver::StaticAuthSchemeOptionResolver,
    },
    identity::SharedIdentityResolver,
    orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
    result::SdkError,
    runtime_components::RuntimeComponentsBuilder,
    runtime_plugin::StaticRuntimePlugin,
    stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_smithy_types::{
    body::SdkBody,
    config_bag::Layer,
    error::{ErrorMetadata, metadata::ProvideErrorMetadata},
};
use aws_types::{SigningName, region::SigningRegion};
use serde_json::Value;
use std::fmt;
use thiserror::Error;

/// What a call is, in AWS's words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// For people, such as `CloudWatch Logs`.
    pub(crate) service: &'static str,
    /// What requests are signed for, and the host's first name: `logs`.
    pub(crate) signed_for: &'static str,
    /// The prefix of the target names the API by its version: `Logs_20140328`.
    pub(crate) api: &'static str,
    pub(crate) operation: &'static str,
}

/// One call of one service, ready to be made.
pub(crate) struct Client {
    call: Call,
    operation: Operation<Value, Value, Refusal>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.call).finish()
    }
}

/// A refusal of the service.
#[derive(Debug, Error)]
#[error("{}: {}", .0.code().unwrap_or("no code"), .0.message().unwrap_or("no message"))]
pub(crate) struct Refusal(ErrorMetadata);

impl ProvideErrorMetadata for Refusal {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

impl Client {
    /// A client with the transport, credentials, retries and timeouts of the SDK's own.
    pub(crate) fn new(config: &SdkConfig, call: Call) -> Self {
        let mut builder = Operation::builder()
            .service_name(call.service)
            .operation_name(call.operation)
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(&endpoint(config, call.signed_for))
            .with_connection_poisoning()
            .interceptor(ServiceClockSkewInterceptor::new())
            .retry_classifier(TransientErrorClassifier::<Refusal>::new())
            .retry_classifier(AwsErrorCodeClassifier::<Refusal>::new())
            .retry_classifier(HttpStatusCodeClassifier::default())
            .stalled_stream_protection(
                config
                    .stalled_stream_protection()
                    .unwrap_or_else(StalledStreamProtectionConfig::disabled),
            )
            .runtime_plugin(signing(config, call.signed_for));
        if let Some(client) = config.http_client() {
            builder = builder.http_client(client);
        }
        if let Some(retries) = config.retry_config() {
            builder = builder.standard_retry(retries);
        }
        if let Some(timeouts) = config.timeout_config() {
            builder = builder.timeout_config(timeouts.clone());
        }
        if let Some(sleep) = config.sleep_impl() {
            builder = builder.sleep_impl(sleep);
        }
        if let Some(time) = config.time_source() {
            builder = builder.time_source(time);
        }
        let operation = builder
            .serializer(move |input: Value| request(call, &input))
            .deserializer(answer)
            .build();
        Self { call, operation }
    }

    /// Makes the call.
    pub(crate) async fn send(
        &self,
        input: Value,
    ) -> Result<Value, SdkError<Refusal, HttpResponse>> {
        self.operation.invoke(input).await
    }
}

/// Where requests go: what stands in for AWS, else the region's own endpoint.
fn endpoint(config: &SdkConfig, service: &str) -> String {
    if let Some(url) = config.endpoint_url() {
        return url.to_owned();
    }
    let region = config.region().map_or("us-east-1", Region::as_ref);
    let fips = if config.use_fips() == Some(true) { "-fips" } else { "" };
    let domain = match (region.starts_with("cn-"), config.use_dual_stack() == Some(true)) {
        (false, false) => "amazonaws.com",
        (true, false) => "amazonaws.com.cn",
        (false, true) => "api.aws",
        (true, true) => "api.amazonwebservices.com.cn",
    };
    format!("https://{service}{fips}.{region}.{domain}")
}

/// Signature version 4 with the connection's credentials, and a retry budget of its own.
fn signing(config: &SdkConfig, service: &'static str) -> StaticRuntimePlugin {
    let mut layer = Layer::new(service);
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(RetryPartition::custom(service).token_bucket(TokenBucket::default()).build());
    let mut signing_options = SigningOptions::default();
    signing_options.double_uri_encode = true;
    signing_options.normalize_uri_path = true;
    layer.store_put(SigV4OperationSigningConfig {
        region: config.region().cloned().map(SigningRegion::from),
        region_set: None,
        name: Some(SigningName::from_static(service)),
        signing_options,
    });
    let mut components = RuntimeComponentsBuilder::new(service);
    components.set_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
        StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]),
    )));
    components.push_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()));
    if let Some(credentials) = config.credentials_provider() {
        components.set_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(credentials));
    }
    components.set_identity_cache(config.identity_cache());
    StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components)
}

fn request(
    call: Call,
    input: &Value,
) -> Result<HttpRequest, Box<dyn std::error::Error + Send + Sync>> {
    let body = input.to_string();
    let length = body.len();
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("POST")?;
    request.set_uri("/")?;
    let headers = request.headers_mut();
    headers.insert("content-type", "application/x-amz-json-1.1");
    headers.insert("content-length", length.to_string());
    headers.insert("x-amz-target", format!("{}.{}", call.api, call.operation));
    Ok(request)
}

fn answer(answer: &HttpResponse) -> Result<Value, OrchestratorError<Refusal>> {
    let body = answer.body().bytes().unwrap_or_default();
    if answer.status().is_success() {
        return serde_json::from_slice(body).map_err(OrchestratorError::other);
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let named = answer.headers().get("x-amzn-errortype").or_else(|| body["__type"].as_str());
    let message = body["message"].as_str().or_else(|| body["Message"].as_str());
    let mut error = ErrorMetadata::builder();
    if let Some(code) = named.and_then(code) {
        error = error.code(code);
    }
    if let Some(message) = message {
        error = error.message(message);
    }
    Err(OrchestratorError::operation(Refusal(error.build())))
}

/// A code may have a namespace before it and a place after it:
/// `com.amazonaws.logs#ResourceNotFoundException:http://…`.
fn code(named: &str) -> Option<&str> {
    let code = named.split(':').next()?;
    let code = code.rsplit('#').next()?;
    (!code.is_empty()).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_those_of_the_region() {
        let at = |region: &'static str| {
            endpoint(&SdkConfig::builder().region(Region::new(region)).build(), "logs")
        };
        assert_eq!(at("ap-southeast-1"), "https://logs.ap-southeast-1.amazonaws.com");
        assert_eq!(at("cn-north-1"), "https://logs.cn-north-1.amazonaws.com.cn");
        let fips = SdkConfig::builder().region(Region::new("us-gov-west-1")).use_fips(true);
        assert_eq!(
            endpoint(&fips.build(), "logs"),
            "https://logs-fips.us-gov-west-1.amazonaws.com"
        );
        let other = SdkConfig::builder().endpoint_url("http://127.0.0.1:5000");
        assert_eq!(endpoint(&other.build(), "logs"), "http://127.0.0.1:5000");
    }

    #[test]
    fn codes_are_bare() {
        assert_eq!(code("ResourceNotFoundException"), Some("ResourceNotFoundException"));
        let full = "com.amazonaws.logs#AccessDeniedException:http://internal/";
        assert_eq!(code(full), Some("AccessDeniedException"));
        assert_eq!(code(""), None);
    }
}
