//! Whether what a rollback of a service goes back to is still there: its revision, its images,
//! its secrets. Tasks that still run need none of them; every task that starts does.

use super::{containers, live, revision, text};
use crate::{
    Aws, error,
    kinds::image::{self, Pushes},
};
use bfd_core::{
    Address, ResourceState, Value,
    plan::{Op, Plan, Undo, UndoProblem},
};
use bfd_provider::{Earlier, ErrorClass, ProviderError};
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};

/// The most names that GetParameters takes.
const PARAMETERS: usize = 10;
const DESCRIBE_SECRET: &str = "secretsmanager:DescribeSecret";

/// Something that a task needs to start.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Revision(String),
    /// In the registry of the environment: a repository, and a tag or digest.
    Image(String, String),
    /// In Secrets Manager, by its name or ARN.
    Secret(String),
    /// In Parameter Store, by its name or ARN.
    Parameter(String),
}

/// What was found of a [`Need`].
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    There,
    Gone,
    /// An image that the repository's policy is about to delete.
    Expiring,
    /// Nobody could find out.
    Unknown {
        why: String,
        help: Option<String>,
    },
}

type Findings = BTreeMap<Need, Found>;

/// Looks for what the targets go back to; and whether the plan makes an image expire that one of
/// the other services runs that are recorded, or that an earlier deployment ran.
pub(super) async fn check(
    aws: &Aws,
    plan: &Plan,
    targets: &[(&Address, &ResourceState)],
    earlier: &[Earlier<'_>],
) -> Vec<UndoProblem> {
    let pushes = Pushes::of(plan);
    let needs: Vec<(&Address, BTreeSet<Need>)> =
        targets.iter().map(|(address, prior)| (*address, needs(aws, prior))).collect();
    let others = in_use(aws, plan, &pushes, targets);
    let known = needs.iter().chain(&others).flat_map(|(_, needs)| needs);
    let known: BTreeSet<&Need> = known.collect();
    let before = ran_before(aws, &pushes, earlier, &known);
    let all: BTreeSet<&Need> = known.iter().copied().chain(before.keys()).collect();
    let (revisions, images, secrets, parameters) = tokio::join!(
        revisions(aws, &all),
        images(aws, &all, &pushes),
        secrets(aws, &all),
        parameters(aws, &all),
    );
    let found: Findings = [revisions, images, secrets, parameters].into_iter().flatten().collect();
    let problems = needs.iter().flat_map(|(address, needs)| {
        needs.iter().filter_map(|need| problem(address, need, found.get(need)?))
    });
    let expiring = others.iter().flat_map(|(address, needs)| {
        let expires = |need: &&Need| found.get(*need) == Some(&Found::Expiring);
        needs.iter().filter(expires).map(|need| expiring(address, need, "is in use"))
    });
    let gone_then = before.iter().filter(|(need, _)| found.get(*need) == Some(&Found::Expiring));
    let gone_then = gone_then.map(|(need, earlier)| {
        let why = format!("ran before (`bfd rollback --to {}` needs it)", earlier.run);
        self::expiring(earlier.address, need, &why)
    });
    problems.chain(expiring).chain(gone_then).collect()
}

/// The images that earlier deployments ran, in repositories that the plan pushes to or sets a
/// policy of, and the latest deployment that ran them.
fn ran_before<'a>(
    aws: &Aws,
    pushes: &Pushes,
    earlier: &[Earlier<'a>],
    known: &BTreeSet<&Need>,
) -> BTreeMap<Need, Earlier<'a>> {
    let mut ran = BTreeMap::new();
    for one in earlier {
        for need in needs(aws, one.state) {
            let may_expire =
                matches!(&need, Need::Image(repository, _) if pushes.reach(repository));
            if may_expire && !known.contains(&need) {
                ran.entry(need).or_insert(*one);
            }
        }
    }
    ran
}

/// The images of services that the plan does not restart, in repositories that it pushes to or
/// sets a policy of: a task that starts later needs them.
fn in_use<'a>(
    aws: &Aws,
    plan: &'a Plan,
    pushes: &Pushes,
    targets: &[(&Address, &ResourceState)],
) -> Vec<(&'a Address, BTreeSet<Need>)> {
    let deleted = |address: &Address| {
        let steps = plan.steps.iter().filter(|step| step.address == *address);
        steps.into_iter().any(|step| matches!(step.op, Op::Delete { .. }))
    };
    let others = plan.refreshed.resources.iter().filter(|(address, recorded)| {
        recorded.kind.as_str() == "service"
            && !targets.iter().any(|(target, _)| target == address)
            && !deleted(address)
    });
    let needs = others.map(|(address, recorded)| {
        let mut needs = needs(aws, recorded);
        needs.retain(|need| matches!(need, Need::Image(repository, _) if pushes.reach(repository)));
        (address, needs)
    });
    needs.filter(|(_, needs)| !needs.is_empty()).collect()
}

