use aws_smithy_async::{rt::sleep::SharedAsyncSleep, time::SharedTimeSource};
use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime::client::{
    auth::no_auth::{NO_AUTH_SCHEME_ID, NoAuthScheme},
    identity::{IdentityCache, no_auth::NoAuthIdentityResolver},
    orchestrator::endpoints::StaticUriEndpointResolver,
    retries::strategy::NeverRetryStrategy,
};
use aws_smithy_runtime_api::client::{
    auth::{SharedAuthScheme, static_resolver::StaticAuthSchemeOptionResolver},
    connector_metadata::ConnectorMetadata,
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    identity::SharedIdentityResolver,
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use bfd_store::{StoreError, Tenure};
use std::{
    cell::Cell,
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use thiserror::Error;

tokio::task_local! {
    /// Attempts of the request under way.
    static ATTEMPTS: Cell<u32>;
}

/// Sends one request and tells how many attempts the SDK made of it.
pub(crate) async fn with_attempts<F: Future>(send: F) -> (F::Output, u32) {
    let counted = async {
        let output = send.await;
        (output, ATTEMPTS.with(Cell::get))
    };
    ATTEMPTS.scope(Cell::new(0), counted).await
}

/// The HTTP client for AWS itself: rustls over aws-lc, and `http://` for emulators.
///
/// Named here instead of taken from the SDK's defaults, so that a new default of
/// the SDK does not change how bfd connects. Proxies come from the environment
/// as the SDK's own client reads them.
pub(crate) fn https() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut builder = Connector::builder().proxy_config(ProxyConfig::from_env());
        if let Some(settings) = settings {
            builder = builder.connector_settings(settings.clone());
        }
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build()
    })
}

/// A connector for requests that are no operations of the SDK.
///
/// The SDK's client wants to know all that an operation consists of, and looks at the clock and
/// the timeouts of it.
pub(crate) fn connector(
    client: &SharedHttpClient,
    sleep: SharedAsyncSleep,
    time: SharedTimeSource,
    connect_timeout: Duration,
) -> SharedHttpConnector {
    let components = RuntimeComponents::builder("registry")
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(Vec::new())))
        .with_auth_scheme(SharedAuthScheme::new(NoAuthScheme::new()))
        .with_identity_resolver(
            NO_AUTH_SCHEME_ID,
            SharedIdentityResolver::new(NoAuthIdentityResolver::new()),
        )
        .with_endpoint_resolver(Some(StaticUriEndpointResolver::uri("http://unused")))
        .with_identity_cache(Some(IdentityCache::no_cache()))
        .with_retry_strategy(Some(NeverRetryStrategy::new()))
        .with_sleep_impl(Some(sleep))
        .with_time_source(Some(time))
        .build()
        .expect("everything that is required is there");
    let settings = HttpConnectorSettings::builder().connect_timeout(connect_timeout).build();
    client.http_connector(&settings, &components)
}

/// What leaves through a connection: how many HTTP requests, attempts counted one by one, and
/// by whose leave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic(Arc<Left>);

#[derive(Debug, Default)]
struct Left {
    count: AtomicU64,
    tenure: OnceLock<Arc<dyn Tenure>>,
}

impl Traffic {
    pub(crate) fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// From here on nothing leaves unless the lock is still held.
    pub(crate) fn only_under(&self, tenure: Arc<dyn Tenure>) {
        // A process holds one lock; a second one of the same process would be the same state's.
        let _ = self.0.tenure.set(tenure);
    }

    fn pass(&self) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        // The SDK polls its connector inside the request's own future. Requests
        // for credentials come from elsewhere, and are nobody's attempts.
        let _ = ATTEMPTS.try_with(|attempts| attempts.set(attempts.get() + 1));
    }
}

/// A request that did not leave, because the lock was lost or nobody could say.
#[derive(Clone, Debug, Error)]
#[error("not sent")]
pub struct NotSent {
    #[source]
    pub why: Arc<StoreError>,
}

/// An HTTP client that counts, and asks for leave.
///
/// At the very end of the way: a process that was frozen goes on wherever it was, and so do the
/// SDK's own repeats.
#[derive(Debug)]
pub(crate) struct Watched<C> {
    inner: C,
    traffic: Traffic,
}

impl<C> Watched<C> {
    pub(crate) fn new(inner: C, traffic: &Traffic) -> Self {
        Self { inner, traffic: traffic.clone() }
    }
}

impl HttpClient for Watched<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Watched {
            inner: self.inner.http_connector(settings, components),
            traffic: self.traffic.clone(),
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

impl HttpConnector for Watched<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(tenure) = self.traffic.0.tenure.get().cloned() else {
            self.traffic.pass();
            return self.inner.call(request);
        };
        let (inner, traffic) = (self.inner.clone(), self.traffic.clone());
        HttpConnectorFuture::new(async move {
            // Not worth a repeat: nothing left, and nothing will.
            if let Err(why) = tenure.confirm().await {
                return Err(ConnectorError::user(NotSent { why: Arc::new(why) }.into()));
            }
            traffic.pass();
            inner.call(request).await
        })
    }
}
