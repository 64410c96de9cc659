//! From a manifest to a cloud: AWS, another endpoint, or the embedded sandbox.

use crate::{exit::CommandError, host, load::Loaded};
use aws_smithy_async::rt::sleep::AsyncSleep;
use bfd_apply::Clock;
use bfd_aws::{AwsProvider, Bucket, Settings, TemplateBucket, Transport};
use bfd_core::Environment;
use bfd_manifest::{Backend, Manifest, ProviderKind};
use bfd_provider::{Identity, Provider};
use bfd_sandbox::Sandbox;
use bfd_store::StateGuard;
use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

/// Virtual seconds per second on the command line: a rollout is worth watching, not waiting for.
const SPEED: f64 = 60.0;

/// A provider, and the clock that goes with it.
#[derive(Debug)]
pub struct Connection {
    pub provider: Arc<AwsProvider>,
    pub clock: Arc<dyn Clock>,
    /// Named in plans when it is not AWS's own.
    pub endpoint: Option<String>,
    /// Whose credentials are used.
    pub arn: Option<String>,
}

impl Connection {
    /// From here on nothing is sent unless the lock is still held.
    pub fn only_under(&self, guard: &dyn StateGuard) {
        if let Some(tenure) = guard.tenure() {
            self.provider.only_under(tenure);
        }
    }
}

/// Connects, and refuses credentials of another account.
pub async fn connect(loaded: &Loaded) -> Result<Connection, CommandError> {
    let manifest = &loaded.manifest;
    let environment = &manifest.environment;
    let mut settings = settings(manifest);
    let clock: Arc<dyn Clock> = match manifest.provider.kind {
        ProviderKind::Sandbox => {
            let sandbox = open_sandbox(manifest)?;
            settings.transport =
                Some(Transport::new(sandbox.http_client(), sandbox.time_source(), sandbox.sleep()));
            Arc::new(SandboxClock(sandbox))
        }
        ProviderKind::Aws => Arc::new(host::WallClock),
    };
    let endpoint = settings.endpoint_url.clone();
    let provider = Arc::new(AwsProvider::connect(settings, loaded.secrets.clone()).await?);
    let identity = check_account(&*provider, environment).await?;
    let endpoint = match manifest.provider.kind {
        ProviderKind::Sandbox => Some(crate::views::SANDBOX.to_owned()),
        ProviderKind::Aws => endpoint,
    };
    let arn = Some(identity.arn).filter(|arn| !arn.is_empty());
    Ok(Connection { provider, clock, endpoint, arn })
}

/// How requests of a manifest are sent, unless they stay in the sandbox.
pub(crate) fn settings(manifest: &Manifest) -> Settings {
    let environment = &manifest.environment;
    let (endpoint_url, docker_config) = match manifest.provider.kind {
        // No password is told to a registry that is not there.
        ProviderKind::Sandbox => (None, None),
        ProviderKind::Aws => {
            let declared = manifest.provider.endpoint_url.clone();
            (declared.or_else(|| host::variable("AWS_ENDPOINT_URL")), host::docker_config())
        }
    };
    Settings {
        account: environment.account.clone(),
        region: environment.region.clone(),
        endpoint_url,
        profile: manifest.provider.profile.clone(),
        transport: None,
        log_lines: manifest.log_lines,
        docker_config,
        directory: host::directory_of(&manifest.path),
        scratch: std::env::temp_dir(),
        templates: templates(manifest),
    }
}

/// Large templates go through the bucket of the state, beside it.
fn templates(manifest: &Manifest) -> Option<TemplateBucket> {
    let Backend::S3 { bucket, prefix, region, kms_key, .. } = &manifest.state.backend else {
        return None;
    };
    let bucket = Bucket { name: bucket.clone(), kms_key: kms_key.clone() };
    Some(TemplateBucket { bucket, region: region.clone(), prefix: format!("{prefix}/templates") })
}

async fn check_account(
    provider: &dyn Provider,
    environment: &Environment,
) -> Result<Identity, CommandError> {
    let identity = provider.identity().await?;
    if identity.account == environment.account {
        return Ok(identity);
    }
    Err(CommandError::WrongAccount {
        wanted: environment.account.clone(),
        found: format!("{} ({})", identity.account, identity.arn),
    })
}

/// Where the sandbox of a manifest keeps its world.
pub fn sandbox_file(manifest: &Manifest) -> PathBuf {
    let directory = host::directory_of(&manifest.path);
    // What bfd wrote itself, for `bfd bootstrap`, is about the world of the manifest beside it.
    let own = directory.ancestors().find(|it| it.file_name().is_some_and(|it| it == ".bfd"));
    let own = own.map_or_else(|| directory.join(".bfd"), Path::to_owned);
    own.join("sandbox").join("world.json")
}

/// Opens the sandbox of a manifest, which makes its directory where there is none.
pub fn open_sandbox(manifest: &Manifest) -> Result<Sandbox, CommandError> {
    let file = sandbox_file(manifest);
    let failed = |err: io::Error| {
        CommandError::refused_with(
            format!("the sandbox in {} cannot be opened: {err}", file.display()),
            format!(
                "empty it with `bfd sandbox reset {}`, or check the permissions of that path",
                manifest.path.display()
            ),
        )
    };
    Sandbox::open(options(manifest, &file)).map_err(failed)
}

/// Empties the sandbox of a manifest, whatever is in its file.
pub fn empty_sandbox(manifest: &Manifest) -> Result<(), CommandError> {
    let file = sandbox_file(manifest);
    Sandbox::empty(options(manifest, &file)).map_err(|err| {
        CommandError::refused_with(
            format!("the sandbox in {} cannot be emptied: {err}", file.display()),
            "check the permissions of that path",
        )
    })
}

fn options(manifest: &Manifest, file: &Path) -> bfd_sandbox::Options {
    let environment = &manifest.environment;
    bfd_sandbox::Options {
        account: environment.account.clone(),
        region: environment.region.clone(),
        file: Some(file.to_owned()),
        speed: SPEED,
        latency: Duration::from_millis(40),
        seed: 1,
        epoch: EPOCH,
        // No fault is ever scripted here, so nothing asks for the past.
        memory: Duration::ZERO,
    }
}

/// When an empty sandbox begins: 2026-01-01T00:00:00Z.
const EPOCH: f64 = 1_767_225_600.0;

/// The sandbox's own time, so that a run in it tells the same times twice.
#[derive(Debug)]
pub struct SandboxClock(pub Sandbox);

impl Clock for SandboxClock {
    fn now(&self) -> String {
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of this century fit")]
        let millis = (self.0.now() * 1000.0) as i64;
        jiff::Timestamp::from_millisecond(millis).map_or_else(|_| String::new(), host::rfc3339)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.0.sleep().sleep(duration))
    }
}
