//! Objects in S3, for a state that is kept there.

use crate::{
    Settings,
    client::{client, configured},
    error::{self, Refusal},
    transport::Traffic,
};
use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::BeforeDeserializationInterceptorContextRef,
    },
    operation::get_object::GetObjectError,
    primitives::{ByteStream, DateTime, DateTimeFormat},
    types::ServerSideEncryption,
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{orchestrator::HttpResponse, result::SdkError},
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bfd_provider::{ErrorClass, ProviderError};
use bfd_store::{Condition, ETag, Found, ObjectError, ObjectFailure, Objects};
use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::OnceCell;

/// A bucket of S3, or of what stands in for it.
#[derive(Debug)]
pub struct S3Objects {
    /// Its region is the bucket's.
    settings: Settings,
    bucket: Bucket,
    /// Made with the first request: looking for credentials takes time, and may fail.
    client: OnceCell<S3Client>,
}

/// Which bucket, and how objects in it are encrypted.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub name: String,
    /// A key of KMS, instead of what the bucket's own default says.
    pub kms_key: Option<String>,
}

struct S3Client(Client);

impl fmt::Debug for S3Client {
    /// Nothing of credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Client").finish_non_exhaustive()
    }
}

impl S3Objects {
    /// Sends nothing: the first request is the first to fail. `settings.region` is the bucket's.
    pub fn new(settings: Settings, bucket: Bucket) -> Self {
        Self { settings, bucket, client: OnceCell::new() }
    }

    async fn client(&self) -> &Client {
        let connect = async {
            let (config, _, _) = configured(&self.settings, &Traffic::default()).await;
            // Other servers have no host name for each bucket.
            let is_other = self.settings.endpoint_url.is_some();
            let client = client!(aws_sdk_s3, &config, |config: aws_sdk_s3::config::Builder| config
                .force_path_style(is_other));
            S3Client(client)
        };
        // Large, and only of use once.
        let connect = Box::pin(connect);
        &self.client.get_or_init(|| connect).await.0
    }

    /// Says what the SDK reports in the store's words.
    fn translate<E>(
        &self,
        operation: &'static str,
        error: &SdkError<E, HttpResponse>,
    ) -> ObjectError
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
        let status = error.raw_response().map(|answer| answer.status().as_u16());
        match (code, status) {
            (Some("PreconditionFailed"), _) | (_, Some(412)) => return ObjectError::Changed,
            // The object that should be unchanged is not there any more.
            (Some("NoSuchKey"), _) if operation == PUT => return ObjectError::Changed,
            (Some("ConditionalRequestConflict"), _) => return ObjectError::Conflict,
            _ => {}
        }
        let told = error::translate_at(operation, &self.endpoint(), error);
        let failure = ObjectFailure { message: message(&told), hint: self.hint(&told, error) };
        match told.class {
            // It was judged, and is judged so every time.
            _ if status == Some(501) => ObjectError::Refused(failure),
            ErrorClass::NetworkFailure | ErrorClass::ServiceInternalError => {
                ObjectError::Unanswered(failure)
            }
            _ => ObjectError::Refused(failure),
        }
    }

    fn endpoint(&self) -> String {
        let Settings { endpoint_url, region, .. } = &self.settings;
        let own = || format!("https://s3.{region}.amazonaws.com");
        endpoint_url.clone().unwrap_or_else(own)
    }

    /// What to do about what a state in a bucket meets more often than others.
    fn hint<E>(&self, told: &ProviderError, error: &SdkError<E, HttpResponse>) -> Option<String> {
        let Bucket { name, .. } = &self.bucket;
        let refusal = told.source.downcast_ref::<Refusal>();
        let (code, says) = refusal.map_or(("", ""), |it| (it.code.as_str(), it.message.as_str()));
        let elsewhere = error
            .raw_response()
            .and_then(|answer| answer.headers().get("x-amz-bucket-region"))
            .filter(|region| *region != self.settings.region);
        if let Some(region) = elsewhere {
            return Some(format!(
                "the bucket is in {region}: say `region = \"{region}\"` in `[state]`"
            ));
        }
        let status = error.raw_response().map_or(0, |answer| answer.status().as_u16());
        match code {
            "NoSuchBucket" => Some(format!(
                "make the bucket {name} first: `bfd bootstrap` does, with versioning; docs/state.md \
                 says how by hand"
            )),
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException" => Some(
                "the bucket is in another region: say which with `region` in `[state]`".to_owned(),
            ),
            _ if status == 301 => Some(
                "the bucket is in another region: say which with `region` in `[state]`".to_owned(),
            ),
            "NotImplemented" => Some(
                "the server has no conditional writes, without which no state is safe in it"
                    .to_owned(),
            ),
            _ if code.starts_with("KMS.") || says.contains("kms:") => Some(format!(
                "`{}` is refused by the key: it needs `kms:GenerateDataKey` to write and \
                 `kms:Decrypt` to read",
                told.operation
            )),
            _ if told.class == ErrorClass::AccessDenied => Some(format!(
                "the role in use needs `s3:GetObject` and `s3:PutObject` on the objects, and \
                 `s3:ListBucket` on {name}: without it S3 denies what is not there; docs/state.md \
                 has the policy"
            )),
            _ => told.hint.clone(),
        }
    }
}

