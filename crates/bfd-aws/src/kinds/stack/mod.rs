//! The calls of `stack`.
//!
//! | module | what it does |
//! |---|---|
//! | `observe` | reads stacks into the canonical form |
//! | `create`, `update`, `delete` | one operation each; a restore is an update |
//! | `change_set` | whether an update would change anything, and the update |
//! | `request` | what a stack is made of, with secrets revealed |
//! | `status` | how stacks are doing now |
//! | `drift` | what was changed within stacks, as CloudFormation finds |
//! | `retain` | what stays when a stack is deleted |
//! | `preview` | what CloudFormation itself says that a change would do |
//! | `stored` | parameters that a stack took from Parameter Store, and what is there now |
//! | `assets` | what has to be in a bucket before |
//! | `template` | where CloudFormation finds a template |
//! | `follow` | waits for the end of an operation, with events as progress |
//! | `phase` | what each status means |
//! | `read` | stacks, templates, policies and events |

mod assets;
mod change_set;
mod create;
mod delete;
mod drift;
mod follow;
mod observe;
mod phase;
mod preview;
pub(crate) mod read;
mod request;
mod retain;
mod status;
mod stored;
mod template;
mod update;

pub(crate) use assets::Published;
pub use assets::asset_digest;
pub use preview::{Answer, Asked};
pub use status::{StackCondition, StackStatus};
pub use template::TemplateBucket;
pub(crate) use template::Templates;

use super::{KindCalls, Reading};
use crate::{Aws, inputs::Collect};
use async_trait::async_trait;
use aws_sdk_cloudformation::types;
use bfd_core::{Address, Object, Observation, Properties, ResourceState, Value};
use bfd_provider::{Context, ProviderError, Wanted};

#[derive(Debug)]
pub(crate) struct Stack;

#[async_trait]
impl KindCalls for Stack {
    async fn observe(
        &self,
        reading: &Reading<'_>,
        wanted: &[Wanted<'_>],
    ) -> Result<Observation, ProviderError> {
        observe::observe(reading, wanted).await
    }

    async fn create(
        &self,
        aws: &Aws,
        _address: &Address,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        create::create(aws, inputs, context).await
    }

    async fn update(
        &self,
        aws: &Aws,
        _address: &Address,
        prior: &ResourceState,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        update::update(aws, prior, inputs, context).await
    }

    async fn restore(
        &self,
        aws: &Aws,
        _address: &Address,
        current: &ResourceState,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        update::restore(aws, current, prior, context).await
    }

    async fn delete(
        &self,
        aws: &Aws,
        _address: &Address,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<(), ProviderError> {
        delete::delete(aws, prior, context).await
    }
}

/// A stack as an object, with its inputs as they were sent.
fn object(inputs: &Properties, stack: &types::Stack) -> Object {
    Object {
        id: stack.stack_name.clone().unwrap_or_default(),
        inputs: inputs.clone(),
        outputs: outputs(stack),
    }
}

fn outputs(stack: &types::Stack) -> Properties {
    let outputs = stack.outputs().iter().filter_map(|output| {
        let value = output.output_value.as_deref().unwrap_or_default();
        Some((output.output_key.clone()?, Value::from(value)))
    });
    Collect::default()
        .maybe("name", stack.stack_name.clone())
        .maybe("arn", stack.stack_id.clone())
        .maybe("status", Some(read::status(stack)))
        .with("last_updated", read::last_updated(stack))
        .with("outputs", Value::Object(outputs.collect()))
        .done()
}
