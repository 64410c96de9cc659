use crate::TemplateBucket;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::{rt::sleep::SharedAsyncSleep, time::SharedTimeSource};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use std::{fmt, path::PathBuf};

/// What a connection is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Such as `ap-southeast-1`.
    pub region: String,
    /// Where requests go instead of AWS's own endpoints: `http://127.0.0.1:5000`.
    pub endpoint_url: Option<String>,
    /// A profile of the user's AWS configuration; `None` leaves it to the SDK's chain.
    pub profile: Option<String>,
    /// `None` is AWS, with HTTPS, the machine's clock and the SDK's credentials chain.
    pub transport: Option<Transport>,
    /// The account of the environment, twelve digits.
    pub account: String,
    /// How many of a failed container's last log lines a failure tells; 0 reads no logs.
    pub log_lines: usize,
    /// Docker's `config.json`, which says who we are to other registries than ECR. It may be
    /// missing; `None` is nobody in particular to any of them.
    pub docker_config: Option<PathBuf>,
    /// What paths of the manifest are relative to.
    pub directory: PathBuf,
    /// Where images are made before they are pushed.
    pub scratch: PathBuf,
    /// What templates go through that are too large for a request; without it there are none.
    pub templates: Option<TemplateBucket>,
}

impl Settings {
    /// What `[rollback] log_lines` is unless somebody says otherwise.
    pub const LOG_LINES: usize = 20;
}

/// Another world to talk to: the embedded sandbox, or a test.
#[derive(Clone)]
pub struct Transport {
    pub http_client: SharedHttpClient,
    pub time_source: SharedTimeSource,
    pub sleep: SharedAsyncSleep,
    pub credentials: SharedCredentialsProvider,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

impl Transport {
    /// A transport whose requests are signed with made-up credentials.
    pub fn new(
        http_client: SharedHttpClient,
        time_source: SharedTimeSource,
        sleep: SharedAsyncSleep,
    ) -> Self {
        let credentials = Credentials::new("sandbox", "sandbox", None, None, "sandbox");
        Self {
            http_client,
            time_source,
            sleep,
            credentials: SharedCredentialsProvider::new(credentials),
        }
    }
}
