//! The bytes of file assets.

use crate::fixture::directory;
use bfd_assembly::{PackageError, Packaged, Packaging, package};
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    fs::{self, File, FileTimes},
    io::Read as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

/// A file's content, and whether it can be run.
type Tree = BTreeMap<String, (Vec<u8>, bool)>;

fn laid_out(tree: &Tree, mode: u32) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, (content, is_executable)) in tree {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let mode = if *is_executable { mode | 0o100 } else { mode };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    directory
}

fn archive(directory: &Path) -> Result<Packaged, PackageError> {
    package(directory, Packaging::Zip, &temporary())
}

#[expect(clippy::disallowed_methods, reason = "tests have no other place for temporary files")]
fn temporary() -> std::path::PathBuf {
    std::env::temp_dir()
}

fn bytes(packaged: &Packaged) -> Vec<u8> {
    fs::read(packaged.path()).unwrap()
}

/// What is in an archive, in its order.
fn unpacked(packaged: &Packaged) -> Vec<(String, Vec<u8>, u32)> {
    let mut archive = zip::ZipArchive::new(File::open(packaged.path()).unwrap()).unwrap();
    let indices = 0..archive.len();
    let read = indices.map(|index| {
        let mut member = archive.by_index(index).unwrap();
        assert!(member.is_file());
        assert_eq!(member.last_modified().unwrap().to_string(), "1980-01-01 00:00:00");
        let mut content = Vec::new();
        member.read_to_end(&mut content).unwrap();
        (member.name().unwrap().into_owned(), content, member.unix_mode().unwrap() & 0o7777)
    });
    read.collect()
}

#[test]
fn a_file_is_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.txt");
    fs::write(&path, "hello\n").unwrap();

    let packaged = package(&path, Packaging::File, directory.path()).unwrap();

    assert_eq!(packaged.path(), path);
    assert_eq!(packaged.size, 6);
    assert_eq!(packaged.sha256, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
    drop(packaged);
    assert!(path.exists());
}

#[test]
fn the_archive_of_the_fixture_has_these_bytes_everywhere() {
    let name = "asset.464e112dad47f22d2bc83030c94908c0a5ee800a0bafcfd6a73fa7a280ce0ca9";

    let packaged = archive(&directory("cdk.out").join(name)).unwrap();

    let names: Vec<_> =
        unpacked(&packaged).into_iter().map(|(name, _, mode)| (name, mode)).collect();
    assert_eq!(names, [("index.mjs".to_owned(), 0o644), ("sizes.json".to_owned(), 0o644)]);
    assert_eq!(packaged.size, bytes(&packaged).len() as u64);
    // Another version of the compressor may change this; nothing that is deployed rests on it.
    insta::assert_snapshot!(packaged.sha256);
}

#[test]
fn links_are_followed_and_modes_are_two() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("shared"), "s").unwrap();
    let tree = [("z", 0o755), ("a-b", 0o600), ("a/b", 0o777), ("a.b", 0o444), (".hidden", 0o640)];
    let directory = tempfile::tempdir().unwrap();
    for (name, mode) in tree {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, name).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::create_dir(directory.path().join("empty")).unwrap();
    // Twice the same is no loop.
    symlink(outside.path(), directory.path().join("directory")).unwrap();
    symlink("directory", directory.path().join("again")).unwrap();
    symlink("z", directory.path().join("link")).unwrap();

    let packaged = archive(directory.path()).unwrap();

    let expected = [
        (".hidden", ".hidden", 0o644),
        ("a-b", "a-b", 0o644),
        ("a.b", "a.b", 0o644),
        ("a/b", "a/b", 0o755),
        ("again/shared", "s", 0o644),
        ("directory/shared", "s", 0o644),
        ("link", "z", 0o755),
        ("z", "z", 0o755),
    ];
    let expected = expected.map(|(name, text, mode)| (name.to_owned(), text.into(), mode));
    assert_eq!(unpacked(&packaged), expected);
}

#[test]
fn links_that_lead_nowhere_or_back_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("a")).unwrap();
    symlink("..", directory.path().join("a/back")).unwrap();
    assert!(
        matches!(archive(directory.path()), Err(PackageError::Loop { path }) if path.ends_with("a/back"))
    );

    let directory = tempfile::tempdir().unwrap();
    symlink("nowhere", directory.path().join("link")).unwrap();
    assert!(
        matches!(archive(directory.path()), Err(PackageError::Read { path, .. }) if path.ends_with("link"))
    );
    assert!(matches!(
        archive(&directory.path().join("gone")),
        Err(PackageError::Read { path, .. }) if path.ends_with("gone")
    ));
    let gone = package(&directory.path().join("gone"), Packaging::File, directory.path());
    assert!(matches!(gone, Err(PackageError::Read { .. })));
    let nowhere = package(directory.path(), Packaging::Zip, Path::new("/nowhere"));
    assert!(matches!(nowhere, Err(PackageError::Read { .. } | PackageError::Write { .. })));
}

#[test]
fn sockets_and_strange_names_are_errors() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, os::unix::net::UnixListener};

    let directory = tempfile::tempdir().unwrap();
    let _socket = UnixListener::bind(directory.path().join("socket")).unwrap();
    assert!(matches!(archive(directory.path()), Err(PackageError::Special { .. })));

    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(OsStr::from_bytes(b"\xff")), "").unwrap();
    assert!(matches!(archive(directory.path()), Err(PackageError::Name { .. })));
}

#[test]
fn the_temporary_file_goes_with_the_value() {
    let directory = laid_out(&[("a".to_owned(), (vec![1], false))].into(), 0o644);
    let packaged = archive(directory.path()).unwrap();
    let path = packaged.path().to_owned();

    assert!(path.exists());
    drop(packaged);
    assert!(!path.exists());
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let name = "[a-c]{1,2}(/[a-c.é -]{1,3}x){0,2}y";
    let content = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        (any::<u8>(), 0_usize..200_000).prop_map(|(byte, count)| vec![byte; count]),
    ];
    let file = (content, any::<bool>());
    prop::collection::btree_map(name, file, 0..6).prop_map(|tree| {
        // A file cannot be a directory as well.
        let is_directory = |name: &str| tree.keys().any(|it| it.starts_with(&format!("{name}/")));
        let kept = tree.iter().filter(|(name, _)| !is_directory(name));
        kept.map(|(name, file)| (name.clone(), file.clone())).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn one_content_has_one_archive(tree in any_tree()) {
        let (first, second) = (laid_out(&tree, 0o644), laid_out(&tree, 0o400));
        for name in tree.keys() {
            let file = File::open(second.path().join(name)).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890);
            file.set_times(FileTimes::new().set_modified(time)).unwrap();
        }

        let (one, two) = (archive(first.path()).unwrap(), archive(second.path()).unwrap());

        prop_assert_eq!(bytes(&one), bytes(&two));
        prop_assert_eq!(&one.sha256, &two.sha256);
        let expected = tree.into_iter().map(|(name, (content, is_executable))| {
            (name, content, if is_executable { 0o755 } else { 0o644 })
        });
        prop_assert_eq!(unpacked(&one), expected.collect::<Vec<_>>());
    }
}
