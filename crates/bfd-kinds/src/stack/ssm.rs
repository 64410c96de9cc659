//! Parameters whose values are in Parameter Store: CloudFormation takes them over when a stack
//! is made or updated, and not when they change.

use bfd_core::{Address, Expr, Inputs, Properties, Reference, Value};
use bfd_template::Template;
use std::collections::BTreeSet;

/// The canonical field that says whether a stack has what is stored.
pub const SSM_PARAMETERS: &str = "ssm_parameters";
/// What it says when nothing else of the manifest decides.
pub const AS_STORED: &str = "as stored";
/// What it begins with when parameters have changed since; their names follow.
pub const OLDER: &str = "older than ";

/// What a stack of this template shall have. Where it reads a parameter of the manifest, the
/// version of that is part of it: the stack is updated after it.
pub(super) fn desired(template: &Template, given: Option<&Expr>) -> Option<Expr> {
    let given = given.and_then(Expr::as_map);
    let mut parts = vec![Expr::from(AS_STORED)];
    let mut reads = false;
    for (name, parameter) in template.parameters() {
        if !parameter.reads_ssm() || is_bootstrap(parameter.default.as_deref()) {
            continue;
        }
        reads = true;
        if let Some(Expr::Reference(Reference { of, .. })) = given.and_then(|it| it.get(&name))
            && of.kind().as_str() == "parameter"
        {
            parts.push(" ".into());
            let version = Reference { of: of.clone(), output: "version".to_owned() };
            parts.push(Expr::Reference(version));
        }
    }
    match parts.len() {
        _ if !reads => None,
        1 => parts.pop(),
        _ => Some(Expr::Template(parts)),
    }
}

/// Lets a stack that reads a parameter by its name, whether that is written or a default, be
/// updated after whoever makes it. `to` is that parameter, or the stack that has it.
pub fn follow(inputs: &mut Inputs, to: &Address) {
    let output = match to.kind().as_str() {
        "parameter" => "version",
        "stack" => "last_updated",
        _ => return,
    };
    let Some(present) = inputs.get(SSM_PARAMETERS).cloned() else { return };
    let mut parts = match present {
        Expr::Template(parts) => parts,
        other => vec![other],
    };
    let reference = Expr::Reference(Reference { of: to.clone(), output: output.to_owned() });
    if !parts.contains(&reference) {
        parts.push(" ".into());
        parts.push(reference);
        inputs.insert(SSM_PARAMETERS.to_owned(), Expr::Template(parts));
    }
}

/// Who makes what a stack reads from Parameter Store, as far as it is of the manifest.
pub fn reads(inputs: &Inputs) -> BTreeSet<Address> {
    let mut references = BTreeSet::new();
    if let Some(stored) = inputs.get(SSM_PARAMETERS) {
        stored.references(&mut references);
    }
    references.into_iter().map(|reference| reference.of).collect()
}

/// Whether an update takes over what others of the run change.
pub(super) fn takes_over(prior: &Properties, inputs: &Inputs) -> bool {
    prior.contains_key(SSM_PARAMETERS)
        && inputs.get(SSM_PARAMETERS).is_some_and(|stored| !stored.is_known())
}

/// Whether a stack has what is stored nowhere any more.
pub(super) fn is_outdated(prior: &Properties) -> bool {
    let stored = prior.get(SSM_PARAMETERS).and_then(Value::as_str);
    stored.is_some_and(|stored| stored.starts_with(OLDER))
}

/// The version of its bootstrap stack, which every template of the CDK asks for and marks with
/// `[cdk:skip]`: another one is no reason to update.
pub fn is_bootstrap(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.starts_with("/cdk-bootstrap/") && name.ends_with("/version"))
}
