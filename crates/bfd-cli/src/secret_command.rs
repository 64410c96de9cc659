//! Secrets that a program prints.

use std::{
    io::{self, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

/// How long a program may take: some ask a person.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often it is looked whether a program has ended that prints no more.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// More is no secret. SSM takes 8 KiB at most.
const LONGEST: u64 = 64 << 10;

/// Runs a program in a directory, and takes what it prints, without a newline at its end. Its
/// errors go where ours go, so that it can ask; they are no part of the secret. The error says
/// nothing of what it printed.
pub(crate) fn output(words: &[String], directory: &Path) -> Result<Zeroizing<String>, String> {
    output_within(PATIENCE, words, directory)
}

fn output_within(
    patience: Duration,
    words: &[String],
    directory: &Path,
) -> Result<Zeroizing<String>, String> {
    let [program, arguments @ ..] = words else { return Err("there is no program".to_owned()) };
    // With a slash it is a path, and paths are relative to the manifest.
    let path = Path::new(program);
    let is_path = program.contains('/') && path.is_relative();
    let found = if is_path { directory.join(path) } else { path.to_owned() };
    let found = if is_path { std::path::absolute(&found).unwrap_or(found) } else { found };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let child = Command::new(found)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let child = child.map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    wait(program, child, patience)
}

fn wait(program: &str, mut child: Child, patience: Duration) -> Result<Zeroizing<String>, String> {
    let began = Instant::now();
    let printed = child.stdout.take().expect("it was asked for");
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Zeroizing::new(String::new());
        let read = printed.take(LONGEST + 1).read_to_string(&mut text);
        // Nobody waits any more when it took too long.
        let _ = done.send(read.map(|_| text));
    });
    let Ok(read) = ended.recv_timeout(patience) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("`{program}` printed no secret within {} s", patience.as_secs()));
    };
    let too_much = read.as_ref().is_ok_and(|text| text.len() as u64 > LONGEST);
    if too_much {
        let _ = child.kill();
    }
    let status = ended_by(&mut child, began + patience)
        .ok_or_else(|| format!("`{program}` did not end within {} s", patience.as_secs()))?;
    let status = status.map_err(|error| format!("`{program}`: {error}"))?;
    let mut text = read.map_err(|_| format!("what `{program}` prints is no text"))?;
    if too_much {
        return Err(format!("`{program}` prints more than {LONGEST} bytes"));
    }
    if !status.success() {
        return Err(format!("`{program}` failed: {status}"));
    }
    if text.ends_with('\n') {
        text.pop();
    }
    if text.is_empty() { Err(format!("`{program}` prints nothing")) } else { Ok(text) }
}

/// Waits for its end: it may have closed its output, and live on. `None` when it had to be killed.
fn ended_by(child: &mut Child, deadline: Instant) -> Option<io::Result<ExitStatus>> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(Ok(status)),
            Ok(None) if Instant::now() < deadline => thread::sleep(BETWEEN_LOOKS),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    fn of(words: &[&str], directory: &Path) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        output(&words, directory).map(|text| text.to_string())
    }

    #[test]
    fn who_prints_nothing_or_does_not_end_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let within = |patience: u64, script: &str| {
            let words = ["sh", "-c", script].map(str::to_owned);
            let began = Instant::now();
            let refused = output_within(Duration::from_millis(patience), &words, directory.path());
            assert!(began.elapsed() < Duration::from_secs(60), "it was waited for");
            refused.unwrap_err()
        };
        assert_eq!(within(50, "exec sleep 120"), "`sh` printed no secret within 0 s");
        let closed = "echo secret; exec >&-; exec sleep 120";
        assert_eq!(within(2000, closed), "`sh` did not end within 2 s");
    }

    #[test]
    fn a_secret_is_what_a_program_prints() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path();
        fs::write(here.join("key"), "from a file\n").unwrap();
        let script = here.join("print");
        fs::write(&script, "#!/bin/sh\necho told >&2\ncat key; printf 'and %s\\n\\n' \"$1\"\n")
            .unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let printed = of(&["./print", "an $argument"], here);
        assert_eq!(printed.unwrap(), "from a file\nand an $argument\n", "one newline is left out");
    }

    #[test]
    fn what_is_no_secret_is_told_without_what_was_printed() {
        let here = Path::new("/");
        let failed = of(&["sh", "-c", "echo planted; exit 3"], here).unwrap_err();
        assert_eq!(failed, "`sh` failed: exit status: 3");
        assert!(of(&["/nowhere/at-all"], here).unwrap_err().contains("cannot be run"));
        assert_eq!(of(&["true"], here).unwrap_err(), "`true` prints nothing");
        let long = of(&["sh", "-c", "yes planted"], here).unwrap_err();
        assert_eq!(long, "`sh` prints more than 65536 bytes");
        assert!(of(&["printf", "\\377"], here).unwrap_err().contains("is no text"));
    }
}
