//! The inputs of a stack as a template and what is known of its parameters.

use super::NESTED;
use bfd_core::{Expr, Inputs, Properties, Secret, Value, to_text};
use bfd_template::{Context, Template};
use std::{collections::BTreeMap, sync::Arc};

/// What CloudFormation shows in place of the value of a `NoEcho` parameter.
pub(super) const MASK: &str = "****";

/// A template with its parameters.
pub(super) struct Side {
    pub(super) template: Template,
    pub(super) context: Context,
}

impl Side {
    pub(super) fn desired(inputs: &Inputs) -> Option<Self> {
        let template = Template::parse(inputs.get("template")?.as_str()?).ok()?;
        let parameters = inputs.get("parameters").and_then(Expr::as_map);
        let mut context = parameters.map(context).unwrap_or_default();
        let nested = inputs.get(NESTED).and_then(Expr::as_map).into_iter().flatten();
        let nested = nested.filter_map(|(key, text)| Some((key, text.as_str()?)));
        context.nested = templates(nested);
        Some(Self { template, context })
    }

    /// Nothing where the stack is in no state that a template describes.
    pub(super) fn present(inputs: &Properties) -> Option<Self> {
        let template = Template::parse(inputs.get("template")?.as_str()?).ok()?;
        let parameters = inputs.get("parameters").and_then(Value::as_object);
        let mut context = Context::default();
        for (name, value) in parameters.into_iter().flatten() {
            add(&mut context, name, value);
        }
        let nested = inputs.get(NESTED).and_then(Value::as_object).into_iter().flatten();
        let nested = nested.filter_map(|(key, text)| Some((key, text.as_str()?)));
        context.nested = templates(nested);
        Some(Self { template, context })
    }

    /// Two sides that know of each other's nested stacks: what is kept under a key is the same
    /// for both.
    pub(super) fn share(before: &mut Self, after: &mut Self) {
        let mut all = before.context.nested.clone();
        all.extend(after.context.nested.clone());
        before.context.nested.clone_from(&all);
        after.context.nested = all;
    }

    pub(super) fn as_pair(&self) -> (&Template, &Context) {
        (&self.template, &self.context)
    }
}

/// One that cannot be read is none.
fn templates<'a>(
    texts: impl Iterator<Item = (&'a String, &'a str)>,
) -> BTreeMap<String, Arc<Template>> {
    texts
        .filter_map(|(key, text)| Some((key.clone(), Arc::new(Template::parse(text).ok()?))))
        .collect()
}

/// What is known of parameters as they are declared.
pub(super) fn context(parameters: &BTreeMap<String, Expr>) -> Context {
    let mut context = Context::default();
    for (name, value) in parameters {
        match value {
            Expr::Secret(secret) => add_secret(&mut context, name, &secret.digest),
            known if known.is_known() => {
                let value = known.resolve(&|_| None).expect("it is known");
                add(&mut context, name, &value);
            }
            _ => {
                context.unknown.insert(name.clone());
            }
        }
    }
    context
}

fn add(context: &mut Context, name: &str, value: &Value) {
    if let Some(secret) = Secret::from_value(value) {
        add_secret(context, name, &secret.digest);
    } else if value.is_object() {
        // It cannot be read back.
        context.unknown.insert(name.to_owned());
    } else if value == MASK {
        add_secret(context, name, MASK);
    } else if !value.is_null() {
        context.parameters.insert(name.to_owned(), to_text(value));
    }
}

/// The digest stands for the secret: it differs when that does.
fn add_secret(context: &mut Context, name: &str, digest: &str) {
    context.parameters.insert(name.to_owned(), digest.to_owned());
    context.hidden.insert(name.to_owned());
}
