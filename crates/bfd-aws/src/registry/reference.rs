//! Names of images, read as `docker pull` reads them.

use bfd_image::Digest;
use std::{fmt, str::FromStr};
use thiserror::Error;

/// What `nginx` means: Docker Hub by the name that references have.
const DOCKER_HUB: &str = "docker.io";
/// The longest name of a repository, its registry included.
const LONGEST_NAME: usize = 255;
const LONGEST_TAG: usize = 128;

/// An image in a registry: `registry/repository:tag` or `registry/repository@sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Host and port: `docker.io`, `127.0.0.1:5000`.
    pub registry: String,
    pub repository: String,
    pub at: At,
}

/// What is meant of a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    Tag(String),
    Digest(Digest),
}

/// Why a text names no image.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` names no image: {why}")]
pub struct NotAReference {
    text: String,
    why: String,
}

impl Reference {
    /// The same repository, another image.
    #[must_use]
    pub fn with(&self, at: At) -> Self {
        Self { at, ..self.clone() }
    }

    /// The repository with its registry, without a tag: `registry/repository`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        match &self.at {
            At::Tag(tag) => write!(f, ":{tag}"),
            At::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

impl fmt::Display for At {
    /// As it stands in the path of a manifest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

impl FromStr for Reference {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        parse(text).map_err(|why| NotAReference { text: text.to_owned(), why })
    }
}

fn parse(text: &str) -> Result<Reference, String> {
    let (named, digest) = match text.split_once('@') {
        Some((named, digest)) => {
            (named, Some(digest.parse::<Digest>().map_err(|it| it.to_string())?))
        }
        None => (text, None),
    };
    // A colon before the last slash belongs to a port.
    let (name, tag) = match named.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (named, None),
    };
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if is_registry(first) => (first, rest),
        _ => (DOCKER_HUB, name),
    };
    if !is_host(registry) {
        return Err(format!("`{registry}` is no registry's host"));
    }
    let registry = if registry == "index.docker.io" { DOCKER_HUB } else { registry };
    let mut repository = path.to_owned();
    if registry == DOCKER_HUB && !repository.contains('/') {
        if repository.len() == 64 && repository.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err("64 hexadecimal digits are an image's id, not a repository".to_owned());
        }
        repository.insert_str(0, "library/");
    }
    check_repository(&repository, path)?;
    if registry.len() + 1 + repository.len() > LONGEST_NAME {
        return Err(format!("a name has at most {LONGEST_NAME} characters"));
    }
    let at = match (digest, tag) {
        // With both, the digest says which image, and the tag is a remark.
        (Some(digest), _) => At::Digest(digest),
        (None, tag) => At::Tag(tag.unwrap_or("latest").to_owned()),
    };
    Ok(Reference { registry: registry.to_owned(), repository, at })
}

/// Whether the first part of a name is a registry rather than a part of the repository.
fn is_registry(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        || first.bytes().any(|c| c.is_ascii_uppercase())
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit());
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_name = match name.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.split('.').all(is_label),
    };
    is_name && port.is_none_or(is_port)
}

pub(super) fn check_tag(tag: &str) -> Result<(), String> {
    let is_word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    let is_tag = tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|c| is_word(c) || c == b'.' || c == b'-')
        && tag.len() <= LONGEST_TAG;
    if is_tag {
        Ok(())
    } else {
        Err(format!(
            "`{tag}` is no tag: up to {LONGEST_TAG} letters, digits, `_`, `.` and `-`, \
             the first of them a letter, a digit or `_`"
        ))
    }
}

/// Parts are letters and digits in lower case, with single separators between them: `.`, `_`,
/// `__` or any number of `-`.
fn check_repository(repository: &str, written: &str) -> Result<(), String> {
    if written.is_empty() {
        return Err("there is no repository in it".to_owned());
    }
    if written.bytes().any(|c| c.is_ascii_uppercase()) {
        return Err(format!("`{written}` must be in lower case"));
    }
    let is_part = |part: &str| {
        let mut separator = String::new();
        let mut is_good = part.bytes().next_back().is_some_and(|c| c.is_ascii_alphanumeric())
            && part.bytes().next().is_some_and(|c| c.is_ascii_alphanumeric());
        for c in part.chars() {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                is_good &= matches!(separator.as_str(), "" | "." | "_" | "__")
                    || separator.bytes().all(|c| c == b'-');
                separator.clear();
            } else {
                is_good &= matches!(c, '.' | '_' | '-');
                separator.push(c);
            }
        }
        is_good
    };
    if repository.split('/').all(is_part) {
        Ok(())
    } else {
        Err(format!("`{written}` is no repository"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_are_read_as_docker_reads_them() {
        let read = |text: &str| text.parse::<Reference>().unwrap().to_string();
        assert_eq!(read("nginx"), "docker.io/library/nginx:latest");
        assert_eq!(read("nginx:1.29-alpine"), "docker.io/library/nginx:1.29-alpine");
        assert_eq!(read("grafana/grafana"), "docker.io/grafana/grafana:latest");
        assert_eq!(read("index.docker.io/nginx"), "docker.io/library/nginx:latest");
        assert_eq!(read("localhost/web"), "localhost/web:latest");
        assert_eq!(read("localhost:5000/a/b__c:v1"), "localhost:5000/a/b__c:v1");
        assert_eq!(read("[::1]:5000/web"), "[::1]:5000/web:latest");
        assert_eq!(read("public.ecr.aws/nginx/nginx"), "public.ecr.aws/nginx/nginx:latest");
        let ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/web";
        assert_eq!(read(&format!("{ecr}@{DIGEST}")), format!("{ecr}@{DIGEST}"));
        assert_eq!(read(&format!("{ecr}:v1@{DIGEST}")), format!("{ecr}@{DIGEST}"));
    }

    #[test]
    fn what_names_no_image_is_refused() {
        let refused = |text: &str| text.parse::<Reference>().unwrap_err().to_string();
        for text in [
            "",
            ":v1",
            "web:",
            "a//b",
            "a/",
            "-web",
            "web-",
            "a...b",
            "a_-b",
            "Web",
            "h.io/Web",
            "host:port/web",
            "ho_st.io/web",
            "[::g]/web",
            "h.io/",
            "web@sha256:12",
            "we b",
            "web:v/1",
            "web:-v",
        ] {
            assert!(refused(text).contains("names no image"), "{text}");
        }
        assert!(refused(&"a".repeat(64)).contains("an image's id"));
        assert!(refused(&format!("h.io/{}", "a".repeat(255))).contains("at most 255"));
        assert!(refused("h.io/Web").contains("lower case"));
    }
}
