//! The emulators: ministack, and moto as the second opinion.

use std::fmt::Write as _;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::http;
use crate::server::{Launch, Server};
use crate::tools::{Tools, emulator_script};

/// The account that both emulators answer with unless a test says otherwise.
pub const ACCOUNT: &str = "123456789012";
/// The region of all tests.
pub const REGION: &str = "ap-southeast-1";

/// ministack, with a Docker engine that has no containers.
///
/// ECS services roll out for real; names of image repositories drive what their
/// tasks do, see `tests/emulators/fake_dockerd.py`. Its account is the access
/// key when that has twelve digits, so tests on one server do not meet when each
/// has an account of its own.
#[derive(Debug)]
pub struct Ministack {
    // Dropped first: it talks to the engine until its end.
    server: Server,
    _engine: Server,
}

impl Ministack {
    /// Starts one for this test alone.
    #[track_caller]
    pub fn start() -> Self {
        let engine = Server::start_on_its_own_port("fake_dockerd", python("fake_dockerd.py"));
        let docker_host = format!("tcp://127.0.0.1:{}", engine.port());
        let server = Server::start(&Launch {
            name: "ministack",
            command: &|port, directory| {
                let mut command = leashed("ministack_server:main", directory);
                command
                    // Its default is every interface of the machine.
                    .env("BIND_HOST", "127.0.0.1")
                    .env("GATEWAY_PORT", port.to_string())
                    .env("DOCKER_HOST", &docker_host)
                    .env("MINISTACK_ACCOUNT_ID", ACCOUNT)
                    .env("MINISTACK_REGION", REGION)
                    .env("STATE_DIR", directory.join("state"))
                    .env("S3_DATA_DIR", directory.join("s3"));
                command
            },
            ready: &|port| answers(port, "/_ministack/health"),
        });
        Self { server, _engine: engine }
    }

    /// The one that the tests of this binary share; each should take an account of its own.
    #[track_caller]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Ministack> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Forgets everything, in every account.
    #[track_caller]
    pub fn reset(&self) {
        let response = http::request("POST", self.port(), "/_ministack/reset", "")
            .unwrap_or_else(|error| panic!("{self:?} does not answer: {error}"));
        assert_eq!(response.status, 200, "{}", response.body);
    }
}

impl Deref for Ministack {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// moto's server; its account is always [`ACCOUNT`].
#[derive(Debug)]
pub struct Moto {
    server: Server,
}

impl Moto {
    /// Starts one for this test alone.
    #[track_caller]
    pub fn start() -> Self {
        let server = Server::start(&Launch {
            name: "moto",
            command: &|port, directory| {
                let mut command = leashed("moto_server:main", directory);
                command
                    .args(["--host", "127.0.0.1", "--port", &port.to_string()])
                    .env("MOTO_ACCOUNT_ID", ACCOUNT)
                    .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
                command
            },
            ready: &|port| answers(port, "/moto-api/"),
        });
        Self { server }
    }

    /// The one that the tests of this binary share; their objects need names of their own.
    #[track_caller]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Moto> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Forgets everything.
    #[track_caller]
    pub fn reset(&self) {
        let response = http::request("POST", self.port(), "/moto-api/reset", "")
            .unwrap_or_else(|error| panic!("{self:?} does not answer: {error}"));
        assert_eq!(response.status, 200, "{}", response.body);
    }
}

impl Deref for Moto {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// An account that no other test of this process uses.
pub fn new_account() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let mut account = String::new();
    write!(account, "9{:011}", NEXT.fetch_add(1, Ordering::Relaxed)).expect("a string takes text");
    account
}

/// A script of `tests/emulators`, run with the installed Python.
#[track_caller]
pub(crate) fn python(script: &str) -> Command {
    let mut command = Command::new(Tools::find().python());
    command.env_clear().env("PYTHONDONTWRITEBYTECODE", "1").arg(emulator_script(script));
    command
}

/// A server of the installed packages, ended with the test and kept inside `directory`.
#[track_caller]
fn leashed(function: &str, directory: &Path) -> Command {
    let mut command = python("leash.py");
    command
        .arg(function)
        .current_dir(directory)
        .env("HOME", directory)
        .env("TMPDIR", directory)
        .env("PYTHONUNBUFFERED", "1");
    command
}

fn answers(port: u16, path: &str) -> bool {
    http::request("GET", port, path, "").is_ok_and(|response| response.status == 200)
}
