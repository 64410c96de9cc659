//! The client of registries against one that others wrote.

use bfd_aws::{AwsProvider, Settings, registry::Reference};
use bfd_image::{Descriptor, Digest, Layout};
use bfd_provider::{Context, ErrorClass, Progress, Token};
use bfd_tests::{
    AwsCli, Fault, FaultProxy, Ministack, Registry,
    emulators::{ACCOUNT, REGION},
    registry::docker_config,
};
use serde_json::json;
use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The layer that the promises about time and memory are about.
const LARGE: u64 = 200_000_000;
/// What a push of it may take of memory, in KiB.
const MEMORY: u64 = 100 * 1024;

/// An image layout of one platform or more, each with one layer of random bytes.
struct Image {
    directory: TempDir,
}

impl Image {
    fn new(platforms: &[&str], layer: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("blobs/sha256")).unwrap();
        fs::write(directory.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
            .unwrap();
        let image = Self { directory };
        let manifests: Vec<_> = platforms.iter().map(|it| image.platform(it, layer)).collect();
        let root = match manifests.as_slice() {
            [only] => only.clone(),
            all => image.document(
                "application/vnd.oci.image.index.v1+json",
                &json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": all }),
            ),
        };
        let index = json!({ "schemaVersion": 2, "manifests": [root] });
        fs::write(image.path().join("index.json"), index.to_string()).unwrap();
        image
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn layout(&self) -> Layout {
        Layout::open(self.path(), None).unwrap()
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.path().join("blobs/sha256").join(digest.hex())
    }

    fn platform(&self, architecture: &str, layer: u64) -> serde_json::Value {
        let layer = self.random(layer);
        let config = json!({
            "architecture": architecture, "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
        });
        let config = self.document("application/vnd.oci.image.config.v1+json", &config);
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer],
        });
        let mut descriptor = self.document(media_type, &manifest);
        descriptor["platform"] = json!({ "architecture": architecture, "os": "linux" });
        descriptor
    }

    fn document(&self, media_type: &str, document: &serde_json::Value) -> serde_json::Value {
        let bytes = document.to_string();
        let digest = Digest::of(bytes.as_bytes());
        fs::write(self.blob(&digest), &bytes).unwrap();
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// A layer that nothing can make smaller, written as it is made.
    fn random(&self, size: u64) -> serde_json::Value {
        let path = self.path().join("random");
        // What begins like gzip is not packed again by a client that packs layers.
        let magic: &[u8] = &[0x1f, 0x8b, 8, 0];
        let mut random = magic.chain(File::open("/dev/urandom").unwrap()).take(size);
        let mut file = File::create(&path).unwrap();
        let mut hasher = bfd_image::oci::Hasher::default();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = random.read(&mut buffer).unwrap();
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            file.write_all(&buffer[..read]).unwrap();
        }
        let digest = hasher.finish();
        fs::rename(&path, self.blob(&digest)).unwrap();
        let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
        json!({ "mediaType": media_type, "digest": digest, "size": size })
    }

    fn layer(&self) -> Descriptor {
        self.layout().images().unwrap()[0].manifest.layers[0].clone()
    }
}

/// Somebody who may use the registries.
async fn signed_in(directory: &Path, hosts: &[String]) -> AwsProvider {
    connect(Some(docker_config(directory, hosts))).await
}

async fn connect(docker_config: Option<PathBuf>) -> AwsProvider {
    connect_to(None, docker_config).await
}

async fn connect_to(endpoint_url: Option<String>, docker_config: Option<PathBuf>) -> AwsProvider {
    let settings = Settings {
        region: "ap-southeast-1".to_owned(),
        endpoint_url,
        profile: None,
        transport: None,
        account: "123456789012".to_owned(),
        log_lines: Settings::LOG_LINES,
        docker_config,
        directory: PathBuf::new(),
        scratch: std::env::temp_dir(),
        templates: None,
    };
    AwsProvider::connect(settings, Arc::new(())).await.unwrap()
}

fn context() -> (Context, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&told);
    let context = Context {
        token: Token("run-1".to_owned()),
        repeated: false,
        run_began: String::new(),
        undo: false,
        progress: Progress::new(move |line| lines.lock().unwrap().push(line)),
        turn_back: CancellationToken::new(),
    };
    (context, told)
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

