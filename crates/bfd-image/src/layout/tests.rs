use super::*;
use crate::{Files, RunConfig, files, oci};
use std::fs;

/// A layout of one layer, made by this crate.
fn layout(directory: &Path) -> Layout {
    let source = files::Source::Inline { bytes: b"hello".to_vec(), executable: false };
    let files = Files {
        base: files::Base::Scratch,
        files: BTreeMap::from([("/a".to_owned(), source)]),
        platform: "linux/arm64".parse().unwrap(),
        config: RunConfig::default(),
    };
    files::lay(&files, directory).unwrap()
}

/// The same as an archive, with the blobs last.
fn archive(layout: &Layout, to: &Path) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for name in ["oci-layout", "index.json"] {
        builder.append_path_with_name(layout.path().join(name), name).unwrap();
    }
    builder.append_dir_all("./blobs", layout.path().join("blobs")).unwrap();
    let bytes = builder.into_inner().unwrap();
    fs::write(to, &bytes).unwrap();
    bytes
}

fn error(result: Result<impl Sized, ImageError>) -> String {
    result.err().expect("it is broken").to_string()
}

fn layer_of(layout: &Layout) -> PathBuf {
    let images = layout.images().unwrap();
    layout.place(&images[0].manifest.layers[0].digest).unwrap().file.clone()
}

#[test]
fn an_archive_is_the_layout_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(directory.path());
    let path = directory.path().join("image.tar");
    archive(&layout, &path);
    let opened = Layout::open(&path, None).unwrap();
    opened.verify().unwrap();
    assert_eq!(opened.root(), layout.root());
    assert_eq!(opened.images().unwrap(), layout.images().unwrap());
    assert_eq!(opened.platforms().unwrap(), ["linux/arm64".parse().unwrap()].into());
    let layer = &opened.images().unwrap()[0].manifest.layers[0];
    let place = opened.place(&layer.digest).unwrap();
    assert_eq!((&place.file, place.size), (&path, layer.size));
    assert!(place.offset > 0);
    let mut bytes = Vec::new();
    place.open().unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(Digest::of(&bytes), layer.digest);
}

/// Cut anywhere before the last blob ends, an archive does not open.
#[test]
fn a_cut_archive_is_broken() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(directory.path());
    let path = directory.path().join("image.tar");
    let bytes = archive(&layout, &path);
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    for length in (0..end).step_by(97).chain([end]) {
        fs::write(&path, &bytes[..length]).unwrap();
        let text = error(Layout::open(&path, None));
        assert!(text.starts_with(path.to_str().unwrap()), "{length}: {text}");
    }
}

#[test]
fn other_archives_are_told_with_a_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.tar");
    let docker = {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(2);
        builder.append_data(&mut header, "manifest.json", &b"[]"[..]).unwrap();
        builder.into_inner().unwrap()
    };
    let empty = tar::Builder::new(Vec::new()).into_inner().unwrap();
    let shown = path.display();
    for (bytes, told) in [
        (&b"\x1f\x8b\x08\0\0\0\0"[..], format!("unpack it with `gunzip {shown}`")),
        (b"\x28\xb5\x2f\xfd\0\0", format!("`unzstd {shown}`")),
        (b"", "it is empty".to_owned()),
        (&[7; 2000], "no archive, or a broken one".to_owned()),
        (&empty, "there is no index.json in it".to_owned()),
        (&docker, format!("`skopeo copy docker-archive:{shown} oci-archive:{shown}.oci`")),
    ] {
        fs::write(&path, bytes).unwrap();
        let text = error(Layout::open(&path, None));
        assert!(text.contains(&told), "{text}");
    }
    assert!(error(Layout::open(&directory.path().join("none"), None)).contains("cannot read"));
}

#[test]
fn other_bytes_of_the_same_size_are_found_by_verify() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(directory.path());
    let layer = layer_of(&layout);
    let mut bytes = fs::read(&layer).unwrap();
    bytes[20] ^= 1;
    fs::write(&layer, &bytes).unwrap();
    let opened = Layout::open(layout.path(), None).unwrap();
    assert!(error(opened.verify()).contains("has other bytes"));
    let path = directory.path().join("image.tar");
    archive(&layout, &path);
    assert!(error(Layout::open(&path, None).unwrap().verify()).contains("has other bytes"));
}

#[test]
fn sizes_are_checked_and_blobs_must_be_there() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(directory.path());
    let layer = layer_of(&layout);
    let bytes = fs::read(&layer).unwrap();
    fs::write(&layer, &bytes[1..]).unwrap();
    let told = format!("has {} bytes and should have {}", bytes.len() - 1, bytes.len());
    assert!(error(Layout::open(layout.path(), None)).contains(&told));
    // Cut while it is open.
    assert!(error(layout.verify()).contains("ends after"));
    fs::remove_file(&layer).unwrap();
    assert!(error(Layout::open(layout.path(), None)).contains("is missing"));
}

#[test]
fn manifests_are_checked_when_they_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(directory.path());
    let manifest = &layout.place(&layout.root().digest).unwrap().file;
    let text = fs::read_to_string(manifest).unwrap();
    fs::write(manifest, text.replace("schemaVersion\":2", "schemaVersion\":3")).unwrap();
    assert!(error(Layout::open(layout.path(), None)).contains("has other bytes"));
    let index = layout.path().join("index.json");
    fs::write(&index, "<html>").unwrap();
    assert!(error(Layout::open(layout.path(), None)).contains("index.json is not as OCI has it"));
    fs::remove_file(&index).unwrap();
    assert!(error(Layout::open(layout.path(), None)).contains("index.json"));
}

#[test]
fn one_of_several_images_is_chosen_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(directory.path());
    let named = |name: &str| {
        let mut root = layout.root().clone();
        root.annotations.insert(REF_NAME.to_owned(), name.to_owned());
        root
    };
    let index = Index {
        schema_version: 2,
        media_type: oci::INDEX.to_owned(),
        manifests: vec![named("v1"), named("v2")],
    };
    let path = layout.path();
    fs::write(path.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
    assert_eq!(Layout::open(path, Some("v2")).unwrap().root(), &named("v2"));
    assert!(error(Layout::open(path, None)).contains("there are 2 images in it (`v1`, `v2`)"));
    assert!(error(Layout::open(path, Some("v3"))).contains("no one image is called `v3`"));
}

#[test]
fn a_layer_with_an_address_may_stay_there() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(directory.path());
    fs::remove_file(layer_of(&layout)).unwrap();
    let mut manifest = layout.images().unwrap().remove(0).manifest;
    manifest.layers[0].urls.push("https://example.com/layer".to_owned());
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let digest = archive::write_blob(layout.path(), &bytes).unwrap();
    let root = files::descriptor(oci::MANIFEST, digest, bytes.len() as u64);
    archive::write_index(layout.path(), &root).unwrap();
    Layout::open(layout.path(), None).unwrap().verify().unwrap();
}
