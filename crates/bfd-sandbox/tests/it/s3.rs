//! S3: buckets, objects and their conditions.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, ChecksumAlgorithm, ChecksumMode,
    CreateBucketConfiguration, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    VersioningConfiguration,
};
use bfd_sandbox::{Fault, Options, Sandbox};

use crate::support::{Lab, code, config, refusal};

const BUCKET: &str = "assets";

fn place(region: &str) -> CreateBucketConfiguration {
    CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::from(region))
        .build()
}

async fn with_bucket() -> (Lab, Client) {
    let lab = Lab::new();
    let s3 = Client::new(&lab.config);
    let create = s3.create_bucket().bucket(BUCKET);
    create.create_bucket_configuration(place("ap-southeast-1")).send().await.expect("creates");
    (lab, s3)
}

async fn put(s3: &Client, key: &str, text: &str) -> String {
    let put = s3.put_object().bucket(BUCKET).key(key);
    let put = put.body(ByteStream::from(text.as_bytes().to_vec()));
    put.send().await.expect("puts").e_tag.expect("an ETag")
}

async fn get(s3: &Client, key: &str) -> String {
    let answer = s3.get_object().bucket(BUCKET).key(key).send().await.expect("gets");
    let bytes = answer.body.collect().await.expect("a body").into_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[tokio::test(start_paused = true)]
async fn an_object_comes_back_as_it_was_put() {
    let (_lab, s3) = with_bucket().await;
    let key = "a folder/ä+b.txt";
    let answer = s3
        .put_object()
        .bucket(BUCKET)
        .key(key)
        .content_type("text/plain")
        .metadata("Owner", "me")
        .body(ByteStream::from_static(b"hello"))
        .send()
        .await
        .expect("puts");
    assert_eq!(answer.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!(answer.version_id(), None);
    assert_eq!(answer.server_side_encryption(), Some(&ServerSideEncryption::Aes256));
    assert_eq!(get(&s3, key).await, "hello");
    let head = s3.head_object().bucket(BUCKET).key(key).send().await.expect("heads");
    assert_eq!(head.content_length(), Some(5));
    assert_eq!(head.content_type(), Some("text/plain"));
    assert_eq!(head.metadata().expect("metadata")["owner"], "me");
    assert_eq!(head.e_tag(), answer.e_tag());
    assert_eq!(head.content_encoding(), None, "the framing is not the content's");

    let part = s3.get_object().bucket(BUCKET).key(key).range("bytes=1-2").send().await;
    let part = part.expect("gets a part");
    assert_eq!(part.content_range(), Some("bytes 1-2/5"));
    assert_eq!(part.body.collect().await.expect("a body").into_bytes(), "el");

    s3.delete_object().bucket(BUCKET).key(key).send().await.expect("deletes");
    s3.delete_object().bucket(BUCKET).key(key).send().await.expect("deletes what is gone");
    assert_eq!(code(s3.get_object().bucket(BUCKET).key(key).send().await), "NoSuchKey");
    let missing = s3.head_object().bucket(BUCKET).key(key).send().await;
    assert!(missing.expect_err("gone").into_service_error().is_not_found());
}

#[tokio::test(start_paused = true)]
async fn every_checksum_is_verified_and_comes_back() {
    let (_lab, s3) = with_bucket().await;
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let put = s3.put_object().bucket(BUCKET).key("sum").checksum_algorithm(algorithm.clone());
        put.body(ByteStream::from_static(b"hello")).send().await.expect("puts");
        // The client compares what it reads with the checksum in the answer.
        let get = s3.get_object().bucket(BUCKET).key("sum").checksum_mode(ChecksumMode::Enabled);
        let answer = get.send().await.expect("gets");
        assert!(answer.body.collect().await.is_ok(), "{algorithm:?}");
    }
    let put = s3.put_object().bucket(BUCKET).key("sum").checksum_crc32("AAAAAA==");
    let (code, message) = refusal(put.body(ByteStream::from_static(b"hello")).send().await);
    assert_eq!(code, "BadDigest");
    assert_eq!(message, "The CRC32 you specified did not match the calculated checksum.");
    let put = s3.put_object().bucket(BUCKET).key("sum").content_md5("XUFAKrxLKna5cZ2REBfFkg==");
    put.body(ByteStream::from_static(b"hello")).send().await.expect("the right one");
    let put = s3.put_object().bucket(BUCKET).key("sum").content_md5("XUFAKrxLKna5cZ2REBfFkg==");
    let (code, _) = refusal(put.body(ByteStream::from_static(b"hallo")).send().await);
    assert_eq!(code, "BadDigest");
}

#[tokio::test(start_paused = true)]
async fn a_file_is_sent_in_chunks_with_its_checksum_behind_it() {
    let (_lab, s3) = with_bucket().await;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&path, &bytes).expect("writes");
    let body = ByteStream::from_path(&path).await.expect("a file");
    let put = s3.put_object().bucket(BUCKET).key("file").body(body);
    put.send().await.expect("puts");
    let answer = s3.get_object().bucket(BUCKET).key("file").send().await.expect("gets");
    assert_eq!(answer.content_encoding(), None);
    assert_eq!(answer.body.collect().await.expect("a body").into_bytes(), bytes);
}

