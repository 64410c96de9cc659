//! The sandbox through the real SDK, in paused time.
#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the paths of the SDK's types are longer than what they say"
)]

mod autoscaling;
mod ecr;
mod ecs_definitions;
mod ecs_failures;
mod ecs_rollouts;
mod ecs_secrets;
mod faults;
mod files;
mod http;
mod registry;
mod roles;
mod s3;
mod secrets;
mod ssm;
mod support;
