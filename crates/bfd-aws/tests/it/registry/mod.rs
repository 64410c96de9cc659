//! What registries do that Debian's does not: ECR's ways, tokens, redirects, silence.

mod fake;

use crate::world::{World, context};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bfd_aws::{
    AwsProvider, Settings, Transport,
    registry::{Pushed, Reference},
};
use bfd_image::{Digest, Layout};
use bfd_provider::{ErrorClass, ProviderError};
use bfd_sandbox::{Options, Sandbox};
use fake::{Fake, Fault};
use serde_json::{Value, json};
use std::{fs, path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;

const ECR: &str = "123456789012.dkr.ecr.ap-southeast-1.amazonaws.com";
const HOST: &str = "registry.example";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// `AWS:x`.
const BASIC: &str = "Basic QVdTOng=";
/// Two frames and a bit.
const LAYER: usize = 600_000;

/// A connection to a registry in memory, in virtual time, and an image on disk.
struct Place {
    fake: Fake,
    sandbox: Sandbox,
    aws: AwsProvider,
    directory: TempDir,
}

impl Place {
    async fn new() -> Self {
        let place = Self::of(tempfile::tempdir().unwrap(), Fake::default()).await;
        place.write_image();
        place
    }

    /// The same registry and image, and a connection that knows nothing.
    async fn again(self) -> Self {
        Self::of(self.directory, self.fake).await
    }

    async fn of(directory: TempDir, fake: Fake) -> Self {
        let sandbox = Sandbox::open(Options::default()).unwrap();
        let client = SharedHttpClient::new(fake.clone());
        let settings = Settings {
            region: "ap-southeast-1".to_owned(),
            endpoint_url: None,
            profile: None,
            transport: Some(Transport::new(client, sandbox.time_source(), sandbox.sleep())),
            account: "123456789012".to_owned(),
            log_lines: Settings::LOG_LINES,
            docker_config: Some(directory.path().join("config.json")),
            directory: PathBuf::new(),
            scratch: std::env::temp_dir(),
            templates: None,
        };
        let aws = AwsProvider::connect(settings, Arc::new(())).await.unwrap();
        Self { fake, sandbox, aws, directory }
    }

    async fn ecr() -> Self {
        let place = Self::new().await;
        let mut state = place.fake.state();
        state.is_ecr = true;
        state.wants = Some(BASIC.to_owned());
        state.now = place.sandbox.now();
        state.token_life = 43_200.0;
        drop(state);
        place
    }

    fn blob(&self, bytes: &[u8], media_type: &str) -> Value {
        let digest = Digest::of(bytes);
        fs::write(self.path(&digest), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.path().join("blobs/sha256").join(digest.hex())
    }

    fn write_image(&self) {
        fs::create_dir_all(self.directory.path().join("blobs/sha256")).unwrap();
        let bytes: Vec<u8> = (0..LAYER).map(|at| u8::try_from(at * at % 251).unwrap()).collect();
        let layer = self.blob(&bytes, "application/vnd.oci.image.layer.v1.tar+gzip");
        let foreign = json!({
            "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "digest": Digest::of(b"windows"), "size": 7, "urls": ["https://elsewhere/7"],
        });
        let config = json!({ "architecture": "arm64", "os": "linux" }).to_string();
        let config = self.blob(config.as_bytes(), "application/vnd.oci.image.config.v1+json");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config,
            "layers": [layer, foreign],
        });
        let manifest = self.blob(manifest.to_string().as_bytes(), MANIFEST);
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string();
        fs::write(self.directory.path().join("index.json"), index).unwrap();
    }

    fn layout(&self) -> Layout {
        Layout::open(self.directory.path(), None).unwrap()
    }

    fn digest(&self) -> Digest {
        self.layout().root().digest.clone()
    }

    fn layer(&self) -> Digest {
        self.layout().images().unwrap()[0].manifest.layers[0].digest.clone()
    }

    async fn push(&self, to: &str, from: &[&str]) -> Result<Pushed, ProviderError> {
        let from: Vec<String> = from.iter().map(|it| (*it).to_owned()).collect();
        let registry = self.aws.aws().registry();
        let to = to.parse::<Reference>().unwrap();
        registry.push(&self.layout(), &to, Some("v1"), &from, &context()).await
    }

    /// Everything is there, and the tag is the image.
    fn assert_complete(&self, repository: &str) {
        let state = self.fake.state();
        let key = |it: &str| (repository.to_owned(), it.to_owned());
        let manifest = &state.manifests[&key("v1")];
        assert_eq!(Digest::of(manifest), self.digest());
        assert_eq!(state.manifests[&key(self.digest().as_str())], *manifest);
        let layer = fs::read(self.path(&self.layer())).unwrap();
        assert!(state.blobs[&key(self.layer().as_str())] == layer);
        assert_eq!(state.blobs.keys().filter(|(it, _)| it == repository).count(), 2);
    }

    /// Nothing is under the tag.
    fn assert_untagged(&self) {
        assert!(!self.fake.state().manifests.contains_key(&("web".to_owned(), "v1".to_owned())));
    }
}

