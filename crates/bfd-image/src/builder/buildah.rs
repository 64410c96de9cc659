//! `buildah build` and `podman build`, which share their arguments.

use super::{Cancelled, Job, Order, Secrets, Tools, flag, process};
use crate::{
    BuilderKind, Descriptor, ImageError, Layout, Platform,
    archive::{write_blob, write_index},
    files::descriptor,
    oci,
};
use std::{
    ffi::OsString,
    future::Future,
    path::{Path, PathBuf},
    time::Duration,
};

/// The layout that images are pushed into, relative to the place of the build: paths of this
/// transport must not have colons in them.
const LAYOUT: &str = "image";
/// For the builder's own temporary files, relative to the same.
const TEMPORARY: &str = "tmp";
/// Of how many platforms there may be images of a build of which nothing else is known.
const PLATFORMS: usize = 4;
/// How often an image that others take away is made.
const ATTEMPTS: u32 = 4;
/// How long the cleaning of the local store may take.
const CLEANING: Duration = Duration::from_mins(1);

/// Builds a layout, one platform after the other.
pub(super) async fn build<F: Future<Output = ()>>(
    kind: BuilderKind,
    order: &mut Order<'_>,
    mut cancelled: Cancelled<'_, F>,
) -> Result<PathBuf, ImageError> {
    let temporary = order.place.join(TEMPORARY);
    std::fs::create_dir(&temporary).map_err(ImageError::writing(&temporary))?;
    let store = Store::new(kind, order.tools, &order.place);
    let built = build_all(&store, order, cancelled.as_mut()).await;
    store.clean(built.is_err(), order.build.platforms.len()).await;
    let _ = std::fs::remove_dir_all(&temporary);
    let images = built?;
    let layout = order.place.join(LAYOUT);
    let root = match <[Descriptor; 1]>::try_from(images) {
        Ok([image]) => image,
        Err(images) => {
            let index = oci::Index {
                schema_version: 2,
                media_type: oci::INDEX.to_owned(),
                manifests: images,
            };
            let bytes = serde_json::to_vec(&index).expect("descriptors are JSON");
            let digest = write_blob(&layout, &bytes)?;
            descriptor(oci::INDEX, digest, bytes.len() as u64)
        }
    };
    write_index(&layout, &root)?;
    Ok(layout)
}

/// Cleans up after a build whose process died, in that place. Whether nothing is left.
pub(super) async fn clean_after(kind: BuilderKind, tools: &Tools, place: &Path) -> bool {
    let store = Store::new(kind, tools, place);
    // It may still be at work, with nobody to tell.
    process::end_marked(&store.mark);
    store.clean(true, PLATFORMS).await
}

async fn build_all<F: Future<Output = ()>>(
    store: &Store<'_>,
    order: &mut Order<'_>,
    mut cancelled: Cancelled<'_, F>,
) -> Result<Vec<Descriptor>, ImageError> {
    let mut platforms: Vec<Option<Platform>> =
        order.build.platforms.iter().cloned().map(Some).collect();
    platforms.sort();
    platforms.dedup();
    if platforms.is_empty() {
        platforms.push(None);
    }
    let mut images = Vec::new();
    for (number, platform) in platforms.iter().enumerate() {
        for attempt in 1.. {
            match store.make(order, number, platform.as_ref(), cancelled.as_mut()).await {
                Err(error) if attempt < ATTEMPTS && has_vanished(&error) => {}
                made => {
                    made?;
                    break;
                }
            }
        }
        let layout = Layout::open(&order.place.join(LAYOUT), Some(&name_of(number)))?;
        let mut image = layout.root().clone();
        image.annotations.clear();
        // As the image says it, not as it was asked for: a base may have decided.
        image.platform = layout.platforms()?.into_iter().next();
        if platform.is_some() {
            check_platform(platform.as_ref(), image.platform.as_ref())?;
        }
        images.push(image);
    }
    Ok(images)
}

/// Whether somebody else took away the image that was being made: whoever builds the same at the
/// same time makes an image of the same id, and removes it when they have their copy.
fn has_vanished(error: &ImageError) -> bool {
    const SAID: [&str; 3] = ["image not known", "layer not known", "identifier is not a"];
    let ImageError::Failed { output, .. } = error else { return false };
    output.last().is_some_and(|line| SAID.iter().any(|said| line.contains(said)))
}

/// A base for another platform builds without an error, and does not run.
fn check_platform(wanted: Option<&Platform>, found: Option<&Platform>) -> Result<(), ImageError> {
    let same = |one: &Platform, other: &Platform| {
        one.os == other.os && one.architecture == other.architecture
    };
    match (wanted, found) {
        (Some(wanted), Some(found)) if !same(wanted, found) => {
            let what = format!("the image was built for {found}, and {wanted} is wanted");
            Err(ImageError::invalid(what))
        }
        _ => Ok(()),
    }
}

/// One platform's image in the layout, and its tag in the local store.
fn name_of(number: usize) -> String {
    format!("image-{number}")
}