#[tokio::test(start_paused = true)]
async fn conditions_of_a_put_hold_or_refuse() {
    let (_lab, s3) = with_bucket().await;
    let put_if = |key: &str| s3.put_object().bucket(BUCKET).key(key);
    put_if("lock").if_none_match("*").send().await.expect("the first");
    let second = refusal(put_if("lock").if_none_match("*").send().await);
    assert_eq!(second.0, "PreconditionFailed");
    assert_eq!(second.1, "At least one of the pre-conditions you specified did not hold");
    assert_eq!(code(put_if("lock").if_none_match("\"abc\"").send().await), "NotImplemented");

    let first = put(&s3, "state", "1").await;
    let changed = put_if("state").if_match(&first).body(ByteStream::from_static(b"2")).send().await;
    let changed = changed.expect("replaces").e_tag.expect("an ETag");
    assert_ne!(changed, first);
    assert_eq!(code(put_if("state").if_match(&first).send().await), "PreconditionFailed");
    assert_eq!(code(put_if("none").if_match(&first).send().await), "NoSuchKey");
    assert_eq!(get(&s3, "state").await, "2");
    let stale = s3.delete_object().bucket(BUCKET).key("state").if_match(&first).send().await;
    assert_eq!(code(stale), "PreconditionFailed");
    let known = s3.get_object().bucket(BUCKET).key("state").if_none_match(changed).send().await;
    assert_eq!(
        known.expect_err("not modified").raw_response().expect("raw").status().as_u16(),
        304
    );
}

#[tokio::test(start_paused = true)]
async fn buckets_are_where_the_endpoint_is() {
    let lab = Lab::new();
    let s3 = Client::new(&lab.config);
    let here = place("ap-southeast-1");
    let (plain, why) = refusal(s3.create_bucket().bucket(BUCKET).send().await);
    assert_eq!(plain, "IllegalLocationConstraintException");
    assert_eq!(
        why,
        "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to."
    );
    let other = s3.create_bucket().bucket(BUCKET).create_bucket_configuration(place("eu-west-1"));
    assert_eq!(code(other.send().await), "IllegalLocationConstraintException");
    let create = |name: &str| s3.create_bucket().bucket(name);
    let bad = create("Not_A_Name").create_bucket_configuration(here.clone()).send().await;
    assert_eq!(code(bad), "InvalidBucketName");
    create(BUCKET).create_bucket_configuration(here.clone()).send().await.expect("creates");
    let again = create(BUCKET).create_bucket_configuration(here).send().await;
    assert_eq!(code(again), "BucketAlreadyOwnedByYou");
    let location = s3.get_bucket_location().bucket(BUCKET).send().await.expect("a location");
    assert_eq!(location.location_constraint().expect("one").as_str(), "ap-southeast-1");
    let head = s3.head_bucket().bucket(BUCKET).send().await.expect("is there");
    assert_eq!(head.bucket_region(), Some("ap-southeast-1"));
    let listed = s3.list_buckets().send().await.expect("lists");
    assert_eq!(listed.buckets()[0].name(), Some(BUCKET));

    let elsewhere = aws_sdk_s3::config::Builder::from(&lab.config)
        .region(aws_sdk_s3::config::Region::new("us-east-1"))
        .build();
    let elsewhere = Client::from_conf(elsewhere);
    elsewhere.create_bucket().bucket("first").send().await.expect("needs no constraint there");
    let read = elsewhere.list_objects_v2().bucket(BUCKET).send().await;
    assert_eq!(code(read), "PermanentRedirect");
    let named = elsewhere
        .create_bucket()
        .bucket("second")
        .create_bucket_configuration(place("us-east-1"))
        .send()
        .await;
    assert_eq!(code(named), "InvalidLocationConstraint");

    put(&s3, "a", "1").await;
    assert_eq!(code(s3.delete_bucket().bucket(BUCKET).send().await), "BucketNotEmpty");
    s3.delete_object().bucket(BUCKET).key("a").send().await.expect("deletes");
    s3.delete_bucket().bucket(BUCKET).send().await.expect("deletes");
    assert_eq!(code(s3.delete_bucket().bucket(BUCKET).send().await), "NoSuchBucket");
    assert_eq!(code(s3.list_objects_v2().bucket(BUCKET).send().await), "NoSuchBucket");
    let put = s3.put_object().bucket(BUCKET).key("a").body(ByteStream::from_static(b"1"));
    assert_eq!(code(put.send().await), "NoSuchBucket");
    let gone = s3.head_bucket().bucket(BUCKET).send().await;
    assert!(gone.expect_err("gone").into_service_error().is_not_found());
}

