//! What every request that makes or changes a stack carries.

use super::template::{self, Sent};
use crate::{Aws, error, inputs, tags};
use aws_sdk_cloudformation::types::{Capability, Parameter, Stack, Tag};
use bfd_core::{Properties, Secret, Value, to_text};
use bfd_kinds::stack::given_by_others;
use bfd_provider::{ErrorClass, ProviderError};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// What CloudFormation shows in place of the value of a `NoEcho` parameter.
pub(super) const MASK: &str = "****";

/// What a stack is made of, with the plaintext of its secrets. Never printed.
pub(super) struct Content {
    pub(super) template: Sent,
    pub(super) parameters: Vec<Parameter>,
    pub(super) tags: Vec<Tag>,
    pub(super) capabilities: Vec<Capability>,
    /// An empty list takes all of them away.
    pub(super) topics: Vec<String>,
    plaintexts: Vec<Zeroizing<String>>,
}

impl Content {
    /// Collects what is desired. Secrets that `present`, what the stack was made with before,
    /// has in the same version are taken over by CloudFormation itself.
    pub(super) async fn new(
        aws: &Aws,
        operation: &'static str,
        inputs: &Properties,
        present: Option<&Properties>,
    ) -> Result<Self, ProviderError> {
        let template = inputs::required(inputs, "template", operation)?;
        let template = template::ready(aws, operation, template, inputs).await?;
        let mut plaintexts = Vec::new();
        let mut parameters = Vec::new();
        for (key, value) in of(inputs) {
            let before = present.and_then(|present| present.get("parameters")?.get(key));
            let parameter = Parameter::builder().parameter_key(key);
            parameters.push(match Secret::from_value(value) {
                Some(secret)
                    if before
                        .and_then(Secret::from_value)
                        .is_some_and(|it| it.digest == secret.digest) =>
                {
                    parameter.use_previous_value(true).build()
                }
                Some(secret) => {
                    let plaintext = aws.secrets.reveal(&secret).map_err(|why| {
                        ProviderError::new(operation, ErrorClass::Local, why)
                            .hint(format!("it is the value of the parameter `{key}`"))
                    })?;
                    plaintexts.push(Zeroizing::new(plaintext.clone()));
                    parameter.parameter_value(plaintext).build()
                }
                None if value == MASK => parameter.use_previous_value(true).build(),
                None => parameter.parameter_value(to_text(value)).build(),
            });
        }
        let tags = tags::declared(inputs);
        let capabilities = inputs.get("capabilities").and_then(Value::as_array);
        let capabilities: BTreeSet<&str> =
            capabilities.into_iter().flatten().filter_map(Value::as_str).collect();
        Ok(Self {
            template,
            parameters,
            tags: tags
                .iter()
                .map(|(key, value)| Tag::builder().key(key).value(value).build())
                .collect(),
            topics: inputs
                .get("notification_arns")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|topic| topic.as_str().map(str::to_owned))
                .collect(),
            capabilities: capabilities.into_iter().map(Capability::from).collect(),
            plaintexts,
        })
    }

    /// Keeps the values that others gave to parameters of which nobody here ever said anything.
    /// CloudFormation takes the default for each that a request leaves out.
    pub(super) fn keep_others(&mut self, inputs: &Properties, present: &Properties, live: &Stack) {
        let given = live.parameters().iter();
        let given = given.filter_map(|it| Some((it.parameter_key()?, it.parameter_value()?)));
        self.parameters.extend(
            given_by_others(inputs, present, given).into_iter().map(|key| {
                Parameter::builder().parameter_key(key).use_previous_value(true).build()
            }),
        );
    }

    /// Removes the plaintext of secrets from what CloudFormation said.
    pub(super) fn redact(&self, refused: ProviderError) -> ProviderError {
        self.plaintexts.iter().fold(refused, |refused, plaintext| error::redact(refused, plaintext))
    }
}

fn of(inputs: &Properties) -> impl Iterator<Item = (&String, &Value)> {
    let parameters = inputs.get("parameters").and_then(Value::as_object);
    parameters.into_iter().flatten().filter(|(_, value)| !value.is_null())
}