/// What a build has in the builder's local store, and the mark by which it is found again.
struct Store<'a> {
    kind: BuilderKind,
    tools: &'a Tools,
    place: PathBuf,
    mark: String,
}

impl<'a> Store<'a> {
    fn new(kind: BuilderKind, tools: &'a Tools, place: &Path) -> Self {
        // The name of a directory that was not there before is not used by another build.
        let unique = place.file_name().unwrap_or_default().to_string_lossy();
        let mark = unique.trim_start_matches('.').to_lowercase();
        Self { kind, tools, place: place.to_owned(), mark }
    }

    /// For the builder's own temporary files.
    fn temporary(&self) -> PathBuf {
        self.place.join(TEMPORARY)
    }

    fn tag(&self, number: usize) -> String {
        format!("localhost/{}:{}", self.mark, name_of(number))
    }

    fn job(&self, args: &[OsString]) -> Job {
        let mut job = Job::new(self.tools, self.kind.as_str(), args);
        job.current_dir(&self.place);
        job.env("TMPDIR", self.temporary());
        job
    }

    fn build_job(
        &self,
        order: &Order<'_>,
        number: usize,
        platform: Option<&Platform>,
    ) -> Result<Job, ImageError> {
        // Without an ignore file neither is to find one that Docker would not read.
        let none = self.temporary().join("ignore-nothing");
        let ignore_file = if let Some(path) = &order.ignore_file {
            path
        } else {
            std::fs::write(&none, "").map_err(ImageError::writing(&none))?;
            &none
        };
        let mut args: Vec<OsString> = vec!["build".into(), "--timestamp=0".into()];
        args.push(flag("--tag", self.tag(number)));
        args.push(flag("--ignorefile", ignore_file));
        args.extend(order.arguments());
        // Caches are of layers.
        if !order.build.cache_from.is_empty() || !order.build.cache_to.is_empty() {
            args.push("--layers".into());
        }
        // Nothing asks for this secret. It is how working containers of this build are told
        // from others, where it ended before it removed them.
        args.push(flag("--secret", format!("id={0},env={0}", self.mark)));
        args.extend(platform.map(|platform| flag("--platform", platform.to_string())));
        args.push("--".into());
        args.push(order.context.clone().into());
        let mut job = self.job(&args);
        job.env(&self.mark, process::MARKED);
        Ok(job)
    }

    /// Builds the image of one platform, and copies it out of the local store.
    async fn make<F: Future<Output = ()>>(
        &self,
        order: &mut Order<'_>,
        number: usize,
        platform: Option<&Platform>,
        mut cancelled: Cancelled<'_, F>,
    ) -> Result<(), ImageError> {
        let job = self.build_job(order, number, platform)?;
        order.run(job, cancelled.as_mut()).await?;
        order.run(self.push_job(number), cancelled).await?;
        Ok(())
    }

    fn push_job(&self, number: usize) -> Job {
        let to = format!("oci:{LAYOUT}:{}", name_of(number));
        let args = ["push".to_owned(), "--format=oci".to_owned(), self.tag(number), to];
        self.job(&args.map(OsString::from))
    }

    /// Removes what the build has in the local store. What cannot be removed stays: the build
    /// has its own outcome. Whether nothing stayed.
    async fn clean(&self, is_failed: bool, platforms: usize) -> bool {
        let cleaning = async {
            let mut is_clean = true;
            if is_failed {
                for id in self.working_containers().await {
                    is_clean &= self.ask(&["rm", &id]).await.is_some();
                }
            }
            for number in 0..platforms.max(1) {
                let _ = self.ask(&["rmi", "--force", &self.tag(number)]).await;
            }
            is_clean
        };
        tokio::time::timeout(CLEANING, cleaning).await.unwrap_or(false)
    }

    /// The working containers that have the mark in their description.
    async fn working_containers(&self) -> Vec<String> {
        let (list, info): (&[&str], &str) = match self.kind {
            BuilderKind::Podman => (
                &["ps", "--all", "--external", "--no-trunc", "--quiet"],
                "--format={{.Store.GraphRoot}}/{{.Store.GraphDriverName}}-containers",
            ),
            _ => (
                &["containers", "--all", "--notruncate", "--quiet"],
                "--format={{.store.GraphRoot}}/{{.store.GraphDriverName}}-containers",
            ),
        };
        let Some(root) = self.ask(&["info", info]).await.and_then(|it| it.last().cloned()) else {
            return Vec::new();
        };
        let ids = self.ask(list).await.unwrap_or_default();
        let is_marked = |id: &String| {
            let path = Path::new(&root).join(id.trim()).join("userdata/buildah.json");
            std::fs::read_to_string(path).is_ok_and(|text| text.contains(&self.mark))
        };
        ids.into_iter().filter(is_marked).collect()
    }

    async fn ask(&self, args: &[&str]) -> Option<Vec<String>> {
        let args: Vec<OsString> = args.iter().map(Into::into).collect();
        let mut job = self.job(&args);
        job.keep_all();
        let never = std::pin::pin!(std::future::pending());
        let output = job.run(&Secrets::default(), &mut |_| {}, never).await;
        output.ok().map(|output| output.lines)
    }
}
