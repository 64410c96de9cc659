//! `AWS::Lambda::Function`: opaque, but for its code, which has to be where it is said to be.

use serde_json::Value;

use super::{handler_message, text};
use crate::s3::{self, Location};
use crate::world::World;

/// Refuses code that is not in S3.
pub(super) fn check_code(world: &mut World, properties: &Value) -> Result<(), String> {
    let code = &properties["Code"];
    let (bucket, key) = (text(&code["S3Bucket"]), text(&code["S3Key"]));
    if bucket.is_empty() {
        return Ok(());
    }
    let version = Some(text(&code["S3ObjectVersion"])).filter(|version| !version.is_empty());
    let (code, message) = if world.s3.get(&bucket).is_none() {
        ("NoSuchBucket", "The specified bucket does not exist")
    } else if s3::exists(world, &Location { bucket, key, version }) {
        return Ok(());
    } else {
        ("NoSuchKey", "The specified key does not exist.")
    };
    let request = world.next_uuid();
    let message = format!(
        "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message} \
         (Service: Lambda, Status Code: 400, Request ID: {request})"
    );
    Err(handler_message(world, &message, "InvalidRequest"))
}
