use super::{
    super::Reading,
    lifecycle::{self, Aged},
    look as made,
    pushes::Pushes,
    tags::identifier,
};
use crate::{
    Aws,
    inputs::{self, Collect},
};
use aws_sdk_ecr::types::{ImageDetail, ImageIdentifier, Repository};
use bfd_core::{Object, Observation, Observed, Properties};
use bfd_provider::{ErrorClass, ProviderError, Wanted};
use futures_util::future::try_join_all;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// The most images that DescribeImages takes by name.
const IMAGES: usize = 100;
const PAGE: i32 = 1000;
/// How many tags a message about a missing one names.
const NEWEST: usize = 5;

/// The ECR repository that an image lives in, when that is the registry of the environment.
pub(crate) fn repository_of(wanted: &Wanted<'_>) -> Option<String> {
    current(wanted, "repository")
}

/// What is desired comes before what is recorded: an image is looked up, not compared.
pub(super) fn current(wanted: &Wanted<'_>, field: &str) -> Option<String> {
    match wanted.inputs {
        Some(inputs) => inputs.get(field)?.as_str().map(str::to_owned),
        None => inputs::text(&wanted.prior?.inputs, field).map(str::to_owned),
    }
}

pub(super) async fn observe(
    reading: &Reading<'_>,
    wanted: &[Wanted<'_>],
) -> Result<Observation, ProviderError> {
    let (made, looked_up): (Vec<Wanted<'_>>, Vec<Wanted<'_>>) =
        wanted.iter().copied().partition(made::is_made);
    let (made, looked_up) =
        tokio::join!(made::observe(reading, &made), look_all_up(reading, &looked_up));
    let mut seen = made?;
    seen.extend(looked_up?);
    Ok(seen)
}

async fn look_all_up(
    reading: &Reading<'_>,
    wanted: &[Wanted<'_>],
) -> Result<Observation, ProviderError> {
    if wanted.is_empty() {
        return Ok(Observation::new());
    }
    let repositories = reading.repositories.get(reading.aws).await?;
    let mut references: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in wanted {
        if let (Some(repository), Some(reference)) = (repository_of(one), current(one, "reference"))
        {
            references.entry(repository).or_default().insert(reference);
        }
    }
    let reads = references.iter().filter(|(name, _)| repositories.contains_key(*name)).map(
        |(name, references)| async move {
            Ok::<_, ProviderError>((name.clone(), look_up(reading.aws, name, references).await?))
        },
    );
    let found: BTreeMap<String, Found> = try_join_all(reads).await?.into_iter().collect();
    let observed = |wanted: &Wanted<'_>| {
        let name = repository_of(wanted)?;
        let reference = current(wanted, "reference")?;
        Some(as_observed(wanted, repositories.get(&name)?, found.get(&name)?, &reference))
    };
    Ok(wanted.iter().map(|wanted| (wanted.address.clone(), observed(wanted))).collect())
}

fn as_observed(
    wanted: &Wanted<'_>,
    repository: &Repository,
    found: &Found,
    reference: &str,
) -> Observed {
    let outputs = Collect::default()
        .maybe("repository_uri", repository.repository_uri.clone())
        .maybe("digest", found.digests.get(reference).cloned())
        .maybe("empty", found.listed.then_some(found.empty))
        .maybe("newest_tags", found.listed.then(|| found.newest.clone()))
        .done();
    let inputs = wanted.prior.map_or_else(Properties::new, |prior| prior.inputs.clone());
    let id = wanted.prior.map(|prior| prior.id.clone());
    let id = id.unwrap_or_else(|| {
        format!("{}:{reference}", repository.repository_uri.as_deref().unwrap_or_default())
    });
    Observed { object: Object { id, inputs, outputs }, owner: None, notes: Vec::new() }
}

/// What a repository has of what was asked for.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// By tag, and by digest.
    pub(crate) digests: BTreeMap<String, String>,
    /// The whole repository was read, because something was missing.
    listed: bool,
    empty: bool,
    /// The newest first.
    newest: Vec<String>,
}

