//! The inputs of a stack as a template and what is known of its parameters.

use bfd_core::{Expr, Inputs, Properties, Secret, Value, to_text};
use bfd_template::{Context, Template};
use std::collections::BTreeMap;

/// What CloudFormation shows in place of the value of a `NoEcho` parameter.
const MASK: &str = "****";

/// A template with its parameters.
pub(super) struct Side {
    pub(super) template: Template,
    pub(super) context: Context,
}

impl Side {
    pub(super) fn desired(inputs: &Inputs) -> Option<Self> {
        let template = Template::parse(inputs.get("template")?.as_str()?).ok()?;
        let parameters = inputs.get("parameters").and_then(Expr::as_map);
        Some(Self { template, context: parameters.map(context).unwrap_or_default() })
    }

    /// Nothing where the stack is in no state that a template describes.
    pub(super) fn present(inputs: &Properties) -> Option<Self> {
        let template = Template::parse(inputs.get("template")?.as_str()?).ok()?;
        let parameters = inputs.get("parameters").and_then(Value::as_object);
        let mut context = Context::default();
        for (name, value) in parameters.into_iter().flatten() {
            add(&mut context, name, value);
        }
        Some(Self { template, context })
    }

    pub(super) fn as_pair(&self) -> (&Template, &Context) {
        (&self.template, &self.context)
    }
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
