//! A child process with an environment of its own, and what came of it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::emulators::{ACCOUNT, REGION};
use crate::planted;
use crate::wait;

/// After this a command counts as hanging, on a machine that is busy compiling too.
const DEADLINE: Duration = Duration::from_mins(2);
/// What the system's own programs are found by; nothing else of the caller's environment is passed.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command about to be run, with nothing in its environment that a test did not put there.
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `run` or `spawn`"]
pub struct Invocation {
    program: PathBuf,
    arguments: Vec<OsString>,
    directory: PathBuf,
    environment: BTreeMap<OsString, OsString>,
    input: Option<String>,
    output: Option<Arc<OwnedFd>>,
    deadline: Duration,
}

impl Invocation {
    /// A command in `directory` whose home and temporary files are in `home`.
    pub fn new(program: impl Into<PathBuf>, directory: &Path, home: &Path) -> Self {
        let nothing = home.join("no-such-file");
        let invocation = Self {
            program: program.into(),
            arguments: Vec::new(),
            directory: directory.to_owned(),
            environment: BTreeMap::new(),
            input: None,
            output: None,
            deadline: DEADLINE,
        };
        invocation
            .env("PATH", PATH)
            .env("HOME", home)
            .env("TMPDIR", home)
            .env("TZ", "UTC")
            .env("LANG", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", REGION)
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_CONFIG_FILE", &nothing)
            .env("AWS_SHARED_CREDENTIALS_FILE", &nothing)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .account(ACCOUNT)
    }

    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.environment.remove(name.as_ref());
        self
    }

    /// Sends every AWS request to `url`.
    pub fn endpoint(self, url: impl AsRef<OsStr>) -> Self {
        self.env("AWS_ENDPOINT_URL", url)
    }

    /// Acts in another account, where the server takes it from the access key.
    pub fn account(self, account: &str) -> Self {
        self.env("AWS_ACCESS_KEY_ID", account)
    }

    /// What the command reads; without it, its input is empty.
    pub fn input(mut self, text: impl Into<String>) -> Self {
        self.input = Some(text.into());
        self
    }

    /// Where stdout goes; then nothing of it is kept.
    pub fn stdout_to(mut self, output: impl Into<OwnedFd>) -> Self {
        self.output = Some(Arc::new(output.into()));
        self
    }

    /// How long it may take, instead of two minutes.
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs the command to its end.
    ///
    /// # Panics
    /// When it cannot be started or does not end within its deadline.
    #[track_caller]
    pub fn run(self) -> Output {
        self.spawn().wait()
    }

    /// Starts the command.
    #[track_caller]
    pub fn spawn(self) -> Running {
        // Files, not pipes: nothing to drain, and what was printed so far can be looked at.
        let stdout = tempfile::tempfile().expect("a temporary file can be made");
        let stderr = tempfile::tempfile().expect("a temporary file can be made");
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .current_dir(&self.directory)
            .env_clear()
            .envs(&self.environment)
            .stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(match &self.output {
                Some(output) => Stdio::from(output.try_clone().expect("a file can be shared")),
                None => Stdio::from(stdout.try_clone().expect("a file can be shared")),
            })
            .stderr(stderr.try_clone().expect("a file can be shared"))
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start `{}`: {error}", self.command_line()));
        if let (Some(text), Some(mut pipe)) = (&self.input, child.stdin.take()) {
            // A command may end without reading; what it then does is for the test to judge.
            let _ = pipe.write_all(text.as_bytes());
        }
        let command_line = self.command_line();
        let deadline = self.deadline;
        Running { command_line, child, stdout, stderr, deadline, start: Instant::now() }
    }

    fn command_line(&self) -> String {
        let program = self.program.file_name().unwrap_or_default().to_string_lossy();
        self.arguments.iter().fold(program.into_owned(), |line, argument| {
            let argument = argument.to_string_lossy();
            let quote = if argument.is_empty() || argument.contains(' ') { "'" } else { "" };
            format!("{line} {quote}{argument}{quote}")
        })
    }
}

/// A command that runs; dropping it ends it.
#[derive(Debug)]
pub struct Running {
    command_line: String,
    child: Child,
    stdout: File,
    stderr: File,
    deadline: Duration,
    start: Instant,
}

