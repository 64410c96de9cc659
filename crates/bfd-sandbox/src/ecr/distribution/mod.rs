//! The registry that ECR is: the OCI distribution API, as ECR speaks it.
//!
//! Where ECR departs from the specification (<https://github.com/opencontainers/distribution-spec>)
//! so does this: a PATCH is answered with 201, and a manifest cannot be deleted. A layer is not
//! sent by the registry itself: the answer to GET leads to the bucket that it is in.

mod bucket;
mod manifest;
mod reply;
mod token;
mod upload;

use crate::blob::Content;
use crate::ecr::repository::Repository;
use crate::error::JsonError;
use crate::fault::Fault;
use crate::image;
use crate::router::{Answer, Head, decode, parse_form};
use crate::sts;
use crate::world::World;

pub(crate) use self::bucket::{Part, download_url, is_bucket};
use self::reply::{Refusal, Reply};
pub(crate) use self::token::authorization;

/// One request to the registry, or to the bucket behind it.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    head: Head,
    endpoint: Endpoint,
    /// Whether bytes come with it.
    has_body: bool,
    content: Option<Content>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Endpoint {
    /// `/v2/`
    Base,
    Uploads(String),
    /// A repository and the id of an upload.
    Upload(String, String),
    /// A repository and a digest.
    Blob(String, String),
    /// A repository and a tag or digest.
    Manifest(String, String),
    Tags(String),
    /// The bucket's object with this key.
    Object(String),
    Unknown,
}

impl Endpoint {
    fn parse(path: &str) -> Self {
        let Some(rest) = path.strip_prefix("/v2") else { return Self::Unknown };
        if rest.is_empty() || rest == "/" {
            return Self::Base;
        }
        let Some(rest) = rest.strip_prefix('/') else { return Self::Unknown };
        // From the end: a repository's name has slashes, and may have any of these words.
        let split = |word: &str| {
            let (name, last) = rest.rsplit_once(word)?;
            let is_one = !name.is_empty() && !last.contains('/');
            is_one.then(|| (name.to_owned(), last.to_owned()))
        };
        if let Some((name, id)) = split("/blobs/uploads/") {
            return if id.is_empty() { Self::Uploads(name) } else { Self::Upload(name, id) };
        }
        if let Some(name) = rest.strip_suffix("/blobs/uploads") {
            return Self::Uploads(name.to_owned());
        }
        if let Some((name, digest)) = split("/blobs/") {
            return Self::Blob(name, digest);
        }
        if let Some((name, reference)) = split("/manifests/") {
            return Self::Manifest(name, reference);
        }
        match rest.strip_suffix("/tags/list") {
            Some(name) => Self::Tags(name.to_owned()),
            None => Self::Unknown,
        }
    }
}

impl Ask {
    pub(crate) fn new(head: Head, has_body: bool) -> Self {
        let endpoint = match bucket::key(&head) {
            Some(key) => Endpoint::Object(key),
            None => Endpoint::parse(&decode(&head.path)),
        };
        Self { head, endpoint, has_body, content: None }
    }

