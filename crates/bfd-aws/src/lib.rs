//! The AWS calls of each kind, behind the provider trait.
//!
//! Only this crate names an `aws_sdk_*` type.
//!
//! | module | what it holds |
//! |---|---|
//! | [`AwsProvider`] | the trait's implementation: dispatch to kinds |
//! | `settings` | what a connection is made from |
//! | `client` | the SDK's clients, the one way to send a request |
//! | `bootstrap` | whether what environments need first is there |
//! | `acting` | roles that some calls are made with |
//! | `transport` | HTTP, the count of requests, and the leave to send them |
//! | `rate` | client-side rate limits, on the connection's own clock |
//! | `error` | from the SDK's errors to the engine's |
//! | [`registry`] | images in registries: the OCI distribution protocol |
//! | `json` | services of which a single call is made, without their SDK crates |
//! | [`S3Objects`] | the bucket of a state |
//! | `logs`, `secrets` | CloudWatch Logs and Secrets Manager, by that |
//! | `remarks` | what was seen that is no object |
//! | `inputs`, `tags` | reading canonical properties |
//! | `shapes` | AWS's own JSON to and from the SDK's types |
//! | `kinds` | one module per kind |
mod acting;
mod bootstrap;
mod client;
mod error;
mod inputs;
mod json;
mod kinds;
mod logs;
mod objects;
mod provider;
mod rate;
pub mod registry;
mod remarks;
mod secrets;
mod settings;
mod shapes;
mod tags;
mod transport;

pub use bfd_image::ImageError;
pub use bootstrap::{BucketState, DeployedStack};
pub use client::Aws;
pub use kinds::{
    image::{
        Content as ImageContent, ContentError, builder as image_builder, content as image_content,
    },
    service::ServiceStatus,
    stack::{Answer, Asked, StackCondition, StackStatus, TemplateBucket, asset_digest},
};
pub use objects::{Bucket, S3Objects};
pub use provider::AwsProvider;
pub use settings::{Settings, Transport};
pub use transport::NotSent;
