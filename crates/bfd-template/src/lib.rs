//! What a CloudFormation template says, without asking AWS.
mod checks;
mod cycles;
mod intrinsics;
mod json;
mod node;
mod parameters;
mod path;
mod problem;
mod references;
mod scalar;
mod template;
mod values;
mod yaml;

pub use parameters::Parameter;
pub use path::{Path, Step};
pub use problem::{Place, Problem, TemplateError};
pub use template::Template;
