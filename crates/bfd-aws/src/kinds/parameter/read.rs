//! Reading parameters in batches, for `parameter` and `coordinator`.

use crate::{Aws, tags::Tags};
use aws_sdk_ssm::types::{ParameterMetadata, ParameterStringFilter, ResourceTypeForTagging};
use bfd_provider::{ErrorClass, ProviderError};
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// The most values of one filter, and the most parameters on a page.
const NAMES: usize = 50;
const PAGE: i32 = 50;
/// The most names that GetParameters takes.
const VALUES: usize = 10;

/// Reads everything but the values, which needs no permission to decrypt.
///
/// Names that do not exist are left out.
pub(crate) async fn describe(
    aws: &Aws,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, ParameterMetadata>, ProviderError> {
    let names: Vec<String> = names.iter().cloned().collect();
    let reads = names.chunks(NAMES).map(|names| describe_some(aws, names));
    let found = try_join_all(reads).await?.into_iter().flatten();
    Ok(found.map(|one| (one.name.clone().unwrap_or_default(), one)).collect())
}

async fn describe_some(
    aws: &Aws,
    names: &[String],
) -> Result<Vec<ParameterMetadata>, ProviderError> {
    const OPERATION: &str = "ssm:DescribeParameters";
    let filter = ParameterStringFilter::builder()
        .key("Name")
        .option("Equals")
        .set_values(Some(names.to_vec()))
        .build()
        .map_err(|wrong| ProviderError::new(OPERATION, ErrorClass::Local, wrong))?;
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let request = aws
            .ssm
            .describe_parameters()
            .parameter_filters(filter.clone())
            .max_results(PAGE)
            .set_next_token(next);
        let answer = aws.call(OPERATION, request.send()).await?;
        found.extend(answer.parameters.unwrap_or_default());
        // A page may be short, or empty, and still have a successor.
        next = answer.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// Reads the values of parameters that are no secrets. Names that are gone are left out.
pub(crate) async fn values(
    aws: &Aws,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, String>, ProviderError> {
    let names: Vec<String> = names.iter().cloned().collect();
    let reads = names.chunks(VALUES).map(|names| async {
        let request = aws.ssm.get_parameters().set_names(Some(names.to_vec()));
        aws.call("ssm:GetParameters", request.send()).await
    });
    let answers = try_join_all(reads).await?;
    let parameters = answers.into_iter().flat_map(|answer| answer.parameters.unwrap_or_default());
    Ok(parameters.filter_map(|one| Some((one.name?, one.value?))).collect())
}

/// Reads one value in plaintext: `name`, or `name:version` for an earlier one.
pub(crate) async fn plaintext(
    aws: &Aws,
    selector: &str,
) -> Result<Option<Zeroizing<String>>, ProviderError> {
    let request = aws.ssm.get_parameters().names(selector).with_decryption(true);
    let answer = aws.call("ssm:GetParameters", request.send()).await?;
    let parameter = answer.parameters.unwrap_or_default().into_iter().next();
    Ok(parameter.and_then(|one| one.value).map(Zeroizing::new))
}

pub(crate) async fn read_tags(aws: &Aws, name: &str) -> Result<Tags, ProviderError> {
    let request = aws
        .ssm
        .list_tags_for_resource()
        .resource_type(ResourceTypeForTagging::Parameter)
        .resource_id(name);
    let answer = aws.call("ssm:ListTagsForResource", request.send()).await?;
    let tags = answer.tag_list.unwrap_or_default();
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}
