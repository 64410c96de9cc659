//! What a rollback takes away of images that bfd pushes, and what it leaves.

use crate::world::{World, context, properties, repeated, state};
use bfd_core::{ResourceState, Value};
use bfd_image::{Base, Files, Layout, RunConfig, Source, lay};
use bfd_provider::{Context, ErrorClass, Provider as _};
use bfd_sandbox::Fault;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

const URI: &str = "123456789012.dkr.ecr.ap-southeast-1.amazonaws.com/web";

/// A layout of one file, for a platform.
fn layout(directory: &Path, content: &str, platform: &str) -> Layout {
    fs::create_dir_all(directory).unwrap();
    let source = Source::Inline { bytes: content.as_bytes().to_vec(), executable: false };
    let files = Files {
        base: Base::Scratch,
        files: BTreeMap::from([("/app".to_owned(), source)]),
        platform: platform.parse().unwrap(),
        config: RunConfig::default(),
    };
    lay(&files, directory).unwrap()
}

/// An image on disk that is archived, as an input.
struct Archive {
    directory: TempDir,
    path: PathBuf,
    digest: String,
}

impl Archive {
    fn of(content: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let layout = layout(directory.path(), content, "linux/amd64");
        let (path, digest) = (layout.path().to_owned(), layout.root().digest.to_string());
        Self { directory, path, digest }
    }

    /// Two platforms behind one digest.
    fn of_two(content: &str) -> Self {
        let mut made = Self::of(content);
        let other = layout(&made.directory.path().join("arm"), content, "linux/arm64");
        let one = Layout::open(&made.path, None).unwrap();
        for blob in fs::read_dir(other.path().join("blobs/sha256")).unwrap() {
            let blob = blob.unwrap();
            fs::copy(blob.path(), made.path.join("blobs/sha256").join(blob.file_name())).unwrap();
        }
        let index = json!({
            "schemaVersion": 2, "mediaType": bfd_image::oci::INDEX,
            "manifests": [one.root(), other.root()],
        });
        let bytes = index.to_string();
        let digest = bfd_image::Digest::of(bytes.as_bytes());
        fs::write(made.path.join("blobs/sha256").join(digest.hex()), &bytes).unwrap();
        let root = json!({
            "mediaType": bfd_image::oci::INDEX, "digest": digest, "size": bytes.len(),
        });
        let index = json!({ "schemaVersion": 2, "manifests": [root] });
        fs::write(made.path.join("index.json"), index.to_string()).unwrap();
        made.digest = digest.to_string();
        made
    }

    fn inputs(&self, tag: &str) -> Value {
        json!({
            "origin": "archive", "repository": "web", "tag": tag, "content": self.digest,
            "digest": self.digest, "uri": format!("{URI}@{}", self.digest),
            "fallback_active": false, "make": { "archive": self.path },
        })
    }
}

fn with(mut inputs: Value, name: &str, value: impl Into<Value>) -> Value {
    inputs[name] = value.into();
    inputs
}

fn undoing() -> Context {
    Context { undo: true, ..context() }
}

async fn world(mutable: bool) -> World {
    let world = World::new().await;
    let mutability = if mutable { "mutable" } else { "immutable" };
    let repository = json!({ "name": "web", "tag_mutability": mutability });
    world.create("repository.web", &repository).await.unwrap();
    world
}

impl World {
    async fn undo(&self, at: &str, made: &ResourceState) {
        self.aws.delete(&crate::world::address(at), made, &undoing()).await.unwrap();
    }

    async fn restore_undone(&self, at: &str, made: &ResourceState, prior: &ResourceState) {
        self.aws.restore(&crate::world::address(at), made, prior, &undoing()).await.unwrap();
    }

    /// Somebody takes a tag off that is not the last one.
    async fn take_off(&self, tag: &str) {
        let id = aws_sdk_ecr::types::ImageIdentifier::builder().image_tag(tag).build();
        let request = self.ecr().batch_delete_image().repository_name("web").image_ids(id);
        request.send().await.unwrap();
    }

