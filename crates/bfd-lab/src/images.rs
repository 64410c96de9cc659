//! Images that an environment makes and pushes, with the services that run them, and what a
//! person may change about them.
//!
//! What they are made of is in `fixtures/`. They are thrown from a source of their own: a seed
//! that has none tells the same story as it did before there were any.

use crate::{dice::Dice, links};
use bfd_image::Layout;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

/// Makes the source of these dice another one than that of everything else.
const SALT: u64 = 0x1a6e_5eed;
/// Seeds from here on have images: what earlier ones tell is as it was before there were any.
const FIRST: u64 = 1_000_000;
/// Directories to lay, and OCI layouts, in `fixtures/`.
const CONTENTS: usize = 3;
const NAMES: [&str; 4] = ["mirror", "site", "status", "tool"];
const REGISTRY: &str = "123456789012.dkr.ecr.ap-southeast-1.amazonaws.com";
/// Somebody else's repository in the same registry: bases, and what is copied.
pub const UPSTREAM: &str = "lab-upstream";
/// The tag there that somebody else moves.
pub const MOVING_TAG: &str = "latest";

/// The images of an environment. Their repositories stay as long as it does.
#[derive(Clone, Debug, Default)]
pub struct Images {
    /// Whether tags are immutable, by the name of the resource.
    repositories: BTreeMap<&'static str, bool>,
    made: BTreeMap<&'static str, Made>,
}

#[derive(Clone, Debug)]
struct Made {
    repository: &'static str,
    origin: Origin,
    tag: Option<String>,
    /// How many tasks run it, if any.
    service: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Origin {
    Files {
        content: usize,
        base: Option<usize>,
    },
    Archive(usize),
    /// From upstream: by digest, or what the moving tag is on.
    Copy(Option<usize>),
}

/// Where what images are made of is.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// One of the layouts.
pub fn layout(number: usize) -> Layout {
    let path = fixtures().join(format!("archive-{}", number % CONTENTS));
    Layout::open(&path, None).expect("the fixtures are layouts")
}

/// Where the registry is.
pub fn environment() -> bfd_core::Environment {
    bfd_core::Environment {
        name: "lab".to_owned(),
        account: "123456789012".to_owned(),
        region: "ap-southeast-1".to_owned(),
    }
}

/// One of the layouts as somebody else has pushed it.
pub fn upstream(number: usize) -> String {
    format!("{REGISTRY}/{UPSTREAM}@{}", layout(number).root().digest)
}

impl Images {
    /// The dice of a seed's images, unless it has none.
    pub fn dice(seed: u64) -> Option<Dice> {
        (FIRST..links::FIRST).contains(&seed).then(|| Dice::new(seed ^ SALT))
    }

    pub fn thrown(dice: &mut Dice) -> Self {
        let repositories = [("images", dice.percent(30)), ("pages", dice.percent(50))];
        let mut thrown =
            Self { repositories: repositories.into_iter().collect(), made: BTreeMap::new() };
        for name in NAMES {
            if dice.percent(45) {
                thrown.made.insert(name, Made::thrown(dice));
            }
        }
        thrown
    }

    /// The same with a few things changed, as the next commit would.
    #[must_use]
    pub fn changed(&self, dice: &mut Dice) -> Self {
        let mut next = self.clone();
        for _ in 0..=dice.below(3) {
            next.change(dice);
        }
        next
    }

    fn change(&mut self, dice: &mut Dice) {
        match dice.below(10) {
            0 => {
                let name = *dice.pick(&NAMES);
                if self.made.remove(name).is_none() {
                    self.made.insert(name, Made::thrown(dice));
                }
            }
            1 => {
                let name = *dice.pick(&["images", "pages"]);
                self.repositories.insert(name, dice.percent(40));
            }
            _ => {
                let at = dice.below(self.made.len());
                if let Some(made) = self.made.values_mut().nth(at) {
                    made.change(dice);
                }
            }
        }
    }

