use std::io;

use hyper::body::Bytes;
use serde_json::json;

use crate::router::Answer;

/// An answer of the registry.
#[derive(Debug)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    /// The length to tell, where there is no body to measure.
    length: Option<u64>,
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        // Every answer has it; docker once looked for it to know a registry.
        let headers = vec![("docker-distribution-api-version", "registry/2.0".to_owned())];
        Self { status, headers, body: Bytes::new(), length: None }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, media_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", media_type)
    }

    /// How long the body would be, for HEAD.
    pub(super) fn length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    pub(super) fn into_answer(self, is_head: bool) -> Answer {
        let Self { status, headers, body, length } = self;
        let mut headers: Vec<_> =
            headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
        // A client that is told no length waits for the end of the connection.
        if status != 204 {
            let length = length.unwrap_or(body.len() as u64);
            headers.push(("content-length".into(), length.to_string()));
        }
        Answer { status, headers, body: if is_head { Bytes::new() } else { body } }
    }
}

/// A refusal of the registry.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new() }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn into_reply(self) -> Reply {
        let mut reply = Reply::new(self.status);
        reply.headers.extend(self.headers);
        if self.status == 401 {
            // The one refusal that ECR writes without JSON.
            return reply.body("text/plain; charset=utf-8", format!("{}\n", self.message));
        }
        let errors = json!({ "errors": [{ "code": self.code, "message": self.message }] });
        reply.body("application/json; charset=utf-8", errors.to_string())
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::new(500, "UNKNOWN", format!("the sandbox's blobs: {error}"))
    }
}
