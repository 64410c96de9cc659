//! The registry of the sandbox: what a client of the OCI distribution API meets.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_ecr::types::{
    EncryptionConfiguration, EncryptionType, ImageIdentifier, ImageTagMutability,
};
use aws_sdk_ecs::types::{CpuArchitecture, RuntimePlatform};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bfd_sandbox::{Fault, Options};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{CLUSTER, Lab, REGISTRY, code, container, refusal};

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// An answer, read to its end.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The status, the code and the message of a refusal.
    fn refusal(&self) -> (u16, String, String) {
        let error = &self.json()["errors"][0];
        let text = |member: &str| error[member].as_str().expect("a text").to_owned();
        (self.status, text("code"), text("message"))
    }
}

/// A request that is still being written.
struct Ask(HttpRequest);

impl Ask {
    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.0.headers_mut().insert(name, value.to_owned());
        self
    }

    fn body(mut self, body: impl Into<SdkBody>) -> Self {
        *self.0.body_mut() = body.into();
        self
    }

    async fn send(self, lab: &Lab) -> Result<Reply, String> {
        let answer = lab.sandbox.connector().call(self.0).await;
        let answer = answer.map_err(|error| format!("{error:?}"))?;
        let status = answer.status().as_u16();
        let headers = answer.headers().iter().map(|(name, value)| (name.into(), value.into()));
        let headers = headers.collect();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        Ok(Reply { status, headers, body })
    }

    async fn answer(self, lab: &Lab) -> Reply {
        self.send(lab).await.expect("an answer")
    }
}

/// Without a password.
fn bare(method: &str, url: &str) -> Ask {
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_method(method).expect("a method");
    let url =
        if url.starts_with("https:") { url.to_owned() } else { format!("https://{REGISTRY}{url}") };
    request.set_uri(url).expect("an address");
    Ask(request)
}

async fn password(lab: &Lab) -> String {
    let answer = lab.ecr.get_authorization_token().send().await.expect("a token");
    answer.authorization_data()[0].authorization_token().expect("a token").to_owned()
}

async fn ask(lab: &Lab, method: &str, url: &str) -> Ask {
    let password = password(lab).await;
    bare(method, url).header("authorization", &format!("Basic {password}"))
}

async fn repository(name: &str) -> Lab {
    let lab = Lab::new();
    create(&lab, name).await;
    lab
}

async fn create(lab: &Lab, name: &str) {
    lab.ecr.create_repository().repository_name(name).send().await.expect("creates");
}

/// Uploads with one POST and one PUT.
async fn upload(lab: &Lab, name: &str, bytes: &[u8]) -> String {
    let begun = ask(lab, "POST", &format!("/v2/{name}/blobs/uploads/")).await.answer(lab).await;
    assert_eq!(begun.status, 202);
    let found = digest(bytes);
    let url = format!("{}?digest={found}", begun.header("location"));
    let put = ask(lab, "PUT", &url).await.body(bytes.to_vec()).answer(lab).await;
    assert_eq!(put.status, 201, "{put:?}");
    assert_eq!(put.header("docker-content-digest"), found);
    found
}

fn manifest(config: &[u8], layer: &[u8]) -> String {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest(config),
            "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": digest(layer),
            "size": layer.len(),
        }],
    })
    .to_string()
}

async fn put(lab: &Lab, name: &str, reference: &str, media_type: &str, text: &str) -> Reply {
    let ask = ask(lab, "PUT", &format!("/v2/{name}/manifests/{reference}")).await;
    ask.header("content-type", media_type).body(text.to_owned()).answer(lab).await
}

/// Pushes an image for a platform under a tag or, without one, under its digest.
async fn push(lab: &Lab, name: &str, tag: Option<&str>, architecture: &str) -> String {
    let config = json!({ "os": "linux", "architecture": architecture }).to_string();
    upload(lab, name, config.as_bytes()).await;
    upload(lab, name, b"layer").await;
    let text = manifest(config.as_bytes(), b"layer");
    let found = digest(text.as_bytes());
    let reply = put(lab, name, tag.unwrap_or(&found), OCI, &text).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.header("docker-content-digest"), found);
    found
}