    /// The permissions that the request needs, as IAM spells them, in the order of its effects.
    pub(crate) fn operations(&self) -> Vec<&'static str> {
        let method = self.head.method.as_str();
        match (&self.endpoint, method) {
            (Endpoint::Uploads(_), "POST") => {
                let mut all = vec!["ecr:InitiateLayerUpload"];
                if parse_form(&self.head.query).contains_key("digest") {
                    all.extend(["ecr:UploadLayerPart", "ecr:CompleteLayerUpload"]);
                }
                all
            }
            (Endpoint::Upload(..), "PUT") if self.has_body => {
                vec!["ecr:UploadLayerPart", "ecr:CompleteLayerUpload"]
            }
            (Endpoint::Upload(..), "PUT") => vec!["ecr:CompleteLayerUpload"],
            (Endpoint::Uploads(_) | Endpoint::Upload(..), _) => vec!["ecr:UploadLayerPart"],
            (Endpoint::Blob(..), "GET") => vec!["ecr:GetDownloadUrlForLayer"],
            (Endpoint::Blob(..), _) => vec!["ecr:BatchCheckLayerAvailability"],
            (Endpoint::Manifest(..), "PUT") => vec!["ecr:PutImage"],
            (Endpoint::Manifest(..), "DELETE") => vec!["ecr:BatchDeleteImage"],
            (Endpoint::Manifest(..), _) => vec!["ecr:BatchGetImage"],
            (Endpoint::Tags(_), _) => vec!["ecr:ListImages"],
            (Endpoint::Object(_), _) => vec!["s3:GetObject"],
            // No permission of its own: IAM has no word for it.
            (Endpoint::Base | Endpoint::Unknown, _) => vec!["ecr:Ping"],
        }
    }

    pub(crate) fn is_write(&self) -> bool {
        !matches!(self.head.method.as_str(), "GET" | "HEAD")
    }

    /// Whether its body is bytes of a layer, which may be many.
    pub(crate) fn is_upload(&self) -> bool {
        matches!(self.endpoint, Endpoint::Uploads(_) | Endpoint::Upload(..))
    }

    pub(crate) fn receive(&mut self, content: Content) {
        self.content = Some(content);
    }

    pub(crate) fn answer(&self, world: &mut World, now: f64) -> Answer {
        let reply = match &self.endpoint {
            Endpoint::Object(key) => return bucket::get(world, now, &self.head, key),
            _ => self.reply(world, now),
        };
        let is_head = self.head.method == "HEAD";
        reply.unwrap_or_else(Refusal::into_reply).into_answer(is_head)
    }

    /// What a connection that broke in the middle of the body leaves behind.
    ///
    /// The bytes before the break stay in the upload, which can no more be started over.
    pub(crate) fn break_off(&self, world: &mut World, now: f64) {
        let is_known = token::check(world, now, &self.head).is_ok();
        if let (Endpoint::Upload(name, id), true) = (&self.endpoint, is_known && self.is_write())
            && self.head.method != "DELETE"
        {
            // Nobody is there to be told that the upload is not.
            let _ = upload::receive(world, name, id, self.content.as_ref());
        }
    }

    fn reply(&self, world: &mut World, now: f64) -> Result<Reply, Refusal> {
        token::check(world, now, &self.head)?;
        let origin = self.head.origin();
        let content = self.content.as_ref();
        match (&self.endpoint, self.head.method.as_str()) {
            (Endpoint::Base, "GET" | "HEAD") => Ok(Reply::new(200)),
            (Endpoint::Uploads(name), "POST") => upload::start(world, &self.head, name, content),
            (Endpoint::Upload(name, id), "GET") => upload::status(world, &self.head, name, id),
            (Endpoint::Upload(name, id), "PATCH") => {
                upload::patch(world, &self.head, name, id, content)
            }
            (Endpoint::Upload(name, id), "PUT") => {
                upload::put(world, &self.head, name, id, content)
            }
            (Endpoint::Upload(name, id), "DELETE") => upload::cancel(world, name, id),
            (Endpoint::Blob(name, digest), "HEAD") => {
                let size = blob(world, name, digest)?;
                let reply = Reply::new(200).header("content-type", "application/octet-stream");
                Ok(reply.header("docker-content-digest", digest).length(size))
            }
            (Endpoint::Blob(name, digest), "GET") => {
                blob(world, name, digest)?;
                let url = download_url(world, now, name, digest, origin.as_deref());
                Ok(Reply::new(307).header("location", url))
            }
            (Endpoint::Manifest(name, reference), "GET" | "HEAD") => {
                manifest::get(world, &self.head, name, reference)
            }
            (Endpoint::Manifest(name, reference), "PUT") => {
                manifest::put(world, now, &self.head, name, reference, content)
            }
            (Endpoint::Tags(name), "GET") => manifest::tags(world, &self.head, name),
            (Endpoint::Unknown, _) => {
                Err(Refusal::new(404, "NOT_FOUND", "The requested path does not exist"))
            }
            _ => Err(Refusal::new(405, "UNSUPPORTED", "The operation is unsupported.")),
        }
    }

    /// The answer that a scripted fault gives, if it is one that answers.
    pub(crate) fn refuse(
        &self,
        fault: Fault,
        world: &World,
        operation: &str,
        request_id: &str,
    ) -> Option<Answer> {
        let refusal = match fault {
            Fault::Throttle => Refusal::new(429, "TOOMANYREQUESTS", "Rate exceeded"),
            Fault::ServerError => Refusal::new(500, "UNKNOWN", "The server failed to answer"),
            Fault::AccessDenied => Refusal::new(
                403,
                "DENIED",
                format!(
                    "User: {} is not authorized to perform: {operation} on resource: * because no \
                     identity-based policy allows the {operation} action",
                    sts::caller(world)
                ),
            ),
            _ => return None,
        };
        if matches!(self.endpoint, Endpoint::Object(_)) {
            let code = match fault {
                Fault::Throttle => (503, "SlowDown"),
                Fault::ServerError => (500, "InternalError"),
                _ => (403, "AccessDenied"),
            };
            return Some(bucket::refuse(code.0, code.1, &refusal.message, request_id));
        }
        Some(refusal.into_reply().into_answer(self.head.method == "HEAD"))
    }
}

