//! What a stack needs in a bucket before it is made or changed.
//!
//! A key stands for its content: what is there is not written again. That is also what makes an
//! undo cheap: what the earlier template refers to is still there.

use crate::{Aws, acting::Role, error};
use aws_sdk_s3::primitives::ByteStream;
use bfd_assembly::{PackageError, Packaging, content_digest, package};
use bfd_core::{Properties, Value};
use bfd_image::{Digest, Scratch};
use bfd_kinds::stack::{ASSETS, NESTED};
use bfd_provider::{Context, ErrorClass, Progress, ProviderError};
use futures_util::future::try_join_all;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OnceCell;

const HEAD: &str = "s3:GetObject";
const PUT: &str = "s3:PutObject";

/// What is known to be in buckets, by bucket and key. Stacks share assets; each is looked for,
/// and put there, once.
#[derive(Debug, Default)]
pub(crate) struct Published(Mutex<BTreeMap<(String, String), Known>>);

/// Filled once the asset is there.
type Known = Arc<OnceCell<()>>;

impl Published {
    fn cell(&self, asset: &Asset<'_>) -> Known {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (asset.bucket.to_owned(), asset.key.to_owned());
        Arc::clone(known.entry(key).or_default())
    }
}

/// A file or a directory, and its place.
#[derive(Debug)]
struct Asset<'a> {
    path: &'a str,
    packaging: Packaging,
    bucket: &'a str,
    key: &'a str,
    region: &'a str,
    role: Option<Role>,
    /// Of what was planned.
    sha256: Option<&'a str>,
    is_template: bool,
}

/// What an asset of canonical inputs is made of right now, see [`content_digest`]. `directory` is
/// what paths are relative to.
pub fn asset_digest(asset: &Value, directory: &Path) -> Result<String, PackageError> {
    let path = asset.get("path").and_then(Value::as_str).unwrap_or_default();
    content_digest(&directory.join(path), packaging(asset))
}

fn packaging(asset: &Value) -> Packaging {
    match asset.get("packaging").and_then(Value::as_str) {
        Some("zip") => Packaging::Zip,
        _ => Packaging::File,
    }
}

fn all<'a>(aws: &'a Aws, inputs: &'a Properties) -> impl Iterator<Item = Asset<'a>> {
    let assets = inputs.get(ASSETS).and_then(Value::as_object);
    assets.into_iter().flatten().filter_map(|(_, asset)| {
        let text = |name: &str| asset.get(name).and_then(Value::as_str);
        Some(Asset {
            path: text("path")?,
            packaging: packaging(asset),
            bucket: text("bucket")?,
            key: text("key")?,
            region: text("region").unwrap_or(aws.region()),
            role: asset.get("role").and_then(Role::read),
            sha256: text("sha256"),
            is_template: asset.get("template").is_some_and(|it| it == true),
        })
    })
}

/// Puts everything where it belongs.
pub(super) async fn publish(
    aws: &Aws,
    inputs: &Properties,
    context: &Context,
) -> Result<(), ProviderError> {
    put(aws, all(aws, inputs), &context.progress).await
}

/// Puts the templates alone: what CloudFormation reads to say what would change.
pub(super) async fn publish_templates(aws: &Aws, inputs: &Properties) -> Result<(), ProviderError> {
    let nested = inputs.get(NESTED).and_then(Value::as_object);
    let is_template = |asset: &Asset<'_>| {
        asset.is_template || nested.is_some_and(|nested| nested.contains_key(asset.key))
    };
    put(aws, all(aws, inputs).filter(is_template), &Progress::default()).await
}

async fn put<'a>(
    aws: &Aws,
    assets: impl Iterator<Item = Asset<'a>>,
    progress: &Progress,
) -> Result<(), ProviderError> {
    let puts = assets.map(|asset| async move {
        let cell = aws.published.cell(&asset);
        cell.get_or_try_init(|| one(aws, &asset, progress)).await.copied()
    });
    try_join_all(puts).await.map(drop)
}

/// Puts a template that belongs to no release into the bucket of the one that does, under a key
/// that depends on its content alone. `None` where the stack has no such bucket.
pub(super) async fn put_beside(
    aws: &Aws,
    inputs: &Properties,
    template: &str,
) -> Result<Option<String>, ProviderError> {
    let Some(asset) = all(aws, inputs).find(|asset| asset.is_template) else { return Ok(None) };
    let key = format!("bfd/{}", Digest::of(template.as_bytes()).hex());
    let asset = Asset { key: &key, ..asset };
    let client = aws.bucket_client(asset.role.as_ref(), asset.region).await?;
    if !is_there(aws, &client, &asset).await? {
        write(aws, &client, &asset, ByteStream::from(template.as_bytes().to_vec())).await?;
    }
    Ok(Some(url(aws, &asset)))
}

