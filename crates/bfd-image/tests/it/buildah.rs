use super::Scene;
use bfd_image::{BuilderKind, ImageError};
use std::{fs, path::Path, process::Command, sync::Arc};
use tokio::sync::Notify;

/// Tests that count what is in the local store take turns.
static STORE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn buildah(scene: &Scene, args: &[&str]) -> String {
    let output = Command::new("buildah").args(args).envs(&scene.tools.env).output().expect(
        "buildah is not installed: `apt-get install -y --no-install-recommends buildah crun`",
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A store of its own, in a container without privileges.
fn scene(dockerfile: &str) -> Scene {
    let mut scene = Scene::new(dockerfile);
    let root = scene.root.path();
    let config = root.join("storage.conf");
    let [store, run] = ["store", "run"].map(|name| root.join(name).display().to_string());
    let text =
        format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{store}\"\nrunroot = \"{run}\"\n");
    fs::write(&config, text).unwrap();
    for (name, value) in [
        ("CONTAINERS_STORAGE_CONF", config.to_str().unwrap()),
        ("STORAGE_DRIVER", "vfs"),
        ("BUILDAH_ISOLATION", "chroot"),
    ] {
        scene.tools.env.insert(name.into(), value.into());
    }
    scene.build.builder = Some(BuilderKind::Buildah);
    buildah(&scene, &["--version"]);
    scene
}

fn assert_clean(scene: &Scene) {
    assert_eq!(buildah(scene, &["images", "--all", "--quiet"]), "");
    assert_eq!(buildah(scene, &["containers", "--all", "--quiet"]), "");
}

/// A shell and what it needs, out of this machine: no registry can be reached.
fn add_shell(context: &Path) {
    let programs = ["/bin/sh", "/bin/cat", "/bin/sleep"];
    let listed = Command::new("ldd").args(programs).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    let libraries = libraries.filter(|word| !word.ends_with(':'));
    for file in libraries.chain(programs) {
        let to = context.join("root").join(file.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, to).unwrap();
    }
}

#[tokio::test]
async fn an_image_is_built_and_nothing_else_is_left() {
    let _turn = STORE.lock().await;
    let mut scene = scene("FROM scratch\nARG A\nCOPY hello /$A\n");
    scene.build.args.insert("A".to_owned(), "there".to_owned());
    let outcome = scene.run().await;
    let layout = outcome.result.unwrap();
    layout.verify().unwrap();
    assert_eq!(layout.images().unwrap()[0].manifest.layers.len(), 1);
    assert!(outcome.lines.iter().any(|line| line.contains("COPY hello")), "{:?}", outcome.lines);
    assert_eq!(scene.left(), ["layout"]);
    assert_clean(&scene);
    // Again, and the digest is the same.
    let again = scene.run().await.result.unwrap();
    assert_eq!(again.root().digest, layout.root().digest);
    assert_eq!(scene.left(), ["layout"]);
}

#[tokio::test]
async fn several_platforms_become_one_index() {
    let _turn = STORE.lock().await;
    let mut scene = scene("FROM scratch\nCOPY hello /\n");
    scene.build.platforms =
        ["linux/arm64", "linux/amd64"].map(|name| name.parse().unwrap()).to_vec();
    let layout = scene.run().await.result.unwrap();
    layout.verify().unwrap();
    assert!(layout.root().is_index());
    let platforms = layout.platforms().unwrap();
    let architectures: Vec<_> = platforms.iter().map(|it| it.architecture.as_str()).collect();
    assert_eq!(architectures, ["amd64", "arm64"]);
    assert_eq!(scene.left(), ["layout"]);
    assert_clean(&scene);
}

#[tokio::test]
async fn the_ignore_file_is_the_one_beside_the_dockerfile() {
    let _turn = STORE.lock().await;
    let scene = scene("FROM scratch\nCOPY hello /\n");
    fs::write(scene.build.context.join("Dockerfile.dockerignore"), "hello\n").unwrap();
    fs::write(scene.build.context.join(".dockerignore"), "").unwrap();
    let error = scene.run().await.result.unwrap_err();
    assert!(matches!(error, ImageError::Failed { .. }), "{error}");
    fs::remove_file(scene.build.context.join("Dockerfile.dockerignore")).unwrap();
    scene.run().await.result.unwrap();
}

#[tokio::test]
async fn a_failing_build_shows_its_last_lines_without_secrets() {
    let _turn = STORE.lock().await;
    let mut scene = scene(
        "FROM scratch\nCOPY root /\nRUN --mount=type=secret,id=token \
         cat /run/secrets/token; echo; echo last words; exit 3\n",
    );
    add_shell(&scene.build.context);
    scene.secret("token", "hunter2");
    let outcome = scene.run().await;
    let error = outcome.result.unwrap_err().to_string();
    assert!(error.contains("last words") && error.contains("exit status 3"), "{error}");
    // The builder had it: its place is in the output.
    assert!(outcome.lines.iter().any(|line| line == "***"), "{:?}", outcome.lines);
    assert!(!error.contains("hunter2") && !outcome.lines.concat().contains("hunter2"));
    assert_eq!(scene.left(), Vec::<String>::new());
    assert_clean(&scene);
}

#[tokio::test]
async fn a_cancelled_build_ends_with_all_its_children() {
    let _turn = STORE.lock().await;
    let scene = scene("FROM scratch\nCOPY root /\nRUN echo begun; sleep 987654\n");
    add_shell(&scene.build.context);
    let begun = Arc::new(Notify::new());
    let told = Arc::clone(&begun);
    let mut each = move |line: &str| {
        if line == "begun" {
            told.notify_one();
        }
    };
    let outcome = scene.run_until(begun.notified(), &mut each).await;
    assert!(matches!(outcome.result, Err(ImageError::Cancelled)));
    assert_eq!(scene.left(), Vec::<String>::new());
    assert_clean(&scene);
    let is_sleep = |process: &fs::DirEntry| {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        line == b"sleep\x00987654\x00"
    };
    assert!(!fs::read_dir("/proc").unwrap().any(|process| is_sleep(&process.unwrap())));
}

/// With a script in place of buildah, which has the real one in `$buildah`.
fn through(mut scene: Scene, script: &str) -> Scene {
    let real = Command::new("sh").args(["-c", "command -v buildah"]).output().unwrap().stdout;
    let real = String::from_utf8(real).unwrap();
    let programs = scene.root.path().join("programs");
    let script = format!("#!/bin/sh\nbuildah={}\n{script}", real.trim());
    super::scripts::write_program(&programs, "buildah", &script);
    let path = std::env::var("PATH").unwrap();
    scene.tools.path = Some(format!("{}:{path}", programs.display()).into());
    scene
}

/// Who builds the same at the same time removes the image under everybody's hands.
#[tokio::test]
async fn an_image_that_another_build_takes_away_is_made_again() {
    let _turn = STORE.lock().await;
    let scene = scene("FROM scratch\nCOPY hello /\n");
    let gone = scene.root.path().join("gone").display().to_string();
    let scene = through(
        scene,
        &format!(
            "if [ \"$1\" = push ] && [ ! -e {gone} ]; then\n\
             touch {gone}; $buildah rmi --force \"$3\" >/dev/null; fi\n\
             exec $buildah \"$@\"\n"
        ),
    );
    let outcome = scene.run().await;
    outcome.result.unwrap().verify().unwrap();
    assert!(Path::new(&gone).exists());
    let builds = outcome.lines.iter().filter(|line| line.contains("COPY hello")).count();
    assert_eq!(builds, 2, "{:?}", outcome.lines);
    assert_clean(&scene);
}

/// Killed while it copies, buildah leaves its working container to whoever started it.
#[tokio::test]
async fn a_build_that_is_killed_leaves_no_container() {
    let _turn = STORE.lock().await;
    let scene = scene("FROM scratch\nCOPY root /\nRUN echo begun; sleep 987653\n");
    add_shell(&scene.build.context);
    // Dies without a word as soon as the step has begun, and so cleans nothing.
    let scene = through(
        scene,
        "if [ \"$1\" != build ]; then exec $buildah \"$@\"; fi\n\
         $buildah \"$@\" | while read -r line; do case $line in begun) kill -9 0;; esac; done\n",
    );
    let outcome = scene.run().await;
    assert!(matches!(outcome.result, Err(ImageError::Failed { .. })));
    assert_eq!(scene.left(), Vec::<String>::new());
    assert_clean(&scene);
}

#[tokio::test]
async fn without_a_dockerfile_no_builder_is_started() {
    let scene = Scene::new("");
    fs::remove_file(scene.build.context.join("Dockerfile")).unwrap();
    let mut scene = scene;
    scene.tools.path = Some("/nowhere".into());
    let error = scene.run().await.result.unwrap_err();
    assert!(matches!(error, ImageError::NoDockerfile { .. }), "{error}");
}
