//! A child process: its output as it comes, and its end, also that of its own children.

use super::{
    Tools,
    output::{Lines, Secrets},
};
use crate::ImageError;
use rustix::process::{Pid, Signal, getpgid, kill_process_group};
use std::{
    collections::VecDeque,
    ffi::OsStr,
    future::Future,
    path::Path,
    pin::Pin,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};

/// How many of its last lines an error shows.
const LAST: usize = 20;
/// How long a builder that is told to end may take.
const GRACE: Duration = Duration::from_secs(10);
/// How long output is waited for that children hold open who outlive the builder.
const TRAILING: Duration = Duration::from_secs(1);

/// The value of the variable whose name is a mark.
pub(super) const MARKED: &str = "1";

/// Ends the groups of processes whose environment has a mark, with all their children: whoever
/// started them died. Only where the system shows environments, as Linux does to their owner.
pub(super) fn end_marked(mark: &str) {
    let variable = format!("{mark}={MARKED}");
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        if !environment.split(|byte| *byte == 0).any(|it| it == variable.as_bytes()) {
            continue;
        }
        let id = process.file_name().to_str().and_then(|id| id.parse().ok());
        let group = id.and_then(Pid::from_raw).and_then(|id| getpgid(Some(id)).ok());
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// A command, before it runs.
pub(super) struct Job {
    program: String,
    /// For people: the program and what it is asked to do, without the rest.
    name: String,
    command: Command,
    keep: usize,
}

/// What a command that succeeded printed at last.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) lines: Vec<String>,
}

impl Job {
    pub(super) fn new<A: AsRef<OsStr>>(tools: &Tools, program: &str, args: &[A]) -> Self {
        // The standard library looks in the child's own `PATH`, which may be another than this
        // process's: exactly what is wanted here.
        let mut command = Command::new(program);
        command
            .args(args)
            .envs(&tools.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(path) = &tools.path {
            command.env("PATH", path);
        }
        let words = args.iter().map(|arg| arg.as_ref().to_string_lossy());
        let words = words.take_while(|word| !word.starts_with('-')).take(2);
        let name = words.fold(program.to_owned(), |name, word| name + " " + &word);
        Self { program: program.to_owned(), name, command, keep: LAST }
    }

    pub(super) fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
        self.command.env(name, value);
    }

    pub(super) fn current_dir(&mut self, path: &Path) {
        self.command.current_dir(path);
    }

    /// For a command that is asked something: its whole answer counts.
    pub(super) fn keep_all(&mut self) {
        self.keep = usize::MAX;
    }

    /// Runs it to its end, or until `cancelled` is ready and it has been ended.
    pub(super) async fn run<F: Future<Output = ()>>(
        mut self,
        secrets: &Secrets,
        progress: &mut (dyn FnMut(&str) + Send),
        cancelled: Pin<&mut F>,
    ) -> Result<Output, ImageError> {
        let start = |source| ImageError::Start { program: self.program.clone(), source };
        let mut child = self.command.spawn().map_err(start)?;
        // Its environment, secrets among it, is not needed here any more.
        drop(self.command);
        let mut group = Group::of(&child);
        let mut last = VecDeque::new();
        let mut each = |line: String| {
            progress(&line);
            if last.len() == self.keep {
                last.pop_front();
            }
            last.push_back(line);
        };
        let status = follow(&mut child, &mut group, secrets, &mut each, cancelled).await?;
        group.ended();
        let lines: Vec<String> = last.into();
        if status.success() {
            return Ok(Output { lines });
        }
        Err(ImageError::Failed { command: self.name, status: status.to_string(), output: lines })
    }
}

async fn follow<F: Future<Output = ()>>(
    child: &mut Child,
    group: &mut Group,
    secrets: &Secrets,
    each: &mut (dyn FnMut(String) + Send),
    mut cancelled: Pin<&mut F>,
) -> Result<ExitStatus, ImageError> {
    let (mut out, mut err) = (Stream::new(child.stdout.take()), Stream::new(child.stderr.take()));
    let broken = |source| ImageError::Start { program: "wait".to_owned(), source };
    let status = loop {
        tokio::select! {
            // A cancelled build is not to go on because it prints much.
            biased;
            () = cancelled.as_mut() => {
                end(child, group).await;
                return Err(ImageError::Cancelled);
            }
            true = out.more(), if out.is_open() => out.tell(secrets, each),
            true = err.more(), if err.is_open() => err.tell(secrets, each),
            status = child.wait() => break status.map_err(broken)?,
        }
    };
    out.finish(secrets, each).await;
    err.finish(secrets, each).await;
    Ok(status)
}

/// Tells a group to end, and ends it when it does not.
async fn end(child: &mut Child, group: &mut Group) {
    group.signal(Signal::TERM);
    let _ = tokio::time::timeout(GRACE, child.wait()).await;
    group.signal(Signal::KILL);
    let _ = child.wait().await;
    group.ended();
}

/// One of a child's two outputs.
struct Stream<R> {
    from: Option<R>,
    buffer: Vec<u8>,
    filled: usize,
    lines: Lines,
}

impl<R: AsyncRead + Unpin> Stream<R> {
    fn new(from: Option<R>) -> Self {
        Self { from, buffer: vec![0; 8 << 10], filled: 0, lines: Lines::default() }
    }

    fn is_open(&self) -> bool {
        self.from.is_some()
    }

    /// Waits for more. Nothing is lost when the waiting is given up.
    async fn more(&mut self) -> bool {
        let Some(from) = &mut self.from else { return false };
        self.filled = from.read(&mut self.buffer).await.unwrap_or(0);
        if self.filled == 0 {
            self.from = None;
        }
        true
    }

    fn tell(&mut self, secrets: &Secrets, each: &mut (dyn FnMut(String) + Send)) {
        let filled = std::mem::take(&mut self.filled);
        self.lines.feed(&self.buffer[..filled], secrets, each);
    }

    /// What is still in the pipe, and the last line.
    async fn finish(&mut self, secrets: &Secrets, each: &mut (dyn FnMut(String) + Send)) {
        while self.is_open() {
            match tokio::time::timeout(TRAILING, self.more()).await {
                Ok(_) => self.tell(secrets, each),
                Err(_) => break,
            }
        }
        self.lines.end(secrets, each);
    }
}

/// The child and its children. Killed when dropped before the child ended.
struct Group {
    id: Option<Pid>,
    has_ended: bool,
}

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { id, has_ended: false }
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // That none of it is left is no error.
            let _ = kill_process_group(id, signal);
        }
    }

    fn ended(&mut self) {
        self.has_ended = true;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.has_ended {
            self.signal(Signal::KILL);
        }
    }
}
