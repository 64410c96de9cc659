//! An embedded AWS that answers the SDK's requests in process.
//!
//! | module | what is in it |
//! |---|---|
//! | `sandbox` | [`Sandbox`], the handle that tests and the command line hold |
//! | `options` | [`Options`], how a sandbox starts |
//! | `clock` | the one virtual clock: SDK signing, SDK sleeps and the model |
//! | `fault` | [`Fault`], what may go wrong with a request, and the [`RequestLog`] |
//! | `client` | smithy's HTTP client over the sandbox |
//! | `serve` | the same over HTTP on a socket |
//! | `router` | from a request to an operation, and its answer's framing |
//! | `error` | refusals in AWS's two spellings, JSON and query-XML |
//! | `world` | everything the sandbox remembers, its ids and its replay of due events |
//! | `store` | the world's file, shared between processes |
//! | `blob` | the bytes of layers and objects, beside the world's file |
//! | `secret` | how secret values are kept out of the file's text |
//! | `image` | which images exist, and how their containers behave |
//! | `iam` | the roles that stacks make, and whom they trust |
//! | `json`, `tags` | reading request bodies; tags as every service keeps them |
//! | `sts`, `ecr`, `s3`, `ssm`, `secretsmanager`, `ecs`, `scaling`, `cloudformation`, `logs` | the services |
//!
//! A service is a pure function of the world, the time and a request. There is no background
//! task: every request first replays what fell due since the last one, in time order, so that
//! the same code works in paused, scaled and persisted time.
//!
//! # Where it falls short of AWS
//!
//! - Signatures and permissions are not checked; there is one user, who may do everything, and
//!   who may take on the roles that trust it.
//! - Tasks run on Fargate only. There are no container instances, so a service of launch type
//!   EC2 is accepted and never placed. Load balancers only delay the end of a task.
//! - Log groups of another region are taken to exist, and take no lines. Secrets of another
//!   region or account do not exist.
//! - Secrets are not rotated or replicated, and who read one last is not recorded.
//! - Only rolling deployments roll out; other strategies are stored and treated as rolling.
//! - Unfinished uploads of layers are known to the process that began them only.
//! - Lifecycle policies, scaling policies and the policies of buckets are stored and never act.
//! - A nested stack is looked into only when its declaration changes.
//! - Allowed patterns know no look-around.
//! - Throttling is scripted, never a matter of rates.

mod blob;
mod client;
mod clock;
mod cloudformation;
mod ecr;
mod ecs;
mod error;
mod fault;
mod iam;
mod image;
mod json;
mod logs;
mod options;
mod router;
mod s3;
mod sandbox;
mod scaling;
mod secret;
mod secretsmanager;
mod serve;
mod ssm;
mod store;
mod sts;
mod tags;
mod world;

pub use crate::fault::{Arrival, Fault, RequestLog};
pub use crate::image::Behaviour;
pub use crate::options::Options;
pub use crate::sandbox::Sandbox;
