use std::collections::BTreeMap;

use crate::router::Head;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    ListBuckets,
    CreateBucket,
    HeadBucket,
    DeleteBucket,
    GetLocation,
    GetVersioning,
    PutVersioning,
    GetEncryption,
    PutEncryption,
    DeleteEncryption,
    GetPublicAccess,
    PutPublicAccess,
    DeletePublicAccess,
    GetPolicy,
    PutPolicy,
    DeletePolicy,
    GetTags,
    PutTags,
    DeleteTags,
    ListFirst,
    ListSecond,
    ListVersions,
    DeleteObjects,
    PutObject,
    BeginUpload,
    PutPart,
    CompleteUpload,
    AbortUpload,
    GetObject,
    GetObjectVersion,
    DeleteObject,
    DeleteObjectVersion,
    Unknown,
}

/// What a query may ask for that is a part of a bucket or an object, and not the thing itself.
const PARTS: [&str; 36] = [
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataConfiguration",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
];

impl Operation {
    pub(super) fn find(
        head: &Head,
        query: &BTreeMap<String, String>,
        bucket: &str,
        key: &str,
    ) -> Self {
        let method = head.method.as_str();
        let part = PARTS.into_iter().find(|part| query.contains_key(*part));
        if bucket.is_empty() {
            return if method == "GET" && key.is_empty() {
                Self::ListBuckets
            } else {
                Self::Unknown
            };
        }
        if !key.is_empty() {
            let is_versioned = query.contains_key("versionId");
            return match (method, part, is_versioned) {
                ("PUT", None, _) => Self::PutObject,
                ("POST", Some("uploads"), _) => Self::BeginUpload,
                ("PUT", Some("partNumber"), _) => Self::PutPart,
                ("POST", Some("uploadId"), _) => Self::CompleteUpload,
                ("DELETE", Some("uploadId"), _) => Self::AbortUpload,
                ("GET" | "HEAD", None, false) => Self::GetObject,
                ("GET" | "HEAD", None, true) => Self::GetObjectVersion,
                ("DELETE", None, false) => Self::DeleteObject,
                ("DELETE", None, true) => Self::DeleteObjectVersion,
                _ => Self::Unknown,
            };
        }
        match (method, part) {
            ("PUT", None) => Self::CreateBucket,
            ("HEAD", None) => Self::HeadBucket,
            ("DELETE", None) => Self::DeleteBucket,
            ("GET", None) if query.get("list-type").is_some_and(|two| two == "2") => {
                Self::ListSecond
            }
            ("GET", None) => Self::ListFirst,
            ("GET", Some("versions")) => Self::ListVersions,
            ("GET", Some("location")) => Self::GetLocation,
            ("GET", Some("versioning")) => Self::GetVersioning,
            ("PUT", Some("versioning")) => Self::PutVersioning,
            ("GET", Some("encryption")) => Self::GetEncryption,
            ("PUT", Some("encryption")) => Self::PutEncryption,
            ("DELETE", Some("encryption")) => Self::DeleteEncryption,
            ("GET", Some("publicAccessBlock")) => Self::GetPublicAccess,
            ("PUT", Some("publicAccessBlock")) => Self::PutPublicAccess,
            ("DELETE", Some("publicAccessBlock")) => Self::DeletePublicAccess,
            ("GET", Some("policy")) => Self::GetPolicy,
            ("PUT", Some("policy")) => Self::PutPolicy,
            ("DELETE", Some("policy")) => Self::DeletePolicy,
            ("GET", Some("tagging")) => Self::GetTags,
            ("PUT", Some("tagging")) => Self::PutTags,
            ("DELETE", Some("tagging")) => Self::DeleteTags,
            ("POST", Some("delete")) => Self::DeleteObjects,
            _ => Self::Unknown,
        }
    }

    /// The permission it needs, as IAM spells it.
    ///
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>
    pub(super) fn permission(self) -> &'static str {
        match self {
            Self::ListBuckets => "s3:ListAllMyBuckets",
            Self::CreateBucket => "s3:CreateBucket",
            Self::DeleteBucket => "s3:DeleteBucket",
            Self::GetLocation => "s3:GetBucketLocation",
            Self::GetVersioning => "s3:GetBucketVersioning",
            Self::PutVersioning => "s3:PutBucketVersioning",
            Self::GetEncryption => "s3:GetEncryptionConfiguration",
            Self::PutEncryption | Self::DeleteEncryption => "s3:PutEncryptionConfiguration",
            Self::GetPublicAccess => "s3:GetBucketPublicAccessBlock",
            Self::PutPublicAccess | Self::DeletePublicAccess => "s3:PutBucketPublicAccessBlock",
            Self::GetPolicy => "s3:GetBucketPolicy",
            Self::PutPolicy => "s3:PutBucketPolicy",
            Self::DeletePolicy => "s3:DeleteBucketPolicy",
            Self::GetTags => "s3:GetBucketTagging",
            Self::PutTags | Self::DeleteTags => "s3:PutBucketTagging",
            Self::HeadBucket | Self::ListFirst | Self::ListSecond => "s3:ListBucket",
            Self::ListVersions => "s3:ListBucketVersions",
            Self::DeleteObjects | Self::DeleteObject => "s3:DeleteObject",
            Self::DeleteObjectVersion => "s3:DeleteObjectVersion",
            Self::PutObject | Self::BeginUpload | Self::PutPart | Self::CompleteUpload => {
                "s3:PutObject"
            }
            Self::AbortUpload => "s3:AbortMultipartUpload",
            Self::GetObject => "s3:GetObject",
            Self::GetObjectVersion => "s3:GetObjectVersion",
            // No permission of its own: nothing here knows what it would be.
            Self::Unknown => "s3:Unknown",
        }
    }
}