fn expiring(address: &Address, need: &Need, why: &str) -> UndoProblem {
    let name = need.name();
    UndoProblem {
        address: address.clone(),
        undo: None,
        message: format!(
            "{name} {why}, and the repository's lifecycle policy expires it with the next push"
        ),
        help: Some("keep more images: raise `keep_images`, or change the policy".to_owned()),
    }
}

fn problem(address: &Address, need: &Need, found: &Found) -> Option<UndoProblem> {
    let name = need.name();
    let (undo, message, help) = match found {
        Found::There => return None,
        Found::Expiring => return Some(expiring(address, need, "is needed by a rollback")),
        Found::Unknown { why, help } => {
            let message = format!("a rollback needs {name}, and nobody could look for it: {why}");
            (None, message, help.clone())
        }
        Found::Gone => {
            let (undo, message) = match need {
                Need::Revision(_) => (
                    Undo::Approximate,
                    format!(
                        "{name} is INACTIVE: a rollback registers its content as a new revision"
                    ),
                ),
                _ => (Undo::None, format!("{name} is gone: a rollback can start no task with it")),
            };
            (Some(undo), message, Some(need.help().to_owned()))
        }
    };
    Some(UndoProblem { address: address.clone(), undo, message, help })
}

impl Need {
    fn name(&self) -> String {
        match self {
            Self::Revision(arn) => format!("task definition `{}`", live::short(arn)),
            Self::Image(repository, digest) if digest.starts_with("sha256:") => {
                format!("image `{repository}@{digest}`")
            }
            Self::Image(repository, tag) => format!("image `{repository}:{tag}`"),
            Self::Secret(id) => format!("secret `{}`", last(id)),
            Self::Parameter(id) => format!("parameter `{}`", parameter_name(id)),
        }
    }

    fn help(&self) -> &'static str {
        match self {
            Self::Revision(_) => "leave the revisions that services run ACTIVE",
            Self::Image(..) => {
                "push that image again before you apply; a larger `keep_images` keeps it longer"
            }
            Self::Secret(_) => {
                "`aws secretsmanager restore-secret` brings a deleted one back; otherwise create it again before you apply"
            }
            Self::Parameter(_) => "create it again before you apply",
        }
    }
}

/// `name-AbCdEf` of a secret's ARN.
fn last(id: &str) -> &str {
    id.rsplit(':').next().unwrap_or(id)
}

/// `/a/b` of `arn:aws:ssm:…:parameter/a/b`, and `a` of `arn:aws:ssm:…:parameter/a`, which AWS
/// spells alike: what has no other slash is a name without one.
fn parameter_name(id: &str) -> &str {
    match id.split_once(":parameter/") {
        Some((before, name)) if name.contains('/') => &id[before.len() + ":parameter".len()..],
        Some((_, name)) => name,
        None => id,
    }
}

/// What the tasks of a recorded service need to start, as far as this account can tell.
fn needs(aws: &Aws, prior: &ResourceState) -> BTreeSet<Need> {
    let mut needs = BTreeSet::new();
    let revision = text(&prior.outputs, "task_definition");
    if !revision.is_empty() {
        needs.insert(Need::Revision(revision.to_owned()));
    }
    // Without tasks there is nothing to start.
    if prior.inputs.get("desired_count").and_then(Value::as_u64) == Some(0) {
        return needs;
    }
    for (_, container) in containers(&prior.inputs) {
        let image = container.get("image").and_then(Value::as_str);
        needs.extend(image.and_then(|image| own_image(aws, image)));
        let secrets = container.get("secrets").and_then(Value::as_object);
        let secrets = secrets.into_iter().flatten().filter_map(|(_, from)| from.as_str());
        let options = container["logConfiguration"]["secretOptions"].as_array();
        let options = options.into_iter().flatten().filter_map(|it| it["valueFrom"].as_str());
        let registry = container["repositoryCredentials"]["credentialsParameter"].as_str();
        needs.extend(secrets.chain(options).filter_map(|from| secret(aws, from)));
        needs.extend(registry.and_then(|id| secret(aws, id)));
    }
    needs
}

/// The image, when it is in the registry of the environment: others are not asked.
fn own_image(aws: &Aws, image: &str) -> Option<Need> {
    let (host, path) = image.split_once('/')?;
    let of_ecr = format!("{}.dkr.ecr.{}.", aws.account(), aws.region());
    if !host.starts_with(&of_ecr) {
        return None;
    }
    let (repository, reference) = match path.split_once('@') {
        // The digest decides where there is a tag as well.
        Some((name, digest)) => (name.split(':').next()?, digest),
        None => path.split_once(':').unwrap_or((path, "latest")),
    };
    Some(Need::Image(repository.to_owned(), reference.to_owned()))
}

