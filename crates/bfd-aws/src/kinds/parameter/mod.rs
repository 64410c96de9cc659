//! The calls of `parameter`: SSM's Parameter Store.

mod observe;
pub(crate) mod read;
pub(crate) mod write;
pub(crate) mod written;

use super::{KindCalls, Reading};
use crate::{Aws, inputs, tags};
use async_trait::async_trait;
use bfd_core::{Address, Object, Observation, Properties, ResourceState, Secret, Value};
use bfd_provider::{Context, ErrorClass, ProviderError, Wanted};
use written::Written;
use zeroize::Zeroizing;

#[derive(Debug)]
pub(crate) struct Parameter;

#[async_trait]
impl KindCalls for Parameter {
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
        let name = inputs::required(inputs, "name", write::PUT)?;
        let written = write::create(aws, name, inputs, context).await?;
        Ok(Object {
            id: name.to_owned(),
            inputs: inputs.clone(),
            outputs: observe::outputs(name, Some(&arn(aws, name)), written),
        })
    }

    async fn update(
        &self,
        aws: &Aws,
        _address: &Address,
        prior: &ResourceState,
        inputs: &Properties,
        _context: &Context,
    ) -> Result<Object, ProviderError> {
        let plaintext = if write::needs_put(&prior.inputs, inputs) {
            Some(write::reveal(aws, inputs)?)
        } else {
            None
        };
        converge(aws, prior, inputs, plaintext).await
    }

    async fn restore(
        &self,
        aws: &Aws,
        _address: &Address,
        current: &ResourceState,
        prior: &ResourceState,
        _context: &Context,
    ) -> Result<Object, ProviderError> {
        let plaintext = if write::needs_put(&current.inputs, &prior.inputs) {
            Some(earlier(aws, prior).await?)
        } else {
            None
        };
        converge(aws, current, &prior.inputs, plaintext).await
    }

    async fn delete(
        &self,
        aws: &Aws,
        _address: &Address,
        prior: &ResourceState,
        _context: &Context,
    ) -> Result<(), ProviderError> {
        write::delete(aws, std::slice::from_ref(&prior.id)).await
    }
}

/// Brings a parameter to `after`, writing a new version if there is a plaintext for it.
async fn converge(
    aws: &Aws,
    prior: &ResourceState,
    after: &Properties,
    plaintext: Option<Zeroizing<String>>,
) -> Result<Object, ProviderError> {
    let name = prior.id.as_str();
    let mut outputs = prior.outputs.clone();
    if let Some(plaintext) = &plaintext {
        let answer = write::overwrite(aws, name, &prior.inputs, after, plaintext).await;
        let arn = inputs::text(&prior.outputs, "arn").map_or_else(|| arn(aws, name), str::to_owned);
        outputs = observe::outputs(name, Some(&arn), answer?);
    }
    let (before_tags, after_tags) = (tags::declared(&prior.inputs), tags::declared(after));
    let object = |inputs| Object { id: name.to_owned(), inputs, outputs };
    match write::retag(aws, name, &before_tags, &after_tags).await {
        Ok(()) => Ok(object(after.clone())),
        Err(refused) if plaintext.is_some() => {
            let mut left = after.clone();
            left.insert("tags".to_owned(), tags::to_value(&before_tags));
            Err(refused.leaving(object(left)))
        }
        Err(refused) => Err(refused),
    }
}

/// The value that a parameter had, from the record or from SSM's own history.
async fn earlier(aws: &Aws, prior: &ResourceState) -> Result<Zeroizing<String>, ProviderError> {
    let recorded = prior.inputs.get("value").unwrap_or(&Value::Null);
    if Secret::from_value(recorded).is_none()
        && let Some(text) = recorded.as_str()
    {
        return Ok(Zeroizing::new(text.to_owned()));
    }
    let name = &prior.id;
    let version = Written::recorded(&prior.outputs).map(|written| written.version);
    let selector = version.map_or_else(|| name.clone(), |version| format!("{name}:{version}"));
    read::plaintext(aws, &selector).await?.ok_or_else(|| {
        let why = format!("SSM no longer has `{selector}`");
        ProviderError::new("ssm:GetParameters", ErrorClass::NotFound, why)
            .hint("SSM keeps the newest 100 versions of a parameter; set the value by hand")
    })
}

/// PutParameter does not answer with the ARN.
fn arn(aws: &Aws, name: &str) -> String {
    let (region, account) = (aws.region(), aws.account());
    let partition = aws.partition();
    format!("arn:{partition}:ssm:{region}:{account}:parameter/{}", name.trim_start_matches('/'))
}
