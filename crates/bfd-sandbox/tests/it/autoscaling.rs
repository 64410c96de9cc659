//! Application Auto Scaling: registered, read back, refused.

use aws_sdk_applicationautoscaling::Client;
use aws_sdk_applicationautoscaling::types::{
    PolicyType, ScalableDimension, ServiceNamespace, TargetTrackingScalingPolicyConfiguration,
};

use crate::support::{Lab, code};

#[tokio::test(start_paused = true)]
async fn targets_and_policies() {
    let lab = Lab::with_app().await;
    let client = Client::new(&lab.config);
    let register = || {
        client
            .register_scalable_target()
            .service_namespace(ServiceNamespace::Ecs)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .resource_id("service/main/web")
    };
    let put = || {
        let tracking = TargetTrackingScalingPolicyConfiguration::builder().target_value(60.0);
        client
            .put_scaling_policy()
            .policy_name("cpu")
            .policy_type(PolicyType::TargetTrackingScaling)
            .service_namespace(ServiceNamespace::Ecs)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .resource_id("service/main/web")
            .target_tracking_scaling_policy_configuration(tracking.build().expect("a target"))
    };
    let missing = register().min_capacity(1).max_capacity(3).send().await;
    assert_eq!(code(missing), "ValidationException", "no such service");
    lab.deployed("web", 1).await;
    assert_eq!(code(put().send().await), "ObjectNotFoundException");
    assert_eq!(code(register().min_capacity(1).send().await), "ValidationException");
    assert_eq!(
        code(register().min_capacity(4).max_capacity(3).send().await),
        "ValidationException"
    );
    let made = register().min_capacity(1).max_capacity(3).send().await.expect("registers");
    let again = register().max_capacity(5).send().await.expect("changes");
    assert_eq!(made.scalable_target_arn(), again.scalable_target_arn());
    let policy = put().send().await.expect("puts");
    assert_eq!(policy.alarms().len(), 2);

    let read = || client.describe_scalable_targets().service_namespace(ServiceNamespace::Ecs);
    let targets = read().send().await.expect("describes").scalable_targets.expect("targets");
    assert_eq!((targets[0].min_capacity, targets[0].max_capacity), (1, 5));
    let policies = client.describe_scaling_policies().service_namespace(ServiceNamespace::Ecs);
    let policies = policies.resource_id("service/main/web").send().await.expect("describes");
    let tracking = policies.scaling_policies()[0].target_tracking_scaling_policy_configuration();
    assert!(tracking.is_some_and(|it| (it.target_value - 60.0).abs() < 1e-9));

    let deregister = || {
        client
            .deregister_scalable_target()
            .service_namespace(ServiceNamespace::Ecs)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .resource_id("service/main/web")
            .send()
    };
    deregister().await.expect("deregisters");
    assert_eq!(code(deregister().await), "ObjectNotFoundException");
    let policies = client.describe_scaling_policies().service_namespace(ServiceNamespace::Ecs);
    assert!(policies.send().await.expect("describes").scaling_policies().is_empty());
}
