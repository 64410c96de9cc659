//! A server process that ends with its guard.

use std::fmt;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::wait;

/// What a server may take to answer on a machine that is busy compiling.
const READY_DEADLINE: Duration = Duration::from_secs(90);
/// How often a port may turn out to be taken by the time the server binds it.
const ATTEMPTS: usize = 5;
/// How much of a server's log a failing test shows.
const LOG_LINES: usize = 40;

/// A running server; dropping it ends exactly the process that was started.
///
/// The process also watches the other end of its standard input, see
/// `tests/emulators/leash.py`: it ends, and removes its directory, when the test
/// process is gone without dropping anything, killed or done with a server in a
/// static.
pub struct Server {
    name: &'static str,
    port: u16,
    child: Child,
    directory: TempDir,
}

/// What to start; called again with a new port when the first was taken.
pub struct Launch<'a> {
    pub name: &'static str,
    /// Builds the command for a port and a directory of the server's own.
    pub command: &'a dyn Fn(u16, &Path) -> Command,
    /// Looks whether the server answers on the port.
    pub ready: &'a dyn Fn(u16) -> bool,
}

impl Server {
    /// Starts a server on a free port and waits until it answers.
    ///
    /// # Panics
    /// When it does not; the message ends with the server's log.
    #[track_caller]
    pub fn start(launch: &Launch<'_>) -> Self {
        for _ in 0..ATTEMPTS {
            let directory = new_directory();
            let port = free_port();
            let command = (launch.command)(port, directory.path());
            let mut server = Self::spawn(launch.name, command, directory, port);
            if server.wait_until_ready(|server| (launch.ready)(server.port).then_some(())).is_some()
            {
                return server;
            }
            // Between choosing a port and binding it, anyone can take it.
            let log = server.log();
            assert!(log.contains("in use"), "{} ended at its start:\n{log}", launch.name);
        }
        panic!("{} found its port taken {ATTEMPTS} times", launch.name);
    }

    /// Starts a server that picks its port itself and prints `listening on HOST:PORT`.
    ///
    /// # Panics
    /// When it ends without that line.
    #[track_caller]
    pub fn start_on_its_own_port(name: &'static str, command: Command) -> Self {
        let mut server = Self::spawn(name, command, new_directory(), 0);
        match server.wait_until_ready(|server| announced_port(&server.log())) {
            Some(port) => server.port = port,
            None => panic!("{name} ended at its start:\n{}", server.log()),
        }
        server
    }

    fn spawn(name: &'static str, mut command: Command, directory: TempDir, port: u16) -> Self {
        let log = File::create(log_path(directory.path())).expect("a temporary file can be made");
        let child = command
            .env("SERVER_DIRECTORY", directory.path())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name} with {command:?}: {error}"));
        Self { name, port, child, directory }
    }

    /// Waits for `look`; `None` when the process has ended.
    #[track_caller]
    fn wait_until_ready<T>(&mut self, look: impl Fn(&Self) -> Option<T>) -> Option<T> {
        let outcome = wait::poll(READY_DEADLINE, || {
            // The order matters: what answers while our process is gone is not ours.
            let seen = look(self);
            if self.has_ended() { Some(None) } else { seen.map(Some) }
        });
        outcome.unwrap_or_else(|| {
            panic!("{} does not answer after {READY_DEADLINE:?}:\n{}", self.name, self.log())
        })
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the state of a child can be read").is_some()
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address for an endpoint option.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The id of the process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// The last lines of what the server has printed.
    pub fn log(&self) -> String {
        let text = fs::read(log_path(self.directory.path())).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&text), LOG_LINES)
    }
}

impl Drop for Server {
    #[expect(clippy::print_stderr, reason = "a failing test shows what its servers said")]
    fn drop(&mut self) {
        // Already gone is as good: `kill` on an ended child that was not waited for is a no-op.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the last lines of {}\n{}", self.name, self.log());
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} (process {})", self.name, self.url(), self.process_id())
    }
}

fn new_directory() -> TempDir {
    tempfile::Builder::new().prefix("bfd-server-").tempdir().expect("a directory can be made")
}

fn log_path(directory: &Path) -> PathBuf {
    directory.join("log")
}

/// A port that nobody has now.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// The port in a complete line `listening on HOST:PORT`.
fn announced_port(log: &str) -> Option<u16> {
    let (line, _) = log.split_once("listening on ")?.1.split_once('\n')?;
    line.rsplit(':').next()?.parse().ok()
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    lines[lines.len().saturating_sub(count)..].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_a_whole_line_only() {
        assert_eq!(announced_port("listening on 127.0.0.1:4567\n"), Some(4567));
        assert_eq!(announced_port("listening on 127.0.0.1:45"), None);
        assert_eq!(announced_port(""), None);
    }

    #[test]
    fn the_end_of_a_log_is_kept() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(last_lines("a", 2), "a");
    }
}
