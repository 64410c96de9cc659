//! Takes away what a run pushed, and nothing else.
//!
//! What was there before the run is known from its plan, which outlives every crash: what the
//! tag was on (`tag_was`), and whether the image was in the repository (`was_there`). Of an
//! image whose digest no plan could know, the time of its push tells: what is older than the run
//! is somebody's. Two clocks that differ may leave an image that way, and delete none.
//! What the run pushed is known by its digest or, where a process died before it could say, by
//! the label that bfd builds have. What others run has a tag of theirs, and is left alone.

use super::{
    made::{CONTENT, Target, source},
    tags,
};
use crate::{
    Aws, inputs,
    provider::SETTLING,
    registry::{At, Reference},
};
use aws_sdk_ecr::types::{Image, ImageDetail};
use aws_smithy_types::{DateTime, date_time::Format};
use bfd_core::{Properties, ResourceState, Value};
use bfd_image::{Layout, Tools, oci::Index};
use bfd_provider::{Context, ErrorClass, Progress, ProviderError};
use std::collections::{BTreeMap, BTreeSet};

/// One image that is taken away.
struct Undo<'a> {
    aws: &'a Aws,
    target: Target,
    progress: &'a Progress,
    /// Of what was pushed, when that is known.
    digest: Option<String>,
    /// The hash of what it is made of.
    content: &'a str,
    /// What the tag was on.
    before: Option<&'a str>,
    /// The image was in the repository before.
    was_there: bool,
    /// What is gone back to, which is never taken away.
    kept: Option<String>,
    inputs: &'a Properties,
    /// When the run began.
    began: Option<DateTime>,
}

/// Takes away what a run pushed, and puts the tag that it moved back where it was.
pub(super) async fn undo(
    aws: &Aws,
    made: &ResourceState,
    prior: Option<&ResourceState>,
    context: &Context,
) -> Result<(), ProviderError> {
    if inputs::text(&made.inputs, "origin").is_none()
        || made.inputs.get("fallback_active") == Some(&Value::Bool(true))
    {
        return Ok(());
    }
    // Its tag is made of its content: nobody gets another image under it, and who may push need
    // not be one who may delete.
    if made.inputs.contains_key("existing_tag") {
        context.progress.tell("stays: its tag is made of its content");
        return Ok(());
    }
    // What is undone may be what a process was at when it died.
    bfd_image::scratch::sweep(aws.scratch(), &Tools::default()).await;
    let target = match Target::of(aws, &made.inputs).await {
        // With its repository, the image has gone.
        Err(gone) if gone.class == ErrorClass::NotFound => return Ok(()),
        target => target?,
    };
    // An update that nobody heard the end of is recorded with the outputs of before.
    let nothing = Properties::new();
    let outputs = match prior {
        Some(prior) if prior.outputs == made.outputs => &nothing,
        _ => &made.outputs,
    };
    let digest = inputs::text(outputs, "digest").or_else(|| inputs::text(&made.inputs, "digest"));
    let ran = prior.and_then(|prior| inputs::text(&prior.outputs, "uri"));
    let kept = ran.and_then(|ran| ran.strip_prefix(&format!("{}@", target.uri)));
    let undo = Undo {
        aws,
        progress: &context.progress,
        digest: digest.map(str::to_owned),
        content: inputs::text(&made.inputs, "content").unwrap_or_default(),
        before: inputs::text(&made.inputs, "tag_was"),
        was_there: made.inputs.get("was_there") == Some(&Value::Bool(true)),
        kept: kept.map(str::to_owned),
        inputs: &made.inputs,
        began: DateTime::from_str(&context.run_began, Format::DateTime).ok(),
        target,
    };
    match undo.target.repository.clone() {
        Some(repository) => undo.in_ecr(&repository).await,
        None => undo.elsewhere().await,
    }
}

