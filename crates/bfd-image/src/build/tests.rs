use super::*;
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence},
};
use std::{
    collections::BTreeSet,
    fs::{self, File, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

/// One thing of a context, at a path.
#[derive(Clone, Debug, PartialEq)]
enum Thing {
    Directory,
    File { bytes: Vec<u8>, executable: bool },
    Link(String),
}

type Things = BTreeMap<String, Thing>;

/// Paths of up to three parts of few names, so that they meet. Files win over what would be
/// below them.
fn things() -> impl Strategy<Value = Things> {
    let part = prop::sample::select(vec!["a", "b", "c.md", "d e", "Ä"]);
    let path = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
    let thing = prop_oneof![
        1 => Just(Thing::Directory),
        4 => (prop::collection::vec(any::<u8>(), 0..20), any::<bool>())
            .prop_map(|(bytes, executable)| Thing::File { bytes, executable }),
        1 => "[a-z]{1,5}".prop_map(Thing::Link),
    ];
    prop::collection::btree_map(path, thing, 1..12).prop_map(|mut things| {
        let solid: Vec<String> = things
            .iter()
            .filter(|(_, thing)| **thing != Thing::Directory)
            .map(|(path, _)| format!("{path}/"))
            .collect();
        things.retain(|path, _| !solid.iter().any(|above| path.starts_with(above)));
        things
    })
}

fn write(root: &Path, path: &str, thing: &Thing, mode: u32) {
    let place = root.join(path);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    match thing {
        Thing::Directory => fs::create_dir_all(&place).unwrap(),
        Thing::Link(target) => symlink(target, &place).unwrap(),
        Thing::File { bytes, executable } => {
            fs::write(&place, bytes).unwrap();
            let mode = if *executable { mode | 0o100 } else { mode };
            fs::set_permissions(&place, Permissions::from_mode(mode)).unwrap();
        }
    }
}

/// A context with a Dockerfile outside of it, so that the things are all there is.
struct Context {
    root: TempDir,
}

impl Context {
    fn new<'a>(things: impl Iterator<Item = (&'a String, &'a Thing)>, mode: u32) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("context")).unwrap();
        fs::write(root.path().join("Dockerfile"), "FROM scratch\nCOPY . /\n").unwrap();
        let context = Self { root };
        for (path, thing) in things {
            write(&context.path(), path, thing, mode);
        }
        context
    }

    fn path(&self) -> PathBuf {
        self.root.path().join("context")
    }

    fn ignore(&self, patterns: &str) {
        fs::write(self.root.path().join("Dockerfile.dockerignore"), patterns).unwrap();
    }

    fn build(&self) -> Build {
        Build {
            context: self.path(),
            dockerfile: Some(self.root.path().join("Dockerfile")),
            ..Build::default()
        }
    }

    fn hash(&self) -> Digest {
        content_hash(&self.build()).unwrap().hash
    }
}

proptest! {
    #![proptest_config(Config {
        cases: 64,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    })]

    #[test]
    fn the_same_elsewhere_is_the_same(things in things(), age in 0_u64..1_000_000_000) {
        let one = Context::new(things.iter(), 0o644);
        let other = Context::new(things.iter().rev(), 0o600);
        for (path, thing) in &things {
            if matches!(thing, Thing::File { .. }) {
                let file = File::options().append(true).open(other.path().join(path)).unwrap();
                file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(age)).unwrap();
            }
        }
        prop_assert_eq!(content_hash(&one.build()).unwrap(), content_hash(&other.build()).unwrap());
    }

    #[test]
    fn another_thing_is_another_hash(things in things(), which in any::<prop::sample::Index>()) {
        let before = Context::new(things.iter(), 0o644).hash();
        let (path, thing) = things.iter().nth(which.index(things.len())).unwrap();
        let mut variants = Vec::new();
        let mut vary = |path: &str, thing: Thing| {
            let mut things = things.clone();
            things.insert(path.to_owned(), thing);
            variants.push(things);
        };
        match thing {
            Thing::Directory => vary(&format!("{path}/new"), Thing::Directory),
            Thing::Link(target) => vary(path, Thing::Link(format!("{target}x"))),
            Thing::File { bytes, executable } => {
                vary(path, Thing::File { bytes: bytes.clone(), executable: !executable });
                let more = [bytes.as_slice(), b"x"].concat();
                vary(path, Thing::File { bytes: more, executable: *executable });
                if let Some(last) = bytes.last() {
                    let mut other = bytes.clone();
                    *other.last_mut().unwrap() = last ^ 1;
                    vary(path, Thing::File { bytes: other, executable: *executable });
                }
                vary(path, Thing::Link("x".to_owned()));
            }
        }
        let mut renamed = things.clone();
        let thing = renamed.remove(path).unwrap();
        renamed.insert(format!("{path}-new"), thing);
        // A directory that holds others is there also without being named.
        if !things.keys().any(|other| other.starts_with(&format!("{path}/"))) {
            variants.push(renamed);
        }
        for things in variants {
            prop_assert_ne!(&before, &Context::new(things.iter(), 0o644).hash());
        }
    }

    #[test]
    fn what_is_ignored_does_not_count(things in things(), more in things()) {
        let one = Context::new(things.iter(), 0o644);
        one.ignore("**/ignored\nlog/**\n");
        let before = one.hash();
        for (path, thing) in &more {
            write(&one.path(), &format!("ignored/{path}"), thing, 0o644);
            write(&one.path(), &format!("a-directory/ignored/{path}"), thing, 0o644);
        }
        // Only the directory itself, which is not ignored, is new.
        fs::remove_dir_all(one.path().join("a-directory/ignored")).unwrap();
        fs::remove_dir(one.path().join("a-directory")).unwrap();
        prop_assert_eq!(before, one.hash());
    }

    /// A walk that leaves directories out sees what one that enters all of them sees.
    #[test]
    fn leaving_directories_out_changes_nothing(
        things in things(),
        patterns in prop::collection::vec(
            ("!?", "(\\*\\*/)?(a|b|\\*|\\?|c\\.md)(/(a|b|\\*|\\*\\*)){0,2}")
                .prop_map(|(sign, pattern)| sign + &pattern),
            1..6,
        ),
    ) {
        let context = Context::new(things.iter(), 0o644);
        let text = patterns.join("\n");
        let ignore = Ignore::parse(&text).unwrap();
        let pruned: BTreeSet<Vec<u8>> =
            tree::list(&context.path(), &ignore).unwrap().into_keys().collect();
        let all = tree::list(&context.path(), &Ignore::default()).unwrap();
        let mut expected = BTreeSet::new();
        for path in all.into_keys() {
            let text = String::from_utf8(path).unwrap();
            let mut matched = dockerignore::Matched::default();
            let mut ignored = false;
            let ends: Vec<usize> =
                text.match_indices('/').map(|(end, _)| end).chain([text.len()]).collect();
            for end in &ends {
                (ignored, matched) = ignore.matches(&text[..*end], &matched);
            }
            if !ignored {
                expected.extend(ends.iter().map(|end| text.as_bytes()[..*end].to_vec()));
            }
        }
        prop_assert_eq!(pruned, expected, "{}", text);
    }
}