#[tokio::test(start_paused = true)]
async fn settings_of_a_bucket() {
    let (_lab, s3) = with_bucket().await;
    let versioning = s3.get_bucket_versioning().bucket(BUCKET).send().await.expect("reads");
    assert_eq!(versioning.status(), None);
    let encryption = s3.get_bucket_encryption().bucket(BUCKET).send().await.expect("reads");
    let rules = encryption.server_side_encryption_configuration.expect("one").rules;
    let default = rules[0].apply_server_side_encryption_by_default().expect("a default");
    assert_eq!(default.sse_algorithm(), &ServerSideEncryption::Aes256);

    let kms = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::AwsKms)
        .kms_master_key_id("arn:aws:kms:ap-southeast-1:123456789012:key/1")
        .build()
        .expect("complete");
    let rule =
        ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(kms).build();
    let configuration =
        ServerSideEncryptionConfiguration::builder().rules(rule).build().expect("complete");
    let set = s3.put_bucket_encryption().bucket(BUCKET);
    set.server_side_encryption_configuration(configuration).send().await.expect("sets");
    let put = s3.put_object().bucket(BUCKET).key("a").body(ByteStream::from_static(b"hello"));
    let put = put.send().await.expect("puts");
    assert_eq!(put.server_side_encryption(), Some(&ServerSideEncryption::AwsKms));
    assert_ne!(put.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""), "no MD5 with KMS");

    let access = s3.get_public_access_block().bucket(BUCKET).send().await.expect("reads");
    let access = access.public_access_block_configuration.expect("one");
    assert_eq!(access.restrict_public_buckets(), Some(true), "as every new bucket has it");
    let open = PublicAccessBlockConfiguration::builder().block_public_acls(true).build();
    let set = s3.put_public_access_block().bucket(BUCKET);
    set.public_access_block_configuration(open).send().await.expect("sets");
    let access = s3.get_public_access_block().bucket(BUCKET).send().await.expect("reads");
    let access = access.public_access_block_configuration.expect("one");
    assert_eq!(access.block_public_acls(), Some(true));
    assert_eq!(access.restrict_public_buckets(), Some(false));
    s3.delete_public_access_block().bucket(BUCKET).send().await.expect("deletes");
    let none = s3.get_public_access_block().bucket(BUCKET).send().await;
    assert_eq!(code(none), "NoSuchPublicAccessBlockConfiguration");
    let none = s3.get_bucket_policy().bucket(BUCKET).send().await;
    assert_eq!(code(none), "NoSuchBucketPolicy");
}

