use super::{
    kept_outputs, listing, mutability,
    observe::{inputs_of, read_tags},
    scanning, sdk_tags,
};
use crate::{Aws, inputs, tags};
use aws_sdk_ecr::types::Repository;
use bfd_core::{Object, Owner, Properties, ResourceState, Value};
use bfd_kinds::repository::lifecycle_policy;
use bfd_provider::{ErrorClass, ProviderError};

/// Brings a repository from one set of inputs to another, calling only for what differs.
///
/// Every call is idempotent, so a repeat after a failure or a crash does the rest.
pub(super) async fn converge(
    aws: &Aws,
    prior: &ResourceState,
    after: &Properties,
) -> Result<Object, ProviderError> {
    let name = prior.id.as_str();
    let before = &prior.inputs;
    let mut now = before.clone();
    let result = changes(aws, prior, after, &mut now).await;
    let object = |inputs| Object { id: name.to_owned(), inputs, outputs: kept_outputs(prior) };
    match result {
        Ok(()) => Ok(object(after.clone())),
        Err(refused) if now == *before => Err(refused),
        Err(refused) => Err(refused.leaving(object(now))),
    }
}

/// `now` follows what has taken effect.
async fn changes(
    aws: &Aws,
    prior: &ResourceState,
    after: &Properties,
    now: &mut Properties,
) -> Result<(), ProviderError> {
    let name = prior.id.as_str();
    let before = &prior.inputs;
    if inputs::differs(before, after, "tag_mutability") {
        let request = aws
            .ecr
            .put_image_tag_mutability()
            .repository_name(name)
            .image_tag_mutability(mutability(after));
        aws.call("ecr:PutImageTagMutability", request.send()).await?;
        follow(now, after, "tag_mutability");
    }
    if inputs::differs(before, after, "scan_on_push") {
        let request = aws
            .ecr
            .put_image_scanning_configuration()
            .repository_name(name)
            .image_scanning_configuration(scanning(after));
        aws.call("ecr:PutImageScanningConfiguration", request.send()).await?;
        follow(now, after, "scan_on_push");
    }
    policies(aws, name, before, after).await?;
    for field in ["keep_images", "lifecycle_policy", "policy"] {
        follow(now, after, field);
    }
    let (set, removed) = tags::difference(&tags::declared(before), &tags::declared(after));
    let arn = || inputs::required(&prior.outputs, "arn", "ecr:TagResource");
    if let Some(set) = sdk_tags(&set, "ecr:TagResource")? {
        let request = aws.ecr.tag_resource().resource_arn(arn()?).set_tags(Some(set));
        aws.call("ecr:TagResource", request.send()).await?;
    }
    if !removed.is_empty() {
        let request = aws.ecr.untag_resource().resource_arn(arn()?).set_tag_keys(Some(removed));
        aws.call("ecr:UntagResource", request.send()).await?;
    }
    follow(now, after, "tags");
    Ok(())
}

fn follow(now: &mut Properties, after: &Properties, field: &str) {
    match after.get(field) {
        Some(value) => now.insert(field.to_owned(), value.clone()),
        None => now.remove(field),
    };
}

/// The lifecycle policy and the repository policy, which have calls of their own.
pub(super) async fn policies(
    aws: &Aws,
    name: &str,
    before: &Properties,
    after: &Properties,
) -> Result<(), ProviderError> {
    match (lifecycle(before), lifecycle(after)) {
        (before, after) if before == after => {}
        (_, Some(text)) => {
            let request =
                aws.ecr.put_lifecycle_policy().repository_name(name).lifecycle_policy_text(text);
            aws.call("ecr:PutLifecyclePolicy", request.send()).await?;
        }
        (_, None) => {
            let request = aws.ecr.delete_lifecycle_policy().repository_name(name);
            gone_is_fine(aws.call("ecr:DeleteLifecyclePolicy", request.send()).await)?;
        }
    }
    match (inputs::text(before, "policy"), inputs::text(after, "policy")) {
        (before, after) if before == after => {}
        (_, Some(text)) => {
            let request = aws.ecr.set_repository_policy().repository_name(name).policy_text(text);
            aws.call("ecr:SetRepositoryPolicy", request.send()).await?;
        }
        (_, None) => {
            let request = aws.ecr.delete_repository_policy().repository_name(name);
            gone_is_fine(aws.call("ecr:DeleteRepositoryPolicy", request.send()).await)?;
        }
    }
    Ok(())
}

/// The lifecycle policy that inputs ask for, in either spelling.
pub(crate) fn lifecycle(inputs: &Properties) -> Option<String> {
    let keep = inputs.get("keep_images").and_then(Value::as_i64);
    keep.map(lifecycle_policy)
        .or_else(|| inputs::text(inputs, "lifecycle_policy").map(str::to_owned))
}

fn gone_is_fine<T>(answer: Result<T, ProviderError>) -> Result<(), ProviderError> {
    match answer {
        Ok(_) => Ok(()),
        Err(gone) if gone.class == ErrorClass::NotFound => Ok(()),
        Err(refused) => Err(refused),
    }
}

/// Decides whether a repository that exists is what our own lost call made.
pub(super) async fn recognize(
    aws: &Aws,
    name: &str,
    wanted: &Properties,
    exists: ProviderError,
) -> Result<Repository, ProviderError> {
    let look =
        || async { Ok(listing::described(aws, Some(vec![name.to_owned()])).await?.remove(name)) };
    let Ok(Some(repository)) = aws.look_again(look).await else { return Err(exists.in_doubt()) };
    let there = inputs_of(&repository);
    let same = ["tag_mutability", "scan_on_push"]
        .iter()
        .all(|field| !inputs::differs(&there, wanted, field))
        && (!wanted.contains_key("kms_key") || !inputs::differs(&there, wanted, "kms_key"));
    let Ok(tags) = read_tags(aws, &repository).await else { return Err(exists.in_doubt()) };
    if same && tags == tags::declared(wanted) {
        Ok(repository)
    } else {
        Err(belongs(exists, name, &tags::owner(&tags)))
    }
}

/// Says who has the name.
pub(super) async fn explain(aws: &Aws, name: &str, exists: ProviderError) -> ProviderError {
    let found = listing::described(aws, Some(vec![name.to_owned()])).await;
    let Some(repository) = found.ok().and_then(|mut found| found.remove(name)) else {
        return exists;
    };
    match read_tags(aws, &repository).await {
        Ok(tags) => belongs(exists, name, &tags::owner(&tags)),
        Err(_) => exists,
    }
}

fn belongs(mut exists: ProviderError, name: &str, owner: &Owner) -> ProviderError {
    // Whatever the answer was, or if there was none: what is there is somebody else's.
    exists.class = ErrorClass::AlreadyExists;
    exists
        .detail(format!("the repository `{name}` was not made by this run; {}", tags::says(owner)))
        .hint("plan again: an existing object is taken over with `adopt = true`")
}
