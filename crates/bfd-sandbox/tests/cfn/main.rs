//! CloudFormation through the SDK: what the model says has to survive the wire.

mod cdk;
mod nested;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use aws_sdk_cloudformation::types::{
    Capability, ChangeAction, ChangeSetStatus, ChangeSetType, ExecutionStatus, OnStackFailure,
    Parameter, Replacement, ResourceStatus, StackStatus, Tag,
};
use bfd_sandbox::{Options, Sandbox};

const TEMPLATE: &str = include_str!("service.yaml");

struct Lab {
    sandbox: Sandbox,
    config: SdkConfig,
    client: Client,
}

impl Lab {
    fn new() -> Self {
        let sandbox = Sandbox::open(Options::default()).expect("opens");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("ap-southeast-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "SANDBOX", "sandbox", None, None, "sandbox",
            )))
            .http_client(sandbox.http_client())
            .time_source(sandbox.time_source())
            .sleep_impl(sandbox.sleep())
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Self { client: Client::new(&config), config, sandbox }
    }

    async fn settled(&self, name: &str) -> StackStatus {
        loop {
            let answer = self.client.describe_stacks().stack_name(name).send().await;
            let stack = answer.expect("describes").stacks.expect("stacks").pop().expect("one");
            let status = stack.stack_status.expect("a status");
            if !status.as_str().ends_with("_IN_PROGRESS") {
                return status;
            }
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
    }

    fn push_images(&self) {
        self.sandbox.push_image("app", "v1");
        self.sandbox.push_image("app", "v2");
    }

    async fn change_set(&self, kind: ChangeSetType, image: &str) -> String {
        let answer = self
            .client
            .create_change_set()
            .stack_name("web")
            .change_set_name(format!("deploy-{image}"))
            .change_set_type(kind)
            .template_body(TEMPLATE)
            .capabilities(Capability::CapabilityNamedIam)
            .parameters(Parameter::builder().parameter_key("Image").parameter_value(image).build())
            .tags(Tag::builder().key("team").value("web & <co>").build())
            .send()
            .await
            .expect("creates");
        let id = answer.id.expect("an id");
        tokio::time::sleep(Duration::from_secs(5)).await;
        id
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_is_deployed_by_change_sets() {
    let lab = Lab::new();
    lab.push_images();
    let set = lab.change_set(ChangeSetType::Create, "v1").await;
    let described = lab.client.describe_change_set().change_set_name(&set).send().await.unwrap();
    assert_eq!(described.status, Some(ChangeSetStatus::CreateComplete));
    assert_eq!(described.execution_status, Some(ExecutionStatus::Available));
    assert!(
        described.changes().iter().all(|change| {
            change.resource_change().unwrap().action() == Some(&ChangeAction::Add)
        })
    );
    lab.client.execute_change_set().change_set_name(&set).send().await.unwrap();
    assert_eq!(lab.settled("web").await, StackStatus::CreateComplete, "{}", lab.failures().await);
    let ecs = aws_sdk_ecs::Client::new(&lab.config);
    let read = || async {
        let answer = ecs.describe_services().cluster("main").services("web").send().await.unwrap();
        answer.services.unwrap().pop().unwrap()
    };
    let first = read().await;
    assert_eq!(first.running_count, 1, "the stack waited for the rollout");
    let stack = lab.client.describe_stacks().stack_name("web").send().await.unwrap();
    let stack = stack.stacks.unwrap().pop().unwrap();
    assert_eq!(stack.description.as_deref(), Some("A service & what it needs"));
    assert_eq!(stack.tags()[0].value(), Some("web & <co>"));
    assert_eq!(stack.outputs()[0].export_name(), Some("web-service"));
    assert_eq!(stack.parameters()[0].parameter_value(), Some("v1"));
    assert_eq!(stack.capabilities(), [Capability::CapabilityNamedIam]);
    assert!(stack.creation_time.is_some() && stack.last_updated_time.is_some());

    let set = lab.change_set(ChangeSetType::Update, "v2").await;
    let described = lab.client.describe_change_set().change_set_name(&set).send().await.unwrap();
    let changes: Vec<_> =
        described.changes().iter().map(|change| change.resource_change().unwrap()).collect();
    let task = changes.iter().find(|change| change.logical_resource_id() == Some("Task")).unwrap();
    assert_eq!(task.replacement(), Some(&Replacement::True));
    lab.client.execute_change_set().change_set_name(&set).send().await.unwrap();
    assert_eq!(lab.settled("web").await, StackStatus::UpdateComplete, "{}", lab.failures().await);
    assert_ne!(read().await.task_definition, first.task_definition);
    lab.client.delete_stack().stack_name("web").send().await.unwrap();
    let id = stack.stack_id.unwrap();
    assert_eq!(lab.settled(&id).await, StackStatus::DeleteComplete);
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_fails_takes_the_stack_back() {
    let lab = Lab::new();
    lab.push_images();
    let set = lab.change_set(ChangeSetType::Create, "v1").await;
    lab.client.execute_change_set().change_set_name(&set).send().await.unwrap();
    assert_eq!(lab.settled("web").await, StackStatus::CreateComplete);
    let set = lab.change_set(ChangeSetType::Update, "never-pushed").await;
    lab.client.execute_change_set().change_set_name(&set).send().await.unwrap();
    assert_eq!(lab.settled("web").await, StackStatus::UpdateRollbackComplete);
    assert!(lab.failures().await.contains("Circuit Breaker"), "{}", lab.failures().await);
    let ecs = aws_sdk_ecs::Client::new(&lab.config);
    let answer = ecs.describe_services().cluster("main").services("web").send().await.unwrap();
    let service = answer.services.unwrap().pop().unwrap();
    let definition = service.task_definition().unwrap();
    let answer = ecs.describe_task_definition().task_definition(definition).send().await.unwrap();
    let image = answer.task_definition.unwrap().container_definitions.unwrap()[0].image.clone();
    assert!(image.unwrap().ends_with("app:v1"));
}

impl Lab {
    /// Every failure of the stack, for messages.
    async fn failures(&self) -> String {
        let answer = self.client.describe_stack_events().stack_name("web").send().await.unwrap();
        let failed = answer.stack_events().iter().filter(|event| {
            event.resource_status().is_some_and(|status| status.as_str().ends_with("_FAILED"))
        });
        let lines: Vec<String> = failed
            .map(|event| {
                let reason = event.resource_status_reason().unwrap_or_default();
                format!("{}: {reason}", event.logical_resource_id().unwrap_or_default())
            })
            .collect();
        lines.join("\n")
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_have_their_codes() {
    let lab = Lab::new();
    let error = lab.client.describe_stacks().stack_name("none").send().await.unwrap_err();
    assert_eq!(error.code(), Some("ValidationError"));
    assert_eq!(error.message(), Some("Stack with id none does not exist"));
    let body = "Resources:\n  A: { Type: AWS::EC2::VPC }\n";
    let create = || lab.client.create_stack().stack_name("app").template_body(body);
    create().send().await.unwrap();
    let error = create().send().await.unwrap_err().into_service_error();
    assert!(error.is_already_exists_exception(), "{error:?}");
    let error = lab.client.create_stack().stack_name("iam").template_body(TEMPLATE).send().await;
    assert!(error.unwrap_err().into_service_error().is_insufficient_capabilities_exception());
    assert_eq!(lab.settled("app").await, StackStatus::CreateComplete);
    let describe = lab.client.describe_change_set().stack_name("app").change_set_name("none");
    let error = describe.send().await.unwrap_err().into_service_error();
    assert!(error.is_change_set_not_found_exception(), "{error:?}");
    let set = lab
        .client
        .create_change_set()
        .stack_name("app")
        .change_set_name("same")
        .template_body(body)
        .send()
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let execute = lab.client.execute_change_set().change_set_name(set.id.unwrap());
    let error = execute.send().await.unwrap_err().into_service_error();
    assert!(error.is_invalid_change_set_status_exception(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_scripted_failure_deletes_a_new_stack() {
    let lab = Lab::new();
    lab.sandbox.fail_resource("app", "A", "no capacity");
    let answer = lab
        .client
        .create_change_set()
        .stack_name("app")
        .change_set_name("first")
        .change_set_type(ChangeSetType::Create)
        .on_stack_failure(OnStackFailure::Delete)
        .template_body("Resources:\n  A: { Type: AWS::EC2::VPC }\n")
        .send()
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    lab.client.execute_change_set().change_set_name(answer.id.unwrap()).send().await.unwrap();
    let id = answer.stack_id.unwrap();
    assert_eq!(lab.settled(&id).await, StackStatus::DeleteComplete);
    let events = lab.client.describe_stack_events().stack_name(&id).send().await.unwrap();
    let failed = events
        .stack_events()
        .iter()
        .find(|event| event.resource_status() == Some(&ResourceStatus::CreateFailed))
        .unwrap();
    assert_eq!(failed.resource_status_reason(), Some("no capacity"));
}
