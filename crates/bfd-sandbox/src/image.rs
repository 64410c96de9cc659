use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{json, world::World};

/// How the containers of an image behave. Durations are virtual, counted from their start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Behaviour {
    /// Runs, and passes every health check.
    Healthy,
    /// Exits.
    Crash {
        /// What the process exits with.
        exit_code: i32,
        /// How long it runs before.
        after: Duration,
    },
    /// Runs, and fails every health check.
    Unhealthy,
    /// Is killed for using more memory than it may, a moment after its start.
    OutOfMemory,
    /// Fails health checks for so long, then passes them.
    SlowStart(Duration),
}

/// Scripted behaviours by a part of the image's name; the latest that matches counts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Behaviours(Vec<(String, Behaviour)>);

impl Behaviours {
    pub(crate) fn set(&mut self, part: &str, behaviour: Behaviour) {
        self.0.retain(|(known, _)| known != part);
        self.0.push((part.to_owned(), behaviour));
    }

    fn find(&self, names: &[String]) -> Option<Behaviour> {
        self.0
            .iter()
            .rev()
            .find(|(part, _)| names.iter().any(|name| name.contains(part.as_str())))
            .map(|(_, behaviour)| *behaviour)
    }
}

/// Images that any account can pull.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PublicImages(BTreeMap<String, PublicImage>);

/// What is known about a public image.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PublicImage {
    /// The one port it listens on; `None` answers on any.
    port: Option<u16>,
    /// The paths that it answers with a success; empty answers any.
    paths: Vec<String>,
}

impl Default for PublicImages {
    fn default() -> Self {
        let mut images = Self(BTreeMap::new());
        // The stock nginx has its welcome page and nothing else: `/health` is a 404.
        for name in [
            "nginx:alpine",
            "nginx:latest",
            "public.ecr.aws/nginx/nginx:alpine",
            "public.ecr.aws/docker/library/nginx:alpine",
            "amazon/amazon-ecs-sample:*",
        ] {
            images.add(name, Some(80), &["/", "/index.html"]);
        }
        images.add("typesense/typesense:*", Some(8108), &["/health"]);
        images.add("public.ecr.aws/docker/library/busybox:*", None, &[]);
        images
    }
}

impl PublicImages {
    /// Adds `name:tag`, or `name:*` for every tag.
    pub(crate) fn add(&mut self, name: &str, port: Option<u16>, paths: &[&str]) {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        self.0.insert(normal(name), PublicImage { port, paths });
    }

    fn find(&self, name: &str) -> Option<&PublicImage> {
        let name = normal(name);
        if let Some((repository, digest)) = name.split_once('@') {
            let tags = self.0.range(format!("{repository}:")..);
            return tags
                .take_while(|(known, _)| known.starts_with(&format!("{repository}:")))
                .find(|(known, _)| known.ends_with(":*") || public_digest(known) == digest)
                .map(|(_, image)| image);
        }
        let repository = name.rsplit_once(':')?.0;
        self.0.get(&name).or_else(|| self.0.get(&format!("{repository}:*")))
    }
}

/// An image that a task can pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pulled {
    /// `sha256:…`
    pub(crate) digest: String,
    /// `linux/amd64`; `None` where nobody knows, which is taken to fit.
    pub(crate) platforms: Option<Vec<String>>,
}

/// Looks an image up in the world's own registry, then among the public ones.
pub(crate) fn pull(world: &World, image: &str) -> Option<Pulled> {
    if let Some(own) = own_name(world, image) {
        let digest = world.ecr.resolve(own)?;
        let platforms = world.ecr.platforms(own, &digest);
        return Some(Pulled { digest, platforms });
    }
    world.public_images.find(image)?;
    let name = normal(image);
    let digest = match name.split_once('@') {
        Some((_, digest)) => digest.to_owned(),
        None => public_digest(&name),
    };
    Some(Pulled { digest, platforms: None })
}

/// What a container of the image does when nothing but its image decides.
pub(crate) fn behaviour(world: &World, image: &str) -> Behaviour {
    world.behaviours.find(&names(world, image)).unwrap_or(Behaviour::Healthy)
}

/// With what a container exits at once whose command says so: `false`, or `exit 3` in a shell.
pub(crate) fn exits(declared: &Value) -> Option<i32> {
    let words = [json::strings(declared, "entryPoint"), json::strings(declared, "command")];
    let words = words.concat();
    let words = match words.as_slice() {
        ["sh" | "/bin/sh" | "bash" | "/bin/bash", "-c", script] => {
            script.split_whitespace().collect()
        }
        _ => words,
    };
    match words.as_slice() {
        ["true"] => Some(0),
        ["false"] => Some(1),
        ["exit", code] => code.parse().ok(),
        _ => None,
    }
}

/// Every name of an image: services pin digests, scripts name tags.
pub(crate) fn names(world: &World, image: &str) -> Vec<String> {
    let mut names = vec![image.to_owned()];
    if let Some(own) = own_name(world, image) {
        names.extend(world.ecr.names_of(own));
    }
    names
}

