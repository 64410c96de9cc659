//! Buckets that refuse.

use super::*;

#[test]
fn a_bucket_that_is_not_there_is_said_with_what_makes_it() {
    let shared = Shared::on_ministack(1);
    let declared = format!("bucket = \"{}\"", shared.bucket);
    shared.project.change(&declared, "bucket = \"nobody-made-this\"");
    let refused = shared.project.apply().run().exits(exit::REFUSED);
    refused.says("s3://nobody-made-this/team/shared/").says("NoSuchBucket").says("create-bucket");
}