/// The host of the registry that a path without one belongs to.
pub(crate) fn is_registry(head: &Head, world: &World) -> bool {
    let is_here = head.is_socket || head.host == image::registry(world);
    is_here && (head.path == "/v2" || head.path.starts_with("/v2/"))
}

fn repository<'a>(world: &'a World, name: &str) -> Result<&'a Repository, Refusal> {
    world.ecr.repositories.get(name).ok_or_else(|| {
        Refusal::new(
            404,
            "NAME_UNKNOWN",
            format!(
                "The repository with name '{name}' does not exist in the registry with id '{}'",
                world.account
            ),
        )
    })
}

/// The size of a repository's blob.
fn blob(world: &World, name: &str, digest: &str) -> Result<u64, Refusal> {
    let repository = repository(world, name)?;
    check_digest(digest)?;
    repository.blob_size(&world.blobs, digest).ok_or_else(|| {
        Refusal::new(
            404,
            "BLOB_UNKNOWN",
            format!(
                "The layer with digest '{digest}' does not exist in the repository with name \
                 '{name}' in the registry with id '{}'",
                world.account
            ),
        )
    })
}

fn check_digest(digest: &str) -> Result<(), Refusal> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let is_hex = |letter: u8| letter.is_ascii_digit() || (b'a'..=b'f').contains(&letter);
    if hex.len() == 64 && hex.bytes().all(is_hex) {
        return Ok(());
    }
    Err(Refusal::new(
        400,
        "DIGEST_INVALID",
        format!(
            "Invalid parameter at 'imageDigest' failed to satisfy constraint: '{digest} must \
             satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+''"
        ),
    ))
}

/// The API's refusal in the registry's words.
fn translate(error: JsonError) -> Refusal {
    let (status, code) = match error.code.as_ref() {
        "RepositoryNotFoundException" => (404, "NAME_UNKNOWN"),
        "LayersNotFoundException" | "ReferencedImagesNotFoundException" => {
            (404, "MANIFEST_BLOB_UNKNOWN")
        }
        "ImageTagAlreadyExistsException" => (400, "TAG_INVALID"),
        "ImageDigestDoesNotMatchException" => (400, "DIGEST_INVALID"),
        "ServerException" => (500, "UNKNOWN"),
        _ => (400, "MANIFEST_INVALID"),
    };
    Refusal::new(status, code, error.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let (app, id) = ("team/blobs/app".to_owned(), "id".to_owned());
        assert_eq!(Endpoint::parse("/v2/"), Endpoint::Base);
        assert_eq!(Endpoint::parse("/v2"), Endpoint::Base);
        assert_eq!(
            Endpoint::parse("/v2/team/blobs/app/blobs/uploads/"),
            Endpoint::Uploads(app.clone())
        );
        assert_eq!(
            Endpoint::parse("/v2/team/blobs/app/blobs/uploads"),
            Endpoint::Uploads(app.clone())
        );
        assert_eq!(
            Endpoint::parse("/v2/team/blobs/app/blobs/uploads/id"),
            Endpoint::Upload(app.clone(), id.clone())
        );
        assert_eq!(
            Endpoint::parse("/v2/team/blobs/app/blobs/id"),
            Endpoint::Blob(app.clone(), id.clone())
        );
        assert_eq!(
            Endpoint::parse("/v2/team/blobs/app/manifests/id"),
            Endpoint::Manifest(app.clone(), id)
        );
        assert_eq!(Endpoint::parse("/v2/team/blobs/app/tags/list"), Endpoint::Tags(app));
        for unknown in ["/v2/_catalog", "/v2x", "/v2/manifests/x", "/v1/"] {
            assert_eq!(Endpoint::parse(unknown), Endpoint::Unknown, "{unknown}");
        }
    }
}