#[test]
fn what_is_not_on_disk_counts_or_does_not() {
    let context = Context::new(Things::new().iter(), 0o644);
    let plain = context.build();
    let hash = |change: &dyn Fn(&mut Build)| {
        let mut build = plain.clone();
        change(&mut build);
        content_hash(&build).unwrap().hash
    };
    let secret = |name: &str| SecretFrom::Environment(name.to_owned());
    let arg = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let different = [
        hash(&|_| ()),
        hash(&|it| it.args = BTreeMap::from([arg("A", "b")])),
        hash(&|it| it.args = BTreeMap::from([arg("A", "c")])),
        hash(&|it| it.args = BTreeMap::from([arg("Ab", "")])),
        hash(&|it| it.args = BTreeMap::from([arg("A", "b"), arg("B", "")])),
        hash(&|it| it.target = Some("A".to_owned())),
        hash(&|it| it.platforms = vec!["linux/arm64".parse().unwrap()]),
        hash(&|it| it.secrets = BTreeMap::from([("A".to_owned(), secret("X"))])),
    ];
    assert_eq!(different.iter().collect::<BTreeSet<_>>().len(), different.len());
    let same = [
        hash(&|_| ()),
        hash(&|it| it.builder = Some(BuilderKind::Podman)),
        hash(&|it| it.cache_from = vec!["type=gha".to_owned()]),
        hash(&|it| it.cache_to = vec!["type=gha".to_owned()]),
    ];
    assert_eq!(same.iter().collect::<BTreeSet<_>>().len(), 1);
    let secrets = ["X", "Y"]
        .map(|name| hash(&|it| it.secrets = BTreeMap::from([("A".to_owned(), secret(name))])));
    assert_eq!(secrets[0], secrets[1]);
    let platforms: [&[&str]; 2] =
        [&["linux/arm64", "linux/amd64"], &["linux/amd64", "linux/arm64"]];
    let platforms = platforms.map(|names| {
        hash(&|it| it.platforms = names.iter().map(|name| name.parse().unwrap()).collect())
    });
    assert_eq!(platforms[0], platforms[1]);
    fs::write(context.root.path().join("Dockerfile"), "FROM scratch\n").unwrap();
    assert_ne!(context.hash(), different[0]);
}