const GET: &str = "s3:GetObject";
const PUT: &str = "s3:PutObject";
const LIST: &str = "s3:ListBucket";
const DELETE: &str = "s3:DeleteObject";

fn message(told: &ProviderError) -> String {
    format!("{}: {}", told.operation, told.to_failure().message)
}

/// Keeps the time of an answer, by the clock of who answered.
#[derive(Clone, Debug, Default)]
struct Answered(Arc<Mutex<Option<DateTime>>>);

impl Answered {
    /// How long before the answer something was.
    fn age_of(&self, then: Option<&DateTime>) -> Option<Duration> {
        let now = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let seconds = now.secs().saturating_sub(then?.secs());
        Some(Duration::from_secs(seconds.try_into().unwrap_or(0)))
    }
}

impl Intercept for Answered {
    fn name(&self) -> &'static str {
        "Answered"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|text| DateTime::from_str(text, DateTimeFormat::HttpDate).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

#[async_trait]
impl Objects for S3Objects {
    async fn get(&self, key: &str) -> Result<Option<Found>, ObjectError> {
        let client = self.client().await;
        let answered = Answered::default();
        let get = client.get_object().bucket(&self.bucket.name).key(key);
        let answer = Box::pin(get.customize().interceptor(answered.clone()).send()).await;
        tracing::debug!(target: "bfd", "{GET} {key}: {}", outcome(&answer));
        let object = match answer {
            Ok(object) => object,
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
                return Ok(None);
            }
            Err(error) => return Err(self.translate(GET, &error)),
        };
        let refused = |message: &str| {
            let message = format!("{GET}: {message}");
            ObjectError::Refused(ObjectFailure { message, hint: None })
        };
        let etag = object.e_tag.ok_or_else(|| refused("the answer names no version"))?;
        let age = answered.age_of(object.last_modified.as_ref());
        let age = age.ok_or_else(|| refused("the answer does not tell how old the object is"))?;
        let bytes = object.body.collect().await.map_err(|error| {
            let message = format!("{GET}: the answer broke off: {}", error::chain(&error));
            ObjectError::Unanswered(ObjectFailure { message, hint: None })
        })?;
        Ok(Some(Found { bytes: bytes.to_vec(), etag: ETag(etag), age }))
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, when: Condition) -> Result<ETag, ObjectError> {
        let client = self.client().await;
        let mut put = client
            .put_object()
            .bucket(&self.bucket.name)
            .key(key)
            .content_type("application/json")
            .body(ByteStream::from(bytes));
        put = match when {
            Condition::Unchanged(ETag(etag)) => put.if_match(etag),
            Condition::Absent => put.if_none_match("*"),
        };
        if let Some(kms_key) = &self.bucket.kms_key {
            put = put.server_side_encryption(ServerSideEncryption::AwsKms).ssekms_key_id(kms_key);
        }
        let answer = Box::pin(put.send()).await;
        tracing::debug!(target: "bfd", "{PUT} {key}: {}", outcome(&answer));
        let written = answer.map_err(|error| self.translate(PUT, &error))?;
        written.e_tag.map(ETag).ok_or_else(|| {
            let message = format!("{PUT}: the answer names no version");
            ObjectError::Unanswered(ObjectFailure { message, hint: None })
        })
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, ObjectError> {
        let client = self.client().await;
        let mut keys = Vec::new();
        let mut after = None;
        loop {
            let list = client.list_objects_v2().bucket(&self.bucket.name).prefix(prefix);
            let answer = Box::pin(list.set_continuation_token(after).send()).await;
            tracing::debug!(target: "bfd", "{LIST} {prefix}: {}", outcome(&answer));
            let page = answer.map_err(|error| self.translate(LIST, &error))?;
            keys.extend(page.contents.into_iter().flatten().filter_map(|object| object.key));
            after = page.next_continuation_token;
            if after.is_none() {
                break;
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        let client = self.client().await;
        let delete = client.delete_object().bucket(&self.bucket.name).key(key);
        let answer = Box::pin(delete.send()).await;
        tracing::debug!(target: "bfd", "{DELETE} {key}: {}", outcome(&answer));
        answer.map(drop).map_err(|error| self.translate(DELETE, &error))
    }

    fn place(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket.name)
    }
}

fn outcome<T, E: ProvideErrorMetadata>(answer: &Result<T, SdkError<E, HttpResponse>>) -> String {
    let Err(error) = answer else { return "done".to_owned() };
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    code.unwrap_or("no answer").to_owned()
}
