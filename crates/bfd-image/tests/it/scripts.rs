//! Docker and podman, played by scripts that write down how they were called.

use super::{Scene, names};
use bfd_image::{Base, BuilderKind, Files, ImageError, RunConfig, Source, builder, lay};
use std::{
    collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration,
};
use tokio::sync::Notify;

pub(crate) fn write_program(directory: &Path, name: &str, text: &str) {
    fs::create_dir_all(directory).unwrap();
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A scene in which a script is all there is, beside the tools of a shell.
fn scene(kind: BuilderKind, script: &str) -> Scene {
    let mut scene = Scene::new("FROM scratch\n");
    let programs = scene.root.path().join("programs");
    let calls = scene.root.path().join("calls");
    // One line for each call, arguments between bars.
    let note = format!("#!/bin/sh\n{{ printf '%s|' \"$@\"; echo; }} >> {}\n", calls.display());
    write_program(&programs, kind.as_str(), &(note + script));
    for tool in ["sh", "cp", "tar", "mkdir", "sleep", "cat", "printenv"] {
        let found = ["/bin", "/usr/bin"].map(|place| Path::new(place).join(tool));
        let found = found.iter().find(|path| path.exists()).unwrap();
        std::os::unix::fs::symlink(found, programs.join(tool)).unwrap();
    }
    scene.tools.path = Some(programs.into());
    let image = Files {
        base: Base::Scratch,
        files: BTreeMap::from([(
            "/a".to_owned(),
            Source::Inline { bytes: b"a".to_vec(), executable: false },
        )]),
        platform: "linux/amd64".parse().unwrap(),
        config: RunConfig::default(),
    };
    let layout = lay(&image, scene.root.path()).unwrap();
    scene.tools.env.insert("MADE".into(), layout.path().into());
    scene
}

fn calls(scene: &Scene) -> String {
    fs::read_to_string(scene.root.path().join("calls")).unwrap()
}

const DOCKER: &str = r#"
case "$1 $2" in
"buildx version") echo github.com/docker/buildx v0.17.1; exit;;
"version --format={{.Server.Version}}") echo 27.0; exit;;
"buildx inspect") echo Name: mine; echo "Driver:        docker-container"; exit;;
esac
for arg in "$@"; do
  case $arg in --output=*) dest=${arg##*dest=};; esac
done
echo "secret $BFD_BUILD_SECRET_0 epoch $BUILDX_NO_DEFAULT_ATTESTATIONS" >&2
tar -C "$MADE" -cf "$dest" .
"#;

#[tokio::test]
async fn docker_writes_an_archive() {
    let mut scene = scene(BuilderKind::Docker, DOCKER);
    scene.secret("token", "hunter2");
    scene.build.target = Some("web".to_owned());
    scene.build.args.insert("A".to_owned(), "b c".to_owned());
    scene.build.cache_from.push("type=gha".to_owned());
    scene.build.platforms = ["linux/arm64", "linux/amd64"].map(|it| it.parse().unwrap()).to_vec();
    let outcome = scene.run().await;
    outcome.result.unwrap().verify().unwrap();
    assert_eq!(outcome.lines, ["secret *** epoch 1"]);
    let calls = calls(&scene);
    let build = calls.lines().last().unwrap();
    let context = scene.build.context.display().to_string();
    for part in [
        "buildx|build|--progress=plain|",
        &format!("|--file={context}/Dockerfile|"),
        "|--target=web|--build-arg=A=b c|--cache-from=type=gha|",
        "|--secret=id=token,env=BFD_BUILD_SECRET_0|",
        "|--platform=linux/arm64,linux/amd64|--build-arg=SOURCE_DATE_EPOCH=0|",
        &format!("|--|{context}|"),
    ] {
        assert!(build.contains(part), "{part} in {build}");
    }
    assert!(!calls.contains("hunter2"));
    assert_eq!(scene.left(), ["image.tar"]);
}

#[tokio::test]
async fn a_driver_that_cannot_is_told_with_a_way_out() {
    let refusal = "echo 'ERROR: OCI exporter is not supported for the docker driver.'; exit 1";
    let scene =
        scene(BuilderKind::Docker, &DOCKER.replace("tar -C", &format!("{refusal}\ntar -C")));
    let error = scene.run().await.result.unwrap_err();
    assert!(matches!(error, ImageError::Driver { .. }), "{error}");
    assert!(error.to_string().contains("docker buildx create --use --driver docker-container"));
    assert_eq!(scene.left(), Vec::<String>::new());
}

/// Found before a build, so that another builder or a fallback is taken.
#[tokio::test]
async fn a_driver_that_cannot_write_files_is_no_builder() {
    let driver = |store: &str| {
        let own = "docker-container\"; exit;;";
        let info = format!(
            "docker\"; exit;;\n\"info --format={{{{.DriverStatus}}}}\") echo '{store}'; exit;;"
        );
        DOCKER.replace(own, &info)
    };
    let scene_of = |store: &str| scene(BuilderKind::Docker, &driver(store));
    let detected = async |store: &str| {
        let scene = scene_of(store);
        builder::detect(Some(BuilderKind::Docker), &scene.tools).await
    };
    let error = detected("[[Backing Filesystem extfs]]").await.unwrap_err();
    assert!(matches!(error, ImageError::NoBuilder { .. }), "{error}");
    assert!(error.to_string().contains("turn on the containerd image store"), "{error}");
    detected("[[driver-type io.containerd.snapshotter.v1]]").await.unwrap();
}

#[tokio::test]
async fn a_builder_that_makes_no_image_is_told() {
    let scene = scene(BuilderKind::Docker, &DOCKER.replace("tar -C", "echo no > \"$dest\"; : "));
    let error = scene.run().await.result.unwrap_err();
    assert!(error.to_string().contains("no archive"), "{error}");
    assert_eq!(scene.left(), Vec::<String>::new());
}

const PODMAN: &str = r#"
case "$1" in
--version) echo podman version 4.9.3;;
push) to=${4#oci:}; cp -r "$MADE" "${to%%:*}"
  sed "s/\"annotations\":{}//;s/\"size\":\([0-9]*\),\"platform\"/\"size\":\1,\"annotations\":{\"org.opencontainers.image.ref.name\":\"${to#*:}\"},\"platform\"/" "$MADE/index.json" > "${to%%:*}/index.json";;
esac
"#;

#[tokio::test]
async fn podman_builds_pushes_into_a_layout_and_forgets() {
    let mut scene = scene(BuilderKind::Podman, PODMAN);
    let programs = scene.root.path().join("programs");
    let sed = ["/bin/sed", "/usr/bin/sed"].into_iter().find(|path| Path::new(path).exists());
    std::os::unix::fs::symlink(sed.unwrap(), programs.join("sed")).unwrap();
    scene.secret("token", "hunter2");
    // Found without being chosen.
    let found = builder::detect(None, &scene.tools).await.unwrap();
    assert_eq!((found.kind, found.version.as_str()), (BuilderKind::Podman, "podman version 4.9.3"));
    scene.run().await.result.unwrap().verify().unwrap();
    let calls = calls(&scene);
    let verbs: Vec<&str> = calls.lines().map(|call| call.split('|').next().unwrap()).collect();
    assert_eq!(verbs, ["--version", "--version", "build", "push", "rmi"]);
    assert!(calls.contains("build|--timestamp=0|--tag=localhost/bfd-build-"), "{calls}");
    assert!(calls.contains("|--secret=id=token,env=BFD_BUILD_SECRET_0|"), "{calls}");
    assert!(!calls.contains("hunter2"));
    assert_eq!(scene.left(), ["layout"]);
}

#[tokio::test]
async fn each_builder_that_cannot_be_used_has_a_reason() {
    let script = "case $2 in version) echo buildx v0.17;; *) echo 'Cannot connect to the Docker \
                  daemon' >&2; exit 1;; esac";
    let scene = scene(BuilderKind::Docker, script);
    let programs = scene.root.path().join("programs");
    write_program(&programs, "podman", "#!/bin/sh\nexit 125\n");
    let error = scene.run().await.result.unwrap_err();
    let ImageError::NoBuilder { reasons } = error else { panic!("{error}") };
    assert_eq!(reasons.len(), 3);
    assert!(reasons[0].contains("Cannot connect to the Docker daemon"), "{reasons:?}");
    assert_eq!(reasons[1], "`buildah` is not installed");
    assert!(reasons[2].contains("exit status: 125"), "{reasons:?}");
    // The chosen one alone.
    let chosen = builder::detect(Some(BuilderKind::Buildah), &scene.tools).await.unwrap_err();
    assert!(chosen.to_string().ends_with("\n  `buildah` is not installed"), "{chosen}");
}

#[tokio::test]
async fn the_last_twenty_lines_are_shown() {
    let count = "i=1; while [ $i -le 50 ]; do echo line $i >&2; i=$((i+1)); done; exit 7\ntar -C";
    let scene = scene(BuilderKind::Docker, &DOCKER.replace("tar -C", count));
    let outcome = scene.run().await;
    let Err(ImageError::Failed { command, status, output }) = outcome.result else { panic!() };
    assert_eq!((command.as_str(), status.as_str()), ("docker buildx build", "exit status: 7"));
    assert_eq!((output.len(), output[0].as_str()), (20, "line 31"));
    assert_eq!(output[19], "line 50");
}

/// A builder that does not end when it is told to, and its child, are ended.
#[tokio::test]
async fn a_dropped_build_ends_with_all_its_children() {
    let stubborn = "trap '' TERM\nsleep 987652 &\necho child $!\nwait\ntar -C";
    let scene = scene(BuilderKind::Docker, &DOCKER.replace("tar -C", stubborn));
    let child = Arc::new(std::sync::Mutex::new(String::new()));
    let begun = Arc::new(Notify::new());
    let (told, told_child) = (Arc::clone(&begun), Arc::clone(&child));
    let mut each = move |line: &str| {
        if let Some(id) = line.strip_prefix("child ") {
            id.clone_into(&mut told_child.lock().unwrap());
            told.notify_one();
        }
    };
    tokio::select! {
        _ = scene.run_until(std::future::pending(), &mut each) => panic!("it ended"),
        () = begun.notified() => {}
    }
    let place = Path::new("/proc").join(&*child.lock().unwrap()).join("cmdline");
    // A killed process has no command line, even while nobody has asked for its end.
    let gone = async {
        while fs::read(&place).is_ok_and(|line| !line.is_empty()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the child still runs");
    assert_eq!(scene.left(), Vec::<String>::new());
}

#[tokio::test]
async fn what_would_be_another_argument_is_refused() {
    let mut scene = scene(BuilderKind::Docker, DOCKER);
    scene.secret("a,env=HOME", "x");
    assert!(scene.run().await.result.unwrap_err().to_string().contains("the id of a secret"));
    scene.build.secrets.clear();
    assert!(scene.run().await.result.unwrap_err().to_string().contains("knows no secret"));
    scene.secrets.clear();
    scene.secret("token", "x");
    scene.secrets.clear();
    assert!(scene.run().await.result.unwrap_err().to_string().contains("has no value"));
    scene.build.secrets.clear();
    scene.build.args.insert("A=B".to_owned(), String::new());
    assert!(scene.run().await.result.unwrap_err().to_string().contains("a build argument"));
    assert!(!names(scene.root.path()).contains(&"calls".to_owned()));
}
