//! A sandbox, the SDK's clients on it, and an application to deploy.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::operation::register_task_definition::builders::RegisterTaskDefinitionFluentBuilder;
use aws_sdk_ecs::types::{
    AwsVpcConfiguration, Compatibility, ContainerDefinition, DeploymentCircuitBreaker,
    DeploymentConfiguration, HealthCheck, LaunchType, NetworkConfiguration, NetworkMode, Service,
    ServiceDeployment, Task,
};
use bfd_sandbox::{Options, Sandbox};

pub(crate) const CLUSTER: &str = "main";
pub(crate) const REGISTRY: &str = "123456789012.dkr.ecr.ap-southeast-1.amazonaws.com";

/// A sandbox with its clients.
pub(crate) struct Lab {
    pub(crate) sandbox: Sandbox,
    pub(crate) config: SdkConfig,
    pub(crate) ecr: aws_sdk_ecr::Client,
    pub(crate) ecs: aws_sdk_ecs::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    pub(crate) ssm: aws_sdk_ssm::Client,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::open(Options::default())
    }

    pub(crate) fn open(options: Options) -> Self {
        let sandbox = Sandbox::open(options).expect("opens");
        let config = config(&sandbox, RetryConfig::disabled());
        Self {
            ecr: aws_sdk_ecr::Client::new(&config),
            ecs: aws_sdk_ecs::Client::new(&config),
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            ssm: aws_sdk_ssm::Client::new(&config),
            sandbox,
            config,
        }
    }

    /// A cluster, `app:v1` pushed, and the family `web` that runs it without a health check.
    pub(crate) async fn with_app() -> Self {
        let lab = Self::new();
        lab.prepare().await;
        lab
    }

    pub(crate) async fn prepare(&self) {
        self.sandbox.push_image("app", "v1");
        self.ecs.create_cluster().cluster_name(CLUSTER).send().await.expect("creates a cluster");
        self.register("app:v1", None).await;
    }

    /// Registers a revision of `web` that runs an image of the sandbox's registry.
    pub(crate) async fn register(&self, image: &str, check: Option<HealthCheck>) -> String {
        self.register_image(&format!("{REGISTRY}/{image}"), check).await
    }

    pub(crate) async fn register_image(&self, image: &str, check: Option<HealthCheck>) -> String {
        let container = container(image).set_health_check(check).build();
        let answer = self.definition().container_definitions(container).send().await;
        let definition = answer.expect("registers").task_definition.expect("a definition");
        definition.task_definition_arn.expect("an ARN")
    }

    /// A Fargate definition that still wants its containers.
    pub(crate) fn definition(&self) -> RegisterTaskDefinitionFluentBuilder {
        self.ecs
            .register_task_definition()
            .family("web")
            .requires_compatibilities(Compatibility::Fargate)
            .network_mode(NetworkMode::Awsvpc)
            .cpu("256")
            .memory("512")
            .execution_role_arn("arn:aws:iam::123456789012:role/execution")
    }

    pub(crate) fn creation(
        &self,
        definition: &str,
        desired: i32,
    ) -> aws_sdk_ecs::operation::create_service::builders::CreateServiceFluentBuilder {
        self.ecs
            .create_service()
            .cluster(CLUSTER)
            .service_name("web")
            .task_definition(definition)
            .desired_count(desired)
            .launch_type(LaunchType::Fargate)
            .network_configuration(network())
            .deployment_configuration(fast_rollback())
    }

    /// Creates the service and waits until its first deployment has ended well.
    pub(crate) async fn deployed(&self, definition: &str, desired: i32) -> Service {
        self.creation(definition, desired).send().await.expect("creates a service");
        let ended = self.ended(600).await;
        assert_eq!(status(&ended), "SUCCESSFUL");
        self.service().await
    }

    pub(crate) async fn update(&self, definition: &str) -> Service {
        let update = self.ecs.update_service().cluster(CLUSTER).service("web");
        let answer = update.task_definition(definition).send().await;
        answer.expect("updates").service.expect("a service")
    }

    pub(crate) async fn service(&self) -> Service {
        let read = self.ecs.describe_services().cluster(CLUSTER).services("web");
        let answer = read.send().await.expect("describes");
        answer.services.expect("services").pop().expect("the service")
    }

    pub(crate) async fn service_deployment(&self) -> ServiceDeployment {
        let list = self.ecs.list_service_deployments().cluster(CLUSTER).service("web");
        let newest = list.send().await.expect("lists").service_deployments.expect("a list")[0]
            .service_deployment_arn
            .clone()
            .expect("an ARN");
        let read = self.ecs.describe_service_deployments().service_deployment_arns(newest);
        let answer = read.send().await.expect("describes");
        answer.service_deployments.expect("deployments").remove(0)
    }

    /// Waits for the newest service deployment to end, for so many seconds.
    pub(crate) async fn ended(&self, seconds: u64) -> ServiceDeployment {
        // Who waits long looks less often.
        let step = if seconds > 900 { 10 } else { 1 };
        for _ in 0..seconds / step {
            let now = self.service_deployment().await;
            if matches!(
                status(&now).as_str(),
                "SUCCESSFUL" | "STOPPED" | "ROLLBACK_SUCCESSFUL" | "ROLLBACK_FAILED"
            ) {
                return now;
            }
            self.wait(step).await;
        }
        panic!("no end in {seconds} s: {:?}", self.service_deployment().await);
    }

    /// Tasks of the service, running and stopped, in order of their creation.
    pub(crate) async fn tasks(&self) -> Vec<Task> {
        let mut arns = Vec::new();
        for desired in ["RUNNING", "STOPPED"] {
            let list = self.ecs.list_tasks().cluster(CLUSTER).service_name("web");
            let answer = list.desired_status(desired.into()).send().await.expect("lists");
            arns.extend(answer.task_arns.unwrap_or_default());
        }
        if arns.is_empty() {
            return Vec::new();
        }
        let read = self.ecs.describe_tasks().cluster(CLUSTER).set_tasks(Some(arns));
        let mut tasks = read.send().await.expect("describes").tasks.expect("tasks");
        tasks.sort_by_key(|task| (task.created_at.map(|at| at.as_nanos()), task.task_arn.clone()));
        tasks
    }

    pub(crate) async fn events(&self) -> Vec<String> {
        let events = self.service().await.events.unwrap_or_default();
        events.into_iter().filter_map(|event| event.message).collect()
    }

    /// Lets virtual time pass.
    pub(crate) async fn wait(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

pub(crate) fn config(sandbox: &Sandbox, retries: RetryConfig) -> SdkConfig {
    let credentials = Credentials::new("SANDBOX", "sandbox", None, None, "sandbox");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("ap-southeast-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(sandbox.http_client())
        .time_source(sandbox.time_source())
        .sleep_impl(sandbox.sleep())
        .retry_config(retries)
        .timeout_config(
            TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(30)).build(),
        )
        // It watches an in-memory client, too, and would cut a hanging call early.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

pub(crate) fn container(image: &str) -> aws_sdk_ecs::types::builders::ContainerDefinitionBuilder {
    ContainerDefinition::builder().name("web").image(image)
}

/// A health check with the intervals of the first environment.
pub(crate) fn check(command: &str) -> HealthCheck {
    HealthCheck::builder()
        .command("CMD-SHELL")
        .command(command)
        .interval(30)
        .timeout(5)
        .retries(3)
        .start_period(60)
        .build()
        .expect("a health check")
}

pub(crate) fn network() -> NetworkConfiguration {
    let vpc = AwsVpcConfiguration::builder().subnets("subnet-1").build().expect("a network");
    NetworkConfiguration::builder().awsvpc_configuration(vpc).build()
}

pub(crate) fn fast_rollback() -> DeploymentConfiguration {
    let breaker = DeploymentCircuitBreaker::builder().enable(true).rollback(true).build();
    DeploymentConfiguration::builder()
        .deployment_circuit_breaker(breaker)
        .maximum_percent(200)
        .minimum_healthy_percent(100)
        .build()
}

pub(crate) fn status(deployment: &ServiceDeployment) -> String {
    deployment.status.as_ref().expect("a status").as_str().to_owned()
}

/// The code and the message of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug, E, R>(
    answer: Result<T, SdkError<E, R>>,
) -> (String, String)
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match answer {
        Ok(answer) => panic!("not refused: {answer:?}"),
        Err(SdkError::ServiceError(error)) => {
            let error = error.into_err();
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            (text(error.code()), text(error.message()))
        }
        Err(error) => panic!("not refused by the service: {error:?}"),
    }
}

/// The code alone.
pub(crate) fn code<T: std::fmt::Debug, E, R>(answer: Result<T, SdkError<E, R>>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    refusal(answer).0
}
