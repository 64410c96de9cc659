//! Whether images that bfd pushed are there.

use super::{super::Reading, made::CONTENT, observe::current, tags};
use crate::{
    Aws, inputs,
    inputs::Collect,
    registry::{Reference, Registry},
};
use aws_sdk_ecr::types::{Image, ImageTagMutability, Repository};
use bfd_core::{Address, Object, Observation, Observed, Properties};
use bfd_kinds::image::{Origin, default_tag};
use bfd_provider::{ProviderError, Wanted};
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};

/// Images by repository, then by tag and by digest.
type Images = BTreeMap<String, BTreeMap<String, Image>>;

/// Whether an image is one that bfd makes.
pub(super) fn is_made(wanted: &Wanted<'_>) -> bool {
    current(wanted, "origin").is_some()
}

pub(super) async fn observe(
    reading: &Reading<'_>,
    wanted: &[Wanted<'_>],
) -> Result<Observation, ProviderError> {
    let declared: Vec<Wanted<'_>> =
        wanted.iter().filter(|one| one.inputs.is_some()).copied().collect();
    let (images, elsewhere) =
        tokio::join!(in_ecr(reading, &declared), in_registries(reading.aws, &declared));
    let (images, mut elsewhere) = (images?, elsewhere?);
    let none = BTreeMap::new();
    let repositories =
        if images.is_empty() { &none } else { reading.repositories.get(reading.aws).await? };
    let built = built(reading.aws, &declared, &images, repositories).await?;
    let observed = |wanted: &Wanted<'_>| {
        // Of what is no longer declared nothing is asked: images are the repository's.
        if wanted.inputs.is_none() {
            return Some(unasked(wanted));
        }
        let found = elsewhere.remove(wanted.address).unwrap_or_default();
        match current(wanted, "repository") {
            Some(name) => of_ecr(wanted, repositories.get(&name), &images, &built, found),
            None => Some(seen(wanted, Collect::default(), found)),
        }
    };
    let observe = wanted.iter().map({
        let mut observed = observed;
        move |wanted| (wanted.address.clone(), observed(wanted))
    });
    Ok(observe.collect())
}

fn unasked(wanted: &Wanted<'_>) -> Observed {
    seen(wanted, Collect::default(), Elsewhere::default())
}

/// The tag that the image is to have.
fn tag(wanted: &Wanted<'_>) -> Option<String> {
    current(wanted, "tag").or_else(|| Some(default_tag(&current(wanted, "content")?)))
}

/// The digest of an image that is not built, which its content is.
fn known_digest(wanted: &Wanted<'_>) -> Option<String> {
    let origin = current(wanted, "origin").as_deref().and_then(Origin::parse)?;
    matches!(origin, Origin::Archive | Origin::Copy).then(|| current(wanted, "content"))?
}

/// Whether it would have to be made: its content is not what is recorded.
fn is_new(wanted: &Wanted<'_>) -> bool {
    let recorded = wanted.prior.and_then(|prior| inputs::text(&prior.inputs, "content"));
    known_digest(wanted).is_none() && current(wanted, "content").as_deref() != recorded
}

/// Whether what is under a tag was made of the wanted content: its label says so.
async fn labelled(
    registry: &Registry<'_>,
    wanted: &Wanted<'_>,
    tagged: &str,
) -> Result<bool, ProviderError> {
    let Ok(reference) = tagged.parse::<Reference>() else { return Ok(false) };
    let label = registry.label(&reference, CONTENT).await?;
    Ok(label.is_some() && label == current(wanted, "content"))
}

/// The images to be made whose tag is taken, by what was made of the very same content.
async fn built(
    aws: &Aws,
    wanted: &[Wanted<'_>],
    images: &Images,
    repositories: &BTreeMap<String, Repository>,
) -> Result<BTreeSet<Address>, ProviderError> {
    let registry = aws.registry();
    let asked = wanted.iter().filter_map(|one| {
        let (name, tag) = (current(one, "repository")?, tag(one)?);
        let is_taken = images.get(&name)?.contains_key(&tag);
        let uri = repositories.get(&name)?.repository_uri.clone()?;
        (is_taken && is_new(one)).then(|| (one, format!("{uri}:{tag}")))
    });
    let reads = asked.map(|(one, tagged)| {
        let registry = &registry;
        async move {
            let is_it =
                current(one, "existing_tag").is_some() || labelled(registry, one, &tagged).await?;
            Ok::<_, ProviderError>(is_it.then(|| one.address.clone()))
        }
    });
    Ok(try_join_all(reads).await?.into_iter().flatten().collect())
}

fn recorded_digest(wanted: &Wanted<'_>) -> Option<String> {
    let digest = wanted.prior?.outputs.get("digest")?;
    digest.as_str().map(str::to_owned)
}

/// Repository and reference of an image of the registry that is copied, where its digest is
/// not written.
fn source_in_ecr(wanted: &Wanted<'_>) -> Option<(String, String)> {
    if current(wanted, "content").is_some() {
        return None;
    }
    let from = current(wanted, "from")?;
    let (name, tag) = from.split_once(':')?;
    Some((name.to_owned(), tag.to_owned()))
}

/// One request for each repository, whatever is asked of it.
async fn in_ecr(reading: &Reading<'_>, wanted: &[Wanted<'_>]) -> Result<Images, ProviderError> {
    let mut references: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in wanted {
        if let Some(repository) = current(one, "repository") {
            let all = [tag(one), recorded_digest(one), current(one, "content")];
            let all = all.into_iter().flatten();
            references.entry(repository).or_default().extend(all);
        }
        if let Some((repository, reference)) = source_in_ecr(one) {
            references.entry(repository).or_default().insert(reference);
        }
    }
    if references.is_empty() {
        return Ok(Images::new());
    }
    let repositories = reading.repositories.get(reading.aws).await?;
    let there = references.iter().filter(|(name, _)| repositories.contains_key(*name));
    let reads = there.map(|(name, references)| async move {
        Ok::<_, ProviderError>((name.clone(), tags::read(reading.aws, name, references).await?))
    });
    let mut images: Images = try_join_all(reads).await?.into_iter().collect();
    // Says that it was asked, and that there is none.
    for name in references.keys() {
        images.entry(name.clone()).or_default();
    }
    Ok(images)
}

