//! What is under a tag or a digest, and putting it there.

use super::{
    Registry,
    auth::Access,
    blob::Target,
    host::Host,
    reference::{At, Reference, check_tag},
    source::{accept, described},
    wire::{self, Answer, may_help, refused},
};
use bfd_image::{
    Descriptor, Digest, Platform,
    oci::{DOCKER_INDEX, DOCKER_MANIFEST, INDEX, Index, MANIFEST, Manifest},
};
use bfd_provider::{ErrorClass, ProviderError};
use std::{collections::BTreeSet, time::Duration};

const GET: &str = "registry:GetManifest";
const READ: &str = "registry:ReadLayer";
const PUT: &str = "registry:PutManifest";

pub(super) const ACCEPT: [&str; 4] = [INDEX, MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST];

/// How often a tag that was put is looked for, and how long between: reads may be old.
const LOOKS: u32 = 4;
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// What a reference stands for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    pub descriptor: Descriptor,
    /// What it runs on; attestations, whose platform is `unknown/unknown`, are left out.
    pub platforms: BTreeSet<Platform>,
}

impl Registry<'_> {
    /// What a reference stands for now; `None` when there is nothing.
    pub async fn resolve(&self, reference: &Reference) -> Result<Option<Resolved>, ProviderError> {
        let access = self.reading(reference);
        let Some((descriptor, bytes)) = self.get_manifest(&access, reference).await? else {
            return Ok(None);
        };
        let platforms = self.platforms(&access, reference, &descriptor, &bytes).await?;
        Ok(Some(Resolved { descriptor, platforms }))
    }

    /// The digest that a reference stands for now, without reading what it is.
    pub async fn digest(&self, reference: &Reference) -> Result<Option<Digest>, ProviderError> {
        self.head_manifest(&self.reading(reference), reference).await
    }

    pub(super) fn reading(&self, reference: &Reference) -> Access {
        Access::pull(Host::new(self.aws, &reference.registry), &reference.repository)
    }

    async fn platforms(
        &self,
        access: &Access,
        reference: &Reference,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<BTreeSet<Platform>, ProviderError> {
        let mut platforms = BTreeSet::new();
        if descriptor.is_index() {
            let index: Index = parse(reference, bytes)?;
            platforms.extend(index.manifests.into_iter().filter_map(|it| it.platform));
        } else {
            let manifest: Manifest = parse(reference, bytes)?;
            let path = format!("blobs/{}", manifest.config.digest);
            let url = access.url(&reference.repository, &path);
            let read = || self.ask(READ, access, "GET", &url, &[], b"");
            let answer = self.repeated(read).await?;
            if !answer.is_success() {
                return Err(refused(READ, &access.host.name, &answer));
            }
            // An artifact's configuration says nothing of platforms: it runs nowhere.
            platforms.extend(serde_json::from_slice::<Platform>(&answer.body));
        }
        platforms.retain(|platform| platform.os != "unknown");
        Ok(platforms)
    }

    /// A manifest's bytes, whose digest is checked, and what they are.
    pub(super) async fn get_manifest(
        &self,
        access: &Access,
        reference: &Reference,
    ) -> Result<Option<(Descriptor, Vec<u8>)>, ProviderError> {
        let url = access.url(&reference.repository, &format!("manifests/{}", reference.at));
        let accept = accept();
        let headers = [("accept", accept.as_str())];
        let answer = self.repeated(|| async {
            let answer = self.ask(GET, access, "GET", &url, &headers, b"").await?;
            if answer.is_success() || answer.status == 404 {
                Ok(answer)
            } else {
                Err(refused(GET, &access.host.name, &answer))
            }
        });
        let answer = answer.await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let media_type = media_type(&answer);
        let descriptor = described(&answer.body, &media_type);
        let said = answer.header("docker-content-digest");
        let is_other = match &reference.at {
            At::Digest(digest) => descriptor.digest != *digest,
            At::Tag(_) => said.is_some_and(|said| said != descriptor.digest.as_str()),
        };
        if is_other {
            let what = format!("{reference} has other bytes than its digest says");
            return Err(wire::odd(GET, what));
        }
        if !descriptor.is_manifest() {
            let what = format!("{reference} is a `{media_type}`, which bfd does not know");
            return Err(ProviderError::new(GET, ErrorClass::InvalidRequest, what));
        }
        Ok(Some((descriptor, answer.body)))
    }

    pub(super) async fn head_manifest(
        &self,
        access: &Access,
        reference: &Reference,
    ) -> Result<Option<Digest>, ProviderError> {
        let url = access.url(&reference.repository, &format!("manifests/{}", reference.at));
        let accept = accept();
        let headers = [("accept", accept.as_str())];
        let answer = self.repeated(|| async {
            let answer = self.ask(GET, access, "HEAD", &url, &headers, b"").await?;
            if answer.is_success() || answer.status == 404 {
                Ok(answer)
            } else {
                Err(refused(GET, &access.host.name, &answer))
            }
        });
        let answer = answer.await?;
        if answer.status == 404 {
            return Ok(None);
        }
        if let Some(Ok(digest)) = answer.header("docker-content-digest").map(str::parse) {
            return Ok(Some(digest));
        }
        // The specification lets a registry leave it out.
        Ok(self.get_manifest(access, reference).await?.map(|(descriptor, _)| descriptor.digest))
    }

    /// Puts a manifest under its digest or under a tag. What was lost of the answer is looked up.
    pub(super) async fn put_manifest(
        &self,
        target: &Target,
        at: &Reference,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<(), ProviderError> {
        let access = &target.access;
        let url = access.url(&target.repository, &format!("manifests/{}", at.at));
        let headers = [("content-type", descriptor.media_type.as_str())];
        let put = || async {
            let error = match self.ask(PUT, access, "PUT", &url, &headers, bytes).await {
                Ok(answer) if answer.is_success() => return Ok(()),
                Ok(answer) => {
                    let error = refused(PUT, &access.host.name, &answer);
                    if matches!(&at.at, At::Tag(_)) && is_taken(&answer) {
                        return self.settle_taken(access, at, &descriptor.digest, error).await;
                    }
                    error
                }
                Err(error) => error,
            };
            // It may have arrived all the same.
            if may_help(&error)
                && self.head_manifest(access, at).await.ok().flatten().as_ref()
                    == Some(&descriptor.digest)
            {
                return Ok(());
            }
            Err(error)
        };
        self.repeated(put).await
    }

    /// A tag that cannot be moved is as good as moved when it is where it should be.
    async fn settle_taken(
        &self,
        access: &Access,
        at: &Reference,
        wanted: &Digest,
        refusal: ProviderError,
    ) -> Result<(), ProviderError> {
        let there = self.head_manifest(access, at).await?;
        match there {
            Some(there) if there == *wanted => Ok(()),
            Some(there) => Err(ProviderError { class: ErrorClass::AlreadyExists, ..refusal }
                .without_effect()
                .detail(format!("{at} is {there}, and its tags cannot be moved to {wanted}"))
                .hint(
                    "choose another tag, or set `tag_mutability = \"mutable\"` of the repository",
                )),
            None => Err(refusal),
        }
    }

    /// Makes sure that what was put is what is there.
    pub(super) async fn verify(
        &self,
        access: &Access,
        at: &Reference,
        wanted: &Digest,
    ) -> Result<(), ProviderError> {
        let mut there = None;
        for look in 0..LOOKS {
            if look > 0 {
                self.aws.sleep(BETWEEN_LOOKS).await;
            }
            there = self.head_manifest(access, at).await?;
            if there.as_ref() == Some(wanted) {
                return Ok(());
            }
        }
        let there = there.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string());
        let what = format!("{at} was put as {wanted}, and is {there}");
        Err(ProviderError::new(GET, ErrorClass::ResourceConflict, what)
            .hint("somebody else may have moved the tag: push again"))
    }
}

