//! From the inputs of an image to what it is made of on this machine.

use crate::{
    inputs,
    registry::{At, NotAReference, Reference},
};
use bfd_core::{Properties, Secret, Value};
use bfd_image::{
    Base, Build, BuilderKind, Descriptor, Digest, Files, ImageError, Layout, Platform, RunConfig,
    SecretFrom, Source, Tools,
    files::{self, BaseImage},
    oci::{self, Manifest, NotAPlatform},
};
use bfd_kinds::image::Origin;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// What is known of an image before it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The same as long as the image needs not be made again.
    pub hash: String,
    /// The image's digest, where nothing has to be built to know it.
    pub digest: Option<String>,
    /// What it runs on, where that is read from what is there.
    pub platforms: Option<BTreeSet<String>>,
}

/// Why nothing is known of it.
#[derive(Debug, Error)]
pub enum ContentError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Platform(#[from] NotAPlatform),
    #[error(transparent)]
    Reference(#[from] NotAReference),
}

/// How an image is made.
#[derive(Debug)]
pub(super) enum Recipe {
    Build(Box<Build>, BTreeMap<String, Secret>),
    Archive(PathBuf, Option<String>),
    /// The base, unless it is `scratch`, is still to be read: what is here has its digest only.
    Files(Box<Files>, Option<Reference>),
}

/// Reads what an image is made of: nothing is made. `None` for one that is made elsewhere.
///
/// `directory` is the manifest's; the hash does not depend on where that is.
pub fn content(inputs: &Properties, directory: &Path) -> Result<Option<Content>, ContentError> {
    let Some(recipe) = recipe(inputs, directory)? else { return Ok(None) };
    Ok(Some(recipe.content()?))
}

/// Why an image that is built cannot be built here.
pub async fn builder(inputs: &Properties) -> Result<(), String> {
    let chosen = inputs.get("make").and_then(|make| make["builder"].as_str());
    let chosen: Option<BuilderKind> = chosen.and_then(|name| name.parse().ok());
    match bfd_image::builder::detect(chosen, &Tools::default()).await {
        Ok(_) => Ok(()),
        Err(ImageError::NoBuilder { reasons }) => Err(reasons.join("; ")),
        Err(error) => Err(error.to_string()),
    }
}

impl Recipe {
    pub(super) fn content(&self) -> Result<Content, ImageError> {
        Ok(match self {
            Self::Build(build, _) => {
                let content = bfd_image::content_hash(build)?;
                Content { hash: content.hash.to_string(), digest: None, platforms: None }
            }
            Self::Archive(path, name) => {
                let layout = Layout::open(path, name.as_deref())?;
                let digest = layout.root().digest.to_string();
                let platforms = layout.platforms()?.iter().map(ToString::to_string).collect();
                Content { hash: digest.clone(), digest: Some(digest), platforms: Some(platforms) }
            }
            Self::Files(files, _) => {
                let hash = files::content_hash_of_files(files)?.hash.to_string();
                Content { hash, digest: None, platforms: None }
            }
        })
    }
}

pub(super) fn recipe(
    inputs: &Properties,
    directory: &Path,
) -> Result<Option<Recipe>, ContentError> {
    let make = inputs.get("make").unwrap_or(&Value::Null);
    let path = |name: &str| make[name].as_str().map(|path| directory.join(path));
    let origin = inputs::text(inputs, "origin").and_then(Origin::parse);
    Ok(match origin {
        None | Some(Origin::Copy) => None,
        Some(Origin::Archive) => {
            let archive = path("archive").unwrap_or_default();
            Some(Recipe::Archive(archive, make["archive_image"].as_str().map(str::to_owned)))
        }
        Some(Origin::Context) => {
            let (build, secrets) = build(inputs, make, directory)?;
            Some(Recipe::Build(Box::new(build), secrets))
        }
        Some(Origin::Files) => {
            let (files, base) = of_files(inputs, make, directory)?;
            Some(Recipe::Files(Box::new(files), base))
        }
    })
}

fn build(
    inputs: &Properties,
    make: &Value,
    directory: &Path,
) -> Result<(Build, BTreeMap<String, Secret>), ContentError> {
    let context = directory.join(make["context"].as_str().unwrap_or_default());
    let secrets: BTreeMap<String, Secret> = table(&make["secrets"])
        .filter_map(|(id, value)| Some((id.clone(), Secret::from_value(value)?)))
        .collect();
    let from = |secret: &Secret| match &secret.source {
        bfd_core::SecretSource::Env(name) => SecretFrom::Environment(name.clone()),
        bfd_core::SecretSource::File(path) => SecretFrom::File(directory.join(path)),
        bfd_core::SecretSource::Command(words) => SecretFrom::Command(words.clone()),
    };
    let build = Build {
        dockerfile: make["dockerfile"].as_str().map(|path| context.join(path)),
        target: make["target"].as_str().map(str::to_owned),
        args: texts(&make["args"]),
        secrets: secrets.iter().map(|(id, secret)| (id.clone(), from(secret))).collect(),
        platforms: platforms(inputs)?,
        cache_from: words(&make["cache_from"]),
        cache_to: words(&make["cache_to"]),
        builder: make["builder"].as_str().and_then(|name| name.parse().ok()),
        context,
        ..Build::default()
    };
    Ok((build, secrets))
}

fn of_files(
    inputs: &Properties,
    make: &Value,
    directory: &Path,
) -> Result<(Files, Option<Reference>), ContentError> {
    let base = match make["base"].as_str() {
        None | Some("scratch") => None,
        Some(base) => Some(base.parse::<Reference>()?),
    };
    let platform = platforms(inputs)?.into_iter().next();
    let config = &make["config"];
    let list = |name: &str| config[name].as_array().map(|_| words(&config[name]));
    let text = |name: &str| (!config[name].is_null()).then(|| bfd_core::to_text(&config[name]));
    let ports = config["ports"].as_array().into_iter().flatten();
    let files = Files {
        base: base.as_ref().and_then(announced).map_or(Base::Scratch, Base::Image),
        files: table(&make["files"])
            .filter_map(|(to, from)| {
                Some((to.clone(), Source::Path(directory.join(from.as_str()?))))
            })
            .collect(),
        platform: match platform {
            Some(platform) => platform,
            None => "linux/amd64".parse()?,
        },
        config: RunConfig {
            entrypoint: list("entrypoint"),
            command: list("command"),
            env: texts(&config["env"]),
            working_dir: text("working_dir"),
            user: text("user"),
            ports: ports.map(bfd_core::to_text).collect(),
            labels: texts(&config["labels"]),
        },
    };
    Ok((files, base))
}

/// A base of which nothing is known but the digest that is written.
fn announced(base: &Reference) -> Option<Box<BaseImage>> {
    let At::Digest(digest) = &base.at else { return None };
    let descriptor = |media_type: &str, digest: Digest| Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size: 0,
        platform: None,
        annotations: BTreeMap::new(),
        urls: Vec::new(),
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: oci::MANIFEST.to_owned(),
        config: descriptor(oci::CONFIG, digest.clone()),
        layers: Vec::new(),
    };
    let descriptor = descriptor(oci::MANIFEST, digest.clone());
    Some(Box::new(BaseImage { manifest, config: Vec::new(), descriptor }))
}

fn platforms(inputs: &Properties) -> Result<Vec<Platform>, NotAPlatform> {
    let platforms = inputs.get("platforms").unwrap_or(&Value::Null);
    words(platforms).iter().map(|platform| platform.parse()).collect()
}

fn words(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

fn texts(map: &Value) -> BTreeMap<String, String> {
    table(map).map(|(name, value)| (name.clone(), bfd_core::to_text(value))).collect()
}

fn table(map: &Value) -> impl Iterator<Item = (&String, &Value)> {
    map.as_object().into_iter().flatten()
}