impl Running {
    /// The id of the process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        contents(&self.stdout)
    }

    /// What it has said so far.
    pub fn stderr(&self) -> String {
        contents(&self.stderr)
    }

    /// Waits until it has said `text`.
    ///
    /// # Panics
    /// When it ends, or its deadline passes, without a word of it.
    #[track_caller]
    pub fn until_it_says(&mut self, text: &str) {
        let left = self.deadline.saturating_sub(self.start.elapsed());
        let said = wait::poll(left, || {
            // The order matters: what was said last is said when it ends.
            let ended = self.child.try_wait().expect("a child can be waited for").is_some();
            let said = self.stderr().contains(text);
            (said || ended).then_some(said)
        });
        let (stdout, stderr) = (self.stdout(), self.stderr());
        assert!(said == Some(true), "expected {text:?} on stderr\n{stdout}\n{stderr}");
    }

    /// Asks it to end, as Ctrl-C does.
    #[track_caller]
    pub fn interrupt(&self) {
        self.signal("INT");
    }

    /// Asks it to end, as a runner that cancels a job does.
    #[track_caller]
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Ends it with no chance to do anything about it, as a crash does.
    #[track_caller]
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
    }

    /// Kills it when its moment has come, which is judged by how long it has run; unless it
    /// ends before.
    ///
    /// # Panics
    /// When its deadline passes first.
    #[track_caller]
    pub fn kill_when(mut self, mut has_come: impl FnMut(Duration) -> bool) -> Output {
        let left = self.deadline.saturating_sub(self.start.elapsed());
        let seen = wait::poll(left, || {
            let has_ended = self.child.try_wait().expect("a child can be waited for").is_some();
            (has_ended || has_come(self.start.elapsed())).then_some(())
        });
        self.kill();
        let output = self.wait();
        assert!(seen.is_some(), "its moment did not come\n{output}");
        output
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When its deadline passes; it is killed then.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        let left = self.deadline.saturating_sub(self.start.elapsed());
        let status = wait::poll(left, || self.child.try_wait().expect("a child can be waited for"));
        let Some(status) = status else {
            self.kill();
            let status = self.child.wait().expect("a child can be waited for");
            panic!("still running after {:?}\n{}", self.deadline, self.output(status));
        };
        self.output(status)
    }

    fn output(&self, status: ExitStatus) -> Output {
        let output = Output {
            command_line: self.command_line.clone(),
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout(),
            stderr: self.stderr(),
            elapsed: self.start.elapsed(),
        };
        if self.command_line.starts_with("bfd ") {
            planted::never_in("the output", output.to_string().as_bytes());
        }
        output
    }

    /// Sends a signal through the shell, which every system has and which needs no `unsafe`.
    ///
    /// The id cannot have passed to another process: the child has not been waited for.
    #[track_caller]
    fn signal(&self, name: &str) {
        let command = format!("kill -s {name} {}", self.process_id());
        let status = Command::new("/bin/sh").args(["-c", &command]).status();
        assert!(status.is_ok_and(|status| status.success()), "`{command}` failed");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail harmlessly when the process has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came of a command.
#[derive(Debug, Clone)]
pub struct Output {
    pub command_line: String,
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub elapsed: Duration,
}

#[expect(clippy::return_self_not_must_use, reason = "an assertion is often the last word")]
impl Output {
    /// Asserts the exit code; shows everything when it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code == Some(code), "expected exit code {code}\n{self}");
        self
    }

    /// Asserts that it went well.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        self.exits(crate::exit::DONE)
    }

    /// Asserts that the data printed holds `text`.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "expected {text:?} on stdout\n{self}");
        self
    }

    /// Asserts that the messages hold `text`.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "expected {text:?} on stderr\n{self}");
        self
    }

    /// Asserts that `text`, a secret for example, was printed nowhere.
    #[track_caller]
    pub fn never_mentions(self, text: &str) -> Self {
        let mentioned = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(!mentioned, "expected {text:?} nowhere\n{self}");
        self
    }

    /// The data printed, as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not JSON: {error}\n{self}"))
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "--- command: {}", self.command_line)?;
        match (self.code, self.signal) {
            (Some(code), _) => writeln!(f, "--- exit code {code} after {:.2?}", self.elapsed)?,
            (None, signal) => {
                let signal = signal.unwrap_or_default();
                writeln!(f, "--- ended by signal {signal} after {:.2?}", self.elapsed)?;
            }
        }
        writeln!(f, "--- stdout\n{}", self.stdout.trim_end())?;
        writeln!(f, "--- stderr\n{}", self.stderr.trim_end())
    }
}

/// All of a file, without moving the offset that its writer shares.
fn contents(file: &File) -> String {
    let length = file.metadata().expect("an open file has metadata").len();
    let mut bytes = vec![0; usize::try_from(length).expect("an output fits in memory")];
    file.read_exact_at(&mut bytes, 0).expect("an open file can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}