/// What `skopeo` makes of what is there: a client that was not written here.
fn skopeo(arguments: &[&str]) -> String {
    let output = Command::new("skopeo").args(arguments).output().expect("skopeo is installed");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn creds() -> String {
    format!("{}:{}", bfd_tests::registry::USER, bfd_tests::registry::PASSWORD)
}

#[tokio::test]
async fn an_image_for_two_platforms_is_pushed_and_copied_under_its_digest() {
    let registry = Registry::start();
    let image = Image::new(&["amd64", "arm64"], 300_000);
    let aws = signed_in(image.path(), &[registry.host()]).await;
    let to = reference(&format!("{}/team/web", registry.host()));
    let (context, told) = context();

    let layout = image.layout();
    let pushed = aws.aws().registry().push(&layout, &to, Some("v1"), &[], &context).await.unwrap();
    assert_eq!(pushed.digest, layout.root().digest);
    assert_eq!((pushed.uploaded, pushed.mounted, pushed.skipped), (4, 0, 0));
    assert_eq!(told.lock().unwrap().last().unwrap(), "layer 2 of 2, 0.6 of 0.6 MB");
    let name = format!("docker://{to}");
    let tagged = name.replace(":latest", ":v1");
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", "--creds", &creds(), &tagged]);
    assert_eq!(Digest::of(raw.as_bytes()), pushed.digest);

    let tagged = reference(&format!("{}/team/web:v1", registry.host()));
    let resolved = aws.aws().registry().resolve(&tagged).await.unwrap().unwrap();
    let platforms: Vec<String> = resolved.platforms.iter().map(ToString::to_string).collect();
    assert_eq!(resolved.descriptor.digest, pushed.digest);
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    assert_eq!(aws.aws().registry().resolve(&to).await.unwrap(), None, "nothing is `latest`");

    // Again, and there is nothing to do.
    let again = aws.aws().registry().push(&layout, &to, Some("v2"), &[], &context).await.unwrap();
    assert_eq!((again.uploaded, again.sent), (0, 0));

    // Into another repository no byte is sent.
    let prod = reference(&format!("{}/prod/web", registry.host()));
    let copied = aws.aws().registry().copy(&tagged, &prod, Some("v1"), &context).await.unwrap();
    assert_eq!(copied.digest, pushed.digest);
    assert_eq!((copied.uploaded, copied.mounted, copied.sent), (0, 4, 0));

    // Into another registry the bytes go through here.
    let other = Registry::start();
    let aws = signed_in(image.path(), &[registry.host(), other.host()]).await;
    let to = reference(&format!("{}/web", other.host()));
    let copied = aws.aws().registry().copy(&tagged, &to, Some("v1"), &context).await.unwrap();
    assert_eq!((copied.digest, copied.uploaded), (pushed.digest.clone(), 4));
    let digest = aws.aws().registry().digest(&reference(&format!("{}/web:v1", other.host()))).await;
    assert_eq!(digest.unwrap(), Some(pushed.digest));
}

#[tokio::test]
async fn a_tag_is_removed_and_brought_back() {
    let registry = Registry::start();
    let image = Image::new(&["amd64"], 1000);
    let aws = signed_in(image.path(), &[registry.host()]).await;
    let to = reference(&format!("{}/web", registry.host()));
    let (context, _) = context();
    let layout = image.layout();
    let digest = &layout.root().digest;
    let registry_of = aws.aws().registry();
    registry_of.push(&layout, &to, None, &[], &context).await.unwrap();
    let tagged = reference(&format!("{}/web:v1", registry.host()));
    assert_eq!(registry_of.digest(&tagged).await.unwrap(), None);
    registry_of.restore_tag(&to, "v1", digest).await.unwrap();
    assert_eq!(registry_of.digest(&tagged).await.unwrap().as_ref(), Some(digest));
    // This registry knows no removal of tags, and says so.
    let refused = registry_of.delete_tag(&to, "v1").await.unwrap_err();
    assert_eq!(refused.operation, "registry:DeleteManifest");
    assert!(refused.hint.unwrap().contains("does not let tags be removed"));
    let gone = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
    let refused = registry_of.restore_tag(&to, "v1", &gone).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::NotFound);
}