fn everything(error: &ProviderError) -> String {
    format!("{error:?} {:?}", error.to_failure())
}

#[tokio::test(start_paused = true)]
async fn ecr_is_told_who_asks_and_gets_each_blob_in_one_body() {
    let place = Place::ecr().await;
    let pushed = place.push(&format!("{ECR}/web"), &[]).await.unwrap();
    place.assert_complete("web");
    assert_eq!((pushed.digest, pushed.uploaded), (place.digest(), 2));
    assert_eq!(place.fake.count("POST api.ecr.ap-southeast-1.amazonaws.com"), 1, "one token");
    assert_eq!(place.fake.count(&format!("PATCH {ECR}")), 2);
    let log = place.fake.state().log.clone();
    assert!(log.iter().skip(1).all(|(_, who)| who.as_deref() == Some(BASIC)), "{log:?}");
    let puts: Vec<_> = log.iter().filter(|(it, _)| it.contains("/manifests/v1")).collect();
    assert_eq!(puts.len(), 2, "the tag is put once, and looked at once: {puts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_of_ecr_is_not_used_in_its_last_half_hour() {
    let place = Place::ecr().await;
    let name: Reference = format!("{ECR}/web:v1").parse().unwrap();
    let tokens = || place.fake.count("POST api.ecr.");
    place.aws.aws().registry().digest(&name).await.unwrap();
    tokio::time::sleep(Duration::from_mins(11 * 60 + 29)).await;
    place.aws.aws().registry().digest(&name).await.unwrap();
    assert_eq!(tokens(), 1);
    tokio::time::sleep(Duration::from_mins(2)).await;
    place.fake.state().now = place.sandbox.now();
    place.aws.aws().registry().digest(&name).await.unwrap();
    assert_eq!(tokens(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_asks_meanwhile_waits_for_the_same_token() {
    let place = Place::ecr().await;
    let names = ["web", "api", "worker"].map(|name| format!("{ECR}/{name}:v1").parse().unwrap());
    let registry = place.aws.aws().registry();
    let [one, two, three] = &names;
    let (one, two, three) =
        tokio::join!(registry.digest(one), registry.digest(two), registry.digest(three));
    assert!([one, two, three].iter().all(Result::is_ok));
    assert_eq!(place.fake.count("POST api.ecr."), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_cut_ecr_gets_the_blob_from_its_beginning() {
    let place = Place::ecr().await;
    place.fake.inject(&format!("PATCH {ECR}/v2/web/blobs/uploads/"), Fault::Cut(300_000));
    place.push(&format!("{ECR}/web"), &[]).await.unwrap();
    place.assert_complete("web");
    assert_eq!(place.fake.count(&format!("POST {ECR}/v2/web/blobs/uploads/")), 3);
    let log = place.fake.state().log.clone();
    assert!(!log.iter().any(|(it, _)| it.contains("-599999")), "no second body: {log:?}");
}

#[tokio::test(start_paused = true)]
async fn elsewhere_it_goes_on_where_it_was_cut() {
    let place = Place::new().await;
    place.fake.inject(&format!("PATCH {HOST}/v2/web/blobs/uploads/"), Fault::Cut(300_000));
    place.push(&format!("{HOST}/web"), &[]).await.unwrap();
    place.assert_complete("web");
    // The one that was begun in case that the first is unknown is given up.
    assert_eq!(place.fake.count(&format!("POST {HOST}/v2/web/blobs/uploads/")), 3);
    assert_eq!(place.fake.count(&format!("DELETE {HOST}/v2/web/blobs/uploads/")), 1);
    let log = place.fake.state().log.clone();
    assert!(log.iter().any(|(it, _)| it.ends_with(" 300000-599999")), "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn lost_answers_are_looked_up() {
    let place = Place::new().await;
    place.fake.inject(&format!("PUT {HOST}/v2/web/blobs/"), Fault::Lost);
    place.fake.inject(&format!("PUT {HOST}/v2/web/manifests/v1"), Fault::Lost);
    place.push(&format!("{HOST}/web"), &[]).await.unwrap();
    place.assert_complete("web");
    assert_eq!(place.fake.count("PATCH"), 2, "no byte is sent twice");
    assert_eq!(place.fake.count(&format!("PUT {HOST}/v2/web/manifests/v1")), 1);
}

#[tokio::test(start_paused = true)]
async fn an_upload_on_which_nothing_moves_is_broken_off() {
    let place = Place::new().await;
    place.fake.inject(&format!("PATCH {HOST}/"), Fault::Stalled);
    let began = place.sandbox.now();
    place.push(&format!("{HOST}/web"), &[]).await.unwrap();
    place.assert_complete("web");
    let took = place.sandbox.now() - began;
    assert!((30.0..36.0).contains(&took), "{took} s");

    // Five attempts of the layer, and as many of the configuration.
    let place = place.again().await;
    for _ in 0..10 {
        place.fake.inject(&format!("PATCH {HOST}/v2/other"), Fault::Stalled);
    }
    let refused = place.push(&format!("{HOST}/other"), &[]).await.unwrap_err();
    assert_eq!(
        (refused.class, refused.operation.as_str()),
        (ErrorClass::NetworkFailure, "registry:PutLayer")
    );
    let told = everything(&refused);
    assert!(told.contains("nothing moved between here and https://registry.example"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_layer_of_another_repository_is_taken_over_or_else_sent() {
    let place = Place::new().await;
    place.push(&format!("{HOST}/base"), &[]).await.unwrap();
    // Another process, which has seen nothing yet.
    let place = place.again().await;
    let pushed = place.push(&format!("{HOST}/web"), &["other", "base"]).await.unwrap();
    assert_eq!((pushed.mounted, pushed.uploaded, pushed.sent), (2, 0, 0));
    place.assert_complete("web");

    // The registry would rather have the bytes: what it has begun is gone on with.
    place.fake.state().no_mounts = true;
    let pushed = place.push(&format!("{HOST}/more"), &["base"]).await.unwrap();
    assert_eq!((pushed.mounted, pushed.uploaded), (0, 2));
    assert_eq!(place.fake.count(&format!("POST {HOST}/v2/more/blobs/uploads/")), 2);
    place.assert_complete("more");
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_was_just_sent_elsewhere_is_taken_over_unasked() {
    let place = Place::new().await;
    place.push(&format!("{HOST}/base"), &[]).await.unwrap();
    let looks = || place.fake.count(&format!("HEAD {HOST}/v2/base/blobs/"));
    let before = looks();

    let pushed = place.push(&format!("{HOST}/web"), &[]).await.unwrap();

    assert_eq!((pushed.mounted, pushed.uploaded, pushed.sent), (2, 0, 0));
    place.assert_complete("web");
    assert_eq!(looks(), before, "where it is, is known");

    // Of another registry nothing is known.
    place.fake.state().blobs.clear();
    place.fake.state().manifests.clear();
    let pushed = place.push("other.example/web", &[]).await.unwrap();
    assert_eq!((pushed.mounted, pushed.uploaded), (0, 2));
    let asked = place.fake.state().log.clone();
    let mounts = asked.iter().filter(|(it, _)| it.contains("mount=")).count();
    assert_eq!(mounts, 2, "of both blobs, in the first registry: {asked:?}");
}

#[tokio::test(start_paused = true)]
async fn an_immutable_tag_may_be_pushed_again_and_not_moved() {
    let place = Place::ecr().await;
    place.fake.state().is_immutable = true;
    let to = format!("{ECR}/web");
    place.push(&to, &[]).await.unwrap();
    place.push(&to, &[]).await.unwrap();

    let other = json!({ "mediaType": MANIFEST }).to_string().into_bytes();
    let there = Digest::of(&other);
    place.fake.state().manifests.insert(("web".to_owned(), "v1".to_owned()), other);
    let refused = place.push(&to, &[]).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::AlreadyExists);
    let detail = refused.details.concat();
    assert!(
        detail.contains(there.as_str()) && detail.contains(place.digest().as_str()),
        "{detail}"
    );
    assert!(refused.hint.unwrap().contains("tag_mutability = \"mutable\""));
}

#[tokio::test(start_paused = true)]
async fn a_denial_says_what_is_missing_and_leaves_no_tag() {
    let place = Place::ecr().await;
    place
        .fake
        .inject(&format!("PUT {ECR}/v2/web/manifests/"), Fault::Refused(403, "DENIED", vec![]));
    let refused = place.push(&format!("{ECR}/web"), &[]).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::AccessDenied);
    assert!(refused.hint.as_ref().unwrap().contains("`ecr:PutImage`"));
    assert!(!everything(&refused).contains("QVdTOng"), "no credentials in errors");
    place.assert_untagged();

    // Who may not move a tag is not told that nobody may.
    let other = json!({ "mediaType": MANIFEST }).to_string().into_bytes();
    place.fake.state().manifests.insert(("web".to_owned(), "v1".to_owned()), other);
    let tag = format!("PUT {ECR}/v2/web/manifests/v1");
    place.fake.inject(&tag, Fault::Refused(403, "DENIED", vec![]));
    let refused = place.push(&format!("{ECR}/web"), &[]).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::AccessDenied);

    // A disk that is full stays full.
    let place = Place::new().await;
    for _ in 0..10 {
        let full = Fault::Refused(507, "UNKNOWN: no space left on device", vec![]);
        place.fake.inject(&format!("PATCH {HOST}/"), full);
    }
    let refused = place.push(&format!("{HOST}/web"), &[]).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::ServiceInternalError);
    assert!(place.fake.count(&format!("DELETE {HOST}/v2/web/blobs/uploads/")) > 0, "given up");
    place.assert_untagged();
}

#[tokio::test(start_paused = true)]
async fn tokens_are_asked_for_as_the_challenge_says() {
    let place = Place::new().await;
    {
        let mut state = place.fake.state();
        state.wants = Some("Bearer the-token".to_owned());
        state.challenge =
            r#"Bearer realm="https://auth.example/token?a=b",service="it""#.to_owned();
    }
    place.push(&format!("{HOST}/web"), &["base"]).await.unwrap();
    place.assert_complete("web");
    let asked = "GET auth.example/token?a=b&service=it&scope=repository:web:pull,push\
                 &scope=repository:base:pull";
    assert_eq!(place.fake.count("GET auth.example"), 1);
    assert_eq!(place.fake.count(asked), 1, "{:?}", place.fake.state().log);
    let who = |place: &Place| {
        let log = place.fake.state().log.clone();
        log.into_iter().find(|(it, _)| it.starts_with("GET auth.example")).unwrap().1
    };
    assert_eq!(who(&place), None, "nobody in particular");

    // With credentials; and again when the token is no longer good.
    let config = json!({ "auths": { HOST: { "auth": "QVdTOng=" } } }).to_string();
    fs::write(place.directory.path().join("config.json"), config).unwrap();
    place.fake.state().log.clear();
    place.fake.state().wants = Some("Bearer another".to_owned());
    place.push(&format!("{HOST}/web"), &["base"]).await.unwrap();
    assert_eq!(who(&place).as_deref(), Some(BASIC));
    assert_eq!(place.fake.count("GET auth.example"), 1);

    // One that has run out when all bytes are there costs none of them.
    let place = place.again().await;
    place.fake.state().log.clear();
    let challenge = place.fake.state().challenge.clone();
    let ran_out = Fault::Refused(401, "UNAUTHORIZED", vec![("www-authenticate", challenge)]);
    place.fake.inject(&format!("PUT {HOST}/v2/late/blobs/"), ran_out);
    place.push(&format!("{HOST}/late"), &[]).await.unwrap();
    assert_eq!(place.fake.count("PATCH"), 2);

    // Without TLS nobody is told a password.
    place.fake.state().challenge = r#"Bearer realm="http://auth.example/token""#.to_owned();
    place.fake.state().wants = Some("Bearer a-third".to_owned());
    place.fake.state().log.clear();
    let refused = place.push(&format!("{HOST}/web"), &[]).await.unwrap_err();
    assert!(everything(&refused).contains("without TLS"), "{refused:?}");
    assert_eq!(place.fake.count("GET auth.example"), 0);
}

#[tokio::test(start_paused = true)]
async fn other_hosts_are_not_told_who_asks() {
    let place = Place::ecr().await;
    place.push(&format!("{ECR}/web"), &[]).await.unwrap();
    place.fake.state().log.clear();
    // ECR sends those who read to S3, and this registry has its uploads elsewhere.
    let elsewhere = vec![("location", "https://bucket.example/layer?signature=1".to_owned())];
    let layer = format!("GET {ECR}/v2/web/blobs/{}", place.layer());
    place.fake.inject(&layer, Fault::Refused(307, "", elsewhere));
    place.fake.inject("GET bucket.example/", Fault::Refused(403, "EXPIRED", vec![]));
    let registry = place.aws.aws().registry();
    let from: Reference = format!("{ECR}/web:v1").parse().unwrap();
    let to: Reference = format!("{ECR}/prod").parse().unwrap();
    place.fake.state().no_mounts = true;
    let refused = registry.copy(&from, &to, Some("v1"), &context()).await.unwrap_err();
    assert!(!everything(&refused).contains("signature"), "{refused:?}");
    let log = place.fake.state().log.clone();
    let (_, who) = log.iter().find(|(it, _)| it.starts_with("GET bucket.example/layer")).unwrap();
    assert_eq!(*who, None);

    let copied = registry.copy(&from, &to, Some("v1"), &context()).await.unwrap();
    assert_eq!((copied.digest, copied.uploaded), (place.digest(), 2));
    place.assert_complete("prod");

    place.fake.state().log.clear();
    let uploads = vec![("location", "https://uploads.example/v2/x/blobs/uploads/none".to_owned())];
    place.fake.inject(&format!("POST {ECR}/v2/more"), Fault::Refused(202, "", uploads));
    place.push(&format!("{ECR}/more"), &[]).await.unwrap();
    let log = place.fake.state().log.clone();
    let there: Vec<_> =
        log.iter().filter(|(it, _)| it.starts_with("PATCH uploads.example")).collect();
    assert!(!there.is_empty() && there.iter().all(|(_, who)| who.is_none()), "{there:?}");
}

#[tokio::test(start_paused = true)]
async fn who_turns_back_leaves_no_tag() {
    let place = Place::new().await;
    place.fake.inject(&format!("PATCH {HOST}/"), Fault::Stalled);
    let context = context();
    let turn_back = context.turn_back.clone();
    let registry = place.aws.aws().registry();
    let to: Reference = format!("{HOST}/web").parse().unwrap();
    let layout = place.layout();
    let push = registry.push(&layout, &to, Some("v1"), &[], &context);
    let (pushed, ()) = tokio::join!(push, async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        turn_back.cancel();
    });
    assert_eq!(pushed.unwrap_err().class, ErrorClass::Canceled);
    place.assert_untagged();
}

/// By ECR's own API, as the sandbox has it.
#[tokio::test(start_paused = true)]
async fn a_tag_of_ecr_is_removed_and_brought_back() {
    let world = World::new().await;
    world.create("repository.web", &json!({ "name": "web" })).await.unwrap();
    let digest: Digest = world.sandbox.push_image("web", "v1").parse().unwrap();
    let registry = world.aws.aws().registry();
    let web: Reference = format!("{ECR}/web").parse().unwrap();
    let look = async |tag: &str| {
        let wanted = json!({ "source": "x", "repository": "web", "reference": tag });
        let outputs = world.find("image.web", &wanted).await.unwrap().object.outputs;
        outputs.get("digest").cloned()
    };
    registry.restore_tag(&web, "v0", &digest).await.unwrap();
    registry.restore_tag(&web, "v0", &digest).await.unwrap();
    assert_eq!(look("v0").await, Some(json!(digest)));
    registry.delete_tag(&web, "v0").await.unwrap();
    registry.delete_tag(&web, "v0").await.unwrap();
    assert_eq!((look("v0").await, look("v1").await), (None, Some(json!(digest))));
    let gone = Digest::of(b"gone");
    let refused = registry.restore_tag(&web, "v0", &gone).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::NotFound);
    let nowhere: Reference = format!("{ECR}/nowhere").parse().unwrap();
    registry.delete_tag(&nowhere, "v0").await.unwrap();
}
