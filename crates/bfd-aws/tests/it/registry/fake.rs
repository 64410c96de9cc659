//! A registry in memory that does what a test says, on the transport of the SDK.

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use bfd_image::Digest;
use http_body_util::BodyExt as _;
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

/// What happens to a request instead of its answer.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// It is refused: status, code, headers.
    Refused(u16, &'static str, Vec<(&'static str, String)>),
    /// It takes effect, and the answer is lost.
    Lost,
    /// The connection ends after so many bytes of the body; they have arrived.
    Cut(usize),
    /// Nobody reads, nobody answers.
    Stalled,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// As ECR does it: 201 where others say 202, and a second body of an upload is forgotten.
    pub(super) is_ecr: bool,
    /// What each request must say who it is; `None` asks nobody.
    pub(super) wants: Option<String>,
    /// What it asks for with, when it is not said.
    pub(super) challenge: String,
    /// What `GetAuthorizationToken` says, and for how many seconds it is good.
    pub(super) token_life: f64,
    pub(super) now: f64,
    pub(super) is_immutable: bool,
    /// Answers a mount by beginning an upload.
    pub(super) no_mounts: bool,
    pub(super) blobs: BTreeMap<(String, String), Vec<u8>>,
    pub(super) manifests: BTreeMap<(String, String), Vec<u8>>,
    uploads: BTreeMap<String, (Vec<u8>, u32)>,
    faults: Vec<(String, Fault)>,
    /// Method, host and path, and what they said of themselves.
    pub(super) log: Vec<(String, Option<String>)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Fake(Arc<Mutex<State>>);

