//! What is set on a bucket.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::reply::{Refusal, Reply};
use super::{Bucket, xml};
use crate::router::{Head, escape};
use crate::tags::Tags;

/// Whether objects have versions, once that has been said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Versioning {
    Enabled,
    Suspended,
}

/// How objects are encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Encryption {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`
    pub(crate) algorithm: String,
    pub(crate) key: Option<String>,
    pub(crate) bucket_key: bool,
}

/// Which kinds of public access are blocked.
#[expect(clippy::struct_excessive_bools, reason = "they are S3's own four")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublicAccess {
    pub(crate) block_acls: bool,
    pub(crate) ignore_acls: bool,
    pub(crate) block_policy: bool,
    pub(crate) restrict_buckets: bool,
}

impl Default for Encryption {
    /// What every bucket has since 2023.
    fn default() -> Self {
        Self { algorithm: "AES256".to_owned(), key: None, bucket_key: false }
    }
}

impl Default for PublicAccess {
    /// What every new bucket has since 2023.
    fn default() -> Self {
        Self { block_acls: true, ignore_acls: true, block_policy: true, restrict_buckets: true }
    }
}

impl Encryption {
    /// An algorithm and a key, if there is such an algorithm.
    pub(crate) fn new(algorithm: &str, key: Option<String>, bucket_key: bool) -> Option<Self> {
        let is_known = matches!(algorithm, "AES256" | "aws:kms" | "aws:kms:dsse");
        let fits = key.is_none() || algorithm != "AES256";
        (is_known && fits).then(|| Self { algorithm: algorithm.to_owned(), key, bucket_key })
    }

    /// What a request asks for, else what the bucket gives.
    pub(super) fn of_object(head: &Head, default: &Self) -> Result<Self, Refusal> {
        if !head.header("x-amz-server-side-encryption-customer-algorithm").is_empty() {
            return Err(Refusal::not_implemented("keys of the customer"));
        }
        let text = |name: &str| Some(head.header(name).to_owned()).filter(|text| !text.is_empty());
        let algorithm = head.header("x-amz-server-side-encryption");
        let key = text("x-amz-server-side-encryption-aws-kms-key-id");
        if algorithm.is_empty() {
            if key.is_some() {
                return Err(Refusal::new(
                    400,
                    "InvalidArgument",
                    "Server Side Encryption with AWS KMS managed key requires HTTP header \
                     x-amz-server-side-encryption : aws:kms",
                ));
            }
            return Ok(default.clone());
        }
        let bucket_key = match text("x-amz-server-side-encryption-bucket-key-enabled") {
            Some(text) => text == "true",
            None => default.bucket_key && algorithm == "aws:kms",
        };
        Self::new(algorithm, key, bucket_key).ok_or_else(|| {
            Refusal::new(400, "InvalidArgument", "The encryption method specified is not supported")
        })
    }

    pub(super) fn is_kms(&self) -> bool {
        self.algorithm != "AES256"
    }

    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("x-amz-server-side-encryption", self.algorithm.clone())];
        if let Some(key) = &self.key {
            headers.push(("x-amz-server-side-encryption-aws-kms-key-id", key.clone()));
        }
        if self.bucket_key {
            headers.push(("x-amz-server-side-encryption-bucket-key-enabled", "true".to_owned()));
        }
        headers
    }
}

pub(super) fn get_versioning(bucket: &Bucket) -> Reply {
    let inner = match bucket.versioning {
        None => "",
        Some(Versioning::Enabled) => "<Status>Enabled</Status>",
        Some(Versioning::Suspended) => "<Status>Suspended</Status>",
    };
    Reply::xml("VersioningConfiguration", inner)
}

pub(super) fn put_versioning(bucket: &mut Bucket, document: &str) -> Result<Reply, Refusal> {
    if xml::text(document, "MfaDelete").as_deref() == Some("Enabled") {
        return Err(Refusal::not_implemented("MfaDelete"));
    }
    bucket.versioning = match xml::text(document, "Status").as_deref() {
        Some("Enabled") => Some(Versioning::Enabled),
        Some("Suspended") => Some(Versioning::Suspended),
        None if xml::element(document, "VersioningConfiguration").is_some() => {
            return Err(Refusal::new(
                400,
                "IllegalVersioningConfigurationException",
                "The Versioning element must be specified",
            ));
        }
        _ => return Err(Refusal::malformed()),
    };
    Ok(Reply::new(200))
}

pub(super) fn get_encryption(bucket: &Bucket) -> Reply {
    let Encryption { algorithm, key, bucket_key } = &bucket.encryption;
    let key = key
        .as_ref()
        .map(|key| format!("<KMSMasterKeyID>{}</KMSMasterKeyID>", escape(key)))
        .unwrap_or_default();
    Reply::xml(
        "ServerSideEncryptionConfiguration",
        &format!(
            "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>{algorithm}</SSEAlgorithm>\
             {key}</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>{bucket_key}\
             </BucketKeyEnabled></Rule>"
        ),
    )
}