/// What registries other than ECR answered about an image.
#[derive(Debug, Default)]
struct Elsewhere {
    source_digest: Option<String>,
    present: Option<String>,
    tag_digest: Option<String>,
    /// The image of that content, when it is there.
    content_digest: Option<String>,
}

/// Asks other registries: for sources to copy, and for repositories that are not in ECR.
async fn in_registries(
    aws: &Aws,
    wanted: &[Wanted<'_>],
) -> Result<BTreeMap<Address, Elsewhere>, ProviderError> {
    let registry = aws.registry();
    let reads = wanted.iter().map(|one| {
        let registry = &registry;
        async move {
            let mut found = Elsewhere::default();
            if current(one, "content").is_none()
                && current(one, "from").is_none()
                && let Some(source) = current(one, "source")
            {
                found.source_digest = digest_of(registry, &source).await?;
            }
            if let Some(uri) = current(one, "repository_uri") {
                if let Some(digest) = recorded_digest(one) {
                    found.present = digest_of(registry, &format!("{uri}@{digest}")).await?;
                }
                if let Some(tag) = tag(one) {
                    let tagged = format!("{uri}:{tag}");
                    found.tag_digest = digest_of(registry, &tagged).await?;
                    if is_new(one)
                        && found.tag_digest.is_some()
                        && (current(one, "existing_tag").is_some()
                            || labelled(registry, one, &tagged).await?)
                    {
                        found.content_digest.clone_from(&found.tag_digest);
                    }
                }
                if let Some(digest) = known_digest(one) {
                    found.content_digest = digest_of(registry, &format!("{uri}@{digest}")).await?;
                }
            }
            Ok::<_, ProviderError>((one.address.clone(), found))
        }
    });
    Ok(try_join_all(reads).await?.into_iter().collect())
}

async fn digest_of(registry: &Registry<'_>, text: &str) -> Result<Option<String>, ProviderError> {
    // What is no reference was said when the manifest was read.
    let Ok(reference) = text.parse::<Reference>() else { return Ok(None) };
    Ok(registry.digest(&reference).await?.map(|digest| digest.to_string()))
}

fn of_ecr(
    wanted: &Wanted<'_>,
    repository: Option<&Repository>,
    images: &Images,
    built: &BTreeSet<Address>,
    mut found: Elsewhere,
) -> Option<Observed> {
    if let Some((repository, reference)) = source_in_ecr(wanted) {
        let image = images.get(&repository).and_then(|all| all.get(&reference));
        found.source_digest = image.and_then(tags::digest).map(str::to_owned);
    }
    let Some(repository) = repository else {
        // Without the repository there is no image of it, but there may be what is copied there.
        let source = found.source_digest.is_some();
        return source.then(|| seen(wanted, Collect::default(), found));
    };
    let name = current(wanted, "repository")?;
    let there = images.get(&name);
    let digest = |of: Option<String>| {
        let image = there?.get(&of?)?;
        tags::digest(image).map(str::to_owned)
    };
    found.present = digest(recorded_digest(wanted));
    found.tag_digest = digest(tag(wanted));
    if let Some(known) = known_digest(wanted) {
        found.content_digest = digest(Some(known));
    } else if built.contains(wanted.address) {
        found.content_digest.clone_from(&found.tag_digest);
    }
    let immutable = repository.image_tag_mutability == Some(ImageTagMutability::Immutable);
    let outputs = Collect::default()
        .maybe("repository_uri", repository.repository_uri.clone())
        .with("immutable", immutable);
    Some(seen(wanted, outputs, found))
}

fn seen(wanted: &Wanted<'_>, outputs: Collect, found: Elsewhere) -> Observed {
    let outputs = outputs
        .maybe("source_digest", found.source_digest)
        .maybe("present", found.present)
        .maybe("tag_digest", found.tag_digest)
        .maybe("content_digest", found.content_digest)
        .done();
    let inputs = wanted.prior.map_or_else(Properties::new, |prior| prior.inputs.clone());
    let id = wanted.prior.map(|prior| prior.id.clone());
    let id = id.or_else(|| inputs::name(wanted, "repository")).unwrap_or_default();
    Observed { object: Object { id, inputs, outputs }, owner: None, notes: Vec::new() }
}
