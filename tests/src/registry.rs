//! A registry of images that asks who is there, as ECR does: Debian's `docker-registry`.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use crate::emulators::python;
use crate::http;
use crate::server::{Launch, Server};

/// Who may do everything.
pub const USER: &str = "AWS";
pub const PASSWORD: &str = "correct-horse";
/// Its password, as bcrypt with the least cost: it is asked with every request.
const HTPASSWD: &str = "AWS:$2b$04$FhzYPgkPYdmHtv24hK8Rn.UE1s9AVTU/kPSh5AswF4qUNQSwe3sNS\n";

/// A registry on a free port of 127.0.0.1 that forgets everything at its end.
#[derive(Debug)]
pub struct Registry {
    server: Server,
}

impl Registry {
    /// Starts one for this test alone.
    #[track_caller]
    pub fn start() -> Self {
        let server = Server::start(&Launch {
            name: "docker-registry",
            command: &|port, directory| {
                let config = directory.join("config.yml");
                write(&config, &configuration(port, directory));
                write(&directory.join("htpasswd"), HTPASSWD);
                let mut command = python("leash.py");
                command
                    .args(["--program", "docker-registry", "serve"])
                    .arg(config)
                    .env("PATH", "/usr/bin:/bin");
                command
            },
            // It answers that it does not know who asks.
            ready: &|port| {
                http::request("GET", port, "/v2/", "").is_ok_and(|answer| answer.status == 401)
            },
        });
        Self { server }
    }

    /// As references name it, wherever it is reached at.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }
}

impl Deref for Registry {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// Writes Docker's own configuration, by which its user is known to registries.
///
/// # Panics
/// When the file cannot be written.
#[track_caller]
pub fn docker_config(directory: &Path, hosts: &[String]) -> PathBuf {
    let entry = serde_json::json!({ "username": USER, "password": PASSWORD });
    let auths: serde_json::Map<_, _> =
        hosts.iter().map(|host| (host.clone(), entry.clone())).collect();
    let path = directory.join("config.json");
    write(&path, &serde_json::json!({ "auths": auths }).to_string());
    path
}

fn configuration(port: u16, directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "version: 0.1\n\
         log: {{level: error}}\n\
         storage: {{filesystem: {{rootdirectory: {directory}/images}}, delete: {{enabled: true}}}}\n\
         http: {{addr: '127.0.0.1:{port}', secret: of-a-test}}\n\
         auth: {{htpasswd: {{realm: tests, path: {directory}/htpasswd}}}}\n"
    )
}

#[track_caller]
fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
