//! Secrets that a program prints.
//!
//! What it says on its standard error may repeat the secret, as a shell does that traces what it
//! runs. It is kept back, and told without secrets when the program fails.

use std::{
    cell::Cell,
    io::{self, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

/// How long a program may take: some ask a person.
const PATIENCE: Patience =
    Patience { silence: Duration::from_secs(5), whole: Duration::from_mins(2) };
/// How often it is looked whether a program has ended that prints no more.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// How long to wait for the end of what a program said that has ended: another may hold on to
/// its standard error.
const AFTER_ITS_END: Duration = Duration::from_millis(200);
/// More is no secret. SSM takes 8 KiB at most.
const LONGEST: usize = 64 << 10;
/// How much is kept of what a program says, the last of it.
const SAID: usize = 16 << 10;
/// How much of that is shown: lines, and characters of each.
const LINES: usize = 12;
const LINE: usize = 300;

#[derive(Clone, Copy, Debug)]
struct Patience {
    /// Until it is told what is waited for.
    silence: Duration,
    whole: Duration,
}

/// Why there is no secret.
#[derive(Debug)]
pub(crate) struct Failed {
    /// Nothing of what the program printed or said.
    pub(crate) why: String,
    /// What it said, secrets included.
    pub(crate) said: Zeroizing<String>,
    /// What it printed, which may be a secret.
    pub(crate) printed: Zeroizing<String>,
}

impl From<String> for Failed {
    fn from(why: String) -> Self {
        Self { why, said: Zeroizing::default(), printed: Zeroizing::default() }
    }
}

/// Runs a program in a directory, and takes what it prints, without a newline at its end. One
/// that asks a person opens the terminal itself. `tell` gets a line when it takes long.
pub(crate) fn output(
    words: &[String],
    directory: &Path,
    tell: &dyn Fn(&str),
) -> Result<Zeroizing<String>, Failed> {
    output_within(PATIENCE, words, directory, tell)
}

/// The end of what a program said, in lines that can be shown.
pub(crate) fn last_lines(said: &str) -> Option<String> {
    let lines: Vec<&str> = said.lines().map(str::trim_end).filter(|it| !it.is_empty()).collect();
    let last = lines.iter().skip(lines.len().saturating_sub(LINES));
    let last: Vec<String> = last.map(|line| line.chars().take(LINE).collect()).collect();
    (!last.is_empty()).then(|| last.join("\n"))
}

fn output_within(
    patience: Patience,
    words: &[String],
    directory: &Path,
    tell: &dyn Fn(&str),
) -> Result<Zeroizing<String>, Failed> {
    let [program, arguments @ ..] = words else {
        return Err("there is no program".to_owned().into());
    };
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
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    let printed = Capture::of(child.stdout.take().expect("it was asked for"), Keep::First(LONGEST));
    let said = Capture::of(child.stderr.take().expect("it was asked for"), Keep::Last(SAID));
    let waiting =
        Waiting { program, began: Instant::now(), patience, tell, told: Cell::new(false) };
    waiting.wait(&mut child, &printed).map_err(|why| {
        let _ = said.ended.recv_timeout(AFTER_ITS_END);
        Failed { why, said: said.text(), printed: printed.text() }
    })
}

struct Waiting<'a> {
    program: &'a str,
    began: Instant,
    patience: Patience,
    tell: &'a dyn Fn(&str),
    told: Cell<bool>,
}

impl Waiting<'_> {
    fn wait(&self, child: &mut Child, printed: &Capture) -> Result<Zeroizing<String>, String> {
        let program = self.program;
        let mut ended = printed.ended.recv_timeout(self.patience.silence.min(self.patience.whole));
        if ended == Err(mpsc::RecvTimeoutError::Timeout) {
            self.tell_once();
            let left = self.patience.whole.saturating_sub(self.began.elapsed());
            ended = printed.ended.recv_timeout(left);
        }
        if ended.is_err() {
            let _ = child.kill();
            let _ = child.wait();
            let seconds = self.patience.whole.as_secs();
            return Err(format!("`{program}` printed no secret within {seconds} s"));
        }
        let bytes = printed.bytes();
        let too_much = bytes.len() > LONGEST;
        if too_much {
            let _ = child.kill();
        }
        let status = self.ended_by(child).ok_or_else(|| {
            format!("`{program}` did not end within {} s", self.patience.whole.as_secs())
        })?;
        let status = status.map_err(|error| format!("`{program}`: {error}"))?;
        if too_much {
            return Err(format!("`{program}` prints more than {LONGEST} bytes"));
        }
        if !status.success() {
            return Err(format!("`{program}` failed: {status}"));
        }
        let text =
            str::from_utf8(&bytes).map_err(|_| format!("what `{program}` prints is no text"))?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        if text.is_empty() {
            return Err(format!("`{program}` prints nothing"));
        }
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Waits for its end: it may have closed its output, and live on. `None` when it had to be
    /// killed.
    fn ended_by(&self, child: &mut Child) -> Option<io::Result<ExitStatus>> {
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Some(Ok(status)),
                Ok(None) if self.began.elapsed() < self.patience.whole => {
                    if self.began.elapsed() >= self.patience.silence {
                        self.tell_once();
                    }
                    thread::sleep(BETWEEN_LOOKS);
                }
                Ok(None) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return None;
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// By its name alone: its arguments may say more than others should know.
    fn tell_once(&self) {
        if !self.told.replace(true) {
            let most = bfd_manifest::show_duration(self.patience.whole.as_secs());
            (self.tell)(&format!("waiting for a secret from `{}`, up to {most}", self.program));
        }
    }
}

/// Which part of a stream is kept.
#[derive(Clone, Copy, Debug)]
enum Keep {
    /// And one byte more, so that it is seen when there is more; the rest is not read.
    First(usize),
    /// In whole lines; everything is read.
    Last(usize),
}

/// What comes out of a program, as far as it has come.
struct Capture {
    kept: Arc<Mutex<Zeroizing<Vec<u8>>>>,
    ended: mpsc::Receiver<()>,
}

impl Capture {
    fn of(mut stream: impl Read + Send + 'static, keep: Keep) -> Self {
        let kept = Arc::new(Mutex::new(Zeroizing::new(Vec::new())));
        let (done, ended) = mpsc::channel();
        let shared = Arc::clone(&kept);
        thread::spawn(move || {
            let mut chunk = Zeroizing::new([0; 4096]);
            loop {
                match stream.read(&mut chunk[..]) {
                    Ok(0) => break,
                    Ok(read) => {
                        let mut kept = shared.lock().unwrap_or_else(PoisonError::into_inner);
                        kept.extend_from_slice(&chunk[..read]);
                        if !keep.shorten(&mut kept) {
                            break;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            // Nobody waits any more when it took too long.
            let _ = done.send(());
        });
        Self { kept, ended }
    }

    fn bytes(&self) -> Zeroizing<Vec<u8>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(String::from_utf8_lossy(&self.bytes()).into_owned())
    }
}

impl Keep {
    /// Tells whether to read on.
    fn shorten(self, kept: &mut Vec<u8>) -> bool {
        match self {
            Self::First(most) => {
                kept.truncate(most + 1);
                kept.len() <= most
            }
            Self::Last(most) => {
                if kept.len() > most {
                    // The rest of a secret that is cut would not be recognized.
                    let from = kept.len() - most;
                    let line = kept[from..].iter().position(|byte| *byte == b'\n');
                    kept.drain(..line.map_or(kept.len(), |line| from + line + 1));
                }
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    fn of(words: &[&str], directory: &Path) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let output = output(&words, directory, &|line| panic!("{line}"));
        output.map(|text| text.to_string()).map_err(|failed| failed.why)
    }

    fn patience(silence: u64, whole: u64) -> Patience {
        Patience { silence: Duration::from_millis(silence), whole: Duration::from_millis(whole) }
    }

    #[test]
    fn who_prints_nothing_or_does_not_end_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let within = |whole: u64, script: &str| {
            let words = ["sh", "-c", script].map(str::to_owned);
            let (began, told) = (Instant::now(), Mutex::new(Vec::new()));
            let tell = |line: &str| told.lock().unwrap().push(line.to_owned());
            let refused = output_within(patience(20, whole), &words, directory.path(), &tell);
            assert!(began.elapsed() < Duration::from_mins(1), "it was waited for");
            (refused.unwrap_err().why, told.into_inner().unwrap())
        };
        let (why, told) = within(50, "exec sleep 120");
        assert_eq!(why, "`sh` printed no secret within 0 s");
        assert_eq!(told, ["waiting for a secret from `sh`, up to 0s"]);
        let (why, told) = within(2000, "echo secret; exec >&-; exec sleep 120");
        assert_eq!(why, "`sh` did not end within 2 s");
        assert_eq!(told, ["waiting for a secret from `sh`, up to 2s"]);
    }

    #[test]
    fn what_a_program_says_is_kept_back_and_its_end_kept() {
        let words = |script: &str| ["sh", "-c", script].map(str::to_owned);
        let here = Path::new("/");
        let run = |script: &str| {
            output_within(patience(20_000, 20_000), &words(script), here, &|_| {}).unwrap_err()
        };
        let failed = run("printf 'an answer'; echo no such key >&2; exit 3");
        assert_eq!(failed.why, "`sh` failed: exit status: 3");
        assert_eq!(failed.said.as_str(), "no such key\n");
        assert_eq!(failed.printed.as_str(), "an answer");
        // More than a pipe holds, so that one that is not read would never end.
        let much = "i=0; while [ $i -lt 20000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1";
        let failed = run(much);
        assert!(failed.said.len() <= SAID && failed.said.len() > SAID / 2, "{}", failed.said.len());
        assert!(failed.said.starts_with("line ") && failed.said.ends_with("\nline 19999\n"));
        // Another program holds on to its standard error.
        let began = Instant::now();
        let failed = run("echo refused >&2; sleep 120 >/dev/null & exit 1");
        assert_eq!(failed.said.as_str(), "refused\n");
        assert!(began.elapsed() < Duration::from_mins(1), "it was waited for");
    }

    #[test]
    fn only_the_end_of_what_was_said_is_shown() {
        assert_eq!(last_lines(" \n\n"), None);
        assert_eq!(last_lines("one\n\ntwo \n").unwrap(), "one\ntwo");
        let many: Vec<String> = (0..100).map(|number: u32| number.to_string()).collect();
        let shown = last_lines(&many.join("\n")).unwrap();
        assert_eq!((shown.lines().count(), shown.lines().last()), (LINES, Some("99")));
        assert_eq!(last_lines(&"x".repeat(1000)).unwrap().len(), LINE);
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