/// Where this changes, everybody's images are built again: so only on purpose.
#[test]
fn the_hash_is_known_in_advance() {
    let file = Thing::File { bytes: b"hello".to_vec(), executable: true };
    let things = Things::from([
        ("a/b".to_owned(), file),
        ("c".to_owned(), Thing::Link("a/b".to_owned())),
        ("d".to_owned(), Thing::Directory),
    ]);
    let content = content_hash(&Context::new(things.iter(), 0o644).build()).unwrap();
    assert_eq!((content.files, content.bytes), (1, 5));
    assert_eq!(
        content.hash.as_str(),
        "sha256:af0348e02ecb35b704ae6556425f06ca16207898271285f751df6070539048ff"
    );
}

#[test]
fn the_dockerfile_is_found_or_told() {
    let context = Context::new(Things::new().iter(), 0o644);
    let mut build = Build { context: context.path(), ..Build::default() };
    let missing = content_hash(&build).unwrap_err();
    assert!(matches!(&missing, ImageError::NoDockerfile { path }
        if *path == context.path().join("Dockerfile")));
    for name in ["Containerfile", "Dockerfile"] {
        fs::write(context.path().join(name), "FROM scratch\n").unwrap();
        assert_eq!(build.find_dockerfile().unwrap(), context.path().join(name));
    }
    build.dockerfile = Some("/nowhere/Dockerfile".into());
    assert!(build.find_dockerfile().unwrap_err().to_string().contains("/nowhere/Dockerfile"));
    build.context = context.path().join("Dockerfile");
    assert!(content_hash(&build).unwrap_err().to_string().contains("a context is a directory"));
    build.context = context.path().join("none");
    assert!(content_hash(&build).unwrap_err().to_string().contains("none"));
}

#[test]
fn what_cannot_be_in_an_image_is_told_unless_it_is_ignored() {
    let context = Context::new(Things::new().iter(), 0o644);
    let socket = context.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let error = content_hash(&context.build()).unwrap_err().to_string();
    assert!(error.starts_with(socket.to_str().unwrap()), "{error}");
    context.ignore("socket");
    content_hash(&context.build()).unwrap();
    context.ignore("fine\n[\n");
    let error = content_hash(&context.build()).unwrap_err().to_string();
    assert!(error.ends_with("Dockerfile.dockerignore: line 2: `[` is no pattern"), "{error}");
}

#[test]
fn builders_are_called_as_their_programs() {
    for kind in BuilderKind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
    assert!("kaniko".parse::<BuilderKind>().unwrap_err().to_string().contains("`kaniko`"));
}
