//! Making, finding and deleting buckets.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::reply::{Refusal, Reply, timestamp};
use super::{Bucket, Encryption, PublicAccess, xml};
use crate::router::escape;
use crate::tags::Tags;
use crate::world::World;

/// The region whose rules are the oldest.
const FIRST: &str = "us-east-1";

pub(super) fn create(
    world: &mut World,
    now: f64,
    name: &str,
    region: &str,
    document: &str,
) -> Result<Reply, Refusal> {
    let asked = xml::text(document, "LocationConstraint").filter(|text| !text.is_empty());
    let region = match asked.as_deref() {
        None if region == FIRST => FIRST,
        Some(FIRST) => {
            return Err(Refusal::new(
                400,
                "InvalidLocationConstraint",
                "The specified location-constraint is not valid",
            )
            .with("LocationConstraint", FIRST));
        }
        Some(asked) if asked == region || region == FIRST => asked,
        other => {
            let asked = other.unwrap_or("unspecified");
            return Err(Refusal::new(
                400,
                "IllegalLocationConstraintException",
                format!(
                    "The {asked} location constraint is incompatible for the region specific \
                     endpoint this request was sent to."
                ),
            ));
        }
    };
    if !is_name(name) {
        return Err(Refusal::new(400, "InvalidBucketName", "The specified bucket is not valid.")
            .with("BucketName", name));
    }
    if world.s3.all.contains_key(name) {
        return Err(Refusal::new(
            409,
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
        )
        .with("BucketName", name));
    }
    insert(world, now, name, region);
    Ok(Reply::new(200).header("location", format!("/{name}")))
}

fn insert(world: &mut World, now: f64, name: &str, region: &str) {
    let bucket = Bucket {
        region: region.to_owned(),
        created: now,
        versioning: None,
        encryption: Encryption::default(),
        public_access: Some(PublicAccess::default()),
        policy: None,
        tags: Tags::new(),
        objects: BTreeMap::new(),
        uploads: BTreeMap::new(),
    };
    world.s3.all.insert(name.to_owned(), bucket);
}

/// Makes a bucket in the world's own region; the error is S3's message.
pub(crate) fn make(world: &mut World, now: f64, name: &str) -> Result<(), String> {
    if !is_name(name) {
        return Err("The specified bucket is not valid.".to_owned());
    }
    if world.s3.all.contains_key(name) {
        return Err(format!("{name} already exists"));
    }
    let region = world.region.clone();
    insert(world, now, name, &region);
    Ok(())
}

/// Whether there is nothing in a bucket, versions and delete markers included; a bucket that is
/// not there is empty.
pub(crate) fn empty(world: &World, name: &str) -> bool {
    world.s3.get(name).is_none_or(|bucket| bucket.objects.is_empty())
}

/// Takes a bucket away.
pub(crate) fn remove(world: &mut World, name: &str) {
    world.s3.all.remove(name);
    world.sweep_blobs();
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn is_name(name: &str) -> bool {
    let is_plain = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let bytes = name.as_bytes();
    let is_address = name.split('.').count() == 4
        && name.split('.').all(|part| part.bytes().all(|letter| letter.is_ascii_digit()));
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|letter| is_plain(*letter) || matches!(letter, b'.' | b'-'))
        && bytes.first().is_some_and(|letter| is_plain(*letter))
        && bytes.last().is_some_and(|letter| is_plain(*letter))
        && !name.contains("..")
        && !is_address
        && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|start| name.starts_with(start))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"]
            .iter()
            .any(|end| name.ends_with(end))
}

pub(super) fn head(bucket: &Bucket) -> Reply {
    Reply::new(200)
        .header("content-type", "application/xml")
        .header("x-amz-bucket-region", bucket.region.clone())
        .header("x-amz-access-point-alias", "false")
}

pub(super) fn location(bucket: &Bucket) -> Reply {
    // Empty for the first region, as it was before there were others.
    Reply::xml("LocationConstraint", if bucket.region == FIRST { "" } else { &bucket.region })
}

pub(super) fn delete(world: &mut World, name: &str) -> Result<Reply, Refusal> {
    let bucket = world.s3.get(name).ok_or_else(|| Refusal::no_bucket(name))?;
    if !bucket.objects.is_empty() {
        let has_versions = bucket.versioning.is_some();
        let text = if has_versions {
            "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
        } else {
            "The bucket you tried to delete is not empty"
        };
        return Err(Refusal::new(409, "BucketNotEmpty", text).with("BucketName", name));
    }
    remove(world, name);
    Ok(Reply::new(204))
}

pub(super) fn list(world: &World) -> Reply {
    let buckets = world.s3.all.iter().fold(String::new(), |mut buckets, (name, bucket)| {
        let _ = write!(
            buckets,
            "<Bucket><Name>{}</Name><CreationDate>{}</CreationDate><BucketRegion>{}\
             </BucketRegion></Bucket>",
            escape(name),
            timestamp(bucket.created),
            escape(&bucket.region)
        );
        buckets
    });
    let inner = format!(
        "<Owner><ID>{}</ID></Owner><Buckets>{buckets}</Buckets>",
        world.sign(&world.account)
    );
    Reply::xml("ListAllMyBucketsResult", &inner)
}

/// Refuses a request that was sent to another region than the bucket's.
pub(super) fn check_region(bucket: &Bucket, name: &str, asked: &str) -> Result<(), Refusal> {
    if bucket.region == asked {
        return Ok(());
    }
    Err(Refusal::new(
        301,
        "PermanentRedirect",
        "The bucket you are attempting to access must be addressed using the specified endpoint. \
         Please send all future requests to this endpoint.",
    )
    .with("Endpoint", format!("{name}.s3.{}.amazonaws.com", bucket.region))
    .with("Bucket", name)
    .header("x-amz-bucket-region", bucket.region.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["abc", "cdk-hnb659fds-assets-123456789012-eu-west-1", "a.b.c", "1.2.3"] {
            assert!(is_name(good), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["ab", "Abc", "-ab", "ab-", "a..b", "192.168.1.1", "xn--abc", "a_b", &long] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