#[tokio::test(start_paused = true)]
async fn an_object_in_parts() {
    use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

    let (lab, s3) = with_bucket().await;
    let begin = async || {
        let begin = s3.create_multipart_upload().bucket(BUCKET).key("large");
        let begin = begin.content_type("text/plain");
        begin.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await.expect("begins")
    };
    let id = begin().await.upload_id.expect("an id");
    let upload = async |id: &str, number: i32, bytes: Vec<u8>| {
        let put = s3.upload_part().bucket(BUCKET).key("large").upload_id(id).part_number(number);
        let put = put.checksum_algorithm(ChecksumAlgorithm::Crc32);
        let answer = put.body(ByteStream::from(bytes)).send().await.expect("uploads");
        CompletedPart::builder()
            .part_number(number)
            .set_e_tag(answer.e_tag)
            .set_checksum_crc32(answer.checksum_crc32)
            .build()
    };
    let complete = async |id: &str, parts: &[CompletedPart]| {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
        let complete = s3.complete_multipart_upload().bucket(BUCKET).key("large").upload_id(id);
        complete.multipart_upload(parts).if_none_match("*").send().await
    };
    let first = upload(&id, 1, vec![b'a'; 5 * 1024 * 1024]).await;
    let last = upload(&id, 3, b"end".to_vec()).await;
    let small = upload(&id, 2, b"small".to_vec()).await;
    assert_eq!(code(complete(&id, &[last.clone(), first.clone()]).await), "InvalidPartOrder");
    let tiny = [first.clone(), small, last.clone()];
    assert_eq!(code(complete(&id, &tiny).await), "EntityTooSmall");
    let wrong = CompletedPart::builder().part_number(3).e_tag("\"0\"").build();
    assert_eq!(code(complete(&id, &[first.clone(), wrong]).await), "InvalidPart");
    assert_eq!(code(s3.get_object().bucket(BUCKET).key("large").send().await), "NoSuchKey");
    let whole = complete(&id, &[first, last]).await.expect("completes");
    assert!(whole.e_tag().expect("an ETag").ends_with("-2\""));
    assert!(whole.checksum_crc32().expect("a checksum").ends_with("-2"));
    let head = s3.head_object().bucket(BUCKET).key("large").send().await.expect("heads");
    assert_eq!(head.content_length(), Some(5 * 1024 * 1024 + 3));
    assert_eq!(head.content_type(), Some("text/plain"));
    let end = s3.get_object().bucket(BUCKET).key("large").range("bytes=-4").send().await;
    assert_eq!(end.expect("gets").body.collect().await.expect("a body").into_bytes(), "aend");

    let id = begin().await.upload_id.expect("an id");
    let part = upload(&id, 1, b"other".to_vec()).await;
    assert_eq!(code(complete(&id, &[part]).await), "PreconditionFailed");
    let abort = || s3.abort_multipart_upload().bucket(BUCKET).key("large").upload_id(&id).send();
    abort().await.expect("aborts");
    assert_eq!(code(abort().await), "NoSuchUpload");
    assert!(!lab.sandbox.snapshot().to_string().contains(&id));
}

async fn enable_versions(s3: &Client, status: BucketVersioningStatus) {
    let versioning = VersioningConfiguration::builder().status(status).build();
    let set = s3.put_bucket_versioning().bucket(BUCKET).versioning_configuration(versioning);
    set.send().await.expect("sets");
}