/// Reads which digests the references of a repository stand for.
pub(crate) async fn look_up(
    aws: &Aws,
    repository: &str,
    references: &BTreeSet<String>,
) -> Result<Found, ProviderError> {
    let mut found = Found::default();
    let references: Vec<&String> = references.iter().collect();
    for references in references.chunks(IMAGES) {
        let ids = references.iter().map(|reference| identifier(reference)).collect();
        match describe(aws, repository, Some(ids)).await {
            Ok(images) => found.add(&images),
            // One missing image fails the whole call. The listing tells of the others, and
            // whether the repository is empty.
            Err(missing) if missing.class == ErrorClass::NotFound => {
                let images = describe(aws, repository, None).await?;
                found.list(images);
                break;
            }
            Err(refused) => return Err(refused),
        }
    }
    // Some servers leave out what is missing instead of failing.
    let is_missing = references.iter().any(|reference| !found.digests.contains_key(*reference));
    if is_missing && !found.listed {
        found.list(describe(aws, repository, None).await?);
    }
    Ok(found)
}

/// The digests that the repository's lifecycle policy expires once the plan has pushed there: the
/// policy that the plan sets, else the one that is there. A plan that pushes nothing is asked as
/// if one more image came.
pub(crate) async fn expiring(
    aws: &Aws,
    repository: &str,
    pushes: &Pushes,
) -> Result<BTreeSet<String>, ProviderError> {
    let policy = if pushes.knows_policy(repository) {
        pushes.policy(repository).map(str::to_owned)
    } else {
        policy(aws, repository).await?
    };
    let Some(policy) = policy else { return Ok(BTreeSet::new()) };
    let images: Vec<Aged> = describe(aws, repository, None)
        .await?
        .into_iter()
        .filter_map(|image| {
            Some(Aged {
                digest: image.image_digest?,
                tags: image.image_tags.unwrap_or_default(),
                pushed_at: image.image_pushed_at.map_or(0.0, |at| at.as_secs_f64()),
            })
        })
        .collect();
    let next: Vec<&str> = if let Some(tags) = pushes.tags(repository) {
        tags.iter().map(String::as_str).collect()
    } else {
        // The next one has the tag that the newest has, as far as prefixes go.
        let newest = images.iter().max_by(|a, b| a.pushed_at.total_cmp(&b.pushed_at));
        vec![newest.and_then(|image| image.tags.first()).map_or("", String::as_str)]
    };
    let now = aws.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(lifecycle::expired(&policy, &images, &next, now.as_secs_f64()))
}

async fn policy(aws: &Aws, repository: &str) -> Result<Option<String>, ProviderError> {
    let request = aws.ecr.get_lifecycle_policy().repository_name(repository);
    match aws.call("ecr:GetLifecyclePolicy", request.send()).await {
        Ok(answer) => Ok(answer.lifecycle_policy_text),
        Err(none) if none.class == ErrorClass::NotFound => Ok(None),
        Err(refused) => Err(refused),
    }
}

async fn describe(
    aws: &Aws,
    repository: &str,
    ids: Option<Vec<ImageIdentifier>>,
) -> Result<Vec<ImageDetail>, ProviderError> {
    let mut images = Vec::new();
    let mut next = None;
    loop {
        let request = aws
            .ecr
            .describe_images()
            .repository_name(repository)
            .set_max_results(ids.is_none().then_some(PAGE))
            .set_image_ids(ids.clone())
            .set_next_token(next);
        let answer = aws.call("ecr:DescribeImages", request.send()).await;
        let answer = match answer {
            // Deleted since it was listed.
            Err(gone) if gone.class == ErrorClass::NotFound && ids.is_none() => return Ok(images),
            other => other?,
        };
        images.extend(answer.image_details.unwrap_or_default());
        next = answer.next_token;
        if next.is_none() {
            return Ok(images);
        }
    }
}

impl Found {
    fn add(&mut self, images: &[ImageDetail]) {
        for image in images {
            let Some(digest) = &image.image_digest else { continue };
            self.digests.insert(digest.clone(), digest.clone());
            for tag in image.image_tags() {
                self.digests.insert(tag.clone(), digest.clone());
            }
        }
    }

    fn list(&mut self, mut images: Vec<ImageDetail>) {
        self.add(&images);
        self.listed = true;
        self.empty = images.is_empty();
        images.sort_by_key(|image| {
            let pushed = image.image_pushed_at.map(|at| (at.secs(), at.subsec_nanos()));
            (Reverse(pushed), image.image_digest.clone())
        });
        let tags = images.iter().flat_map(|image| image.image_tags().iter().cloned());
        self.newest = tags.take(NEWEST).collect();
    }
}
