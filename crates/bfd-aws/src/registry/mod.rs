//! Images in registries: the OCI distribution protocol, on the same transport and clock as the
//! SDK's clients.
//!
//! Source: <https://github.com/opencontainers/distribution-spec>, and what ECR does otherwise:
//! each place says so.
//!
//! | module | what it holds |
//! |---|---|
//! | [`reference`] | names of images, read as `docker pull` reads them |
//! | `host`, `url` | where a registry is, and whose |
//! | `challenge`, `credentials`, `auth` | who asks |
//! | `wire` | one request and its answer |
//! | `manifest`, `tags` | what is under a tag or a digest; tags removed and brought back |
//! | `source`, `body` | where an image comes from, and its bytes on their way |
//! | `base` | images as a base of others, and what is written on them |
//! | `contents` | everything that an image consists of |
//! | `blob` | one blob, sent or not |
//! | `known` | what need not be asked again |
//! | `push` | an image, sent or copied |
//! | `progress` | what is told meanwhile |

mod auth;
mod base;
mod blob;
mod body;
mod challenge;
mod contents;
mod credentials;
mod host;
mod known;
mod manifest;
mod progress;
mod push;
pub mod reference;
mod source;
mod tags;
mod url;
mod wire;

pub use manifest::Resolved;
pub use push::Pushed;
pub use reference::{At, NotAReference, Reference};

use crate::{Aws, transport};
use aws_smithy_async::{rt::sleep::SharedAsyncSleep, time::SharedTimeSource};
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector};
use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock},
    time::Duration,
};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Blobs that are sent at once, whatever they belong to.
const SENDS: usize = 8;

/// Every registry, as this connection reaches it.
#[derive(Clone, Debug)]
pub struct Registry<'a> {
    aws: &'a Aws,
}

impl Aws {
    /// Registries of images, ECR's and others.
    pub fn registry(&self) -> Registry<'_> {
        Registry { aws: self }
    }
}

/// What is kept of registries between requests: connections, and who we are to each.
pub(crate) struct Registries {
    client: Option<SharedHttpClient>,
    sleep: SharedAsyncSleep,
    time: SharedTimeSource,
    connector: OnceLock<SharedHttpConnector>,
    pub(crate) known: known::Known,
    kept: Mutex<BTreeMap<(String, String), auth::Authorization>>,
    /// Held while ECR is asked for a token: who comes meanwhile waits for it.
    asking: tokio::sync::Mutex<()>,
    /// Blobs that all images of a run send at once: each has buffers of its own.
    sending: tokio::sync::Semaphore,
}

impl Registries {
    pub(crate) fn new(
        client: Option<SharedHttpClient>,
        sleep: SharedAsyncSleep,
        time: SharedTimeSource,
    ) -> Self {
        Self {
            client,
            sleep,
            time,
            connector: OnceLock::new(),
            known: known::Known::default(),
            kept: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            sending: tokio::sync::Semaphore::new(SENDS),
        }
    }

    /// The connections, made when the first registry is asked.
    fn connector(&self) -> &SharedHttpConnector {
        self.connector.get_or_init(|| {
            let client = self.client.as_ref().expect("every connection has a transport");
            transport::connector(client, self.sleep.clone(), self.time.clone(), CONNECT_TIMEOUT)
        })
    }
}
