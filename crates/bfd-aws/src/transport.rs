use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    connector_metadata::ConnectorMetadata,
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
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
