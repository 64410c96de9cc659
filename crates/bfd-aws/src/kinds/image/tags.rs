//! Tags and digests of ECR, read and put back by its own API.

use crate::Aws;
use aws_sdk_ecr::types::{Image, ImageDetail, ImageFailureCode, ImageIdentifier};
use bfd_provider::{ErrorClass, ProviderError};
use std::collections::{BTreeMap, BTreeSet};

/// The most images that BatchGetImage takes.
const IMAGES: usize = 100;
const BATCH_GET: &str = "ecr:BatchGetImage";
const BATCH_DELETE: &str = "ecr:BatchDeleteImage";

/// What ECR may answer with: manifests as they were pushed.
const MEDIA_TYPES: [&str; 4] = [
    bfd_image::oci::MANIFEST,
    bfd_image::oci::INDEX,
    bfd_image::oci::DOCKER_MANIFEST,
    bfd_image::oci::DOCKER_INDEX,
];

pub(super) fn identifier(reference: &str) -> ImageIdentifier {
    let builder = ImageIdentifier::builder();
    if reference.starts_with("sha256:") {
        builder.image_digest(reference).build()
    } else {
        builder.image_tag(reference).build()
    }
}

/// Reads images by tag or digest, in one request for a hundred. What is not there is left out;
/// so is everything when the repository is not there.
pub(super) async fn read(
    aws: &Aws,
    repository: &str,
    references: &BTreeSet<String>,
) -> Result<BTreeMap<String, Image>, ProviderError> {
    let references: Vec<&String> = references.iter().collect();
    let mut found = BTreeMap::new();
    for references in references.chunks(IMAGES) {
        let ids = references.iter().map(|reference| identifier(reference)).collect();
        let media_types = MEDIA_TYPES.map(str::to_owned).to_vec();
        let request = aws
            .ecr
            .batch_get_image()
            .repository_name(repository)
            .set_image_ids(Some(ids))
            .set_accepted_media_types(Some(media_types));
        let answer = match aws.call(BATCH_GET, request.send()).await {
            Err(gone) if gone.class == ErrorClass::NotFound => return Ok(found),
            answer => answer?,
        };
        for image in answer.images.unwrap_or_default() {
            let Some(id) = image.image_id() else { continue };
            let names = [id.image_digest(), id.image_tag()];
            for name in names.into_iter().flatten() {
                found.insert(name.to_owned(), image.clone());
            }
        }
    }
    Ok(found)
}

/// The digest that a tag or digest stands for.
pub(super) fn digest(image: &Image) -> Option<&str> {
    image.image_id()?.image_digest()
}

/// Puts a tag on an image that is there. One that has it already is left alone.
pub(super) async fn put(
    aws: &Aws,
    repository: &str,
    image: &Image,
    tag: &str,
) -> Result<(), ProviderError> {
    let request = aws
        .ecr
        .put_image()
        .repository_name(repository)
        .set_image_manifest(image.image_manifest.clone())
        .set_image_manifest_media_type(image.image_manifest_media_type.clone())
        .image_tag(tag);
    match aws.call("ecr:PutImage", request.send()).await {
        Ok(_) => Ok(()),
        Err(there) if there.class == ErrorClass::AlreadyExists => Ok(()),
        Err(refused) => Err(refused),
    }
}

/// An image as ECR lists it; `None` when it is not there.
pub(super) async fn described(
    aws: &Aws,
    repository: &str,
    digest: &str,
) -> Result<Option<ImageDetail>, ProviderError> {
    let request =
        aws.ecr.describe_images().repository_name(repository).image_ids(identifier(digest));
    let answer = match aws.call("ecr:DescribeImages", request.send()).await {
        Err(gone) if gone.class == ErrorClass::NotFound => return Ok(None),
        answer => answer?,
    };
    Ok(answer.image_details.unwrap_or_default().into_iter().next())
}

/// Takes tags off, which deletes an image that has no other; by digest, the image with all its
/// tags. What is not there is no failure, and neither is an image that an index still lists.
pub(super) async fn delete(
    aws: &Aws,
    repository: &str,
    references: &[&str],
) -> Result<(), ProviderError> {
    let ids = references.iter().map(|reference| identifier(reference)).collect();
    let request = aws.ecr.batch_delete_image().repository_name(repository).set_image_ids(Some(ids));
    let answer = match aws.call(BATCH_DELETE, request.send()).await {
        Err(gone) if gone.class == ErrorClass::NotFound => return Ok(()),
        answer => answer?,
    };
    let failed = answer.failures().iter().find(|failure| {
        !matches!(
            failure.failure_code(),
            Some(
                ImageFailureCode::ImageNotFound
                    | ImageFailureCode::ImageTagDoesNotMatchDigest
                    | ImageFailureCode::ImageReferencedByManifestList
            )
        )
    });
    failed.map_or(Ok(()), |failure| {
        let why = failure.failure_reason().unwrap_or("ECR gave no reason").to_owned();
        Err(ProviderError::new(BATCH_DELETE, ErrorClass::InvalidRequest, why))
    })
}
