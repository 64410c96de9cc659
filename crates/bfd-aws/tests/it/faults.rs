use crate::world::World;
use aws_credential_types::provider::{
    ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
};
use bfd_aws::{AwsProvider, Settings, Transport};
use bfd_provider::{ErrorClass, Provider as _, ProviderError};
use bfd_sandbox::{Fault, Options, Sandbox};
use serde_json::json;
use std::{sync::Arc, time::Duration};

#[tokio::test(start_paused = true)]
async fn who_is_calling_is_one_request() {
    let world = World::new().await;
    let (identity, operations) = world.counting(world.aws.identity()).await;
    let identity = identity.unwrap();
    assert_eq!(identity.account, "123456789012");
    assert_eq!(identity.region, "ap-southeast-1");
    assert_eq!(operations, ["sts:GetCallerIdentity"]);
}

async fn refused(operation: &str, faults: &[Fault]) -> ProviderError {
    let world = World::new().await;
    for fault in faults {
        world.sandbox.inject(operation, *fault);
    }
    let inputs = json!({ "name": "/a/b", "type": "String", "value": "x" });
    world.create("parameter.a", &inputs).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_denial_names_the_call() {
    let refused = refused("ssm:PutParameter", &[Fault::AccessDenied]).await;
    assert_eq!(refused.operation, "ssm:PutParameter");
    assert_eq!(refused.class, ErrorClass::AccessDenied);
    assert!(refused.request_id.is_some());
    let failure = refused.to_failure();
    assert!(failure.message.starts_with("AccessDenied"), "{failure:?}");
    assert!(failure.hint.unwrap().contains("lacks `ssm:PutParameter`"));
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_waited_out() {
    let world = World::new().await;
    for fault in [Fault::Throttle, Fault::ServerError, Fault::ResetBefore, Fault::Hang] {
        world.sandbox.inject("ssm:PutParameter", fault);
    }
    let inputs = json!({ "name": "/a/b", "type": "String", "value": "x" });
    let made = world.create("parameter.a", &inputs).await.unwrap();
    world.assert_quiet("parameter.a", &made).await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_told_apart() {
    let throttled = refused("ssm:PutParameter", &[Fault::Throttle; 9]).await;
    assert_eq!(throttled.class, ErrorClass::Throttling);
    let broken = refused("ssm:PutParameter", &[Fault::ServerError; 9]).await;
    assert_eq!(broken.class, ErrorClass::ServiceInternalError);
    let reset = refused("ssm:PutParameter", &[Fault::ResetBefore; 9]).await;
    assert_eq!(reset.class, ErrorClass::NetworkFailure);
    let silent = refused("ssm:PutParameter", &[Fault::Hang; 9]).await;
    assert_eq!(silent.class, ErrorClass::NetworkFailure);
    for unreachable in [reset, silent] {
        let message = unreachable.to_failure().message;
        assert!(message.contains("https://ssm.ap-southeast-1.amazonaws.com"), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hang_ends_in_time() {
    let started = tokio::time::Instant::now();
    refused("ssm:PutParameter", &[Fault::Hang; 9]).await;
    // The call's own 90 s, and a few looks whether it was carried out.
    assert!(started.elapsed() <= Duration::from_secs(100), "{:?}", started.elapsed());
}

/// A machine without credentials, or with a session that has expired.
#[derive(Debug)]
struct Nobody(fn() -> CredentialsError);

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err((self.0)()))
    }
}

async fn without_credentials(why: fn() -> CredentialsError) -> ProviderError {
    let sandbox = Sandbox::open(Options::default()).unwrap();
    let mut transport =
        Transport::new(sandbox.http_client(), sandbox.time_source(), sandbox.sleep());
    transport.credentials = SharedCredentialsProvider::new(Nobody(why));
    let settings = Settings {
        region: "ap-southeast-1".to_owned(),
        endpoint_url: None,
        profile: None,
        transport: Some(transport),
        account: "123456789012".to_owned(),
        log_lines: Settings::LOG_LINES,
        docker_config: None,
        directory: std::path::PathBuf::new(),
        scratch: std::env::temp_dir(),
        templates: None,
    };
    let aws = AwsProvider::connect(settings, Arc::new(())).await.unwrap();
    let refused = aws.identity().await.unwrap_err();
    assert_eq!(aws.request_count(), 0);
    refused
}

#[tokio::test(start_paused = true)]
async fn missing_credentials_say_what_to_set() {
    let refused = without_credentials(|| CredentialsError::not_loaded("nothing here")).await;
    assert_eq!(refused.class, ErrorClass::Unauthenticated);
    let failure = refused.to_failure();
    assert!(failure.message.starts_with("no AWS credentials were found"), "{failure:?}");
    assert!(failure.hint.unwrap().contains("AWS_PROFILE"));

    let refused =
        without_credentials(|| CredentialsError::provider_error("the SSO session expired")).await;
    assert_eq!(refused.class, ErrorClass::Unauthenticated);
    assert!(refused.hint.unwrap().contains("aws sso login"));
}
