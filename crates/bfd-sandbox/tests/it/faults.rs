//! Scripted faults, latency, and the log of requests.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ssm::types::ParameterType;
use aws_sdk_sts::operation::RequestId;
use bfd_sandbox::{Fault, Options};

use crate::support::{Lab, code, config, refusal};

async fn put(lab: &Lab, value: &str) -> Result<i64, (String, String)> {
    let put = lab.ssm.put_parameter().name("/a").value(value).r#type(ParameterType::String);
    match put.overwrite(true).send().await {
        Ok(answer) => Ok(answer.version),
        Err(SdkError::ServiceError(error)) => {
            let error = error.into_err();
            Err((
                error.code().unwrap_or_default().to_owned(),
                error.message().unwrap_or_default().to_owned(),
            ))
        }
        Err(SdkError::DispatchFailure(_)) => Err(("connection".to_owned(), String::new())),
        Err(SdkError::TimeoutError(_)) => Err(("timeout".to_owned(), String::new())),
        Err(error) => panic!("{error:?}"),
    }
}

async fn value(lab: &Lab) -> Option<String> {
    let get = lab.ssm.get_parameter().name("/a").send().await;
    get.ok().and_then(|it| it.parameter).and_then(|it| it.value)
}

#[tokio::test(start_paused = true)]
async fn each_fault_is_used_once_and_in_order() {
    let lab = Lab::new();
    put(&lab, "0").await.expect("puts");
    for (fault, expected, applied) in [
        (Fault::Throttle, "ThrottlingException", false),
        (Fault::ServerError, "InternalServerError", false),
        (Fault::AccessDenied, "AccessDeniedException", false),
        (Fault::ResetBefore, "connection", false),
        (Fault::Hang, "timeout", false),
        (Fault::LostAnswer, "connection", true),
    ] {
        let before = value(&lab).await;
        lab.sandbox.inject("ssm:PutParameter", fault);
        let new = format!("{fault:?}");
        assert_eq!(put(&lab, &new).await.expect_err("fails").0, expected, "{fault:?}");
        let after = value(&lab).await;
        if applied {
            assert_eq!(after, Some(new));
        } else {
            assert_eq!(after, before, "{fault:?}");
        }
        put(&lab, "again").await.expect("the fault is used up");
    }
    lab.sandbox.inject("ssm:PutParameter", Fault::Throttle);
    lab.sandbox.inject("ssm:PutParameter", Fault::ResetBefore);
    lab.sandbox.inject("ssm:*", Fault::ServerError);
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(put(&lab, "x").await.map_or_else(|(code, _)| code, |_| "done".to_owned()));
    }
    assert_eq!(codes, ["ThrottlingException", "connection", "InternalServerError", "done"]);
}

#[tokio::test(start_paused = true)]
async fn the_sdk_tries_again_in_virtual_time() {
    let lab = Lab::new();
    let retries = RetryConfig::standard().with_max_attempts(4);
    let client = aws_sdk_ssm::Client::new(&config(&lab.sandbox, retries));
    for fault in [Fault::Throttle, Fault::Hang, Fault::LostAnswer] {
        lab.sandbox.inject("ssm:PutParameter", fault);
    }
    let started = lab.sandbox.now();
    let put =
        client.put_parameter().name("/a").value("x").r#type(ParameterType::String).send().await;
    // Its own lost success is in its way.
    assert_eq!(code(put), "ParameterAlreadyExists");
    assert!(lab.sandbox.now() - started > 30.0, "the hanging attempt");
    let log = lab.sandbox.requests();
    let faults: Vec<_> = log.iter().map(|it| it.fault).collect();
    assert_eq!(faults, [Some(Fault::Throttle), Some(Fault::Hang), Some(Fault::LostAnswer), None]);
    assert!(log.iter().all(|it| it.operation == "ssm:PutParameter"));
    assert!(log.is_sorted_by(|a, b| a.at < b.at));
}

#[tokio::test(start_paused = true)]
async fn latency_and_delays_are_virtual() {
    let lab = Lab::open(Options { latency: Duration::from_secs(2), ..Options::default() });
    let started = lab.sandbox.now();
    put(&lab, "x").await.expect("puts");
    assert!((lab.sandbox.now() - started - 2.0).abs() < 0.01);
    lab.sandbox.inject("ssm:PutParameter", Fault::Delay(Duration::from_secs(20)));
    put(&lab, "y").await.expect("puts");
    assert!((lab.sandbox.now() - started - 24.0).abs() < 0.01);
}

#[tokio::test(start_paused = true)]
async fn a_scaled_clock_runs_faster() {
    let lab =
        Lab::open(Options { speed: 60.0, latency: Duration::from_secs(6), ..Options::default() });
    let (started, real) = (lab.sandbox.now(), tokio::time::Instant::now());
    put(&lab, "x").await.expect("puts");
    let virtual_ = lab.sandbox.now() - started;
    assert!((6.0..6.2).contains(&virtual_), "{virtual_}");
    assert_eq!(real.elapsed(), Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn stale_reads_see_the_past() {
    let lab = Lab::new();
    put(&lab, "old").await.expect("puts");
    lab.wait(10).await;
    put(&lab, "new").await.expect("puts");
    lab.sandbox.inject("ssm:GetParameter", Fault::Stale(Duration::from_secs(5)));
    assert_eq!(value(&lab).await.as_deref(), Some("old"));
    assert_eq!(value(&lab).await.as_deref(), Some("new"));
    lab.sandbox.inject("ssm:GetParameter", Fault::Stale(Duration::from_mins(1)));
    assert_eq!(value(&lab).await, None, "before there was anything");

    // The past is as it was then, not as it would be by now.
    let lab = Lab::with_app().await;
    lab.creation("web", 1).send().await.expect("creates");
    lab.wait(60).await;
    assert_eq!(lab.service().await.running_count, 1);
    lab.sandbox.inject("ecs:DescribeServices", Fault::Stale(Duration::from_secs(50)));
    let service = lab.service().await;
    assert_eq!((service.running_count, service.pending_count), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn refusals_name_who_and_what() {
    let lab = Lab::new();
    lab.sandbox.inject("sts:GetCallerIdentity", Fault::AccessDenied);
    let sts = aws_sdk_sts::Client::new(&lab.config);
    let (code, message) = refusal(sts.get_caller_identity().send().await);
    assert_eq!(code, "AccessDenied");
    assert!(message.contains(
        "arn:aws:iam::123456789012:user/sandbox is not authorized to perform: sts:GetCallerIdentity"
    ));
    let who = sts.get_caller_identity().send().await.expect("answers");
    assert_eq!(who.account(), Some("123456789012"));
    assert!(who.request_id().is_some_and(|it| it.len() == 36));
    lab.sandbox.inject("sts:GetCallerIdentity", Fault::Throttle);
    assert_eq!(refusal(sts.get_caller_identity().send().await).0, "Throttling");
}