fn index(images: &[(&str, &str)]) -> String {
    let images = images.iter().map(|(digest, architecture)| {
        json!({
            "mediaType": OCI, "digest": digest, "size": 1,
            "platform": { "os": "linux", "architecture": architecture },
        })
    });
    json!({
        "schemaVersion": 2, "mediaType": INDEX, "manifests": images.collect::<Vec<_>>(),
    })
    .to_string()
}

#[tokio::test(start_paused = true)]
async fn only_with_a_password_that_is_good() {
    let lab = Lab::new();
    let refused = bare("GET", "/v2/").answer(&lab).await;
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.header("www-authenticate"),
        format!("Basic realm=\"https://{REGISTRY}/\",service=\"ecr.amazonaws.com\"")
    );
    let good = password(&lab).await;
    let login = async |password: &str| {
        bare("GET", "/v2/").header("authorization", &format!("Basic {password}")).answer(&lab).await
    };
    assert_eq!(login(&good).await.status, 200);
    let invented = aws_smithy_types::base64::encode("AWS:password");
    let (status, denied, _) = login(&invented).await.refusal();
    assert_eq!((status, denied.as_str()), (403, "DENIED"));
    // A longer life cannot be written into it.
    let inner = aws_smithy_types::base64::decode(&good).expect("base64");
    let token =
        aws_smithy_types::base64::decode(String::from_utf8_lossy(&inner[4..])).expect("base64");
    let forged = String::from_utf8_lossy(&token).replace("\"expiration\":1", "\"expiration\":2");
    let forged = format!("AWS:{}", aws_smithy_types::base64::encode(forged));
    assert_eq!(login(&aws_smithy_types::base64::encode(forged)).await.status, 403);

    lab.wait(12 * 3600 - 10).await;
    assert_eq!(login(&good).await.status, 200);
    lab.wait(20).await;
    assert_eq!(
        login(&good).await.refusal(),
        (
            403,
            "DENIED".to_owned(),
            "Your authorization token has expired. Reauthenticate and try again.".to_owned()
        )
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_pushed_is_in_the_api_and_comes_back() {
    let lab = repository("team/app").await;
    let found = push(&lab, "team/app", Some("v1"), "amd64").await;

    let read = lab.ecr.describe_images().repository_name("team/app").send().await;
    let read = read.expect("describes");
    let detail = &read.image_details()[0];
    assert_eq!(detail.image_digest(), Some(found.as_str()));
    assert_eq!(detail.image_tags(), ["v1"]);
    assert_eq!(detail.image_manifest_media_type(), Some(OCI));
    assert_eq!(detail.image_size_in_bytes(), Some(5 + 37));
    assert!(detail.image_pushed_at().is_some());

    for reference in ["v1", &found] {
        let url = format!("/v2/team/app/manifests/{reference}");
        let get = ask(&lab, "GET", &url).await.header("accept", OCI).answer(&lab).await;
        assert_eq!((get.status, get.header("content-type")), (200, OCI));
        assert_eq!(get.header("docker-content-digest"), found);
        assert_eq!(digest(&get.body), found);
        let head = ask(&lab, "HEAD", &url).await.answer(&lab).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), get.body.len().to_string());
        let other = ask(&lab, "GET", &url).await.header("accept", INDEX).answer(&lab).await;
        assert_eq!(other.refusal().1, "MANIFEST_UNKNOWN");
    }
    let id = ImageIdentifier::builder().image_tag("v1").build();
    let batch = lab.ecr.batch_get_image().repository_name("team/app").image_ids(id);
    let same = batch.clone().accepted_media_types(OCI).send().await.expect("gets");
    let text = same.images()[0].image_manifest().expect("a manifest").to_owned();
    assert_eq!(digest(text.as_bytes()), found);
    let other = batch.accepted_media_types(INDEX).send().await.expect("gets");
    assert_eq!((other.images().len(), other.failures().len()), (0, 1));

    // Retagging needs the manifest alone.
    let retag = lab.ecr.put_image().repository_name("team/app").image_tag("live");
    retag.image_manifest(text).send().await.expect("puts");
    let tags = ask(&lab, "GET", "/v2/team/app/tags/list?n=1").await.answer(&lab).await;
    assert_eq!(tags.json(), json!({ "name": "team/app", "tags": ["live"] }));
    assert_eq!(tags.header("link"), "</v2/team/app/tags/list?n=1&last=live>; rel=\"next\"");
    let tags = ask(&lab, "GET", "/v2/team/app/tags/list?n=1&last=live").await.answer(&lab).await;
    assert_eq!(tags.json()["tags"], json!(["v1"]));

    let delete = ask(&lab, "DELETE", "/v2/team/app/manifests/v1").await.answer(&lab).await;
    assert_eq!((delete.refusal().0, delete.refusal().1.as_str()), (405, "UNSUPPORTED"));
}