/// Where the template is, if it is among what is published.
pub(super) fn template_url(aws: &Aws, inputs: &Properties) -> Option<String> {
    all(aws, inputs).find(|asset| asset.is_template).map(|asset| url(aws, &asset))
}

fn url(aws: &Aws, asset: &Asset<'_>) -> String {
    let suffix = if asset.region.starts_with("cn-") { ".cn" } else { "" };
    let own = || format!("https://s3.{}.amazonaws.com{suffix}", asset.region);
    let server = aws.endpoint_url().map_or_else(own, str::to_owned);
    format!("{}/{}/{}", server.trim_end_matches('/'), asset.bucket, asset.key)
}

async fn one(aws: &Aws, asset: &Asset<'_>, progress: &Progress) -> Result<(), ProviderError> {
    let client = aws.bucket_client(asset.role.as_ref(), asset.region).await?;
    if is_there(aws, &client, asset).await? {
        return Ok(());
    }
    let path = aws.directory().join(asset.path);
    bfd_image::scratch::sweep(aws.scratch(), &bfd_image::Tools::default()).await;
    let scratch = Scratch::new(aws.scratch())
        .map_err(|error| ProviderError::new(PUT, ErrorClass::Local, error).without_effect())?;
    let (packaging, within) = (asset.packaging, scratch.path().to_owned());
    let packed = tokio::task::spawn_blocking(move || {
        let digest = content_digest(&path, packaging)?;
        Ok::<_, PackageError>((digest, package(&path, packaging, &within)?))
    })
    .await;
    let local = |why: Box<dyn std::error::Error + Send + Sync>| {
        ProviderError::new(PUT, ErrorClass::Local, why)
            .without_effect()
            .detail(format!("it is published as s3://{}/{}", asset.bucket, asset.key))
            .hint("run `cdk synth` again, and plan again")
    };
    let packed = packed.map_err(|error| local(error.into()))?;
    let (digest, packed) = packed.map_err(|error| local(error.into()))?;
    // A key stands for its content: what nobody has reviewed must not stand under it for ever.
    if asset.sha256.is_some_and(|planned| planned != digest) {
        let why = format!("`{}` is not what it was when this was planned", asset.path);
        return Err(local(why.into()));
    }
    let body = ByteStream::from_path(packed.path()).await.map_err(|error| local(error.into()))?;
    write(aws, &client, asset, body).await?;
    progress.tell(format!("published {} ({} bytes)", asset.path, packed.size));
    Ok(())
}

async fn write(
    aws: &Aws,
    client: &aws_sdk_s3::Client,
    asset: &Asset<'_>,
    body: ByteStream,
) -> Result<(), ProviderError> {
    let request = client.put_object().bucket(asset.bucket).key(asset.key).body(body);
    // Names of buckets can be guessed: what is in another account is nobody's business.
    let request = request.expected_bucket_owner(owner(aws, asset));
    let request = request.content_type(match (asset.packaging, asset.key) {
        (Packaging::Zip, _) => "application/zip",
        (Packaging::File, key) if has_end(key, ".json") => "application/json",
        (Packaging::File, _) => "application/octet-stream",
    });
    aws.call(PUT, request.send()).await.map_err(|refused| explained(refused, asset))?;
    Ok(())
}

fn has_end(key: &str, end: &str) -> bool {
    key.to_ascii_lowercase().ends_with(end)
}

/// Whose the bucket has to be: names of buckets can be guessed, and so can what is in them.
fn owner<'a>(aws: &'a Aws, asset: &'a Asset<'_>) -> &'a str {
    asset.role.as_ref().map_or(aws.account(), Role::account)
}

/// Whether the key is there. Who may not see that is told nothing: then it is written.
async fn is_there(
    aws: &Aws,
    client: &aws_sdk_s3::Client,
    asset: &Asset<'_>,
) -> Result<bool, ProviderError> {
    let request = client.head_object().bucket(asset.bucket).key(asset.key);
    let request = request.expected_bucket_owner(owner(aws, asset));
    match aws.call(HEAD, request.send()).await {
        Ok(_) => Ok(true),
        Err(denied) if denied.class == ErrorClass::AccessDenied => Ok(false),
        // The answer to HEAD has no body that would say more.
        Err(none)
            if matches!(error::code(&none), Some("NotFound" | "NoSuchKey" | "status 404")) =>
        {
            Ok(false)
        }
        Err(refused) => Err(explained(refused, asset)),
    }
}

fn explained(refused: ProviderError, asset: &Asset<'_>) -> ProviderError {
    let is_missing = error::code(&refused) == Some("NoSuchBucket");
    // A key is there with its content, or not at all: the stack itself was not touched.
    let refused = refused.without_effect();
    let refused =
        refused.detail(format!("`{}` belongs to the bucket `{}`", asset.path, asset.bucket));
    if is_missing {
        return refused
            .hint("make the bucket first: `bfd bootstrap` does, for an assembly of the CDK");
    }
    refused
}
