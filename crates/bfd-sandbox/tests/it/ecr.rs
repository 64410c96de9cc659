//! Repositories, images and layers.

use aws_sdk_ecr::primitives::Blob;
use aws_sdk_ecr::types::{ImageIdentifier, ImageTagMutability, Tag};

use crate::support::{Lab, REGISTRY, code, refusal};

/// The hash of the bytes `layer`, as `sha256sum` says.
const LAYER: &str = "sha256:5b4d5c6e3c8d2cf6f9d7aeb2ed1a4b0c2f7e8a5d0d5f1b6b9e3a7c1f0e2d4b6a";

#[tokio::test(start_paused = true)]
async fn repositories_page_and_have_limits() {
    let lab = Lab::new();
    for n in 0..105 {
        lab.ecr
            .create_repository()
            .repository_name(format!("app-{n:03}"))
            .send()
            .await
            .expect("creates");
    }
    let read = || lab.ecr.describe_repositories();
    let first = read().send().await.expect("describes");
    assert_eq!(first.repositories().len(), 100);
    let rest =
        read().next_token(first.next_token().expect("more")).send().await.expect("describes");
    assert_eq!((rest.repositories().len(), rest.next_token()), (5, None));
    assert_eq!(read().max_results(1000).send().await.expect("describes").repositories().len(), 105);
    assert_eq!(code(read().max_results(1001).send().await), "InvalidParameterException");

    let names = |count: usize| Some((0..count).map(|n| format!("app-{n:03}")).collect());
    let page = read().set_repository_names(names(100)).send().await.expect("describes");
    assert_eq!(page.repositories().len(), 100);
    assert_eq!(
        code(read().set_repository_names(names(101)).send().await),
        "InvalidParameterException"
    );
    // One that is missing fails them all.
    let (code, message) =
        refusal(read().repository_names("app-000").repository_names("other").send().await);
    assert_eq!(code, "RepositoryNotFoundException");
    assert_eq!(
        message,
        "The repository with name 'other' does not exist in the registry with id '123456789012'"
    );
}