/// Whether a health check's command succeeds in a running, well-behaved container.
pub(crate) fn answers(world: &World, image: &str, command: &Value) -> bool {
    let words: Vec<&str> =
        command.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let words = match words.split_first() {
        Some((&("CMD" | "CMD-SHELL"), rest)) => rest.join(" "),
        _ => words.join(" "),
    };
    let words = words.trim();
    if words.ends_with("|| exit 0") || words.ends_with("|| true") {
        return true;
    }
    if words == "false" || words.starts_with("exit ") && words != "exit 0" {
        return false;
    }
    if own_name(world, image).is_some() {
        return true;
    }
    let (Some(public), Some(asked)) = (world.public_images.find(image), Target::parse(words))
    else {
        return true;
    };
    let wrong_port = public.port.is_some_and(|port| port != asked.port);
    let wrong_path =
        asked.path.is_some_and(|path| !public.paths.is_empty() && !public.paths.contains(&path));
    !wrong_port && !wrong_path
}

/// What a health check's command asks of its own container.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    port: u16,
    /// `None` when nothing depends on it: a bare port, or a client that takes a 404 for an answer.
    path: Option<String>,
}

impl Target {
    /// Finds the first `localhost[:PORT][/PATH]`, `localhost PORT`, or the address instead.
    fn parse(words: &str) -> Option<Self> {
        let (at, host) = ["localhost", "127.0.0.1", "[::1]", "0.0.0.0"]
            .iter()
            .filter_map(|host| Some((words.find(host)?, *host)))
            .min()?;
        let before = &words[..at];
        let rest = &words[at + host.len()..];
        let digits =
            |text: &str| -> String { text.chars().take_while(char::is_ascii_digit).collect() };
        let number = rest.strip_prefix([':', ' ']).map(digits).unwrap_or_default();
        let is_url = before.ends_with("://");
        let port = match number.parse() {
            Ok(port) => port,
            Err(_) if before.ends_with("https://") => 443,
            Err(_) => 80,
        };
        let tail = if number.is_empty() { rest } else { &rest[1 + number.len()..] };
        let path: String = tail
            .chars()
            .take_while(|letter| !letter.is_whitespace() && !"\"'?#;|&)".contains(*letter))
            .collect();
        // curl calls a 404 a success unless told otherwise; wget does not.
        let strict = !words.contains("curl")
            || words.split_whitespace().any(|word| {
                word == "--fail"
                    || (word.starts_with('-') && !word.starts_with("--") && word.contains('f'))
            });
        let path = (strict && is_url).then(|| if path.is_empty() { "/".to_owned() } else { path });
        Some(Self { port, path })
    }
}

/// `repository:tag` or `repository@digest` of an image in the world's own registry.
fn own_name<'a>(world: &World, image: &'a str) -> Option<&'a str> {
    let (host, name) = image.split_once('/')?;
    (host == registry(world)).then_some(name)
}

/// The host of the world's own registry.
pub(crate) fn registry(world: &World) -> String {
    format!("{}.dkr.ecr.{}.amazonaws.com", world.account, world.region)
}

/// One spelling for the ways to write a public image: no Docker Hub prefix, always a tag.
fn normal(name: &str) -> String {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    let last = name.rsplit('/').next().unwrap_or(name);
    if let Some((repository, digest)) = name.split_once('@') {
        let tagless = repository.rsplit_once(':').map_or(repository, |(repository, _)| repository);
        return format!("{tagless}@{digest}");
    }
    if last.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

fn public_digest(name: &str) -> String {
    digest(name.as_bytes())
}

/// `sha256:` and the hash in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hexadecimal(&Sha256::digest(bytes)))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_only_end() {
        let code = |entry_point: &[&str], command: &[&str]| {
            exits(&serde_json::json!({ "entryPoint": entry_point, "command": command }))
        };
        assert_eq!(code(&[], &["false"]), Some(1));
        assert_eq!(code(&[], &["sh", "-c", "exit 3"]), Some(3));
        assert_eq!(code(&["/bin/sh", "-c"], &["exit 0"]), Some(0));
        assert_eq!(code(&[], &["sh", "-c", "serve || exit 3"]), None);
        assert_eq!(code(&["exit"], &["late"]), None);
        assert_eq!(exits(&Value::Null), None);
    }

    #[test]
    fn targets() {
        let target = |words| Target::parse(words).map(|target| (target.port, target.path));
        let path = |path: &str| Some(path.to_owned());
        assert_eq!(target("curl -f http://localhost/"), Some((80, path("/"))));
        assert_eq!(
            target("curl -f http://localhost:3000/api/health || exit 1"),
            Some((3000, path("/api/health")))
        );
        assert_eq!(target("curl -sSf http://127.0.0.1 || exit 1"), Some((80, path("/"))));
        assert_eq!(target("curl http://localhost/health"), Some((80, None)));
        assert_eq!(
            target("wget -q --spider http://localhost:8108/health"),
            Some((8108, path("/health")))
        );
        assert_eq!(target("nc -z localhost 3000"), Some((3000, None)));
        assert_eq!(target("curl -fk https://localhost/"), Some((443, path("/"))));
        assert_eq!(target("pgrep node"), None);
    }

    #[test]
    fn names_of_public_images() {
        let images = PublicImages::default();
        for known in [
            "nginx:alpine",
            "docker.io/library/nginx:alpine",
            "nginx",
            "typesense/typesense:27.1",
            "amazon/amazon-ecs-sample",
            "public.ecr.aws/docker/library/busybox:1.36",
        ] {
            assert!(images.find(known).is_some(), "{known}");
        }
        let pinned = format!("nginx@{}", public_digest("nginx:alpine"));
        assert!(images.find(&pinned).is_some());
        for unknown in
            ["nginx:never", "nginx@sha256:00", "example/nginx:alpine", "localhost:5000/nginx"]
        {
            assert!(images.find(unknown).is_none(), "{unknown}");
        }
    }
}
