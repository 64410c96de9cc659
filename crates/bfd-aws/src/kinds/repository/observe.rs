use super::super::Reading;
use crate::{
    Aws,
    inputs::{self, Collect},
    tags::{self, Tags},
};
use aws_sdk_ecr::types::Repository;
use bfd_core::{Object, Observation, Observed, Properties, Value};
use bfd_kinds::{json, repository::canonical_lifecycle};
use bfd_provider::{ErrorClass, ProviderError, Wanted};
use futures_util::future::try_join_all;

pub(super) async fn observe(
    reading: &Reading<'_>,
    wanted: &[Wanted<'_>],
) -> Result<Observation, ProviderError> {
    let found = reading.repositories.get(reading.aws).await?;
    let reads = wanted.iter().map(|wanted| async {
        let repository = inputs::name(wanted, "name").and_then(|name| found.get(&name));
        let observed = match repository {
            Some(repository) => Some(one(reading.aws, wanted, repository).await?),
            None => None,
        };
        Ok((wanted.address.clone(), observed))
    });
    Ok(try_join_all(reads).await?.into_iter().collect())
}

async fn one(
    aws: &Aws,
    wanted: &Wanted<'_>,
    repository: &Repository,
) -> Result<Observed, ProviderError> {
    let name = repository.repository_name.as_deref().unwrap_or_default();
    let lifecycle = async {
        let matters =
            ["keep_images", "lifecycle_policy"].iter().any(|f| inputs::matters(wanted, f));
        if matters { lifecycle(aws, name).await } else { Ok(None) }
    };
    let policy = async {
        if inputs::matters(wanted, "policy") { policy(aws, name).await } else { Ok(None) }
    };
    let owner = async {
        match wanted.prior {
            Some(_) => None,
            None => read_tags(aws, repository).await.ok(),
        }
    };
    let (lifecycle, policy, read) = tokio::join!(lifecycle, policy, owner);
    let mut inputs = inputs_of(repository);
    if let Some(text) = lifecycle? {
        let (field, value) = canonical_lifecycle(&text);
        // A manifest may spell `keep_images` out; what it declares is what it is compared with.
        let spelled = field == "keep_images"
            && inputs::matters(wanted, "lifecycle_policy")
            && !inputs::matters(wanted, "keep_images");
        let (field, value) =
            if spelled { ("lifecycle_policy", canonical(&text)) } else { (field, value) };
        inputs.insert(field.to_owned(), value);
    }
    if let Some(text) = policy? {
        inputs.insert("policy".to_owned(), canonical(&text));
    }
    let recorded = wanted.prior.map(|prior| tags::declared(&prior.inputs));
    let known = recorded.or_else(|| read.clone()).unwrap_or_default();
    inputs.insert("tags".to_owned(), tags::to_value(&known));
    // Nothing that AWS knows: it says how bfd deletes.
    let force = wanted.prior.and_then(|prior| prior.inputs.get("force_delete"));
    let declared = || wanted.inputs?.get("force_delete")?.as_bool().map(Value::from);
    if let Some(force) = force.cloned().or_else(declared) {
        inputs.insert("force_delete".to_owned(), force);
    }
    Ok(Observed {
        object: Object { id: name.to_owned(), inputs, outputs: outputs_of(repository) },
        owner: read.as_ref().map(tags::owner),
        notes: Vec::new(),
    })
}

/// What the listing tells of the inputs.
pub(super) fn inputs_of(repository: &Repository) -> Properties {
    let mutability =
        repository.image_tag_mutability.as_ref().map(|m| m.as_str().to_ascii_lowercase());
    let scan = repository.image_scanning_configuration.as_ref().map(|s| s.scan_on_push);
    let key = repository.encryption_configuration.as_ref().and_then(|e| e.kms_key.clone());
    Collect::default()
        .maybe("name", repository.repository_name.clone())
        .maybe("tag_mutability", mutability)
        .maybe("scan_on_push", scan)
        .maybe("kms_key", key)
        .done()
}

pub(super) fn outputs_of(repository: &Repository) -> Properties {
    Collect::default()
        .maybe("name", repository.repository_name.clone())
        .maybe("arn", repository.repository_arn.clone())
        .maybe("uri", repository.repository_uri.clone())
        .maybe("registry_id", repository.registry_id.clone())
        .done()
}

fn canonical(text: &str) -> Value {
    json::canonicalize(text).unwrap_or_else(|_| text.to_owned()).into()
}

async fn lifecycle(aws: &Aws, name: &str) -> Result<Option<String>, ProviderError> {
    let request = aws.ecr.get_lifecycle_policy().repository_name(name);
    match aws.call("ecr:GetLifecyclePolicy", request.send()).await {
        Ok(answer) => Ok(answer.lifecycle_policy_text),
        Err(none) if none.class == ErrorClass::NotFound => Ok(None),
        Err(refused) => Err(refused),
    }
}

async fn policy(aws: &Aws, name: &str) -> Result<Option<String>, ProviderError> {
    let request = aws.ecr.get_repository_policy().repository_name(name);
    match aws.call("ecr:GetRepositoryPolicy", request.send()).await {
        Ok(answer) => Ok(answer.policy_text),
        Err(none) if none.class == ErrorClass::NotFound => Ok(None),
        Err(refused) => Err(refused),
    }
}

pub(super) async fn read_tags(aws: &Aws, repository: &Repository) -> Result<Tags, ProviderError> {
    let arn = repository.repository_arn.clone().unwrap_or_default();
    let request = aws.ecr.list_tags_for_resource().resource_arn(arn);
    let answer = aws.call("ecr:ListTagsForResource", request.send()).await?;
    let tags = answer.tags.unwrap_or_default();
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}
