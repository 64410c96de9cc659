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
    runtime_components::RuntimeComponents,
};
use std::{
    cell::Cell,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

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

/// How many HTTP requests left, attempts counted one by one.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestCount(Arc<AtomicU64>);

impl RequestCount {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// An HTTP client that counts.
#[derive(Debug)]
pub(crate) struct Counting<C> {
    inner: C,
    count: RequestCount,
}

impl<C> Counting<C> {
    pub(crate) fn new(inner: C, count: &RequestCount) -> Self {
        Self { inner, count: count.clone() }
    }
}

impl HttpClient for Counting<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Counting {
            inner: self.inner.http_connector(settings, components),
            count: self.count.clone(),
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

impl HttpConnector for Counting<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.count.0.fetch_add(1, Ordering::Relaxed);
        // The SDK polls its connector inside the request's own future. Requests
        // for credentials come from elsewhere, and are nobody's attempts.
        let _ = ATTEMPTS.try_with(|attempts| attempts.set(attempts.get() + 1));
        self.inner.call(request)
    }
}