impl Undo<'_> {
    /// The digest that the run pushed; `None` when it came to nothing, or somebody else did it.
    async fn ours(&self, now: Option<&str>) -> Result<Option<String>, ProviderError> {
        if self.digest.is_some() {
            return Ok(self.digest.clone());
        }
        let (Some(now), Some(tag)) = (now, &self.target.tag) else { return Ok(None) };
        if self.before == Some(now) {
            return Ok(None);
        }
        let label = self.aws.registry().label(&self.target.at(tag)?, CONTENT).await?;
        Ok((label.as_deref() == Some(self.content)).then(|| now.to_owned()))
    }

    async fn ours_of(
        &self,
        tag: Option<&str>,
        there: &BTreeMap<String, Image>,
    ) -> Result<Option<String>, ProviderError> {
        self.ours(tag.and_then(|tag| tags::digest(there.get(tag)?))).await
    }

    async fn in_ecr(&self, repository: &str) -> Result<(), ProviderError> {
        let tag = self.target.tag.as_deref();
        let wanted: BTreeSet<String> = [tag, self.digest.as_deref(), self.before]
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect();
        let mut there = tags::read(self.aws, repository, &wanted).await?;
        let mut ours = self.ours_of(tag, &there).await?;
        if ours.as_ref().is_none_or(|ours| !there.contains_key(ours)) {
            // A read may be older than what was pushed a moment ago.
            self.aws.sleep(SETTLING).await;
            there = tags::read(self.aws, repository, &wanted).await?;
            ours = self.ours_of(tag, &there).await?;
        }
        let now = tag.and_then(|tag| tags::digest(there.get(tag)?));
        let Some(ours) = ours else { return Ok(()) };
        let Some(image) = there.get(&ours) else {
            // The parts of an index come before it.
            return self.untagged(repository, &self.parts(&ours).await).await;
        };
        let listed = listed(image.image_manifest().unwrap_or_default());
        let described = tags::described(self.aws, repository, &ours).await?;
        // What is gone back to was there before, whatever the plan could know of it.
        let was_there = self.was_there
            || self.kept.as_ref() == Some(&ours)
            || described.as_ref().is_some_and(|image| self.is_older(image));
        let mut others = described.and_then(|image| image.image_tags).unwrap_or_default();
        others.retain(|other| Some(other.as_str()) != tag);
        if let Some(tag) = tag
            && now == Some(&ours)
            && self.before != Some(&ours)
        {
            match self.before.and_then(|before| there.get(before)) {
                Some(earlier) => tags::put(self.aws, repository, earlier, tag).await?,
                None if others.is_empty() && was_there => {
                    // ECR has no way to take the last tag off and leave the image.
                    self.progress.tell(format!("{tag} stays: the image was there without a tag"));
                }
                None => tags::delete(self.aws, repository, &[tag]).await?,
            }
        }
        if was_there || !others.is_empty() {
            return Ok(());
        }
        tags::delete(self.aws, repository, &[&ours]).await?;
        self.untagged(repository, &listed).await
    }

    /// Deletes the images of an index, which have no tags; ECR keeps those that another lists.
    async fn untagged(&self, repository: &str, parts: &[String]) -> Result<(), ProviderError> {
        if parts.is_empty() {
            return Ok(());
        }
        let there = tags::read(self.aws, repository, &parts.iter().cloned().collect()).await?;
        let mut untagged = Vec::new();
        for digest in parts.iter().filter(|part| there.contains_key(*part)) {
            let image = tags::described(self.aws, repository, digest).await?;
            if image.is_some_and(|it| it.image_tags().is_empty() && !self.is_older(&it)) {
                untagged.push(digest.as_str());
            }
        }
        if untagged.is_empty() {
            return Ok(());
        }
        tags::delete(self.aws, repository, &untagged).await
    }

    /// Whether it was pushed before the run began. ECR tells whole seconds.
    fn is_older(&self, image: &ImageDetail) -> bool {
        let pushed = image.image_pushed_at().map(DateTime::as_secs_f64);
        pushed.zip(self.began).is_some_and(|(pushed, began)| pushed < began.as_secs_f64().floor())
    }

    /// The images that the index lists which was to be pushed, where that can still be read: in
    /// the archive, or where it was to be copied from.
    async fn parts(&self, digest: &str) -> Vec<String> {
        let archived = || {
            let make = self.inputs.get("make")?;
            let path = self.aws.directory().join(make["archive"].as_str()?);
            let layout = Layout::open(&path, make["archive_image"].as_str()).ok()?;
            let is_it = layout.root().digest.as_str() == digest;
            let bytes = is_it.then(|| layout.read(layout.root()).ok())??;
            Some(listed(&String::from_utf8_lossy(&bytes)))
        };
        if let Some(parts) = archived() {
            return parts;
        }
        match source(self.aws, self.inputs, digest).await {
            Ok(source) => {
                let bytes = self.aws.registry().manifest(&source).await.ok().flatten();
                bytes.map_or_else(Vec::new, |bytes| listed(&String::from_utf8_lossy(&bytes)))
            }
            Err(_) => Vec::new(),
        }
    }

    async fn elsewhere(&self) -> Result<(), ProviderError> {
        let registry = self.aws.registry();
        let Some(tag) = &self.target.tag else { return Ok(()) };
        let tagged = self.target.at(tag)?;
        let now = registry.digest(&tagged).await?.map(|digest| digest.to_string());
        let Some(ours) = self.ours(now.as_deref()).await? else { return Ok(()) };
        if now.as_ref() != Some(&ours) || self.before == Some(&ours) {
            return Ok(());
        }
        match self.before.map(|before| self.target.at(before)).transpose()? {
            Some(Reference { at: At::Digest(earlier), .. }) => {
                registry.restore_tag(&tagged, tag, &earlier).await
            }
            _ => match registry.delete_tag(&tagged, tag).await {
                // The plan said that it may be so.
                Err(refused) if refused.class == ErrorClass::InvalidRequest => {
                    let why = "the registry does not let tags be removed";
                    self.progress.tell(format!("{tagged} stays: {why}"));
                    Ok(())
                }
                deleted => deleted,
            },
        }
    }
}

/// The images that an index lists; of an image alone, none.
fn listed(manifest: &str) -> Vec<String> {
    let index = serde_json::from_str::<Index>(manifest);
    let images = index.into_iter().flat_map(|index| index.manifests);
    images.map(|image| image.digest.to_string()).collect()
}