#[tokio::test(start_paused = true)]
async fn layers_are_fetched_from_a_bucket() {
    let lab = repository("app").await;
    let found = upload(&lab, "app", b"0123456789").await;
    let url = format!("/v2/app/blobs/{found}");
    let head = ask(&lab, "HEAD", &url).await.answer(&lab).await;
    assert_eq!((head.status, head.header("content-length")), (200, "10"));
    let get = ask(&lab, "GET", &url).await.answer(&lab).await;
    assert_eq!(get.status, 307);
    let location = get.header("location").to_owned();

    let whole = bare("GET", &location).answer(&lab).await;
    assert_eq!((whole.status, whole.body.as_ref()), (200, b"0123456789".as_slice()));
    let part = bare("GET", &location).header("range", "bytes=2-4").answer(&lab).await;
    assert_eq!((part.status, part.body.as_ref()), (206, b"234".as_slice()));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    let outside = bare("GET", &location).header("range", "bytes=10-").answer(&lab).await;
    assert_eq!(outside.status, 416);
    // Whoever passes the registry's password on to S3 is refused.
    let both = bare("GET", &location).header("authorization", "Basic x").answer(&lab).await;
    assert_eq!(both.status, 400);
    let forged = location.replace("Expires=1", "Expires=2");
    assert_eq!(bare("GET", &forged).answer(&lab).await.status, 403);

    let api = lab.ecr.get_download_url_for_layer().repository_name("app").layer_digest(&found);
    let api = api.send().await.expect("a URL").download_url.expect("a URL");
    assert_eq!(bare("GET", &api).answer(&lab).await.body, whole.body);
    lab.wait(3601).await;
    assert_eq!(bare("GET", &location).answer(&lab).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_said_as_ecr_says_it() {
    let lab = repository("app").await;
    let nowhere = "The repository with name 'other' does not exist in the registry with id \
                   '123456789012'";
    for (method, path) in [
        ("POST", "blobs/uploads/"),
        ("GET", "manifests/v1"),
        ("PUT", "manifests/v1"),
        ("GET", "tags/list"),
    ] {
        let reply = ask(&lab, method, &format!("/v2/other/{path}")).await.answer(&lab).await;
        let expected = (404, "NAME_UNKNOWN".to_owned(), nowhere.to_owned());
        assert_eq!(reply.refusal(), expected, "{method} {path}");
    }
    let absent = digest(b"absent");
    for (method, path, status, expected) in [
        ("GET", format!("blobs/{absent}"), 404, "BLOB_UNKNOWN"),
        ("GET", "blobs/sha256:zz".to_owned(), 400, "DIGEST_INVALID"),
        ("GET", "manifests/v1".to_owned(), 404, "MANIFEST_UNKNOWN"),
        ("GET", "manifests/1+2".to_owned(), 400, "TAG_INVALID"),
        ("PATCH", "blobs/uploads/none".to_owned(), 404, "BLOB_UPLOAD_UNKNOWN"),
        ("DELETE", format!("blobs/{absent}"), 405, "UNSUPPORTED"),
    ] {
        let reply = ask(&lab, method, &format!("/v2/app/{path}")).await.answer(&lab).await;
        let (found, code, _) = reply.refusal();
        assert_eq!((found, code.as_str()), (status, expected), "{method} {path}");
    }
    // A manifest needs its blobs, an index its images.
    let text = manifest(b"{}", b"layer");
    let refused = put(&lab, "app", "v1", OCI, &text).await.refusal();
    assert_eq!((refused.0, refused.1.as_str()), (404, "MANIFEST_BLOB_UNKNOWN"));
    assert!(refused.2.contains(&digest(b"layer")), "{}", refused.2);
    let refused = put(&lab, "app", "v1", INDEX, &index(&[(&absent, "amd64")])).await.refusal();
    assert_eq!((refused.0, refused.1.as_str()), (404, "MANIFEST_BLOB_UNKNOWN"));
    for (media_type, text) in [(OCI, "{"), ("text/plain", text.as_str()), (INDEX, &text)] {
        let refused = put(&lab, "app", "v1", media_type, text).await.refusal();
        assert_eq!((refused.0, refused.1.as_str()), (400, "MANIFEST_INVALID"), "{media_type}");
    }
    // The blobs of one repository are not in another.
    upload(&lab, "app", b"layer").await;
    create(&lab, "second").await;
    let url = format!("/v2/second/blobs/{}", digest(b"layer"));
    assert_eq!(ask(&lab, "HEAD", &url).await.answer(&lab).await.status, 404);
    // Nobody else is here.
    assert!(bare("GET", "https://registry-1.docker.io/v2/").send(&lab).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn uploads_go_as_they_go_in_ecr() {
    let lab = repository("app").await;
    let begin = async || {
        let begun = ask(&lab, "POST", "/v2/app/blobs/uploads/").await.answer(&lab).await;
        assert_eq!((begun.status, begun.header("range")), (202, "0-0"));
        begun.header("location").to_owned()
    };
    // One PATCH, then PUT with the rest.
    let url = begin().await;
    let patch = ask(&lab, "PATCH", &url).await.body("01234").answer(&lab).await;
    assert_eq!((patch.status, patch.header("range")), (201, "0-4"));
    let status = ask(&lab, "GET", &url).await.answer(&lab).await;
    assert_eq!((status.status, status.header("range")), (204, "0-4"));
    let end = format!("{url}?digest={}", digest(b"0123456789"));
    assert_eq!(ask(&lab, "PUT", &end).await.body("56789").answer(&lab).await.status, 201);

    // What a second PATCH brings is lost, and nothing says so until the end.
    let url = begin().await;
    for (range, part) in [("0-4", "abcde"), ("5-9", "fghij")] {
        let patch = ask(&lab, "PATCH", &url).await.header("content-range", range).body(part);
        let patch = patch.answer(&lab).await;
        assert_eq!((patch.status, patch.header("range")), (201, "0-4"), "{range}");
    }
    let again = ask(&lab, "PATCH", &url).await.header("content-range", "0-4").body("abcde");
    assert_eq!(again.answer(&lab).await.refusal().1, "BLOB_UPLOAD_INVALID");
    let end = format!("{url}?digest={}", digest(b"abcdefghij"));
    let refused = ask(&lab, "PUT", &end).await.answer(&lab).await.refusal();
    assert_eq!((refused.0, refused.1.as_str()), (400, "DIGEST_INVALID"));
    let gone = ask(&lab, "GET", &url).await.answer(&lab).await;
    assert_eq!(gone.refusal().1, "BLOB_UPLOAD_UNKNOWN");

    let url = begin().await;
    assert_eq!(ask(&lab, "DELETE", &url).await.answer(&lab).await.status, 204);
    assert_eq!(ask(&lab, "GET", &url).await.answer(&lab).await.status, 404);

    // All in one request.
    let url = format!("/v2/app/blobs/uploads/?digest={}", digest(b"at once"));
    let once = ask(&lab, "POST", &url).await.body("at once").answer(&lab).await;
    assert_eq!(once.status, 201);
    let head = format!("/v2/app/blobs/{}", digest(b"at once"));
    assert_eq!(ask(&lab, "HEAD", &head).await.answer(&lab).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn layers_are_shared_where_that_is_set() {
    let lab = repository("app").await;
    create(&lab, "second").await;
    let found = upload(&lab, "app", b"layer").await;
    let mount = async |digest: &str| {
        let url = format!("/v2/second/blobs/uploads/?mount={digest}&from=app");
        ask(&lab, "POST", &url).await.answer(&lab).await
    };
    let name = "BLOB_MOUNTING";
    let get = async || {
        let get = lab.ecr.get_account_setting().name(name).send().await;
        get.expect("gets").value.expect("a value")
    };
    assert_eq!(get().await, "DISABLED");
    let plain = mount(&found).await;
    assert_eq!(plain.status, 202);
    let end = format!("{}?digest={}", plain.header("location"), digest(b"other"));
    assert_eq!(ask(&lab, "PUT", &end).await.body("other").answer(&lab).await.status, 201);

    let set = |value: &str| lab.ecr.put_account_setting().name(name).value(value);
    assert_eq!(code(set("ON").send().await), "InvalidParameterException");
    set("ENABLED").send().await.expect("puts");
    assert_eq!(get().await, "ENABLED");
    assert_eq!(mount(&digest(b"absent")).await.status, 202);
    let mounted = mount(&found).await;
    assert_eq!((mounted.status, mounted.header("docker-content-digest")), (201, found.as_str()));
    let head = format!("/v2/second/blobs/{found}");
    assert_eq!(ask(&lab, "HEAD", &head).await.answer(&lab).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn immutable_tags_stay_where_they_are() {
    let lab = Lab::new();
    let create = lab.ecr.create_repository().repository_name("app");
    let aes = EncryptionConfiguration::builder().encryption_type(EncryptionType::Aes256).build();
    let create = create.encryption_configuration(aes.expect("a configuration"));
    create.image_tag_mutability(ImageTagMutability::Immutable).send().await.expect("creates");
    let first = push(&lab, "app", Some("v1"), "amd64").await;
    push(&lab, "app", None, "arm64").await;
    let text = async |reference: &str| {
        let url = format!("/v2/app/manifests/{reference}");
        let get = ask(&lab, "GET", &url).await.answer(&lab).await;
        String::from_utf8(get.body.to_vec()).expect("text")
    };
    let same = text("v1").await;
    let refused = (
        400,
        "TAG_INVALID".to_owned(),
        "The image tag 'v1' already exists in the 'app' repository and cannot be overwritten \
         because the tag is immutable."
            .to_owned(),
    );
    // Even by the image that it is on.
    assert_eq!(put(&lab, "app", "v1", OCI, &same).await.refusal(), refused);
    let other = same.replace("\"schemaVersion\":2", "\"schemaVersion\":2,\"annotations\":{}");
    assert_eq!(put(&lab, "app", "v1", OCI, &other).await.refusal(), refused);
    assert_eq!(put(&lab, "app", &first, OCI, &same).await.status, 201);
    let wrong = put(&lab, "app", &digest(b"other"), OCI, &same).await.refusal();
    assert_eq!((wrong.0, wrong.1.as_str()), (400, "DIGEST_INVALID"));

    let mutable = lab.ecr.put_image_tag_mutability().repository_name("app");
    mutable.image_tag_mutability(ImageTagMutability::Mutable).send().await.expect("puts");
    assert_eq!(put(&lab, "app", "v1", OCI, &same).await.status, 201);
    assert_eq!(put(&lab, "app", "v1", OCI, &other).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn what_an_index_lists_is_not_deleted() {
    let lab = repository("app").await;
    let amd = push(&lab, "app", None, "amd64").await;
    let arm = push(&lab, "app", Some("arm"), "arm64").await;
    let text = index(&[(&amd, "amd64"), (&arm, "arm64")]);
    assert_eq!(put(&lab, "app", "v1", INDEX, &text).await.status, 201);
    let delete = async |id: ImageIdentifier| {
        let answer = lab.ecr.batch_delete_image().repository_name("app").image_ids(id).send().await;
        let answer = answer.expect("deletes");
        let failures = answer.failures().iter();
        let failures = failures.filter_map(|it| it.failure_code().map(|it| it.as_str().to_owned()));
        (answer.image_ids().len(), failures.collect::<Vec<_>>())
    };
    let tagged = |tag: &str| ImageIdentifier::builder().image_tag(tag).build();
    let exact = |digest: &str| ImageIdentifier::builder().image_digest(digest).build();
    let referenced = (0, vec!["ImageReferencedByManifestList".to_owned()]);
    assert_eq!(delete(exact(&amd)).await, referenced);
    assert_eq!(delete(tagged("arm")).await, referenced);
    assert_eq!(delete(tagged("v1")).await, (1, vec![]));
    assert_eq!(delete(exact(&amd)).await, (1, vec![]));
    assert_eq!(delete(tagged("arm")).await, (1, vec![]));
    let rest = lab.ecr.list_images().repository_name("app").send().await.expect("lists");
    assert!(rest.image_ids().is_empty());
}

#[tokio::test(start_paused = true)]
async fn tasks_run_on_the_platforms_of_their_image() {
    let lab = repository("app").await;
    let amd = push(&lab, "app", Some("amd"), "amd64").await;
    let arm = push(&lab, "app", Some("arm"), "arm64").await;
    let both = index(&[(&amd, "amd64"), (&arm, "arm64")]);
    assert_eq!(put(&lab, "app", "both", INDEX, &both).await.status, 201);
    lab.ecs.create_cluster().cluster_name(CLUSTER).send().await.expect("creates a cluster");
    let run = async |image: &str, architecture: CpuArchitecture| {
        let platform = RuntimePlatform::builder().cpu_architecture(architecture).build();
        let container = container(&format!("{REGISTRY}/app{image}")).build();
        let definition = lab.definition().runtime_platform(platform);
        let definition = definition.container_definitions(container).send().await;
        let definition = definition.expect("registers").task_definition.expect("a definition");
        let definition = definition.task_definition_arn.expect("an ARN");
        lab.creation(&definition, 1).send().await.expect("creates a service");
        lab.wait(120).await;
        let tasks = lab.tasks().await;
        let mut reasons = tasks.iter().filter_map(|task| task.stopped_reason.clone());
        let reason = reasons.find(|reason| reason.contains("CannotPull"));
        let delete = lab.ecs.delete_service().cluster(CLUSTER).service("web").force(true);
        delete.send().await.expect("deletes");
        lab.wait(600).await;
        reason
    };
    for (image, architecture) in [
        (format!("@{amd}"), CpuArchitecture::X8664),
        (":arm".to_owned(), CpuArchitecture::Arm64),
        (":both".to_owned(), CpuArchitecture::X8664),
        (":both".to_owned(), CpuArchitecture::Arm64),
    ] {
        assert_eq!(run(&image, architecture).await, None, "{image}");
    }
    let reason = run(":arm", CpuArchitecture::X8664).await.expect("a reason");
    assert!(reason.starts_with("CannotPullContainerError: "), "{reason}");
    assert!(
        reason.ends_with(
            "image Manifest does not contain descriptor matching platform 'linux/amd64'"
        ),
        "{reason}"
    );
}

/// A body of frames, the last of which may be an error.
struct Frames(Vec<Result<&'static str, &'static str>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(match self.0.remove(0) {
            Ok(text) => Ok(Frame::data(Bytes::from_static(text.as_bytes()))),
            Err(text) => Err(text.into()),
        }))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn frames(frames: &[Result<&'static str, &'static str>]) -> SdkBody {
    SdkBody::from_body_1_x(Frames(frames.to_vec()))
}

#[tokio::test(start_paused = true)]
async fn bodies_arrive_frame_by_frame_and_may_break_off() {
    let lab = repository("app").await;
    let begin = async || {
        let begun = ask(&lab, "POST", "/v2/app/blobs/uploads/").await.answer(&lab).await;
        begun.header("location").to_owned()
    };
    let whole = digest(b"0123456789");
    let url = begin().await;
    let put = ask(&lab, "PUT", &format!("{url}?digest={whole}")).await;
    let put = put.body(frames(&[Ok("01234"), Ok("56789")])).answer(&lab).await;
    assert_eq!(put.status, 201);

    // A body that breaks off by itself, and one that a fault breaks.
    for fault in [false, true] {
        let url = begin().await;
        let body = if fault {
            lab.sandbox.inject("ecr:UploadLayerPart", Fault::BrokenBody(7));
            frames(&[Ok("01234"), Ok("56789")])
        } else {
            frames(&[Ok("01234"), Ok("56"), Err("the client is gone")])
        };
        let broken = ask(&lab, "PATCH", &url).await.body(body).send(&lab).await;
        assert!(broken.is_err(), "{broken:?}");
        let status = ask(&lab, "GET", &url).await.answer(&lab).await;
        assert_eq!((status.status, status.header("range")), (204, "0-6"));
        // It cannot be started over, and what is there is not what was meant.
        let again = ask(&lab, "PATCH", &url).await.header("content-range", "0-9");
        let again = again.body("0123456789").answer(&lab).await;
        assert_eq!((again.status, again.header("range")), (416, "0-6"));
        let end = ask(&lab, "PUT", &format!("{url}?digest={whole}")).await.body("0123456789");
        assert_eq!(end.answer(&lab).await.refusal().1, "DIGEST_INVALID");
    }
    // Elsewhere a body that breaks off has no effect.
    lab.sandbox.inject("ecr:CreateRepository", Fault::BrokenBody(3));
    assert!(lab.ecr.create_repository().repository_name("second").send().await.is_err());
    let read = lab.ecr.describe_repositories().repository_names("second").send().await;
    assert_eq!(code(read), "RepositoryNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn faults_and_the_log_name_permissions() {
    let lab = repository("app").await;
    let before = lab.sandbox.requests().len();
    push(&lab, "app", Some("v1"), "amd64").await;
    let get = ask(&lab, "GET", &format!("/v2/app/blobs/{}", digest(b"layer"))).await;
    let location = get.answer(&lab).await.header("location").to_owned();
    bare("GET", &location).answer(&lab).await;
    ask(&lab, "HEAD", "/v2/app/manifests/v1").await.answer(&lab).await;
    let names: Vec<_> = lab.sandbox.requests()[before..]
        .iter()
        .map(|request| request.operation.clone())
        .filter(|name| name != "ecr:GetAuthorizationToken")
        .collect();
    let blob = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"];
    let mut expected = [blob, blob].concat();
    expected.extend([
        "ecr:PutImage",
        "ecr:GetDownloadUrlForLayer",
        "s3:GetObject",
        "ecr:BatchGetImage",
    ]);
    assert_eq!(names, expected);

    for (fault, status, expected) in [
        (Fault::Throttle, 429, "TOOMANYREQUESTS"),
        (Fault::ServerError, 500, "UNKNOWN"),
        (Fault::AccessDenied, 403, "DENIED"),
    ] {
        lab.sandbox.inject("ecr:PutImage", fault);
        let refused = put(&lab, "app", "v2", OCI, &manifest(b"{}", b"layer")).await.refusal();
        assert_eq!((refused.0, refused.1.as_str()), (status, expected));
        assert_eq!(refused.2.contains("ecr:PutImage"), status == 403);
    }
    lab.sandbox.inject("ecr:CompleteLayerUpload", Fault::LostAnswer);
    let url = format!("/v2/app/blobs/uploads/?digest={}", digest(b"lost"));
    assert!(ask(&lab, "POST", &url).await.body("lost").send(&lab).await.is_err());
    let head = format!("/v2/app/blobs/{}", digest(b"lost"));
    assert_eq!(ask(&lab, "HEAD", &head).await.answer(&lab).await.status, 200);
    let before = lab.sandbox.now();
    lab.sandbox.inject("ecr:BatchCheckLayerAvailability", Fault::Delay(Duration::from_mins(1)));
    ask(&lab, "HEAD", &head).await.answer(&lab).await;
    assert!(lab.sandbox.now() - before >= 60.0);
}

#[tokio::test(start_paused = true)]
async fn bytes_lie_beside_the_file_and_go_with_a_reset() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("world.json");
    let options = || Options { file: Some(file.clone()), ..Options::default() };
    let lab = Lab::open(options());
    create(&lab, "app").await;
    let layer = vec![b'x'; 3_000_000];
    let found = upload(&lab, "app", &layer).await;
    let text = std::fs::read_to_string(&file).expect("reads");
    assert!(text.len() < 100_000, "{}", text.len());
    let names = || -> Vec<String> {
        let folder = std::fs::read_dir(folder.path().join("world.json.blobs"));
        let names = folder.into_iter().flatten().flatten();
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names(), [found.trim_start_matches("sha256:")]);

    // Another process finds them, a fork does too, and has its own from there.
    let other = Lab::open(options());
    let fetch = async |lab: &Lab, digest: &str| {
        let get = ask(lab, "GET", &format!("/v2/app/blobs/{digest}")).await.answer(lab).await;
        bare("GET", get.header("location")).answer(lab).await.body
    };
    assert!(fetch(&other, &found).await == layer);
    let mut fork = Lab::new();
    fork.sandbox = lab.sandbox.fork(lab.sandbox.now());
    let config = crate::support::config(&fork.sandbox, aws_config::retry::RetryConfig::disabled());
    fork.ecr = aws_sdk_ecr::Client::new(&config);
    assert!(fetch(&fork, &found).await == layer);
    let own = upload(&fork, "app", b"own").await;
    assert_eq!(fetch(&fork, &own).await, b"own".as_slice());
    assert_eq!(names().len(), 1);

    // A broken upload leaves nothing once it is given up.
    let begun = ask(&lab, "POST", "/v2/app/blobs/uploads/").await.answer(&lab).await;
    let url = begun.header("location").to_owned();
    let patch = ask(&lab, "PATCH", &url).await.body(frames(&[Ok("01"), Err("gone")]));
    assert!(patch.send(&lab).await.is_err());
    assert_eq!(names().len(), 2);
    ask(&lab, "DELETE", &url).await.answer(&lab).await;
    assert_eq!(names().len(), 1);

    lab.ecr.delete_repository().repository_name("app").force(true).send().await.expect("deletes");
    assert_eq!(names().len(), 0);
    create(&lab, "app").await;
    upload(&lab, "app", b"again").await;
    assert_eq!(names().len(), 1);
    other.sandbox.reset().expect("resets");
    assert!(!folder.path().join("world.json.blobs").exists());
    let (gone, _) = refusal(lab.ecr.list_images().repository_name("app").send().await);
    assert_eq!(gone, "RepositoryNotFoundException");
}
