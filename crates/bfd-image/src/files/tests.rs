use super::*;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::{fs, io::Read, os::unix::fs::PermissionsExt};

fn inline(text: &str) -> Source {
    Source::Inline { bytes: text.as_bytes().to_vec(), executable: false }
}

fn files(list: &[(&str, Source)]) -> Files {
    Files {
        base: Base::Scratch,
        files: list.iter().map(|(path, source)| ((*path).to_owned(), source.clone())).collect(),
        platform: "linux/amd64".parse().unwrap(),
        config: RunConfig::default(),
    }
}

fn site(directory: &Path) -> Source {
    fs::create_dir_all(directory.join("css/empty")).unwrap();
    fs::write(directory.join("index.html"), "<html>").unwrap();
    fs::write(directory.join("css/a.css"), "a {}").unwrap();
    fs::write(directory.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(directory.join("run.sh"), fs::Permissions::from_mode(0o711)).unwrap();
    std::os::unix::fs::symlink("index.html", directory.join("start.html")).unwrap();
    Source::Path(directory.to_owned())
}

/// Each entry of the last layer: path, mode, kind.
fn listing(layout: &Layout) -> Vec<String> {
    let layer = layout.images().unwrap()[0].manifest.layers.last().unwrap().digest.clone();
    let gzip = GzDecoder::new(layout.place(&layer).unwrap().open().unwrap());
    let mut archive = tar::Archive::new(gzip);
    let show = |entry: tar::Entry<'_, _>| {
        let header = entry.header();
        assert_eq!(header.mtime().unwrap(), 0);
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let link = entry.link_name().unwrap().map(|to| format!(" -> {}", to.display()));
        format!("{:o} {path}{}", header.mode().unwrap(), link.unwrap_or_default())
    };
    archive.entries().unwrap().map(|entry| show(entry.unwrap())).collect()
}

fn config(layout: &Layout) -> Value {
    let manifest = layout.images().unwrap().remove(0).manifest;
    serde_json::from_slice(&layout.read(&manifest.config).unwrap()).unwrap()
}

