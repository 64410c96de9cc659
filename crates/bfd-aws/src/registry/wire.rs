//! One request to a registry and its answer, on the connection's transport and clock.

use super::{Registry, url};
use crate::error::{Refusal, chain, unsent};
use aws_smithy_runtime_api::client::{
    http::HttpConnector as _,
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use bfd_provider::{ErrorClass, ProviderError};
use http_body_util::BodyExt as _;
use serde_json::Value;
use std::{future::Future, pin::pin, time::Duration};
use thiserror::Error;

/// How long a small request may take, its answer included.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Attempts of a request, or of a blob, the first one included.
pub(super) const ATTEMPTS: u32 = 5;
/// The most bytes of an answer that is read into memory: what registries take of a manifest.
const SMALL: usize = 4 << 20;
/// The most characters of a refusal that are told.
const TOLD: usize = 600;

/// Why there was no answer.
#[derive(Debug, Error)]
#[error("{0}")]
struct NoAnswer(String);

/// An answer whose body has been read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first error of the registry's own, and the rest of what it says about it, if anything.
    pub(super) fn refusal(&self) -> (String, String) {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let error = &body["errors"][0];
        let code =
            error["code"].as_str().map_or_else(|| format!("status {}", self.status), str::to_owned);
        let mut message = error["message"].as_str().unwrap_or_default().to_owned();
        let detail = match &error["detail"] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            detail => detail.to_string(),
        };
        if !detail.is_empty() && detail != "{}" {
            let separator = if message.is_empty() { "" } else { ": " };
            message = format!("{message}{separator}{detail}");
        }
        (code, message.chars().take(TOLD).collect())
    }
}

/// A request, before anyone says who asks.
pub(super) fn request(
    operation: &'static str,
    method: &str,
    url: &str,
    headers: &[(&'static str, &str)],
    body: SdkBody,
) -> Result<HttpRequest, ProviderError> {
    let broken =
        |why: String| ProviderError::new(operation, ErrorClass::InvalidRequest, NoAnswer(why));
    let length = body.content_length();
    let mut request = HttpRequest::new(body);
    request.set_method(method).map_err(|it| broken(it.to_string()))?;
    request
        .set_uri(url)
        .map_err(|_| broken("the registry names an address that is none".to_owned()))?;
    if let Some(length) = length.filter(|_| !matches!(method, "GET" | "HEAD" | "DELETE")) {
        request.headers_mut().insert("content-length", length.to_string());
    }
    for (name, value) in headers {
        let value = (*value).to_owned();
        request.headers_mut().try_insert(*name, value).map_err(|it| broken(it.to_string()))?;
    }
    Ok(request)
}

impl Registry<'_> {
    /// Sends one request as the limits allow, and leaves the answer's body where it is.
    pub(super) async fn exchange(
        &self,
        operation: &'static str,
        request: HttpRequest,
    ) -> Result<HttpResponse, ProviderError> {
        let aws = self.aws;
        let wait = aws.rate(operation);
        if !wait.is_zero() {
            aws.sleep(wait).await;
        }
        let origin = url::origin(request.uri()).unwrap_or_default();
        let began = aws.now();
        let answer = aws.registries.connector().call(request).await;
        let took = aws.now().duration_since(began).unwrap_or_default().as_millis();
        match answer {
            Ok(answer) => {
                let status = answer.status().as_u16();
                tracing::debug!(target: "bfd", "{operation} {took} ms: {status}");
                Ok(answer)
            }
            Err(error) => {
                tracing::debug!(target: "bfd", "{operation} {took} ms: no answer");
                let held_back = unsent(operation, &error);
                Err(held_back.unwrap_or_else(|| unreachable(operation, &origin, &chain(&error))))
            }
        }
    }

    /// The same, and reads the answer: all of it in the time that a small request may take.
    pub(super) async fn fetch(
        &self,
        operation: &'static str,
        request: HttpRequest,
        patience: Duration,
    ) -> Result<Answer, ProviderError> {
        let origin = url::origin(request.uri()).unwrap_or_default();
        let asked =
            async { read(operation, &origin, self.exchange(operation, request).await?).await };
        self.in_time(operation, &origin, patience, asked).await
    }

    /// Breaks off what takes too long, on the connection's clock.
    pub(super) async fn in_time<T>(
        &self,
        operation: &'static str,
        origin: &str,
        patience: Duration,
        work: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let work = pin!(work);
        tokio::select! {
            biased;
            done = work => done,
            () = self.aws.sleep(patience) => Err(silent(operation, origin, patience)),
        }
    }

    /// Repeats what may be repeated, while a repeat may help.
    pub(super) async fn repeated<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, ProviderError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        let mut made = 1;
        loop {
            match attempt().await {
                Err(refused) if may_help(&refused) && made < ATTEMPTS => {
                    self.back_off(made).await;
                    made += 1;
                }
                done => return done,
            }
        }
    }

    /// Waits before the next attempt: hardly at all after a connection that broke, and in the end
    /// as long as a network takes to come back: 0.2, 0.8, 3.2 and 12.8 s.
    pub(super) async fn back_off(&self, made: u32) {
        self.aws.sleep(Duration::from_millis(200) * 4_u32.pow(made.saturating_sub(1).min(3))).await;
    }
}

