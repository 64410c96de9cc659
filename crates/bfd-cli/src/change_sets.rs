//! What CloudFormation itself says of a plan: `bfd plan --change-sets`.

use crate::{connect::Connection, contents::known_inputs};
use bfd_aws::Asked;
use bfd_core::{
    Address, Inputs, Properties,
    plan::{Op, Plan, Preview, Warning},
};

/// Has CloudFormation work out each change of a stack whose inputs are known, and adds what it
/// says. What it refuses, and what is not known yet, is a warning.
pub(crate) async fn ask(plan: &mut Plan, connection: &Connection) {
    let changes: Vec<(&Address, Option<&Properties>, &Inputs)> = plan
        .steps
        .iter()
        .filter(|step| step.address.kind().as_str() == "stack")
        .filter_map(|step| match &step.op {
            Op::Create { inputs, .. } => Some((&step.address, None, inputs)),
            Op::Update { prior, inputs, .. } | Op::Adopt { prior, inputs, .. } => {
                Some((&step.address, Some(&prior.inputs), inputs))
            }
            Op::Delete { .. } => None,
        })
        .collect();
    let known: Vec<Properties> = changes.iter().map(|(_, _, it)| known_inputs(it)).collect();
    let mut asked = Vec::new();
    let mut warnings = Vec::new();
    for ((address, prior, inputs), known) in changes.iter().zip(&known) {
        if known.len() == inputs.len() {
            asked.push(Asked { address, prior: *prior, inputs: known });
        } else {
            let message = "CloudFormation was not asked: it waits for what is known after apply";
            warnings.push(warning(address, message.to_owned(), None));
        }
    }
    let mut previews = Vec::new();
    for answer in connection.provider.previews(&asked).await {
        match answer.changes {
            Ok(resources) => {
                previews.push(Preview { address: answer.address.clone(), resources });
            }
            Err(refused) => {
                let failure = refused.to_failure();
                let message = format!("CloudFormation says: {}", failure.message);
                warnings.push(warning(&answer.address, message, failure.hint));
            }
        }
        if let Some(left) = answer.left {
            let help = "delete it in CloudFormation; the next plan of the same change does, too";
            warnings.push(warning(&answer.address, left, Some(help.to_owned())));
        }
    }
    plan.previews = previews;
    plan.warnings.extend(warnings);
}

fn warning(address: &Address, message: String, help: Option<String>) -> Warning {
    Warning { address: Some(address.clone()), message, help }
}
