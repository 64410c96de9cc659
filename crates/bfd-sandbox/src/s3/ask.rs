use std::collections::BTreeMap;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::operation::Operation;
use super::parts::Place;
use super::reply::{Refusal, Reply};
use super::{Bucket, address, bucket, listing, object, parts, payload, put, settings};
use crate::blob::Content;
use crate::fault::Fault;
use crate::router::{Answer, Head, parse_form};
use crate::sts;
use crate::world::World;

/// One request to S3.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    head: Head,
    query: BTreeMap<String, String>,
    /// The region that the request was meant for.
    region: Option<String>,
    bucket: String,
    key: String,
    operation: Operation,
    content: Option<Content>,
}

impl Ask {
    /// Reads a request, if it is one to S3.
    pub(crate) fn read(head: &Head) -> Option<Self> {
        let (host, bucket, key) = address::of_request(head)?;
        let query = parse_form(&head.query);
        let operation = Operation::find(head, &query, &bucket, &key);
        let region = host.region.or_else(|| scope_region(head.header("authorization")));
        Some(Self { head: head.clone(), query, region, bucket, key, operation, content: None })
    }

    pub(crate) fn operations(&self) -> Vec<&'static str> {
        vec![self.operation.permission()]
    }

    pub(crate) fn is_write(&self) -> bool {
        !matches!(self.head.method.as_str(), "GET" | "HEAD")
    }

    /// Whether its body is bytes of an object, which may be many.
    pub(crate) fn is_upload(&self) -> bool {
        matches!(self.operation, Operation::PutObject | Operation::PutPart)
    }

    pub(crate) fn receive(&mut self, content: Content) {
        self.content = Some(content);
    }

    pub(crate) fn answer(&self, world: &mut World, now: f64, request_id: &str) -> Answer {
        let reply = self.reply(world, now).unwrap_or_else(|refusal| refusal.into_reply(request_id));
        reply.into_answer(self.head.method == "HEAD", request_id)
    }

    /// The refusal of a session that is over.
    pub(crate) fn expired(&self, request_id: &str) -> Answer {
        let refusal = Refusal::new(400, "ExpiredToken", "The provided token has expired.");
        refusal.into_reply(request_id).into_answer(self.head.method == "HEAD", request_id)
    }

    fn reply(&self, world: &mut World, now: f64) -> Result<Reply, Refusal> {
        let is_signed = !self.head.header("authorization").is_empty()
            || self.query.contains_key("X-Amz-Signature");
        if !is_signed {
            return Err(Refusal::new(403, "AccessDenied", "Access Denied"));
        }
        if self.until().is_some_and(|until| until <= now) {
            return Err(Refusal::new(403, "AccessDenied", "Request has expired"));
        }
        let name = self.bucket.as_str();
        let region = self.region.clone().unwrap_or_else(|| world.region.clone());
        if let Some(bucket) = world.s3.get(name) {
            if self.operation != Operation::CreateBucket {
                bucket::check_region(bucket, name, &region)?;
            }
            self.check_owner(world)?;
        }
        let version = self.query.get("versionId").map(String::as_str);
        match self.operation {
            Operation::ListBuckets => Ok(bucket::list(world)),
            Operation::CreateBucket => {
                bucket::create(world, now, name, &region, &self.document(world)?)
            }
            Operation::DeleteBucket => bucket::delete(world, name),
            Operation::PutObject => {
                put::put(world, now, &self.head, name, &self.key, self.content.as_ref())
            }
            Operation::BeginUpload => parts::begin(world, &self.head, name, &self.key),
            Operation::PutPart => {
                let number = self.query.get("partNumber").map_or("", String::as_str);
                parts::put(world, &self.head, self.place(), number, self.content.as_ref())
            }
            Operation::CompleteUpload => {
                let document = self.document(world)?;
                parts::complete(world, now, &self.head, self.place(), &document)
            }
            Operation::AbortUpload => parts::abort(world, self.place()),
            Operation::GetObject | Operation::GetObjectVersion => {
                object::get(world, &self.head, name, &self.key, version)
            }
            Operation::DeleteObject | Operation::DeleteObjectVersion => {
                put::delete(world, now, &self.head, name, &self.key, version)
            }
            Operation::DeleteObjects => put::delete_many(world, now, name, &self.document(world)?),
            Operation::Unknown => Err(Refusal::not_implemented(&format!(
                "{} of {}?{}",
                self.head.method, self.head.path, self.head.query
            ))),
            _ if self.is_write() => {
                let document = self.document(world)?;
                let bucket = world.s3.get_mut(name).ok_or_else(|| Refusal::no_bucket(name))?;
                self.change(bucket, &document)
            }
            _ => {
                let bucket = world.s3.get(name).ok_or_else(|| Refusal::no_bucket(name))?;
                self.read_bucket(bucket)
            }
        }
    }

    /// How long an address that was signed in advance is good for.
    fn until(&self) -> Option<f64> {
        let date = self.query.get("X-Amz-Date")?;
        let life: f64 = self.query.get("X-Amz-Expires")?.parse().ok()?;
        let part = |range: std::ops::Range<usize>| date.get(range);
        let spelled = format!(
            "{}-{}-{}T{}:{}:{}Z",
            part(0..4)?,
            part(4..6)?,
            part(6..8)?,
            part(9..11)?,
            part(11..13)?,
            part(13..15)?
        );
        Some(DateTime::from_str(&spelled, Format::DateTime).ok()?.as_secs_f64() + life)
    }

    /// The upload that the request is a part of.
    fn place(&self) -> Place<'_> {
        let id = self.query.get("uploadId").map_or("", String::as_str);
        Place { bucket: &self.bucket, key: &self.key, id }
    }

    fn read_bucket(&self, bucket: &Bucket) -> Result<Reply, Refusal> {
        let name = self.bucket.as_str();
        match self.operation {
            Operation::GetLocation => Ok(bucket::location(bucket)),
            Operation::GetVersioning => Ok(settings::get_versioning(bucket)),
            Operation::GetEncryption => Ok(settings::get_encryption(bucket)),
            Operation::GetPublicAccess => settings::get_public_access(bucket, name),
            Operation::GetPolicy => settings::get_policy(bucket, name),
            Operation::GetTags => settings::get_tags(bucket, name),
            Operation::ListFirst => listing::first(bucket, name, &self.query),
            Operation::ListSecond => listing::second(bucket, name, &self.query),
            Operation::ListVersions => listing::versions(bucket, name, &self.query),
            _ => Ok(bucket::head(bucket)),
        }
    }

    fn change(&self, bucket: &mut Bucket, document: &str) -> Result<Reply, Refusal> {
        match self.operation {
            Operation::PutVersioning => settings::put_versioning(bucket, document),
            Operation::PutEncryption => settings::put_encryption(bucket, document),
            Operation::PutPublicAccess => settings::put_public_access(bucket, document),
            Operation::PutPolicy => settings::put_policy(bucket, document),
            Operation::PutTags => settings::put_tags(bucket, document),
            Operation::DeleteEncryption => {
                bucket.encryption = settings::Encryption::default();
                Ok(Reply::new(204))
            }
            Operation::DeletePublicAccess => {
                bucket.public_access = None;
                Ok(Reply::new(204))
            }
            Operation::DeletePolicy => {
                bucket.policy = None;
                Ok(Reply::new(204))
            }
            Operation::DeleteTags => {
                bucket.tags.retain(|key, _| key.starts_with("aws:"));
                Ok(Reply::new(204))
            }
            _ => Err(Refusal::not_implemented(self.operation.permission())),
        }
    }

    /// The body as text, checked as the body of an object is.
    fn document(&self, world: &World) -> Result<String, Refusal> {
        let payload = payload::receive(&self.head, self.content.as_ref(), &world.blobs)?;
        String::from_utf8(payload.content.to_vec()?).map_err(|_| Refusal::malformed())
    }

    /// Who expects the bucket to be another account's is refused.
    fn check_owner(&self, world: &World) -> Result<(), Refusal> {
        let expected = self.head.header("x-amz-expected-bucket-owner");
        if expected.is_empty() || expected == world.account {
            return Ok(());
        }
        Err(Refusal::new(403, "AccessDenied", "Access Denied"))
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
            Fault::Throttle => Refusal::new(503, "SlowDown", "Please reduce your request rate."),
            Fault::ServerError => Refusal::new(
                500,
                "InternalError",
                "We encountered an internal error. Please try again.",
            ),
            Fault::AccessDenied => {
                let slash = if self.key.is_empty() { "" } else { "/" };
                let resource = format!("arn:aws:s3:::{}{slash}{}", self.bucket, self.key);
                Refusal::new(
                    403,
                    "AccessDenied",
                    format!(
                        "User: {} is not authorized to perform: {operation} on resource: \
                         \"{resource}\" because no identity-based policy allows the {operation} \
                         action",
                        sts::arn(world, sts::access_key(self.head.header("authorization")))
                    ),
                )
            }
            _ => return None,
        };
        Some(refusal.into_reply(request_id).into_answer(self.head.method == "HEAD", request_id))
    }
}

/// The region in a signature's credential scope.
fn scope_region(authorization: &str) -> Option<String> {
    let credential = authorization.split_once("Credential=")?.1;
    let region = credential.split([',', ' ']).next()?.rsplit('/').nth(2)?;
    Some(region.to_owned())
}