    /// What is added to the manifest.
    pub fn tables(&self) -> String {
        let mut text = String::new();
        for (key, is_immutable) in &self.repositories {
            let mutability = if *is_immutable { "immutable" } else { "mutable" };
            writeln!(
                text,
                "[repository.{key}]\nname = \"lab-{key}\"\ntag_mutability = \"{mutability}\"\n"
            )
            .expect("writing to a string");
        }
        if self.made.values().any(|made| made.service.is_some()) {
            text.push_str("[cluster.images]\nname = \"lab-images\"\n\n");
        }
        for (key, made) in &self.made {
            text.push_str(&made.tables(key));
        }
        text
    }
}

impl Made {
    fn thrown(dice: &mut Dice) -> Self {
        let mut made = Self {
            repository: "images",
            origin: Origin::thrown(dice),
            tag: None,
            service: dice.percent(50).then(|| 1 + dice.below(2)),
        };
        if dice.percent(50) {
            made.repository = "pages";
        }
        made.retag(dice);
        made
    }

    fn change(&mut self, dice: &mut Dice) {
        match dice.below(10) {
            0 | 1 => self.retag(dice),
            2 => self.service = dice.percent(60).then(|| 1 + dice.below(2)),
            3 => self.origin = Origin::thrown(dice),
            // A bad one, under a tag that the sandbox knows how to run.
            4 => {
                self.origin = Origin::thrown(dice);
                self.tag = Some((*dice.pick(&["crash", "unhealthy"])).to_owned());
            }
            _ => match &mut self.origin {
                Origin::Files { content, .. } | Origin::Archive(content) => {
                    *content = dice.below(CONTENTS);
                }
                Origin::Copy(content) => {
                    *content = dice.percent(60).then(|| dice.below(CONTENTS));
                }
            },
        }
    }

    fn retag(&mut self, dice: &mut Dice) {
        self.tag = match dice.below(4) {
            0 => None,
            1 | 2 => Some("live".to_owned()),
            _ => Some(format!("edition-{}", dice.below(4))),
        };
    }

    fn tables(&self, key: &str) -> String {
        let Self { repository, origin, tag, service } = self;
        // Two images under one tag would take it from each other, plan after plan.
        let tag = tag.as_ref().map(|tag| match tag.as_str() {
            "live" => format!("tag = \"{key}-live\"\n"),
            tag if tag.starts_with("edition") => format!("tag = \"{key}-{tag}\"\n"),
            bad => format!("tag = \"{bad}-{key}\"\n"),
        });
        let mut text = format!(
            "[image.{key}]\nrepository = \"{repository}\"\n{}{}",
            origin.fields(),
            tag.unwrap_or_default()
        );
        if let Some(count) = service {
            write!(
                text,
                "\n[service.{key}-image]\nname = \"lab-{key}-image\"\ncluster = \"images\"\n\
                 desired_count = {count}\ncpu = 256\nmemory = 512\nexecution_role = \
                 \"arn:aws:iam::123456789012:role/lab\"\nnetwork = {{ subnets = [\"subnet-1\"], \
                 security_groups = [] }}\n\n[service.{key}-image.container.main]\nimage = \
                 \"${{image.{key}}}\"\nport = 3000\nhealth_check = {{ command = \"curl -f \
                 http://localhost:3000/health\", interval = \"10s\", retries = 2, start_period = \
                 \"10s\" }}\n"
            )
            .expect("writing to a string");
        }
        text.push('\n');
        text
    }
}

impl Origin {
    fn thrown(dice: &mut Dice) -> Self {
        let content = dice.below(CONTENTS);
        match dice.below(5) {
            0 | 1 => Self::Files { content, base: None },
            2 => Self::Files { content, base: Some(dice.below(CONTENTS)) },
            3 => Self::Archive(content),
            _ => Self::Copy(dice.percent(60).then_some(content)),
        }
    }

    fn fields(self) -> String {
        match self {
            Self::Files { content, base } => {
                let base = base.map(|base| format!("base = \"{}\"\n", upstream(base)));
                format!(
                    "files = {{ \"/srv\" = \"site-{content}\" }}\n{}config = {{ command = \
                     [\"/bin/httpd\"] }}\n",
                    base.unwrap_or_default()
                )
            }
            Self::Archive(content) => format!("archive = \"archive-{content}\"\n"),
            Self::Copy(Some(content)) => format!("source = \"{}\"\n", upstream(content)),
            Self::Copy(None) => format!("source = \"{REGISTRY}/{UPSTREAM}:{MOVING_TAG}\"\n"),
        }
    }
}
