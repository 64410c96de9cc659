//! Buckets that refuse.

use super::*;

#[test]
fn credentials_of_another_account_are_told_before_what_the_bucket_refuses() {
    let shared = Shared::on_ministack(1);
    shared.apply("one").run().succeeds();
    for command in ["plan", "history", "state list"] {
        let refused = shared.project.bfd(command).env("AWS_ACCESS_KEY_ID", "222222222222").run();
        refused.exits(exit::WRONG_ACCOUNT).says("222222222222").never_mentions("s3:GetObject");
    }
}

#[test]
fn a_bucket_that_is_not_there_is_said_with_what_makes_it() {
    let shared = Shared::on_ministack(1);
    let declared = format!("bucket = \"{}\"", shared.bucket);
    shared.project.change(&declared, "bucket = \"nobody-made-this\"");
    let refused = shared.project.apply().run().exits(exit::REFUSED);
    refused.says("s3://nobody-made-this/team/shared/").says("NoSuchBucket").says("`bfd bootstrap`");
}