    /// What the repository has: digests with their tags.
    fn images(&self) -> BTreeMap<String, BTreeSet<String>> {
        let repository = &self.sandbox.snapshot()["ecr"]["repositories"]["web"];
        let mut images: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for digest in repository["images"].as_object().unwrap().keys() {
            images.insert(digest.clone(), BTreeSet::new());
        }
        for (tag, digest) in repository["labels"].as_object().into_iter().flatten() {
            images.entry(digest.as_str().unwrap().to_owned()).or_default().insert(tag.clone());
        }
        images
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_first_deployment_pushed_is_taken_away_with_all_its_platforms() {
    for archive in [Archive::of("one"), Archive::of_two("one")] {
        let world = world(false).await;
        let made = world.create("image.web", &archive.inputs("v1")).await.unwrap();
        assert_eq!(made.outputs["digest"], archive.digest.as_str());
        assert!(!world.images().is_empty());
        world.undo("image.web", &made).await;
        assert_eq!(world.images(), BTreeMap::new());
    }
}

/// Who may push to the repository of the CDK may not delete there, and need not.
#[tokio::test(start_paused = true)]
async fn what_has_a_tag_of_its_content_stays() {
    let archive = Archive::of("one");
    let world = world(false).await;
    let mut inputs = archive.inputs("by-content");
    inputs["existing_tag"] = json!("use");
    let made = world.create("image.web", &inputs).await.unwrap();
    let before = world.images();

    let ((), operations) = world.counting(world.undo("image.web", &made)).await;

    assert_eq!(operations, Vec::<String>::new());
    assert_eq!(world.images(), before);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_others_run_stays_whatever_is_known_of_the_undone_one() {
    let (world, archive) = (world(false).await, Archive::of("one"));
    world.create("image.a", &archive.inputs("prod")).await.unwrap();
    let before = world.images();
    let inputs = with(archive.inputs("dev"), "was_there", true);
    let made = world.create("image.b", &inputs).await.unwrap();
    world.undo("image.b", &made).await;
    assert_eq!(world.images(), before, "its own tag is gone, the image is not");
    // Nothing is known but what was planned: the process died.
    let unknown = ResourceState { outputs: properties(&json!({})), ..made };
    world.undo("image.b", &unknown).await;
    assert_eq!(world.images(), before);
}

#[tokio::test(start_paused = true)]
async fn what_a_process_pushed_before_it_died_is_taken_away() {
    let (world, archive) = (world(false).await, Archive::of("one"));
    world.create("image.web", &archive.inputs("v1")).await.unwrap();
    let at = crate::world::address("image.web");
    let again = world.aws.create(&at, &properties(&archive.inputs("v1")), &repeated()).await;
    let found = state("image.web", again.unwrap());
    world.undo("image.web", &found).await;
    assert_eq!(world.images(), BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_was_moved_goes_back_and_what_ran_before_stays() {
    let (world, one, two) = (world(true).await, Archive::of("one"), Archive::of("two"));
    let prior = world.create("image.web", &one.inputs("live")).await.unwrap();
    let before = world.images();
    let inputs = with(two.inputs("live"), "tag_was", one.digest.as_str());
    let made = world.update("image.web", &prior, &inputs).await.unwrap();
    assert_ne!(world.images(), before);
    world.restore_undone("image.web", &made, &prior).await;
    assert_eq!(world.images(), before);
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_somebody_moved_since_the_plan_is_left_alone() {
    let (world, one, two) = (world(true).await, Archive::of("one"), Archive::of("two"));
    world.create("image.other", &one.inputs("live")).await.unwrap();
    let before = world.images();
    let refused = world.create("image.web", &two.inputs("live")).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::ResourceConflict);
    assert!(refused.source.to_string().contains("was on no image when this was planned"));
    assert_eq!(world.images(), before);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_answers_nothing_costs_nobody_an_image() {
    let (world, archive) = (world(false).await, Archive::of("one"));
    world.create("image.a", &archive.inputs("prod")).await.unwrap();
    let before = world.images();
    world.sandbox.inject("ecr:BatchGetImage", Fault::AccessDenied);
    let at = crate::world::address("image.b");
    let inputs = properties(&with(archive.inputs("dev"), "was_there", true));
    let refused = world.aws.create(&at, &inputs, &repeated()).await.unwrap_err();
    if let Some(left) = refused.left {
        world.undo("image.b", &state("image.b", *left)).await;
    }
    assert_eq!(world.images(), before);
}

#[tokio::test(start_paused = true)]
async fn the_parts_of_an_index_go_even_when_the_undo_has_to_begin_again() {
    let (world, one, two) = (world(true).await, Archive::of_two("one"), Archive::of_two("two"));
    let prior = world.create("image.web", &one.inputs("live")).await.unwrap();
    let before = world.images();
    let inputs = with(two.inputs("live"), "tag_was", one.digest.as_str());
    let made = world.update("image.web", &prior, &inputs).await.unwrap();
    // The tag is back and the index gone; its parts are not when the undo is cut short.
    world.sandbox.inject("ecr:BatchDeleteImage", Fault::Delay(Duration::ZERO));
    world.sandbox.inject("ecr:BatchDeleteImage", Fault::AccessDenied);
    let at = crate::world::address("image.web");
    world.aws.restore(&at, &made, &prior, &undoing()).await.unwrap_err();
    assert_ne!(world.images(), before);
    world.restore_undone("image.web", &made, &prior).await;
    assert_eq!(world.images(), before);
}

#[tokio::test(start_paused = true)]
async fn the_parts_of_an_index_that_never_came_are_taken_away() {
    let (world, archive) = (world(false).await, Archive::of_two("one"));
    for fault in [Fault::Delay(Duration::ZERO), Fault::Delay(Duration::ZERO), Fault::AccessDenied] {
        world.sandbox.inject("ecr:PutImage", fault);
    }
    let refused = world.create("image.web", &archive.inputs("v1")).await.unwrap_err();
    assert_eq!(world.images().len(), 2, "both parts, and no index");
    let left = state("image.web", *refused.left.expect("it says what it left"));
    world.undo("image.web", &left).await;
    assert_eq!(world.images(), BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_older_than_the_run_stays_though_no_plan_knew_of_it() {
    let (world, archive) = (world(false).await, Archive::of("one"));
    world.create("image.a", &archive.inputs("theirs")).await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    // Nobody's tag is on it but the one that this run puts there.
    let made = world.create("image.b", &archive.inputs("ours")).await.unwrap();
    world.take_off("theirs").await;
    let began = Context { run_began: "2026-01-01T00:00:30Z".to_owned(), ..undoing() };
    world.aws.delete(&crate::world::address("image.b"), &made, &began).await.unwrap();
    assert_eq!(world.images().len(), 1, "it was there before the run");
    // By a run that began before the image was pushed it is taken away.
    world.undo("image.b", &made).await;
    assert_eq!(world.images(), BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_what_was_planned_is_not_pushed() {
    let (world, planned, now) = (world(false).await, Archive::of("one"), Archive::of("two"));
    let inputs = with(planned.inputs("v1"), "make", json!({ "archive": now.path }));
    let refused = world.create("image.web", &inputs).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Local);
    assert!(refused.source.to_string().contains("changed since it was planned"));
    assert_eq!(world.images(), BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_seen_at_once_is_looked_for_again_before_it_is_left() {
    let (world, archive) = (world(false).await, Archive::of("one"));
    let made = world.create("image.web", &archive.inputs("v1")).await.unwrap();
    world.sandbox.inject("ecr:BatchGetImage", bfd_sandbox::Fault::Stale(Duration::from_secs(30)));
    world.undo("image.web", &made).await;
    assert_eq!(world.images(), BTreeMap::new());
}

/// ECR tells whole seconds: in its own second a push is not older than the run.
#[tokio::test(start_paused = true)]
async fn an_image_of_the_second_in_which_the_run_began_is_its_own() {
    let (world, archive) = (world(false).await, Archive::of("one"));
    let made = world.create("image.web", &archive.inputs("v1")).await.unwrap();

    let second = end_of_second(world.sandbox.now());
    let began = Context { run_began: second, ..undoing() };
    world.aws.delete(&crate::world::address("image.web"), &made, &began).await.unwrap();
    assert_eq!(world.images(), BTreeMap::new());
}

/// The last moment of a second.
fn end_of_second(now: f64) -> String {
    let at = aws_smithy_types::DateTime::from_secs_f64(now.floor() + 0.999);
    at.fmt(aws_smithy_types::date_time::Format::DateTime).unwrap()
}