#[tokio::test(start_paused = true)]
async fn versions_are_kept_once_they_are_enabled() {
    let (_lab, s3) = with_bucket().await;
    put(&s3, "a", "0").await;
    enable_versions(&s3, BucketVersioningStatus::Enabled).await;
    let one = s3.put_object().bucket(BUCKET).key("a").body(ByteStream::from_static(b"1"));
    let one = one.send().await.expect("puts").version_id.expect("a version");
    put(&s3, "a", "2").await;
    let deleted = s3.delete_object().bucket(BUCKET).key("a").send().await.expect("deletes");
    assert_eq!(deleted.delete_marker(), Some(true));
    assert_eq!(code(s3.get_object().bucket(BUCKET).key("a").send().await), "NoSuchKey");
    let old = s3.get_object().bucket(BUCKET).key("a").version_id(&one).send().await;
    let old = old.expect("gets").body.collect().await.expect("a body").into_bytes();
    assert_eq!(old, "1");
    let null = s3.get_object().bucket(BUCKET).key("a").version_id("null").send().await;
    let null = null.expect("gets").body.collect().await.expect("a body").into_bytes();
    assert_eq!(null, "0");
    let listed = s3.list_object_versions().bucket(BUCKET).send().await.expect("lists");
    assert_eq!(listed.versions().len(), 3);
    assert_eq!(listed.delete_markers()[0].is_latest(), Some(true));
    assert_eq!(listed.versions()[2].version_id(), Some("null"));
    assert_eq!(
        s3.list_objects_v2().bucket(BUCKET).send().await.expect("lists").key_count(),
        Some(0)
    );
    assert_eq!(code(s3.delete_bucket().bucket(BUCKET).send().await), "BucketNotEmpty");

    let marker = deleted.version_id.expect("a version");
    s3.delete_object().bucket(BUCKET).key("a").version_id(marker).send().await.expect("deletes");
    assert_eq!(get(&s3, "a").await, "2", "without its marker it is back");
    enable_versions(&s3, BucketVersioningStatus::Suspended).await;
    let third = s3.put_object().bucket(BUCKET).key("a").body(ByteStream::from_static(b"3"));
    assert_eq!(third.send().await.expect("puts").version_id(), Some("null"));
    let listed = s3.list_object_versions().bucket(BUCKET).send().await.expect("lists");
    assert_eq!(listed.versions().len(), 3, "the null version was replaced");
}

#[tokio::test(start_paused = true)]
async fn listings_have_pages_prefixes_and_delimiters() {
    let (_lab, s3) = with_bucket().await;
    for key in ["a/1", "a/2", "b", "c/1", "c/2", "d"] {
        put(&s3, key, key).await;
    }
    let mut keys = Vec::new();
    let mut token = None;
    loop {
        let list = s3.list_objects_v2().bucket(BUCKET).max_keys(4);
        let page = list.set_continuation_token(token).send().await.expect("lists");
        keys.extend(page.contents().iter().filter_map(|one| one.key().map(str::to_owned)));
        assert_eq!(page.is_truncated(), Some(page.next_continuation_token().is_some()));
        token = page.next_continuation_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(keys, ["a/1", "a/2", "b", "c/1", "c/2", "d"]);
    let one = s3.list_objects_v2().bucket(BUCKET).prefix("a/").max_keys(1).send().await;
    let one = one.expect("lists");
    assert_eq!(one.contents()[0].size(), Some(3));
    assert_eq!((one.key_count(), one.is_truncated()), (Some(1), Some(true)));

    let mut found = Vec::new();
    let mut token = None;
    loop {
        let list = s3.list_objects_v2().bucket(BUCKET).delimiter("/").max_keys(1);
        let page = list.set_continuation_token(token).send().await.expect("lists");
        found.extend(page.common_prefixes().iter().filter_map(|one| one.prefix.clone()));
        found.extend(page.contents().iter().filter_map(|one| one.key.clone()));
        token = page.next_continuation_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found, ["a/", "b", "c/", "d"]);
    let wrong = s3.list_objects_v2().bucket(BUCKET).continuation_token("%%").send().await;
    assert_eq!(code(wrong), "InvalidArgument");
}

#[tokio::test(start_paused = true)]
async fn faults_speak_as_s3_does() {
    let (lab, s3) = with_bucket().await;
    lab.sandbox.inject("s3:PutObject", Fault::AccessDenied);
    let put = || s3.put_object().bucket(BUCKET).key("a").body(ByteStream::from_static(b"1"));
    let (denied, message) = refusal(put().send().await);
    assert_eq!(denied, "AccessDenied");
    assert!(message.contains("s3:PutObject on resource: \"arn:aws:s3:::assets/a\""), "{message}");
    lab.sandbox.inject("s3:PutObject", Fault::Throttle);
    assert_eq!(code(put().send().await), "SlowDown");
    lab.sandbox.inject("s3:PutObject", Fault::BrokenBody(0));
    put().send().await.expect_err("broken");
    lab.sandbox.inject("s3:GetObject", Fault::ServerError);
    let head = s3.head_object().bucket(BUCKET).key("a").send().await.expect_err("fails");
    assert_eq!(head.raw_response().expect("raw").status().as_u16(), 500);
    assert_eq!(code(s3.get_object().bucket(BUCKET).key("a").send().await), "NoSuchKey");
}

#[tokio::test(start_paused = true)]
async fn bytes_lie_beside_the_worlds_file_and_go_with_their_object() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("world.json");
    let options = Options { file: Some(file.clone()), ..Options::default() };
    let body = "kept outside of the world's file".repeat(100);
    {
        let sandbox = Sandbox::open(options.clone()).expect("opens");
        let lab = config(&sandbox, aws_config::retry::RetryConfig::disabled());
        let s3 = Client::new(&lab);
        let create = s3.create_bucket().bucket(BUCKET);
        create.create_bucket_configuration(place("ap-southeast-1")).send().await.expect("creates");
        put(&s3, "a", &body).await;
        put(&s3, "b", &body).await;
    }
    let blobs = directory.path().join("world.json.blobs");
    let count = || std::fs::read_dir(&blobs).expect("a directory").count();
    assert_eq!(count(), 1, "the same bytes once");
    assert!(!std::fs::read_to_string(&file).expect("a file").contains("kept outside"));
    let sandbox = Sandbox::open(options).expect("opens again");
    let s3 = Client::new(&config(&sandbox, aws_config::retry::RetryConfig::disabled()));
    assert_eq!(get(&s3, "a").await, body);
    s3.delete_object().bucket(BUCKET).key("a").send().await.expect("deletes");
    assert_eq!(count(), 1, "still the other's");
    s3.delete_object().bucket(BUCKET).key("b").send().await.expect("deletes");
    assert_eq!(count(), 0);
}

