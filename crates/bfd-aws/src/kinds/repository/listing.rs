use crate::{Aws, inputs};
use aws_sdk_ecr::types::Repository;
use bfd_provider::{ErrorClass, ProviderError, Wanted};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::OnceCell;

/// The most names that DescribeRepositories takes.
const NAMES: usize = 100;
/// The most repositories on a page of a listing without names.
const PAGE: i32 = 1000;

/// The repositories that any kind asks about, read once per observation.
#[derive(Debug)]
pub(crate) struct Listing {
    names: BTreeSet<String>,
    read: OnceCell<BTreeMap<String, Repository>>,
}

impl Listing {
    pub(crate) fn new(wanted: &[Wanted<'_>]) -> Self {
        let name = |wanted: &Wanted<'_>| match wanted.address.kind().as_str() {
            "repository" => inputs::name(wanted, "name"),
            "image" => super::super::image::repository_of(wanted),
            _ => None,
        };
        Self { names: wanted.iter().filter_map(name).collect(), read: OnceCell::new() }
    }

    /// The repositories that exist, by name.
    pub(crate) async fn get(
        &self,
        aws: &Aws,
    ) -> Result<&BTreeMap<String, Repository>, ProviderError> {
        self.read.get_or_try_init(|| read(aws, &self.names)).await
    }
}

async fn read(
    aws: &Aws,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, Repository>, ProviderError> {
    let names: Vec<String> = names.iter().cloned().collect();
    let mut found = BTreeMap::new();
    for names in names.chunks(NAMES) {
        match described(aws, Some(names.to_vec())).await {
            Ok(part) => found.extend(part),
            // One missing name fails the whole call, and does not say which others exist.
            Err(missing) if missing.class == ErrorClass::NotFound => {
                if names.len() > 1 {
                    found.extend(described(aws, None).await?);
                    break;
                }
            }
            Err(refused) => return Err(refused),
        }
    }
    found.retain(|name, _| names.contains(name));
    Ok(found)
}

/// Reads repositories by name, or all there are.
pub(super) async fn described(
    aws: &Aws,
    names: Option<Vec<String>>,
) -> Result<BTreeMap<String, Repository>, ProviderError> {
    let mut found = BTreeMap::new();
    let mut next = None;
    loop {
        let page = names.is_none().then_some(PAGE);
        let request = aws
            .ecr
            .describe_repositories()
            .set_repository_names(names.clone())
            .set_max_results(page)
            .set_next_token(next);
        let answer = aws.call("ecr:DescribeRepositories", request.send()).await?;
        for repository in answer.repositories.unwrap_or_default() {
            let name = repository.repository_name.clone().unwrap_or_default();
            if let Some(uri) = &repository.repository_uri {
                aws.registries.known.add_uri(&name, uri);
            }
            found.insert(name, repository);
        }
        next = answer.next_token;
        if next.is_none() {
            return Ok(found);
        }
    }
}