struct Reply(u16, Vec<(&'static str, String)>, Vec<u8>);

impl Fake {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The next request that begins so meets a fault.
    pub(super) fn inject(&self, request: &str, fault: Fault) {
        self.state().faults.push((request.to_owned(), fault));
    }

    /// How many requests began so.
    pub(super) fn count(&self, request: &str) -> usize {
        self.state().log.iter().filter(|(it, _)| it.starts_with(request)).count()
    }

    async fn serve(self, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let uri: http::Uri = request.uri().parse().unwrap();
        let host = uri.authority().unwrap().to_string();
        let path = uri.path_and_query().unwrap().to_string();
        let method = request.method().to_owned();
        let header = |name: &str| request.headers().get(name).map(str::to_owned);
        let (target, who, range) =
            (header("x-amz-target"), header("authorization"), header("content-range"));
        let length = header("content-length").and_then(|it| it.parse::<usize>().ok());
        let told = match &range {
            Some(range) => format!("{method} {host}{path} {range}"),
            None => format!("{method} {host}{path}"),
        };
        let fault = {
            let mut state = self.state();
            state.log.push((told.clone(), who.clone()));
            let at = state.faults.iter().position(|(it, _)| told.starts_with(it));
            at.map(|at| state.faults.remove(at).1)
        };
        if target.is_some() {
            // Others have their turn while a token is on its way.
            tokio::task::yield_now().await;
        }
        let mut body = std::mem::replace(request.body_mut(), SdkBody::taken());
        let mut bytes = Vec::new();
        if matches!(fault, Some(Fault::Stalled)) {
            return std::future::pending().await;
        }
        while let Some(frame) = body.frame().await {
            bytes.extend_from_slice(&frame.map_err(ConnectorError::io)?.into_data().unwrap());
            if let Some(Fault::Cut(at)) = fault
                && bytes.len() >= at
            {
                bytes.truncate(at);
                break;
            }
        }
        if !matches!(fault, Some(Fault::Cut(_))) && length.is_some_and(|it| it != bytes.len()) {
            return Err(ConnectorError::io("the body ended early".into()));
        }
        if let Some(Fault::Refused(status, code, headers)) = fault {
            let body = json!({ "errors": [{ "code": code, "message": "as the test says" }] });
            return Ok(answer(Reply(status, headers, body.to_string().into_bytes())));
        }
        let reply = match target {
            Some(target) => self.state().token(&target),
            None => self.state().registry(&method, &path, who.as_deref(), range, bytes),
        };
        if matches!(fault, Some(Fault::Lost | Fault::Cut(_))) {
            return Err(ConnectorError::io("connection reset by peer".into()));
        }
        Ok(answer(reply))
    }
}

impl State {
    fn token(&self, target: &str) -> Reply {
        assert!(target.ends_with("GetAuthorizationToken"), "{target}");
        let token = self.wants.as_deref().and_then(|it| it.strip_prefix("Basic "));
        let data = json!({ "authorizationData": [{
            "authorizationToken": token.unwrap_or("QVdTOng="),
            "expiresAt": self.now + self.token_life,
            "proxyEndpoint": "https://unused",
        }] });
        Reply(200, Vec::new(), data.to_string().into_bytes())
    }

    fn registry(
        &mut self,
        method: &str,
        path: &str,
        who: Option<&str>,
        range: Option<String>,
        bytes: Vec<u8>,
    ) -> Reply {
        let refused = |status, code: &str| {
            let body = json!({ "errors": [{ "code": code, "message": "no" }] });
            Reply(status, Vec::new(), body.to_string().into_bytes())
        };
        if path.starts_with("/token") {
            let token = self.wants.as_deref().and_then(|it| it.strip_prefix("Bearer ")).unwrap();
            return Reply(200, Vec::new(), json!({ "token": token }).to_string().into_bytes());
        }
        if self.wants.is_some() && self.wants.as_deref() != who {
            let challenge = self.challenge.clone();
            return Reply(401, vec![("www-authenticate", challenge)], Vec::new());
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parameter = |name: &str| {
            query.split('&').find_map(|it| it.strip_prefix(&format!("{name}=")).map(str::to_owned))
        };
        let rest = path.strip_prefix("/v2/").unwrap();
        if let Some((repository, id)) = rest.split_once("/blobs/uploads/") {
            let repository = repository.to_owned();
            if method == "POST" {
                if let (Some(digest), Some(from)) = (parameter("mount"), parameter("from"))
                    && !self.no_mounts
                {
                    let blob = self.blobs[&(from, digest.clone())].clone();
                    self.blobs.insert((repository, digest), blob);
                    return Reply(201, Vec::new(), Vec::new());
                }
                let id = format!("{}", self.log.len());
                self.uploads.insert(id.clone(), (Vec::new(), 0));
                let location = format!("/v2/{repository}/blobs/uploads/{id}");
                return Reply(202, vec![("location", location)], Vec::new());
            }
            let Some((held, bodies)) = self.uploads.get_mut(id) else {
                return refused(404, "BLOB_UPLOAD_UNKNOWN");
            };
            let location = vec![("location", path.to_owned())];
            return match method {
                "GET" => {
                    let last = held.len().saturating_sub(1);
                    Reply(204, vec![("range", format!("0-{last}"))], Vec::new())
                }
                "PATCH" => {
                    let offset = range.and_then(|it| it.split('-').next()?.parse().ok());
                    if offset.unwrap_or(0) != held.len() && !self.is_ecr {
                        return refused(416, "RANGE_INVALID");
                    }
                    *bodies += 1;
                    if !self.is_ecr || *bodies == 1 {
                        held.extend(bytes);
                    }
                    Reply(if self.is_ecr { 201 } else { 202 }, location, Vec::new())
                }
                "PUT" => {
                    let digest = parameter("digest").unwrap();
                    if Digest::of(held).as_str() != digest {
                        return refused(400, "DIGEST_INVALID");
                    }
                    let (held, _) = self.uploads.remove(id).unwrap();
                    self.blobs.insert((repository, digest.clone()), held);
                    Reply(201, vec![("docker-content-digest", digest)], Vec::new())
                }
                "DELETE" => {
                    self.uploads.remove(id);
                    Reply(204, Vec::new(), Vec::new())
                }
                other => panic!("{other}"),
            };
        }
        if let Some((repository, digest)) = rest.split_once("/blobs/") {
            return match self.blobs.get(&(repository.to_owned(), digest.to_owned())) {
                Some(blob) if method == "GET" => Reply(200, Vec::new(), blob.clone()),
                Some(_) => Reply(200, Vec::new(), Vec::new()),
                None => refused(404, "BLOB_UNKNOWN"),
            };
        }
        let (repository, at) = rest.split_once("/manifests/").unwrap();
        let key = (repository.to_owned(), at.to_owned());
        if method == "PUT" {
            let is_tag = !at.contains(':');
            if self.is_immutable && is_tag && self.manifests.contains_key(&key) {
                return refused(400, "TAG_INVALID");
            }
            // What is put under a tag is there by its digest as well.
            let digest = Digest::of(&bytes).to_string();
            self.manifests.insert((key.0.clone(), digest), bytes.clone());
            self.manifests.insert(key, bytes);
            return Reply(201, Vec::new(), Vec::new());
        }
        match self.manifests.get(&key) {
            Some(bytes) => {
                let said: serde_json::Value = serde_json::from_slice(bytes).unwrap();
                let media_type = said["mediaType"].as_str().unwrap().to_owned();
                let digest = Digest::of(bytes).to_string();
                let headers = vec![("content-type", media_type), ("docker-content-digest", digest)];
                Reply(200, headers, if method == "GET" { bytes.clone() } else { Vec::new() })
            }
            None => refused(404, "MANIFEST_UNKNOWN"),
        }
    }
}

fn answer(Reply(status, headers, body): Reply) -> HttpResponse {
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
    for (name, value) in headers {
        response.headers_mut().insert(name, value);
    }
    response
}

impl HttpClient for Fake {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Fake {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().serve(request))
    }
}