/// Whether a repeat of the same request may come to another end.
pub(super) fn may_help(error: &ProviderError) -> bool {
    matches!(
        error.class,
        ErrorClass::NetworkFailure | ErrorClass::ServiceInternalError | ErrorClass::Throttling
    )
}

/// Reads a small answer.
pub(super) async fn read(
    operation: &'static str,
    origin: &str,
    answer: HttpResponse,
) -> Result<Answer, ProviderError> {
    let status = answer.status().as_u16();
    let headers = answer.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers = headers.collect();
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|it| unreachable(operation, origin, &chain(it.as_ref())))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > SMALL {
            let what = format!("{origin} answers with more than {SMALL} bytes");
            return Err(ProviderError::new(operation, ErrorClass::InvalidRequest, NoAnswer(what)));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Answer { status, headers, body: bytes })
}

/// Says in the engine's words why a registry refuses.
pub(super) fn refused(operation: &'static str, registry: &str, answer: &Answer) -> ProviderError {
    let (code, mut message) = answer.refusal();
    if message.is_empty() {
        message = format!("{registry} says no more");
    }
    let class = match (answer.status, code.as_str()) {
        (401 | 403, _) => ErrorClass::AccessDenied,
        (404, _) => ErrorClass::NotFound,
        (429, _) | (_, "TOOMANYREQUESTS") => ErrorClass::Throttling,
        (409, _) => ErrorClass::ResourceConflict,
        (408, _) => ErrorClass::NetworkFailure,
        (500.., _) => ErrorClass::ServiceInternalError,
        _ => ErrorClass::InvalidRequest,
    };
    let is_full = message.contains("no space left") || message.contains("\"Err\":28");
    let mut error = ProviderError::new(operation, class, Refusal { code: code.clone(), message });
    error.request_id = answer.header("x-amzn-requestid").map(str::to_owned);
    match class {
        _ if is_full => error.hint(format!("the disk of {registry} is full")),
        ErrorClass::AccessDenied if registry.contains(".dkr.ecr") => {
            let actions = actions(operation);
            error.hint(format!(
                "the role in use, or the policy of the repository, does not allow {actions}"
            ))
        }
        ErrorClass::AccessDenied => {
            error.hint(format!("`docker login {registry}` with a user who may do that"))
        }
        ErrorClass::NotFound if code == "NAME_UNKNOWN" => {
            error.hint(format!("{registry} has no such repository: make it first"))
        }
        ErrorClass::Throttling => error.hint(format!("{registry} throttles: repeat later")),
        _ => error,
    }
}

/// What IAM calls the requests of the registry's protocol.
fn actions(operation: &str) -> &'static str {
    match operation {
        "registry:GetLayer" => "`ecr:BatchCheckLayerAvailability`",
        "registry:StartLayer" => "`ecr:InitiateLayerUpload`",
        "registry:PutLayer" => "`ecr:UploadLayerPart`",
        "registry:FinishLayer" => "`ecr:CompleteLayerUpload`",
        "registry:PutManifest" => "`ecr:PutImage`",
        "registry:GetManifest" => "`ecr:BatchGetImage`",
        "registry:ReadLayer" => "`ecr:GetDownloadUrlForLayer`",
        _ => "that action of `ecr`",
    }
}

pub(super) fn unreachable(operation: &'static str, origin: &str, why: &str) -> ProviderError {
    let what = format!("the connection to {origin} failed: {why}");
    ProviderError::new(operation, ErrorClass::NetworkFailure, NoAnswer(what))
        .hint("check the name of the registry, the network and the proxy settings, and repeat")
}

pub(super) fn silent(operation: &'static str, origin: &str, after: Duration) -> ProviderError {
    let what = format!("nothing moved between here and {origin} for {} s", after.as_secs());
    ProviderError::new(operation, ErrorClass::NetworkFailure, NoAnswer(what))
        .hint("check the network, and repeat")
}

/// An answer that is none of those that the protocol knows.
pub(super) fn odd(operation: &'static str, what: impl Into<String>) -> ProviderError {
    ProviderError::new(operation, ErrorClass::ServiceInternalError, NoAnswer(what.into()))
}
