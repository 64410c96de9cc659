//! The embedded AWS, served by `bfd sandbox serve`.

use std::time::Duration;

use crate::command::{Invocation, Running};
use crate::wait;

/// What it may take to answer on a machine that is busy compiling.
const READY_DEADLINE: Duration = Duration::from_secs(30);

/// `bfd sandbox serve`, ended when dropped.
#[derive(Debug)]
pub struct SandboxServer {
    _process: Running,
    url: String,
}

impl SandboxServer {
    /// Starts it and waits for its address.
    #[track_caller]
    pub(crate) fn start(invocation: Invocation) -> Self {
        let process = invocation.spawn();
        let url = wait::until("the sandbox to be served", READY_DEADLINE, || {
            let printed = process.stdout();
            printed.split_once('\n').map(|(line, _)| line.to_owned())
        });
        assert!(url.starts_with("http://127.0.0.1:"), "{url}\n{}", process.stderr());
        Self { _process: process, url }
    }

    /// The address for an endpoint option.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        let port = self.url.rsplit(':').next().and_then(|port| port.parse().ok());
        port.expect("a port in the address")
    }
}