#[tokio::test]
async fn a_socket_serves_buckets_by_their_path() {
    let sandbox =
        Sandbox::open(Options { latency: std::time::Duration::ZERO, ..Options::default() })
            .expect("opens");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    let server = {
        let sandbox = sandbox.clone();
        tokio::spawn(async move { sandbox.serve(listener, std::future::pending()).await })
    };
    let shared = config(&sandbox, aws_config::retry::RetryConfig::disabled());
    let inside = Client::new(&shared);
    let create = inside.create_bucket().bucket(BUCKET);
    create.create_bucket_configuration(place("ap-southeast-1")).send().await.expect("creates");
    let scope = "authorization: AWS4-HMAC-SHA256 Credential=A/20260101/ap-southeast-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\n";
    let body = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let framing = "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nx-amz-decoded-content-length: 5\r\nx-amz-trailer: x-amz-checksum-crc32\r\ncontent-encoding: aws-chunked\r\n";
    let answer = ask(address, "PUT /assets/a.txt", &format!("{scope}{framing}"), body).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(get(&inside, "a.txt").await, "hello");
    let wrong = body.replace("NhCmhg", "AhCmhg");
    let answer = ask(address, "PUT /assets/b.txt", &format!("{scope}{framing}"), &wrong).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("BadDigest"), "{answer}");
    let short = body.replace("5\r\nhello", "4\r\nhell");
    let answer = ask(address, "PUT /assets/b.txt", &format!("{scope}{framing}"), &short).await;
    assert!(answer.contains("IncompleteBody"), "{answer}");
    let answer = ask(address, "HEAD /assets/b.txt", scope, "").await;
    assert!(answer.starts_with("HTTP/1.1 404") && answer.ends_with("\r\n\r\n"), "{answer}");
    let answer = ask(address, "GET /assets/a.txt", scope, "").await;
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    let presigned = |date: &str| {
        format!(
            "GET /assets/a.txt?X-Amz-Credential=A%2F20260101%2Fap-southeast-1%2Fs3%2Faws4_request&X-Amz-Date={date}&X-Amz-Expires=600&X-Amz-Signature=0"
        )
    };
    let answer = ask(address, &presigned("20260101T000000Z"), "", "").await;
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    let answer = ask(address, &presigned("20251231T235000Z"), "", "").await;
    assert!(answer.contains("Request has expired"), "{answer}");
    server.abort();
}

async fn ask(address: std::net::SocketAddr, line: &str, headers: &str, body: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    String::from_utf8(answer).expect("text")
}
