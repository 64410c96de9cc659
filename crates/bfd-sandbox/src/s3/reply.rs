use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use hyper::body::Bytes;

use crate::router::{Answer, escape};

/// An answer of S3.
#[derive(Debug)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(Cow<'static, str>, String)>,
    body: Bytes,
    /// The length to tell, where there is no body to measure.
    length: Option<u64>,
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), length: None }
    }

    /// A document with this root element.
    pub(super) fn xml(root: &str, inner: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} \
             xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</{root}>"
        );
        Self::new(200).header("content-type", "application/xml").body(body)
    }

    pub(super) fn header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// How long the body would be, for HEAD.
    pub(super) fn length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    pub(super) fn into_answer(self, is_head: bool, request_id: &str) -> Answer {
        let Self { status, mut headers, body, length } = self;
        // A client that is told no length waits for the end of the connection.
        if !matches!(status, 204 | 304) {
            let length = length.unwrap_or(body.len() as u64);
            headers.push(("content-length".into(), length.to_string()));
        }
        headers.push(("x-amz-request-id".into(), request_id.to_owned()));
        headers.push(("server".into(), "AmazonS3".to_owned()));
        Answer { status, headers, body: if is_head { Bytes::new() } else { body } }
    }
}

/// A refusal of S3.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
    /// What else the document says.
    more: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, code, message, more: Vec::new(), headers: Vec::new() }
    }

    pub(super) fn with(mut self, element: &'static str, text: impl Into<String>) -> Self {
        self.more.push((element, text.into()));
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn no_bucket(name: &str) -> Self {
        Self::new(404, "NoSuchBucket", "The specified bucket does not exist")
            .with("BucketName", name)
    }

    pub(super) fn no_key(key: &str) -> Self {
        Self::new(404, "NoSuchKey", "The specified key does not exist.").with("Key", key)
    }

    pub(super) fn precondition(condition: &'static str) -> Self {
        Self::new(
            412,
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
        )
        .with("Condition", condition)
    }

    pub(super) fn malformed() -> Self {
        Self::new(
            400,
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        )
    }

    /// What this model of S3 does not know, and S3 does.
    pub(super) fn not_implemented(what: &str) -> Self {
        Self::new(501, "NotImplemented", format!("the sandbox does not know {what}"))
    }

    pub(super) fn into_reply(self, request_id: &str) -> Reply {
        let mut more = String::new();
        for (element, text) in &self.more {
            let _ = write!(more, "<{element}>{}</{element}>", escape(text));
        }
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}\
             </Message>{more}<RequestId>{request_id}</RequestId></Error>",
            self.code,
            escape(&self.message)
        );
        let mut reply = Reply::new(self.status).header("content-type", "application/xml");
        for (name, value) in self.headers {
            reply = reply.header(name, value);
        }
        reply.body(body)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::new(500, "InternalError", format!("the sandbox's blobs: {error}"))
    }
}

/// A time as headers spell it: whole seconds.
pub(super) fn http_date(seconds: f64) -> String {
    DateTime::from_secs_f64(seconds.floor()).fmt(Format::HttpDate).unwrap_or_default()
}

/// A time as documents spell it.
pub(super) fn timestamp(seconds: f64) -> String {
    DateTime::from_secs_f64(seconds.floor()).fmt(Format::DateTime).unwrap_or_default()
}