/// Whether a registry refuses because the tag has an image already that it must keep.
///
/// ECR says 400 `TAG_INVALID` "… already exists in the repository and cannot be overwritten
/// because the repository is immutable", and by its own API `ImageTagAlreadyExistsException`.
fn is_taken(answer: &Answer) -> bool {
    let (code, message) = answer.refusal();
    (400..500).contains(&answer.status)
        && (answer.status == 409
            || code == "TAG_INVALID"
            || code.contains("AlreadyExists")
            || message.to_ascii_lowercase().contains("immutable"))
}

/// What a manifest is: by the answer's header, or, where that says nothing of manifests, by what
/// it says of itself.
fn media_type(answer: &Answer) -> String {
    let header = answer.header("content-type").and_then(|it| it.split(';').next());
    let header = header.unwrap_or_default().trim();
    if ACCEPT.contains(&header) {
        return header.to_owned();
    }
    let said: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    said["mediaType"].as_str().unwrap_or(header).to_owned()
}

pub(super) fn checked(operation: &'static str, tag: &str) -> Result<String, ProviderError> {
    check_tag(tag)
        .map(|()| tag.to_owned())
        .map_err(|why| ProviderError::new(operation, ErrorClass::InvalidRequest, why))
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(
    reference: &Reference,
    bytes: &[u8],
) -> Result<T, ProviderError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let what = format!("{reference} is not as OCI has it: {error}");
        ProviderError::new(GET, ErrorClass::InvalidRequest, what)
    })
}
