//! A bucket's answers in the store's words, with the way out of each refusal.

use aws_smithy_async::{
    rt::sleep::{SharedAsyncSleep, TokioSleep},
    time::{SharedTimeSource, SystemTimeSource},
};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use bfd_aws::{Bucket, S3Objects, Settings, Transport};
use bfd_store::{Condition, ETag, ObjectError, Objects as _};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

/// A server that gives one answer to everything.
#[derive(Clone, Debug, Default)]
struct Canned {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    /// The headers of each request.
    asked: Arc<Mutex<Vec<BTreeMap<String, String>>>>,
}

impl HttpClient for Canned {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.asked.lock().unwrap().push(headers);
        let status = self.status.try_into().unwrap();
        let mut answer = HttpResponse::new(status, SdkBody::from(self.body.clone()));
        for (name, value) in &self.headers {
            answer.headers_mut().insert(*name, *value);
        }
        HttpConnectorFuture::ready(Ok(answer))
    }
}

impl Canned {
    fn refusal(status: u16, code: &str, message: &str) -> Self {
        let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        Self { status, body, ..Self::default() }
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    fn bucket(&self, kms_key: Option<&str>) -> S3Objects {
        let transport = Transport::new(
            SharedHttpClient::new(self.clone()),
            SharedTimeSource::new(SystemTimeSource::new()),
            SharedAsyncSleep::new(TokioSleep::new()),
        );
        let settings = Settings {
            region: "ap-southeast-1".to_owned(),
            endpoint_url: None,
            profile: None,
            transport: Some(transport),
            account: "123456789012".to_owned(),
            log_lines: Settings::LOG_LINES,
            docker_config: None,
            directory: std::path::PathBuf::new(),
            scratch: std::env::temp_dir(),
            templates: None,
        };
        let kms_key = kms_key.map(str::to_owned);
        S3Objects::new(settings, Bucket { name: "team".to_owned(), kms_key })
    }

    async fn write(&self) -> ObjectError {
        let etag = Condition::Unchanged(ETag("\"one\"".to_owned()));
        self.bucket(None).put("dev/live.json", b"{}".to_vec(), etag).await.unwrap_err()
    }
}

/// What a refusal to write says to do, and to read.
async fn hints(server: &Canned) -> [String; 2] {
    let refused = [server.write().await, server.bucket(None).get("k").await.unwrap_err()];
    refused.map(|refused| match refused {
        ObjectError::Refused(failure) => failure.hint.expect("a way out"),
        other => panic!("{other:?}"),
    })
}

#[tokio::test(start_paused = true)]
async fn refusals_say_what_to_do() {
    let kms = "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: \
        kms:GenerateDataKey on resource: arn:aws:kms:eu-west-1:123456789012:key/k";
    let missing = "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: \
        s3:PutObject on resource: \"arn:aws:s3:::team/dev/live.json\"";
    let cases = [
        (
            Canned::refusal(404, "NoSuchBucket", "none"),
            "make the bucket team first: `bfd bootstrap`",
        ),
        (
            Canned::refusal(301, "PermanentRedirect", "x").with("x-amz-bucket-region", "eu-west-1"),
            "the bucket is in eu-west-1: say `region = \"eu-west-1\"`",
        ),
        (Canned::refusal(301, "PermanentRedirect", "x"), "the bucket is in another region"),
        (Canned { status: 301, ..Canned::default() }, "the bucket is in another region"),
        (Canned::refusal(400, "AuthorizationHeaderMalformed", "x"), "is in another region"),
        (Canned::refusal(400, "IllegalLocationConstraintException", "x"), "is in another region"),
        (Canned::refusal(403, "AccessDenied", kms), "`kms:GenerateDataKey` to write"),
        (Canned::refusal(400, "KMS.DisabledException", "off"), "is refused by the key"),
        (Canned::refusal(400, "KMS.NotFoundException", "none"), "`kms:Decrypt` to read"),
        (Canned::refusal(403, "AccessDenied", missing), "`s3:PutObject` on the objects"),
        (Canned::refusal(403, "AccessDenied", "Access Denied"), "`s3:ListBucket` on team"),
        (Canned::refusal(403, "InvalidAccessKeyId", "x"), "check `aws sts get-caller-identity`"),
        (Canned::refusal(403, "ExpiredToken", "x"), "sign in again"),
        (Canned::refusal(501, "NotImplemented", "x"), "no conditional writes"),
    ];
    for (server, way_out) in cases {
        for hint in hints(&server).await {
            assert!(hint.contains(way_out), "{}: {hint}", server.body);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_does_not_hold_is_told_from_what_nobody_knows() {
    let attempts = |server: &Canned| server.asked.lock().unwrap().len();
    let changed = [
        Canned::refusal(412, "PreconditionFailed", "x"),
        Canned { status: 412, ..Canned::default() },
        Canned::refusal(404, "NoSuchKey", "x"),
    ];
    for server in changed {
        let refused = server.write().await;
        assert!(matches!(refused, ObjectError::Changed), "{refused:?}");
        assert_eq!(attempts(&server), 1);
    }
    let server = Canned::refusal(409, "ConditionalRequestConflict", "x");
    let refused = server.write().await;
    assert!(matches!(refused, ObjectError::Conflict), "{refused:?}");
    let server = Canned::refusal(500, "InternalError", "x");
    let refused = server.write().await;
    assert!(matches!(refused, ObjectError::Unanswered(_)), "{refused:?}");
    assert!(attempts(&server) > 1);
    // Nothing there is no refusal.
    let found = Canned::refusal(404, "NoSuchKey", "x").bucket(None).get("k").await.unwrap();
    assert!(found.is_none());
}

#[tokio::test(start_paused = true)]
async fn each_write_has_its_condition_and_its_encryption() {
    let server = Canned { status: 200, ..Canned::default() }.with("etag", "\"two\"");
    for (kms_key, when) in [
        (Some("alias/bfd"), Condition::Unchanged(ETag("\"one\"".to_owned()))),
        (None, Condition::Absent),
    ] {
        let etag = server.bucket(kms_key).put("k", b"{}".to_vec(), when).await.unwrap();
        assert_eq!(etag, ETag("\"two\"".to_owned()));
    }
    let asked = server.asked.lock().unwrap();
    let header = |index: usize, name: &str| asked[index].get(name).map(String::as_str);
    assert_eq!(header(0, "if-match"), Some("\"one\""));
    assert_eq!(header(0, "if-none-match"), None);
    assert_eq!(header(0, "x-amz-server-side-encryption"), Some("aws:kms"));
    assert_eq!(header(0, "x-amz-server-side-encryption-aws-kms-key-id"), Some("alias/bfd"));
    assert_eq!((header(1, "if-match"), header(1, "if-none-match")), (None, Some("*")));
    assert_eq!(header(1, "x-amz-server-side-encryption"), None, "the bucket's own applies");
}

/// Whatever this machine's clock says.
#[tokio::test(start_paused = true)]
async fn the_age_of_an_object_is_told_by_who_keeps_it() {
    let server = Canned { status: 200, body: "{}".to_owned(), ..Canned::default() }
        .with("etag", "\"one\"")
        .with("last-modified", "Thu, 01 Jan 2015 00:00:00 GMT")
        .with("date", "Thu, 01 Jan 2015 00:01:30 GMT");
    let found = server.bucket(None).get("k").await.unwrap().unwrap();
    assert_eq!((found.age, found.bytes), (Duration::from_secs(90), b"{}".to_vec()));
    assert_eq!(found.etag, ETag("\"one\"".to_owned()));
}
