//! What is missing, as far as AWS can tell.

use super::Part;
use crate::exit::CommandError;
use bfd_aws::{AwsProvider, BucketState, DeployedStack};
use bfd_manifest::{Backend, Manifest};
use std::collections::{BTreeMap, BTreeSet};

const STATE_TEMPLATE: &str = include_str!("state.yaml");
const CDK_TEMPLATE: &str = include_str!("cdk.yaml");
/// The version of the bootstrap resources that [`CDK_TEMPLATE`] makes.
const CDK_VERSION: u64 = 33;
/// What the CDK's CLI calls it, and the qualifier that applications have by default.
const CDK_STACK: &str = "CDKToolkit";
const CDK_QUALIFIER: &str = "hnb659fds";

/// What a manifest asks for.
#[derive(Debug)]
pub(super) enum Need {
    Bucket { name: String, region: String, kms_key: Option<String> },
    Cdk { qualifier: String, parameter: String, version: u64 },
}

/// What has to be done about it.
#[derive(Debug)]
pub(super) enum Answer {
    Make(Part),
    /// Nothing, and why.
    Enough(String),
}

impl Need {
    /// Where it is, unless that is the environment's region.
    pub(super) fn region(&self) -> Option<&str> {
        match self {
            Self::Bucket { region, .. } => Some(region),
            Self::Cdk { .. } => None,
        }
    }
}

/// What a manifest asks for, the bucket first.
pub(super) fn wanted(manifest: &Manifest) -> Result<Vec<Need>, CommandError> {
    let mut needs = Vec::new();
    if let Backend::S3 { bucket, region, kms_key, .. } = &manifest.state.backend {
        needs.push(Need::Bucket {
            name: bucket.clone(),
            region: region.clone(),
            kms_key: kms_key.clone(),
        });
    }
    let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
    for needed in manifest.assemblies.iter().flat_map(|assembly| &assembly.versions) {
        let version = versions.entry(&needed.parameter).or_default();
        *version = needed.version.max(*version);
    }
    for (parameter, version) in versions {
        if version > CDK_VERSION {
            return Err(CommandError::refused_with(
                format!(
                    "the application needs version {version} of the CDK's bootstrap resources, and \
                     this bfd has version {CDK_VERSION}"
                ),
                "run `cdk bootstrap` of the version that synthesised it, or a newer bfd",
            ));
        }
        // `/cdk-bootstrap/QUALIFIER/version`
        let qualifier = parameter.split('/').nth(2).unwrap_or(CDK_QUALIFIER).to_owned();
        needs.push(Need::Cdk { qualifier, parameter: parameter.to_owned(), version });
    }
    Ok(needs)
}

/// Looks whether a need is met. What an earlier bootstrap made stays declared, so that nothing is
/// deleted.
pub(super) async fn part(
    need: &Need,
    provider: &AwsProvider,
    region: &str,
    recorded: &[String],
) -> Result<Answer, CommandError> {
    match need {
        Need::Bucket { name, kms_key, .. } => {
            bucket(name, kms_key.as_deref(), provider, region, recorded).await
        }
        Need::Cdk { qualifier, parameter, version } => {
            cdk(qualifier, parameter, *version, provider, recorded).await
        }
    }
}

async fn bucket(
    name: &str,
    kms_key: Option<&str>,
    provider: &AwsProvider,
    region: &str,
    recorded: &[String],
) -> Result<Answer, CommandError> {
    let stack = format!("bfd-state-{}", name.replace('.', "-"));
    let is_made = recorded.contains(&stack) || provider.deployed_stack(&stack).await?.is_some();
    if !is_made {
        match provider.bucket(name, region).await? {
            BucketState::Missing => {}
            BucketState::There => {
                let why = format!(
                    "the bucket {name} is there; `bfd bootstrap` did not make it, and leaves it as it is"
                );
                return Ok(Answer::Enough(why));
            }
            BucketState::OfOthers => {
                return Err(CommandError::refused_with(
                    format!("the bucket {name} is there, and these credentials may not look at it"),
                    "names of buckets are shared by all of AWS: choose another one, or ask its owner",
                ));
            }
        }
    }
    let mut parameters = BTreeMap::from([("BucketName".to_owned(), name.to_owned())]);
    parameters.extend(kms_key.map(|key| ("KmsKey".to_owned(), key.to_owned())));
    Ok(Answer::Make(Part {
        resource: "state".to_owned(),
        stack,
        template: STATE_TEMPLATE.to_owned(),
        parameters,
    }))
}

async fn cdk(
    qualifier: &str,
    parameter: &str,
    version: u64,
    provider: &AwsProvider,
    recorded: &[String],
) -> Result<Answer, CommandError> {
    let (resource, stack) = match qualifier {
        CDK_QUALIFIER => ("cdk".to_owned(), CDK_STACK.to_owned()),
        other => (format!("cdk-{other}"), format!("{CDK_STACK}-{other}")),
    };
    let names = BTreeSet::from([parameter.to_owned()]);
    let values = provider.parameter_values(&names, None).await?;
    let found = values.get(parameter).and_then(|value| value.parse::<u64>().ok());
    let is_enough = found.is_some_and(|found| found >= version);
    if is_enough && !recorded.contains(&stack) {
        let why = format!(
            "the CDK's bootstrap resources `{qualifier}` are there, version {}; {version} is needed",
            found.unwrap_or_default()
        );
        return Ok(Answer::Enough(why));
    }
    let deployed = provider.deployed_stack(&stack).await?;
    if deployed.is_none() && found.is_some() {
        return Err(CommandError::refused_with(
            format!(
                "`{parameter}` says version {}, {version} is needed, and there is no stack `{stack}`",
                found.unwrap_or_default()
            ),
            "they were made by a stack of another name: update it with `cdk bootstrap`",
        ));
    }
    let mut parameters = BTreeMap::from([("Qualifier".to_owned(), qualifier.to_owned())]);
    let mut template = CDK_TEMPLATE.to_owned();
    if let Some(DeployedStack { template: there, parameters: values }) = deployed {
        // What somebody chose when it was made, such as trusted accounts, stays.
        let known = bfd_template::Template::parse(CDK_TEMPLATE)
            .map(|template| template.parameters().into_keys().collect::<BTreeSet<_>>())
            .unwrap_or_default();
        if is_enough {
            template = there;
            parameters = values;
        } else {
            parameters.extend(values.into_iter().filter(|(name, _)| known.contains(name)));
        }
    } else {
        // As `cdk bootstrap` does: no key of its own, and CloudFormation may do everything.
        let all = format!("arn:{}:iam::aws:policy/AdministratorAccess", provider.aws().partition());
        parameters.insert("CloudFormationExecutionPolicies".to_owned(), all);
        parameters.insert("FileAssetsBucketKmsKeyId".to_owned(), "AWS_MANAGED_KEY".to_owned());
    }
    Ok(Answer::Make(Part { resource, stack, template, parameters }))
}