#[tokio::test]
async fn who_is_not_known_is_told_to_sign_in() {
    let registry = Registry::start();
    let image = Image::new(&["amd64"], 1000);
    let aws = connect(Some(image.path().join("not-there.json"))).await;
    let to = reference(&format!("{}/web", registry.host()));
    let (context, _) = context();
    let pushed = aws.aws().registry().push(&image.layout(), &to, Some("v1"), &[], &context).await;
    let refused = pushed.unwrap_err();
    assert_eq!(refused.class, ErrorClass::AccessDenied);
    assert_eq!(refused.hint.unwrap(), format!("sign in: `docker login {}`", registry.host()));
}

#[tokio::test]
async fn a_layer_that_changes_on_disk_is_not_finished() {
    let registry = Registry::start();
    let image = Image::new(&["amd64"], 2_000_000);
    let aws = signed_in(image.path(), &[registry.host()]).await;
    let to = reference(&format!("{}/web", registry.host()));
    let (context, _) = context();
    let layout = image.layout();
    let layer = image.layer();
    let mut bytes = fs::read(image.blob(&layer.digest)).unwrap();
    bytes[1_999_999] ^= 1;
    fs::write(image.blob(&layer.digest), bytes).unwrap();
    let pushed = aws.aws().registry().push(&layout, &to, Some("v1"), &[], &context).await;
    let refused = pushed.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Local, "{refused:?}");
    assert!(refused.to_failure().message.contains("has other bytes now"), "{refused:?}");
    let tagged = reference(&format!("{}/web:v1", registry.host()));
    assert_eq!(aws.aws().registry().digest(&tagged).await.unwrap(), None);
}

#[tokio::test]
async fn a_lost_answer_to_the_tag_is_looked_up() {
    let registry = Registry::start();
    let proxy = FaultProxy::in_front_of(&registry);
    let host = format!("127.0.0.1:{}", proxy.port());
    let image = Image::new(&["amd64"], 1000);
    let aws = signed_in(image.path(), std::slice::from_ref(&host)).await;
    let to = reference(&format!("{host}/web"));
    let (context, _) = context();
    proxy.inject([
        Fault::lost_answer("PUT /v2/web/manifests/v1"),
        Fault::lost_answer("PUT /v2/web/blobs/uploads"),
        Fault::internal_error("POST /v2/web/blobs/uploads"),
    ]);
    aws.aws().registry().push(&image.layout(), &to, Some("v1"), &[], &context).await.unwrap();
    assert_eq!(proxy.injected().len(), 3);
    let puts = proxy.requests().iter().filter(|it| it.contains("PUT /v2/web/manifests/v1")).count();
    assert_eq!(puts, 1, "what arrived is not sent again");
}

#[expect(clippy::print_stderr, reason = "the figures are worth to be seen, also when all is well")]
fn show(report: &str) {
    eprintln!("{report}");
}

/// Runs a test of this module again where its memory, or its environment, is its own.
fn in_a_process_of_its_own(name: &str, variables: &[(&str, String)]) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("registry::{name}")])
        .envs(variables.iter().map(|(variable, value)| (variable, value)))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}{complained}");
    assert!(said.contains("1 passed"), "{said}");
}