#[tokio::test(start_paused = true)]
async fn repositories_keep_what_was_declared() {
    let lab = Lab::new();
    let create = lab.ecr.create_repository().repository_name("team/app");
    let tag = Tag::builder().key("a").value("b").build().expect("a tag");
    let create = create.image_tag_mutability(ImageTagMutability::Immutable).tags(tag);
    let made = create.clone().send().await.expect("creates").repository.expect("a repository");
    assert_eq!(made.repository_uri(), Some(format!("{REGISTRY}/team/app").as_str()));
    assert_eq!(made.image_scanning_configuration().map(|it| it.scan_on_push), Some(false));
    assert_eq!(code(create.send().await), "RepositoryAlreadyExistsException");
    for wrong in ["A", "app/", "app..x", "-app", "x"] {
        let create = lab.ecr.create_repository().repository_name(wrong).send().await;
        assert_eq!(code(create), "InvalidParameterException", "{wrong}");
    }
    let tags =
        lab.ecr.list_tags_for_resource().resource_arn(made.repository_arn().expect("an ARN"));
    assert_eq!(tags.send().await.expect("lists").tags()[0].value(), "b");

    let policy = || lab.ecr.get_lifecycle_policy().repository_name("team/app");
    assert_eq!(code(policy().send().await), "LifecyclePolicyNotFoundException");
    let put = |text: &str| {
        lab.ecr
            .put_lifecycle_policy()
            .repository_name("team/app")
            .lifecycle_policy_text(text)
            .send()
    };
    assert_eq!(code(put("{").await), "InvalidParameterException");
    let text = r#"{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":100},"action":{"type":"expire"}}]}"#;
    put(text).await.expect("puts");
    assert_eq!(policy().send().await.expect("gets").lifecycle_policy_text(), Some(text));
    lab.ecr.delete_lifecycle_policy().repository_name("team/app").send().await.expect("deletes");
    let access = lab.ecr.get_repository_policy().repository_name("team/app").send().await;
    assert_eq!(code(access), "RepositoryPolicyNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn tags_are_immutable_where_declared() {
    let lab = Lab::new();
    lab.ecr
        .create_repository()
        .repository_name("app")
        .image_tag_mutability(ImageTagMutability::Immutable)
        .send()
        .await
        .expect("creates");
    let digest = lab.sandbox.push_image("app", "v1");
    lab.sandbox.push_image("app", "v2");
    let manifest = async |tag: &str| {
        let id = ImageIdentifier::builder().image_tag(tag).build();
        let read = lab.ecr.batch_get_image().repository_name("app").image_ids(id).send().await;
        read.expect("gets").images()[0].image_manifest().expect("a manifest").to_owned()
    };
    let (first, second) = (manifest("v1").await, manifest("v2").await);
    let put = |tag: &str, manifest: &str| {
        lab.ecr.put_image().repository_name("app").image_tag(tag).image_manifest(manifest).send()
    };
    assert_eq!(code(put("v1", &first).await), "ImageAlreadyExistsException");
    assert_eq!(code(put("v1", &second).await), "ImageTagAlreadyExistsException");
    put("latest", &first).await.expect("another tag on the same image");

    let detail = lab.ecr.describe_images().repository_name("app");
    let id = ImageIdentifier::builder().image_digest(&digest).build();
    let detail = detail.image_ids(id).send().await.expect("describes");
    assert_eq!(detail.image_details()[0].image_tags(), ["latest", "v1"]);

    let mutable = lab.ecr.put_image_tag_mutability().repository_name("app");
    mutable.image_tag_mutability(ImageTagMutability::Mutable).send().await.expect("puts");
    put("v1", &second).await.expect("moves the tag");
    assert_eq!(manifest("v1").await, second);
}

#[tokio::test(start_paused = true)]
async fn images_need_their_layers() {
    let lab = Lab::new();
    lab.ecr.create_repository().repository_name("app").send().await.expect("creates");
    // The server's own word for the hash: the wrong one is refused with it.
    let upload = async |digest: &str| {
        let id = lab.ecr.initiate_layer_upload().repository_name("app").send().await;
        let id = id.expect("initiates").upload_id.expect("an id");
        let part = lab.ecr.upload_layer_part().repository_name("app").upload_id(&id);
        let part = part.part_first_byte(0).part_last_byte(4).layer_part_blob(Blob::new("layer"));
        assert_eq!(part.send().await.expect("uploads").last_byte_received(), Some(4));
        let complete = lab.ecr.complete_layer_upload().repository_name("app").upload_id(&id);
        complete.layer_digests(digest).send().await
    };
    let (refused, message) = refusal(upload(LAYER).await);
    assert_eq!(refused, "InvalidLayerException");
    let digest = message.rsplit(' ').next().expect("a digest").to_owned();

    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"digest":"{digest}","size":5}},"layers":[{{"digest":"{digest}","size":5}}]}}"#
    );
    let put = || {
        lab.ecr.put_image().repository_name("app").image_tag("v1").image_manifest(&manifest).send()
    };
    assert_eq!(code(put().await), "LayersNotFoundException");
    upload(&digest).await.expect("completes");
    assert_eq!(code(upload(&digest).await), "LayerAlreadyExistsException");
    let check = lab.ecr.batch_check_layer_availability().repository_name("app");
    let check = check.layer_digests(&digest).layer_digests(LAYER).send().await.expect("checks");
    let states: Vec<_> = check.layers().iter().filter_map(|it| it.layer_availability()).collect();
    assert_eq!(
        states.iter().map(|it| it.as_str()).collect::<Vec<_>>(),
        ["AVAILABLE", "UNAVAILABLE"]
    );
    put().await.expect("puts");

    let delete = || lab.ecr.delete_repository().repository_name("app");
    assert_eq!(code(delete().send().await), "RepositoryNotEmptyException");
    let id = ImageIdentifier::builder().image_tag("v1").build();
    let gone = ImageIdentifier::builder().image_tag("v9").build();
    let remove =
        lab.ecr.batch_delete_image().repository_name("app").image_ids(id.clone()).image_ids(gone);
    let removed = remove.send().await.expect("deletes");
    assert_eq!((removed.image_ids().len(), removed.failures().len()), (1, 1));
    let read = lab.ecr.describe_images().repository_name("app").image_ids(id).send().await;
    assert_eq!(code(read), "ImageNotFoundException");
    delete().send().await.expect("deletes");
}

#[tokio::test(start_paused = true)]
async fn a_password_for_docker() {
    let lab = Lab::new();
    let answer = lab.ecr.get_authorization_token().send().await.expect("answers");
    let data = &answer.authorization_data()[0];
    assert_eq!(data.proxy_endpoint(), Some(format!("https://{REGISTRY}").as_str()));
    let now = lab.sandbox.now();
    let left = data.expires_at().expect("an end").as_secs_f64() - now;
    assert!((12.0 * 3600.0 - 1.0..=12.0 * 3600.0).contains(&left), "{left}");
}
