use crate::{
    Settings, Transport,
    acting::Roles,
    error,
    kinds::{
        image::Turns,
        stack::{Published, Templates},
    },
    logs::Logs,
    rate::Rates,
    registry::Registries,
    remarks::Remarks,
    secrets::SecretsManager,
    transport::{Traffic, Watched, https, with_attempts},
};
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::{
    rt::sleep::{AsyncSleep, SharedAsyncSleep, TokioSleep},
    time::{SharedTimeSource, SystemTimeSource},
};
use aws_smithy_runtime_api::client::{
    http::SharedHttpClient, orchestrator::HttpResponse, result::SdkError,
    stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bfd_provider::{Context, ErrorClass, ProviderError, Secrets};
use bfd_store::Tenure;
use std::{
    fmt,
    future::Future,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Attempts per request, the first one included.
const ATTEMPTS: u32 = 5;
/// One attempt; the slowest answers of these APIs take a few seconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
/// How often something that should be there is looked for, and how long between: reads are
/// old by seconds where AWS calls them eventually consistent.
const LOOKS: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_secs(3);
/// All attempts and the waits between them.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(90);

/// A connection to AWS, or to what stands in for it: the clients, the clock and the limits.
pub struct Aws {
    pub(crate) autoscaling: aws_sdk_applicationautoscaling::Client,
    pub(crate) cloudformation: aws_sdk_cloudformation::Client,
    pub(crate) ecr: aws_sdk_ecr::Client,
    pub(crate) ecs: aws_sdk_ecs::Client,
    pub(crate) logs: Logs,
    pub(crate) secrets_manager: SecretsManager,
    pub(crate) ssm: aws_sdk_ssm::Client,
    pub(crate) sts: aws_sdk_sts::Client,
    /// Reads plaintext at the moment it is sent.
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) registries: Registries,
    pub(crate) builds: Arc<Turns>,
    pub(crate) templates: Option<Arc<Templates>>,
    /// Of whoever runs bfd.
    pub(crate) roles: Roles,
    /// What is known to be in buckets.
    pub(crate) published: Arc<Published>,
    pub(crate) remarks: Arc<Remarks>,
    config: SdkConfig,
    settings: Settings,
    sleep: SharedAsyncSleep,
    time: SharedTimeSource,
    rates: Arc<Rates>,
    traffic: Traffic,
}

impl fmt::Debug for Aws {
    /// Where it goes, and nothing of clients, secrets or credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What every connection of a process has in common.
struct World {
    secrets: Arc<dyn Secrets>,
    templates: Option<Arc<Templates>>,
    settings: Settings,
    sleep: SharedAsyncSleep,
    time: SharedTimeSource,
    traffic: Traffic,
}

/// What the connections of a process know together, whoever's credentials they have.
#[derive(Default)]
struct Shared {
    builds: Arc<Turns>,
    rates: Arc<Rates>,
    published: Arc<Published>,
    remarks: Arc<Remarks>,
}

/// What came of a request to create something.
#[derive(Debug)]
pub(crate) enum Made<T> {
    Surely(T),
    /// It may be there, and ours. Holds the refusal, for when it turns out not to be.
    Perhaps(ProviderError),
}

/// Configures a client whose retries share no budget with other connections of the process.
macro_rules! client {
    ($sdk:ident, $config:expr) => {
        client!($sdk, $config, |config: $sdk::config::Builder| config)
    };
    ($sdk:ident, $config:expr, $more:expr) => {
        $sdk::Client::from_conf(
            $more($sdk::config::Builder::from($config))
                .retry_partition(
                    aws_smithy_runtime::client::retries::RetryPartition::custom(stringify!($sdk))
                        .token_bucket(aws_smithy_runtime::client::retries::TokenBucket::default())
                        .build(),
                )
                .build(),
        )
    };
}
pub(crate) use client;

/// The SDK's configuration, and the clock that goes with it.
pub(crate) async fn configured(
    settings: &Settings,
    traffic: &Traffic,
) -> (SdkConfig, SharedAsyncSleep, SharedTimeSource) {
    match &settings.transport {
        Some(transport) => (
            injected(settings, transport, traffic),
            transport.sleep.clone(),
            transport.time_source.clone(),
        ),
        None => (
            chained(settings, traffic).await,
            SharedAsyncSleep::new(TokioSleep::new()),
            SharedTimeSource::new(SystemTimeSource::new()),
        ),
    }
}

impl Aws {
    pub(crate) async fn connect(settings: Settings, secrets: Arc<dyn Secrets>) -> Self {
        let traffic = Traffic::default();
        let (config, sleep, time) = configured(&settings, &traffic).await;
        let templates = Templates::new(&settings).map(Arc::new);
        let world = World { secrets, templates, settings, sleep, time, traffic };
        Self::of(&config, world, Shared::default())
    }

    /// The same connection with other credentials.
    pub(crate) fn with(&self, config: &SdkConfig) -> Self {
        let world = World {
            secrets: Arc::clone(&self.secrets),
            templates: self.templates.clone(),
            settings: self.settings.clone(),
            sleep: self.sleep.clone(),
            time: self.time.clone(),
            traffic: self.traffic.clone(),
        };
        let shared = Shared {
            builds: Arc::clone(&self.builds),
            rates: Arc::clone(&self.rates),
            published: Arc::clone(&self.published),
            remarks: Arc::clone(&self.remarks),
        };
        Self::of(config, world, shared)
    }

    fn of(config: &SdkConfig, world: World, shared: Shared) -> Self {
        let Shared { builds, rates, published, remarks } = shared;
        let World { secrets, templates, settings, sleep, time, traffic } = world;
        Self {
            autoscaling: client!(aws_sdk_applicationautoscaling, config),
            cloudformation: client!(aws_sdk_cloudformation, config),
            ecr: client!(aws_sdk_ecr, config),
            ecs: client!(aws_sdk_ecs, config),
            logs: Logs::new(config),
            secrets_manager: SecretsManager::new(config),
            ssm: client!(aws_sdk_ssm, config),
            sts: client!(aws_sdk_sts, config),
            builds,
            templates,
            roles: Roles::default(),
            published,
            remarks,
            config: config.clone(),
            registries: Registries::new(config.http_client(), sleep.clone(), time.clone()),
            secrets,
            settings,
            sleep,
            time,
            rates,
            traffic,
        }
    }

    /// Sends one request, as the family's limit allows, and translates a refusal.
    ///
    /// `operation` is spelled as IAM spells it, such as `ecs:CreateService`: it is what the
    /// limit is looked up by, and what an error names.
    pub(crate) fn call<T, E>(
        &self,
        operation: &'static str,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    ) -> impl Future<Output = Result<T, ProviderError>> + Send
    where
        T: Send,
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let counted = self.counted(operation, send);
        async move { counted.await.0 }
    }

    /// The same, with the number of attempts that the SDK made of it.
    ///
    /// A refusal of a later attempt says nothing about an earlier one whose answer was lost.
    pub(crate) fn counted<T, E>(
        &self,
        operation: &'static str,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    ) -> impl Future<Output = (Result<T, ProviderError>, u32)> + Send
    where
        T: Send,
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        // The SDK's futures are large, and the engine holds many of them.
        let send = Box::pin(send);
        async move {
            let wait = self.rate(operation);
            if !wait.is_zero() {
                self.sleep(wait).await;
            }
            let began = self.now();
            let (answer, attempts) = with_attempts(send).await;
            let answer = answer.map_err(|refusal| {
                let mut refused = error::translate(operation, self, &refusal);
                refused.in_doubt = (attempts > 1 && is_write(operation)).then_some(true);
                refused
            });
            let took = self.now().duration_since(began).unwrap_or_default().as_millis();
            match &answer {
                Ok(_) => tracing::debug!(target: "bfd", "{operation} {took} ms"),
                Err(refused) => {
                    tracing::debug!(target: "bfd", "{operation} {took} ms: {:?}", refused.class);
                }
            }
            (answer, attempts)
        }
    }

    /// Sends a request that creates something under a name.
    ///
    /// An answer "exists already" may be about an earlier attempt of this very request, whose
    /// own answer was lost, or about the same call of a process that died; no answer at all
    /// says as little. Then it is no error yet, but [`Made::Perhaps`]: the caller reads the
    /// object back and compares.
    pub(crate) fn make<T, E>(
        &self,
        operation: &'static str,
        context: &Context,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    ) -> impl Future<Output = Result<Made<T>, ProviderError>> + Send
    where
        T: Send,
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let call = self.counted(operation, send);
        async move {
            let (answer, attempts) = call.await;
            match answer {
                Ok(made) => Ok(Made::Surely(made)),
                Err(refused) => match refused.class {
                    ErrorClass::AlreadyExists if attempts > 1 || context.repeated => {
                        Ok(Made::Perhaps(refused))
                    }
                    ErrorClass::NetworkFailure if attempts > 0 => Ok(Made::Perhaps(refused)),
                    _ => Err(refused),
                },
            }
        }
    }

    /// Looks for something that should be there: what a single look misses may only be too new
    /// for it.
    pub(crate) async fn look_again<T, L>(
        &self,
        look: impl Fn() -> L + Send,
    ) -> Result<Option<T>, ProviderError>
    where
        L: Future<Output = Result<Option<T>, ProviderError>> + Send,
        T: Send,
    {
        for _ in 1..LOOKS {
            if let Some(found) = look().await? {
                return Ok(Some(found));
            }
            self.sleep(BETWEEN_LOOKS).await;
        }
        look().await
    }

    /// Waits on the connection's clock: virtual time where that is virtual.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.sleep.sleep(duration).await;
    }

    /// The time on the connection's clock.
    pub(crate) fn now(&self) -> SystemTime {
        self.time.now()
    }

    /// Such as `ap-southeast-1`.
    pub fn region(&self) -> &str {
        &self.settings.region
    }

    /// The partition of the region, as ARNs begin with.
    pub fn partition(&self) -> &'static str {
        match self.region() {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    /// How long to wait until the limits allow one more request.
    pub(crate) fn rate(&self, operation: &str) -> Duration {
        self.rates.take(operation, self.now())
    }

    pub(crate) fn time_source(&self) -> SharedTimeSource {
        self.time.clone()
    }

    /// The SDK's configuration, with the credentials of this connection.
    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// Where requests go instead of AWS's own endpoints.
    pub(crate) fn endpoint_url(&self) -> Option<&str> {
        self.settings.endpoint_url.as_deref()
    }

    /// Docker's own configuration, which may not be there.
    pub(crate) fn docker_config(&self) -> Option<&Path> {
        self.settings.docker_config.as_deref()
    }

    /// The account of the environment.
    pub fn account(&self) -> &str {
        &self.settings.account
    }

    /// Where requests of a service go, for people. `service` as IAM spells it.
    pub(crate) fn endpoint(&self, service: &str) -> String {
        if let Some(url) = &self.settings.endpoint_url {
            return url.clone();
        }
        let host = match service {
            "ecr" => "api.ecr",
            "application-autoscaling" => "application-autoscaling",
            other => other,
        };
        format!("https://{host}.{}.amazonaws.com", self.settings.region)
    }

    /// How many of a failed container's last log lines a failure tells; 0 is none.
    pub(crate) fn log_lines(&self) -> usize {
        self.settings.log_lines
    }

    /// What paths of the manifest are relative to.
    pub(crate) fn directory(&self) -> &std::path::Path {
        &self.settings.directory
    }

    /// Where images are made before they are pushed.
    pub(crate) fn scratch(&self) -> &std::path::Path {
        &self.settings.scratch
    }

    /// How many HTTP requests left since the connection was made, retries included.
    pub fn request_count(&self) -> u64 {
        self.traffic.count()
    }

    /// From here on nothing is sent unless the lock is still held.
    pub(crate) fn only_under(&self, tenure: Arc<dyn Tenure>) {
        self.traffic.only_under(tenure);
    }
}

/// Whether a call, as IAM spells it, can change anything.
pub(crate) fn is_write(operation: &str) -> bool {
    let call = operation.split_once(':').map_or("", |(_, call)| call);
    !["Describe", "List", "Get", "BatchGet"].iter().any(|it| call.starts_with(it))
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS)
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(4))
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// The configuration of AWS itself: credentials from the SDK's chain.
async fn chained(settings: &Settings, traffic: &Traffic) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new(settings.region.clone()))
        .http_client(SharedHttpClient::new(Watched::new(https(), traffic)))
        .retry_config(retries())
        .timeout_config(timeouts());
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = &settings.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader.load().await
}

/// The configuration of another world: nothing of it comes from the machine.
fn injected(settings: &Settings, transport: &Transport, traffic: &Traffic) -> SdkConfig {
    let http_client = Watched::new(transport.http_client.clone(), traffic);
    let mut builder = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(settings.region.clone()))
        .credentials_provider(SharedCredentialsProvider::new(transport.credentials.clone()))
        .http_client(SharedHttpClient::new(http_client))
        .sleep_impl(transport.sleep.clone())
        .time_source(transport.time_source.clone())
        .retry_config(retries())
        .timeout_config(timeouts())
        // It watches in-memory clients too, and would cut a slow answer short of its timeout.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(url) = &settings.endpoint_url {
        builder = builder.endpoint_url(url);
    }
    builder.build()
}