/// The digest is the input's alone. Where this changes, every image that was laid before is
/// another one: so only on purpose.
#[test]
fn the_digest_is_known_in_advance() {
    let directory = tempfile::tempdir().unwrap();
    let mut files =
        files(&[("/srv", site(&directory.path().join("site"))), ("/etc/motd", inline("hi"))]);
    files.config.entrypoint = Some(vec!["/srv/run.sh".to_owned()]);
    files.config.ports.insert("8080".to_owned());
    let layout = lay(&files, directory.path()).unwrap();
    layout.verify().unwrap();
    assert_eq!(
        listing(&layout),
        [
            "755 etc/",
            "644 etc/motd",
            "755 srv/",
            "755 srv/css/",
            "644 srv/css/a.css",
            "755 srv/css/empty/",
            "644 srv/index.html",
            "755 srv/run.sh",
            "777 srv/start.html -> index.html",
        ]
    );
    assert_eq!(
        layout.root().digest.as_str(),
        "sha256:f6a1ac6c62faa6b53da408bc9ff296909610b1f33a77830aca8a6330e512b871"
    );
    let names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn the_same_files_elsewhere_give_the_same_digest() {
    let one = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let make = |directory: &Path| {
        let files = files(&[("/srv", site(&directory.join("site")))]);
        (lay(&files, directory).unwrap().root().clone(), content_hash_of_files(&files).unwrap())
    };
    let first = make(one.path());
    assert_eq!(first, make(other.path()));
    assert_eq!((first.1.files, first.1.bytes), (3, 20));
}

#[test]
fn the_hash_knows_what_lay_would_make() {
    let directory = tempfile::tempdir().unwrap();
    let source = site(&directory.path().join("site"));
    let base = files(&[("/srv", source.clone()), ("/a", inline("a"))]);
    let mut variants = vec![base.clone()];
    let mut add = |change: &dyn Fn(&mut Files)| {
        let mut files = base.clone();
        change(&mut files);
        variants.push(files);
    };
    add(&|it| drop(it.files.insert("/a".to_owned(), inline("b"))));
    add(&|it| drop(it.files.insert("/b".to_owned(), inline("a"))));
    add(&|it| {
        let source = Source::Inline { bytes: b"a".to_vec(), executable: true };
        it.files.insert("/a".to_owned(), source);
    });
    add(&|it| drop(it.files.remove("/a")));
    add(&|it| it.platform = "linux/arm64".parse().unwrap());
    add(&|it| it.config.entrypoint = Some(vec!["/a".to_owned()]));
    add(&|it| it.config.command = Some(vec!["/a".to_owned()]));
    add(&|it| it.config.working_dir = Some("/a".to_owned()));
    add(&|it| it.config.user = Some("/a".to_owned()));
    add(&|it| drop(it.config.env.insert("A".to_owned(), "a".to_owned())));
    add(&|it| drop(it.config.labels.insert("A".to_owned(), "a".to_owned())));
    add(&|it| it.config.ports.extend(["80".to_owned()]));
    let mut hashes = BTreeSet::new();
    let mut digests = BTreeSet::new();
    for files in &variants {
        hashes.insert(content_hash_of_files(files).unwrap().hash);
        digests.insert(lay(files, directory.path()).unwrap().root().digest.clone());
    }
    assert_eq!((hashes.len(), digests.len()), (variants.len(), variants.len()));
}

#[test]
fn paths_that_cannot_be_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let source = site(&directory.path().join("site"));
    let cases: [(&[(&str, Source)], &str); 10] = [
        (&[("a", inline(""))], "`a` is not absolute"),
        (&[("", inline(""))], "`` is not absolute"),
        (&[("/a/../b", inline(""))], "goes up"),
        (&[("/a\0", inline(""))], "zero byte"),
        (&[("/a/.wh.b", inline(""))], "`.wh.`"),
        (&[("/a", inline("")), ("/a/", inline(""))], "`/a` comes from two places"),
        (&[("/a", inline("")), ("/a/b", inline(""))], "`/a` is a file and a directory"),
        (&[("/a/b", inline("")), ("/a", inline(""))], "`/a` is a file and a directory"),
        (
            &[("/s", source.clone()), ("/s/index.html", inline(""))],
            "`/s/index.html` comes from two",
        ),
        (&[("/", inline(""))], "`/` is a directory"),
    ];
    for (list, told) in cases {
        let files = files(list);
        for error in [
            lay(&files, directory.path()).unwrap_err().to_string(),
            content_hash_of_files(&files).unwrap_err().to_string(),
        ] {
            assert!(error.contains(told), "{error}");
        }
    }
    // Directories may meet.
    lay(&files(&[("/", source.clone()), ("/css/b.css", inline(""))]), directory.path()).unwrap();
    for port in ["", "0", "http", "80/http", "70000"] {
        let mut files = files(&[]);
        files.config.ports.insert(port.to_owned());
        assert!(lay(&files, directory.path()).is_err(), "{port}");
    }
    let missing = files(&[("/a", Source::Path("/nowhere".into()))]);
    assert!(lay(&missing, directory.path()).unwrap_err().to_string().contains("/nowhere"));
}

/// An image to be laid over, of which only manifest and configuration are known.
fn base(config: &Value, media_type: &str) -> BaseImage {
    let config = serde_json::to_vec(config).unwrap();
    let layer = descriptor(oci::LAYER, Digest::of(b"layer"), 5);
    let manifest = Manifest {
        schema_version: 2,
        media_type: media_type.to_owned(),
        config: descriptor(oci::CONFIG, Digest::of(&config), config.len() as u64),
        layers: vec![layer],
    };
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let descriptor = descriptor(media_type, Digest::of(&bytes), bytes.len() as u64);
    BaseImage { manifest, config, descriptor }
}

fn base_config() -> Value {
    json!({
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-01-01T00:00:00Z",
        "config": {
            "Env": ["PATH=/bin", "MODE=old"],
            "Cmd": ["nginx"],
            "Labels": { "a": "1" },
            "StopSignal": "SIGQUIT",
        },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(b"below")] },
        "history": [{ "created_by": "somebody" }],
    })
}

