//! What a CloudFormation template says, without asking AWS.
//!
//! [`Template::parse`] makes one tree of YAML and JSON; everything else is a pure function of
//! it. What depends on the stack that a template is for takes a [`Context`]. Nothing here is
//! refused that AWS might accept, and no secret is in anything that is made for showing.
//!
//! | module | what it knows |
//! |---|---|
//! | `json`, `yaml`, `scalar` | text to a tree with places; what YAML means by a plain scalar |
//! | `node`, `path`, `problem` | a tree with places; where something is in it; what is wrong there |
//! | `intrinsics` | the functions, from their short to their long form |
//! | `template` | the tree, its sections and resources |
//! | `references` | the names in an expression |
//! | `checks`, `cycles` | what AWS would refuse: [`Template::check`] |
//! | `parameters`, `values` | what may be given: [`Template::parameters`], [`Template::check_given`] |
//! | `resolve` | what an expression comes to, as far as that is known |
//! | `needs`, `names`, `outputs` | capabilities; names of objects; exports, imports, nested stacks |
//! | `retain` | a template whose objects outlive their stack |
//! | `exchange` | what stacks share by name: [`Template::gives`], [`Template::takes`] |
//! | `nested` | stacks within stacks, as far as their templates are known |
//! | `compare`, `through`, `diff` | [`Difference::between`]: two values; what reaches whom; two templates, and whether that is an update at all |
//! | `effects`, `create_only`, `weight` | what a change does, by which table, and how grave that is |
//! | `secrets` | which properties of objects hold secrets |
//! | `mask`, `render` | what is not shown; a difference as lines |
//!
//! ```
//! use bfd_template::{Difference, Template};
//!
//! let old = Template::parse("Resources: {Data: {Type: AWS::SQS::Queue, Properties: {QueueName: a}}}")?;
//! let new = Template::parse(r#"{"Resources": {
//!     "Data": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "b"}}
//! }}"#)?;
//! let none = Default::default();
//! let difference = Difference::between(&old, &new, &none, &none);
//!
//! assert_eq!(
//!     difference.lines(),
//!     [r#"-/+ Data (AWS::SQS::Queue) replaced: Properties.QueueName: "a" → "b""#]
//! );
//! # Ok::<(), bfd_template::TemplateError>(())
//! ```
mod checks;
mod compare;
mod create_only;
mod cycles;
mod diff;
mod effects;
mod exchange;
mod intrinsics;
mod json;
mod mask;
mod names;
mod needs;
mod nested;
mod node;
mod outputs;
mod parameters;
mod path;
mod problem;
mod references;
mod render;
mod resolve;
mod retain;
mod scalar;
mod secrets;
mod steady;
mod template;
mod through;
mod values;
mod weight;
mod yaml;

pub use diff::{Difference, ParameterDiff, PropertyDiff, ResourceDiff, SectionDiff, TemplateDiff};
pub use effects::{Effect, Replaces};
pub use exchange::Shared;
pub use mask::HIDDEN;
pub use names::NamedResource;
pub use needs::Needs;
pub use nested::is_kept_at;
pub use outputs::{Import, NestedStack, Output};
pub use parameters::Parameter;
pub use path::{Path, Step};
pub use problem::{Place, Problem, TemplateError};
pub use render::{VALUE_WIDTH, text};
pub use resolve::Context;
pub use secrets::is_secret_name;
pub use template::Template;
pub use through::Through;
pub use weight::Weight;