/// What `valueFrom` names. What is in another region cannot be asked for here.
fn secret(aws: &Aws, from: &str) -> Option<Need> {
    if !from.starts_with("arn:") {
        return Some(Need::Parameter(from.to_owned()));
    }
    // arn:PARTITION:SERVICE:REGION:ACCOUNT:secret:NAME[:KEY:STAGE:VERSION]
    let parts: Vec<&str> = from.split(':').collect();
    if parts.get(3) != Some(&aws.region()) {
        return None;
    }
    match *parts.get(2)? {
        "secretsmanager" => Some(Need::Secret(parts.get(..7)?.join(":"))),
        "ssm" => Some(Need::Parameter(from.to_owned())),
        _ => None,
    }
}

async fn revisions(aws: &Aws, needs: &BTreeSet<&Need>) -> Findings {
    let reads = needs.iter().filter_map(|need| match need {
        Need::Revision(arn) => Some(async move {
            let found = revision::is_usable(aws, arn).await;
            ((*need).clone(), found.map_or_else(|refused| unknown(&refused), is_there))
        }),
        _ => None,
    });
    join_all(reads).await.into_iter().collect()
}

async fn images(aws: &Aws, needs: &BTreeSet<&Need>, pushes: &Pushes) -> Findings {
    let mut wanted: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for need in needs {
        if let Need::Image(repository, reference) = need {
            wanted.entry(repository).or_default().insert(reference.clone());
        }
    }
    let reads = wanted.iter().map(|(repository, references)| async move {
        let found = image::look_up(aws, repository, references).await;
        let expiring = match &found {
            Ok(found) if !found.digests.is_empty() => {
                image::expiring(aws, repository, pushes).await
            }
            _ => Ok(BTreeSet::new()),
        };
        let of = |reference: &String| match (&found, &expiring) {
            (Ok(found), Ok(expiring)) => match found.digests.get(reference) {
                Some(digest) if expiring.contains(digest) => Found::Expiring,
                found => is_there(found.is_some()),
            },
            (Err(refused), _) | (_, Err(refused)) => unknown(refused),
        };
        let image = |reference: &String| Need::Image((*repository).to_owned(), reference.clone());
        references.iter().map(|it| (image(it), of(it))).collect::<Vec<_>>()
    });
    join_all(reads).await.into_iter().flatten().collect()
}

async fn secrets(aws: &Aws, needs: &BTreeSet<&Need>) -> Findings {
    let reads = needs.iter().filter_map(|need| match need {
        Need::Secret(id) => Some(async move {
            let asked = aws.call(DESCRIBE_SECRET, aws.secrets_manager.is_usable(id)).await;
            let found = match asked {
                Ok(usable) => is_there(usable),
                Err(refused) if refused.class == ErrorClass::NotFound => Found::Gone,
                Err(refused) => unknown(&refused),
            };
            ((*need).clone(), found)
        }),
        _ => None,
    });
    join_all(reads).await.into_iter().collect()
}

/// GetParameters takes names and ARNs, and answers which of them are none.
async fn parameters(aws: &Aws, needs: &BTreeSet<&Need>) -> Findings {
    let wanted: Vec<&String> = needs
        .iter()
        .filter_map(|need| if let Need::Parameter(id) = need { Some(id) } else { None })
        .collect();
    let reads = wanted.chunks(PARAMETERS).map(|ids| async move {
        let names = ids.iter().map(|id| (*id).clone()).collect();
        let request = aws.ssm.get_parameters().set_names(Some(names));
        let answer = aws.call("ssm:GetParameters", request.send()).await;
        let of = |id: &String| match &answer {
            Ok(answer) => is_there(!answer.invalid_parameters().contains(id)),
            Err(refused) => unknown(refused),
        };
        ids.iter().map(|id| (Need::Parameter((*id).clone()), of(id))).collect::<Vec<_>>()
    });
    join_all(reads).await.into_iter().flatten().collect()
}

fn is_there(is_there: bool) -> Found {
    if is_there { Found::There } else { Found::Gone }
}

fn unknown(refused: &ProviderError) -> Found {
    let said = error::message(refused).map_or_else(|| refused.source.to_string(), str::to_owned);
    Found::Unknown { why: format!("{}: {said}", refused.operation), help: refused.hint.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_called_as_they_were_named() {
        let arn = "arn:aws:ssm:ap-southeast-1:123456789012:parameter";
        assert_eq!(parameter_name(&format!("{arn}/app/key")), "/app/key");
        assert_eq!(parameter_name(&format!("{arn}/key")), "key");
        assert_eq!(parameter_name("/app/key"), "/app/key");
    }
}