pub(super) fn put_encryption(bucket: &mut Bucket, document: &str) -> Result<Reply, Refusal> {
    let rules = xml::elements(document, "Rule");
    let [rule] = rules.as_slice() else { return Err(Refusal::malformed()) };
    let algorithm = xml::text(rule, "SSEAlgorithm").ok_or_else(Refusal::malformed)?;
    let key = xml::text(rule, "KMSMasterKeyID");
    if key.is_some() && algorithm == "AES256" {
        return Err(Refusal::new(
            400,
            "InvalidArgument",
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or \
             aws:kms:dsse",
        ));
    }
    let bucket_key = xml::text(rule, "BucketKeyEnabled").as_deref() == Some("true");
    bucket.encryption =
        Encryption::new(&algorithm, key, bucket_key).ok_or_else(Refusal::malformed)?;
    Ok(Reply::new(200))
}

pub(super) fn get_public_access(bucket: &Bucket, name: &str) -> Result<Reply, Refusal> {
    let access = bucket.public_access.ok_or_else(|| {
        Refusal::new(
            404,
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
        )
        .with("BucketName", name)
    })?;
    let inner = [
        ("BlockPublicAcls", access.block_acls),
        ("IgnorePublicAcls", access.ignore_acls),
        ("BlockPublicPolicy", access.block_policy),
        ("RestrictPublicBuckets", access.restrict_buckets),
    ]
    .iter()
    .fold(String::new(), |mut inner, (name, value)| {
        let _ = write!(inner, "<{name}>{value}</{name}>");
        inner
    });
    Ok(Reply::xml("PublicAccessBlockConfiguration", &inner))
}

pub(super) fn put_public_access(bucket: &mut Bucket, document: &str) -> Result<Reply, Refusal> {
    xml::element(document, "PublicAccessBlockConfiguration").ok_or_else(Refusal::malformed)?;
    let flag = |name: &str| xml::text(document, name).as_deref() == Some("true");
    bucket.public_access = Some(PublicAccess {
        block_acls: flag("BlockPublicAcls"),
        ignore_acls: flag("IgnorePublicAcls"),
        block_policy: flag("BlockPublicPolicy"),
        restrict_buckets: flag("RestrictPublicBuckets"),
    });
    Ok(Reply::new(200))
}

pub(super) fn get_policy(bucket: &Bucket, name: &str) -> Result<Reply, Refusal> {
    let policy = bucket.policy.as_ref().ok_or_else(|| {
        Refusal::new(404, "NoSuchBucketPolicy", "The bucket policy does not exist")
            .with("BucketName", name)
    })?;
    Ok(Reply::new(200).header("content-type", "application/json").body(policy.clone()))
}

pub(super) fn put_policy(bucket: &mut Bucket, document: &str) -> Result<Reply, Refusal> {
    let is_object =
        serde_json::from_str::<serde_json::Value>(document).is_ok_and(|policy| policy.is_object());
    if !is_object {
        return Err(Refusal::new(
            400,
            "MalformedPolicy",
            "Policies must be valid JSON and the first byte must be '{'",
        ));
    }
    bucket.policy = Some(document.to_owned());
    Ok(Reply::new(204))
}

pub(super) fn get_tags(bucket: &Bucket, name: &str) -> Result<Reply, Refusal> {
    if bucket.tags.is_empty() {
        return Err(
            Refusal::new(404, "NoSuchTagSet", "The TagSet does not exist").with("BucketName", name)
        );
    }
    let tags = bucket.tags.iter().fold(String::new(), |mut tags, (key, value)| {
        let (key, value) = (escape(key), escape(value));
        let _ = write!(tags, "<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
        tags
    });
    Ok(Reply::xml("Tagging", &format!("<TagSet>{tags}</TagSet>")))
}

pub(super) fn put_tags(bucket: &mut Bucket, document: &str) -> Result<Reply, Refusal> {
    xml::element(document, "TagSet").ok_or_else(Refusal::malformed)?;
    let mut tags = Tags::new();
    for tag in xml::elements(document, "Tag") {
        let key = xml::text(tag, "Key").ok_or_else(Refusal::malformed)?;
        if key.starts_with("aws:") {
            return Err(Refusal::new(
                400,
                "InvalidTag",
                "System tags cannot be added/updated by requester",
            ));
        }
        if tags.insert(key, xml::text(tag, "Value").unwrap_or_default()).is_some() {
            let text = "Cannot provide multiple Tags with the same key";
            return Err(Refusal::new(400, "InvalidTag", text));
        }
    }
    if tags.len() > 50 {
        return Err(Refusal::new(400, "BadRequest", "Bucket tag count cannot be greater than 50"));
    }
    // CloudFormation's own stay.
    tags.extend(
        bucket
            .tags
            .iter()
            .filter(|(key, _)| key.starts_with("aws:"))
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    bucket.tags = tags;
    Ok(Reply::new(204))
}