#[test]
fn a_base_lends_its_layers_and_its_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = files(&[("/tmp/a/b", inline("hi"))]);
    let base = base(&base_config(), oci::MANIFEST);
    files.base = Base::Image(Box::new(base.clone()));
    files.config = RunConfig {
        entrypoint: Some(vec!["/a".to_owned()]),
        env: [("MODE", "new"), ("A", "b")].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
        ports: ["53/udp".to_owned()].into(),
        labels: [("b".to_owned(), "2".to_owned())].into(),
        ..RunConfig::default()
    };
    let layout = lay(&files, directory.path()).unwrap();
    layout.verify().unwrap();
    let below = &base.manifest.layers[0];
    assert_eq!(layout.absent().values().collect::<Vec<_>>(), [below]);
    assert!(layout.place(&below.digest).is_err());
    assert_eq!(listing(&layout), ["1777 tmp/", "755 tmp/a/", "644 tmp/a/b"]);
    let manifest = layout.images().unwrap().remove(0).manifest;
    assert_eq!(manifest.layers.len(), 2);
    assert_eq!(manifest.layers[0], *below);
    // What the configuration names a layer by is the digest of its unpacked bytes.
    let mut tar = Vec::new();
    let place = layout.place(&manifest.layers[1].digest).unwrap();
    GzDecoder::new(place.open().unwrap()).read_to_end(&mut tar).unwrap();
    assert_eq!(
        config(&layout),
        json!({
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Entrypoint": ["/a"],
                "Env": ["PATH=/bin", "MODE=new", "A=b"],
                "ExposedPorts": { "53/udp": {} },
                "Labels": { "a": "1", "b": "2" },
                "StopSignal": "SIGQUIT",
            },
            "rootfs": { "type": "layers", "diff_ids": [Digest::of(b"below"), Digest::of(&tar)] },
            "history": [
                { "created_by": "somebody" },
                { "created": "1970-01-01T00:00:00Z", "created_by": "bfd: files" },
            ],
        })
    );
}

#[test]
fn a_base_in_dockers_words_stays_in_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = files(&[("/a", inline("hi"))]);
    files.base = Base::Image(Box::new(base(&base_config(), oci::DOCKER_MANIFEST)));
    let layout = lay(&files, directory.path()).unwrap();
    let image = layout.images().unwrap().remove(0);
    assert_eq!(image.descriptor.media_type, oci::DOCKER_MANIFEST);
    assert_eq!(image.manifest.media_type, oci::DOCKER_MANIFEST);
    assert_eq!(image.manifest.config.media_type, oci::DOCKER_CONFIG);
    assert_eq!(image.manifest.layers[1].media_type, oci::DOCKER_LAYER);
}

#[test]
fn a_base_that_does_not_fit_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |base: BaseImage, path: &str| {
        let mut files = files(&[(path, inline("hi"))]);
        files.base = Base::Image(Box::new(base));
        lay(&files, directory.path()).unwrap_err().to_string()
    };
    let mut other = base_config();
    other["architecture"] = json!("arm64");
    let told = refused(base(&other, oci::MANIFEST), "/a");
    assert!(told.contains("it is for linux/arm64, and linux/amd64 is wanted"), "{told}");
    let mut changed = base(&base_config(), oci::MANIFEST);
    changed.config.push(b' ');
    assert!(refused(changed, "/a").contains("not what its manifest names"));
    let mut short = base(&base_config(), oci::MANIFEST);
    short.manifest.layers.clear();
    assert!(refused(short, "/a").contains("name other layers"));
    let told = refused(base(&base_config(), oci::MANIFEST), "/lib/a");
    assert!(told.contains("use `/usr/lib`"), "{told}");
}

/// A directory that takes no more is the nearest to a full disk that needs no disk.
#[test]
fn what_cannot_be_written_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path().join("none");
    let error = lay(&files(&[("/a", inline(""))]), &into).unwrap_err();
    assert!(matches!(error, ImageError::Write { .. }), "{error}");
    let site = directory.path().join("site");
    site_with_a_socket(&site);
    let into = directory.path().join("into");
    fs::create_dir(&into).unwrap();
    let error = lay(&files(&[("/a", Source::Path(site))]), &into).unwrap_err();
    assert!(error.to_string().contains("neither a file"), "{error}");
    assert_eq!(fs::read_dir(&into).unwrap().count(), 0);
}

fn site_with_a_socket(directory: &Path) {
    fs::create_dir(directory).unwrap();
    std::os::unix::net::UnixListener::bind(directory.join("socket")).unwrap();
}