/// The push of a large layer whose connection is cut in its middle, in a process of its own,
/// which knows how much memory it took.
#[test]
fn a_large_layer_survives_a_cut_in_little_memory() {
    const CHILD: &str = "BFD_TEST_PUSH";
    if let Ok(arguments) = std::env::var(CHILD) {
        push_and_report(&arguments);
        return;
    }
    let registry = Registry::start();
    let proxy = FaultProxy::in_front_of(&registry);
    let image = Image::new(&["amd64"], LARGE);
    let own = image.path().display().to_string();
    let push = |host: &str| {
        let name = "a_large_layer_survives_a_cut_in_little_memory";
        in_a_process_of_its_own(name, &[(CHILD, format!("{own} {host}"))]);
        let line = fs::read_to_string(image.path().join("report")).unwrap();
        let numbers: Vec<u64> = line.split(' ').map(|it| it.parse().unwrap()).collect();
        (Duration::from_millis(numbers[0]), numbers[1])
    };

    let name = |repository: &str| format!("docker://{}/{repository}:v1", registry.host());
    let from = format!("oci:{own}");
    let copy = |to: &str| {
        let began = Instant::now();
        let (creds, to) = (creds(), format!("docker://{to}:v1"));
        skopeo(&["copy", "--dest-tls-verify=false", "--dest-creds", &creds, &from, &to]);
        began.elapsed()
    };
    // Side by side; the figures are for people, who know what else the machine had to do.
    let yardstick = copy(&format!("{}/skopeo", registry.host()));
    let (took, memory) = push(&format!("{}/ours", registry.host()));
    // The proxy takes its time as well.
    let behind = copy(&format!("127.0.0.1:{}/behind", proxy.port()));

    proxy.inject([Fault::cut("PATCH /v2/cut/", LARGE / 2)]);
    let (cut, cut_memory) = push(&format!("127.0.0.1:{}/cut", proxy.port()));
    assert_eq!(proxy.injected().len(), 1);
    let patches = proxy.requests().iter().filter(|it| it.contains("PATCH /v2/cut/")).count();
    assert_eq!(patches, 3, "the layer twice, and the configuration");
    let raw = |repository: &str| {
        skopeo(&["inspect", "--raw", "--tls-verify=false", "--creds", &creds(), &name(repository)])
    };
    assert_eq!(raw("ours"), raw("cut"));
    let report = format!(
        "skopeo {yardstick:?}, ours {took:?} and {memory} KiB; through a proxy skopeo {behind:?}, \
         ours with a cut in the middle {cut:?} and {cut_memory} KiB"
    );
    show(&report);
    assert!(memory < MEMORY && cut_memory < MEMORY, "{report}");
}

#[tokio::main]
async fn push_and_report(arguments: &str) {
    let (path, to) = arguments.split_once(' ').unwrap();
    let (path, to) = (Path::new(path), reference(to));
    let aws = signed_in(path, std::slice::from_ref(&to.registry)).await;
    let (context, _) = context();
    let layout = Layout::open(path, None).unwrap();
    let began = Instant::now();
    aws.aws().registry().push(&layout, &to, Some("v1"), &[], &context).await.unwrap();
    let took = began.elapsed().as_millis();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    fs::write(path.join("report"), format!("{took} {peak}")).unwrap();
}

/// Who a registry may be told we are may be known to a program only.
#[test]
fn a_credential_helper_is_asked() {
    const CHILD: &str = "BFD_TEST_HELPER";
    if let Ok(arguments) = std::env::var(CHILD) {
        look(&arguments);
        return;
    }
    let registry = Registry::start();
    let directory = tempfile::tempdir().unwrap();
    let helper = directory.path().join("docker-credential-of-a-test");
    let (user, password) = (bfd_tests::registry::USER, bfd_tests::registry::PASSWORD);
    let host = registry.host();
    let script = format!(
        "#!/bin/sh\nread registry\n[ \"$1 $registry\" = \"get {host}\" ] && \
         echo '{{\"Username\":\"{user}\",\"Secret\":\"{password}\"}}' && exit\n\
         echo 'credentials not found in native keychain'; exit 1\n"
    );
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).unwrap();
    let config = json!({ "credsStore": "of-a-test" }).to_string();
    fs::write(directory.path().join("config.json"), config).unwrap();
    let path = directory.path().display().to_string();
    let name = "a_credential_helper_is_asked";
    let path_of_programs = format!("{path}:/usr/bin:/bin");
    let variables = [(CHILD, format!("{path} {host}")), ("PATH", path_of_programs)];
    in_a_process_of_its_own(name, &variables);
}

