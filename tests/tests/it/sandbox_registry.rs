//! The registry of `bfd sandbox serve`, to a client that pushes to ECR every day.

use std::fs;
use std::path::{Path, PathBuf};

use bfd_tests::{AwsCli, Project};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const MANIFEST: &str = r#"[environment]
name = "images"
account = "123456789012"
region = "ap-southeast-1"

[provider]
kind = "sandbox"
"#;

/// Writes a blob of an OCI layout, and describes it.
fn blob(layout: &Path, media_type: &str, bytes: &[u8]) -> Value {
    let hex =
        Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let folder = layout.join("blobs/sha256");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(&hex), bytes).expect("writes");
    json!({
        "mediaType": format!("application/vnd.oci.image.{media_type}"),
        "digest": format!("sha256:{hex}"),
        "size": bytes.len(),
    })
}

/// An OCI layout with one image of `size` bytes, and the image's digest.
fn layout(folder: &Path, size: usize) -> (PathBuf, String) {
    let layout = folder.join("layout");
    // Two blocks of zeros end an empty archive, and as many more as one likes.
    let layer = blob(&layout, "layer.v1.tar", &vec![0; size]);
    let config = json!({
        "os": "linux",
        "architecture": "amd64",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
    });
    let config = blob(&layout, "config.v1+json", config.to_string().as_bytes());
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer],
    });
    let mut manifest = blob(&layout, "manifest.v1+json", manifest.to_string().as_bytes());
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "v1" });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(layout.join("index.json"), index.to_string()).expect("writes");
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("writes");
    (layout, manifest["digest"].as_str().expect("a digest").to_owned())
}

#[test]
fn skopeo_pushes_and_pulls() {
    let project = Project::new("images", MANIFEST);
    let server = project.serve();
    let aws = AwsCli::new(server.url());
    aws.call(["ecr", "create-repository", "--repository-name", "team/app"]);
    let password = aws.try_call(["ecr", "get-login-password"]).succeeds().stdout;
    let credentials = format!("AWS:{}", password.trim());
    let host = server.url().trim_start_matches("http://").to_owned();
    let remote = format!("docker://{host}/team/app");
    let folder = tempfile::tempdir().expect("a folder");
    let (source, digest) = layout(folder.path(), 9_000_000);
    let skopeo = |arguments: &[&str]| {
        let skopeo = project.workspace().command("skopeo").arg("--insecure-policy");
        skopeo.args(arguments)
    };
    let source = format!("oci:{}:v1", source.display());

    let tagged = format!("{remote}:v1");
    let refused = skopeo(&["copy", "--dest-tls-verify=false", "--dest-creds", "AWS:x"]);
    refused.args([&source, &tagged]).run().exits(1).says("403 (Forbidden)");
    let push =
        ["copy", "--preserve-digests", "--dest-tls-verify=false", "--dest-creds", &credentials];
    let missing = format!("docker://{host}/other:v1");
    skopeo(&push).args([&source, &missing]).run().exits(1).says("does not exist in the registry");
    skopeo(&push).args([&source, &tagged]).run().succeeds();

    let images = aws.call(["ecr", "describe-images", "--repository-name", "team/app"]);
    let image = &images["imageDetails"][0];
    assert_eq!(image["imageDigest"], digest, "{image}");
    assert_eq!(image["imageTags"], json!(["v1"]));

    let pulled = folder.path().join("pulled");
    let target = format!("oci:{}:v1", pulled.display());
    let pinned = format!("{remote}@{digest}");
    let pull =
        ["copy", "--preserve-digests", "--src-tls-verify=false", "--src-creds", &credentials];
    skopeo(&pull).args([&pinned, &target]).run().succeeds();
    let index = fs::read_to_string(pulled.join("index.json")).expect("reads");
    let index: Value = serde_json::from_str(&index).expect("JSON");
    assert_eq!(index["manifests"][0]["digest"], digest);
    // What was pushed is shown to who comes later, too.
    let list = ["list-tags", "--tls-verify=false", "--creds", &credentials, &remote];
    let list = skopeo(&list).run().succeeds().json();
    assert_eq!(list["Tags"], json!(["v1"]));

    // To a new tag with nothing but the manifest, then from one repository to another.
    aws.call(["ecr", "create-repository", "--repository-name", "second"]);
    let second = format!("docker://{host}/second:v1");
    let both = [&push[..], &pull[2..]].concat();
    skopeo(&both).args([&tagged, &second]).run().succeeds();
    let images = aws.call(["ecr", "describe-images", "--repository-name", "second"]);
    assert_eq!(images["imageDetails"][0]["imageDigest"], digest);
}