#[tokio::main]
async fn look(arguments: &str) {
    let (path, host) = arguments.split_once(' ').unwrap();
    let path = Path::new(path);
    let aws = connect(Some(path.join("config.json"))).await;
    let web = reference(&format!("{host}/web"));
    assert_eq!(aws.aws().registry().digest(&web).await.unwrap(), None, "let in, and not there");

    // One that does not know the registry is no error; one that is not there is.
    fs::write(path.join("docker-credential-of-a-test"), "#!/bin/sh\necho not found; exit 1\n")
        .unwrap();
    let aws = connect(Some(path.join("config.json"))).await;
    let refused = aws.aws().registry().digest(&web).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::AccessDenied);
    fs::remove_file(path.join("docker-credential-of-a-test")).unwrap();
    let aws = connect(Some(path.join("config.json"))).await;
    let refused = aws.aws().registry().digest(&web).await.unwrap_err();
    assert_eq!(
        (refused.class, refused.operation.as_str()),
        (ErrorClass::Local, "registry:GetCredentials")
    );
    assert!(refused.to_failure().message.contains("`docker-credential-of-a-test` cannot be run"));
}

/// ECR, as ministack has it: its API and its registry are one.
#[test]
fn an_image_comes_to_the_environments_own_registry() {
    const CHILD: &str = "BFD_TEST_ECR";
    if let Ok(arguments) = std::env::var(CHILD) {
        push_to_ecr(&arguments);
        return;
    }
    let ministack = Ministack::start();
    let aws = AwsCli::new(ministack.url());
    aws.call(["ecr", "create-repository", "--repository-name", "web"]);
    aws.call([
        "ecr",
        "create-repository",
        "--repository-name",
        "prod",
        "--image-tag-mutability",
        "IMMUTABLE",
    ]);
    let image = Image::new(&["amd64", "arm64"], 300_000);
    let arguments = format!("{} {}", image.path().display(), ministack.url());
    let variables = [
        (CHILD, arguments),
        ("AWS_ACCESS_KEY_ID", ACCOUNT.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "of-a-test".to_owned()),
    ];
    in_a_process_of_its_own("an_image_comes_to_the_environments_own_registry", &variables);
    for repository in ["web", "prod"] {
        let images = aws.call(["ecr", "describe-images", "--repository-name", repository]);
        let details = images["imageDetails"].as_array().unwrap();
        let tagged = details.iter().find(|it| it["imageTags"] == json!(["v1"])).unwrap();
        assert_eq!(tagged["imageDigest"], image.layout().root().digest.as_str(), "{repository}");
    }
}

#[tokio::main]
async fn push_to_ecr(arguments: &str) {
    let (path, url) = arguments.split_once(' ').unwrap();
    let layout = Layout::open(Path::new(path), None).unwrap();
    let aws = connect_to(Some(url.to_owned()), None).await;
    let registry = aws.aws().registry();
    let (context, _) = context();
    let host = format!("{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com");
    let [web, prod] = ["web", "prod"].map(|it| reference(&format!("{host}/{it}:v1")));
    let digest = layout.root().digest.clone();
    let pushed = registry.push(&layout, &web, Some("v1"), &[], &context).await.unwrap();
    assert_eq!((pushed.digest, pushed.uploaded), (digest.clone(), 4));
    let copied = registry.copy(&web, &prod, Some("v1"), &context).await.unwrap();
    assert_eq!((copied.digest, copied.sent), (digest.clone(), 0));
    // The tag is immutable: the same image again is well, another is not.
    registry.push(&layout, &prod, Some("v1"), &[], &context).await.unwrap();
    let other = Image::new(&["amd64"], 1000);
    let refused =
        registry.push(&other.layout(), &prod, Some("v1"), &[], &context).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::AlreadyExists, "{refused:?}");
    assert!(refused.details[0].contains(digest.as_str()));

    registry.restore_tag(&web, "v0", &digest).await.unwrap();
    let v0 = reference(&format!("{host}/web:v0"));
    assert_eq!(registry.digest(&v0).await.unwrap(), Some(digest.clone()));
    registry.delete_tag(&web, "v0").await.unwrap();
    assert_eq!(registry.digest(&v0).await.unwrap(), None);
    // ministack has removed the whole image, which AWS does with the last tag only.
    registry.delete_tag(&web, "v0").await.unwrap();
    let refused = registry.restore_tag(&web, "v0", &digest).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::NotFound);
    registry.push(&layout, &web, Some("v1"), &[], &context).await.unwrap();
}
