//! Whether what environments need before their first apply is there.

use crate::{AwsProvider, error, kinds::stack::read};
use bfd_provider::{ErrorClass, ProviderError};
use std::collections::BTreeMap;

/// Whether there is a bucket of a name; names are shared by all of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketState {
    Missing,
    There,
    /// Somebody else's, or one that these credentials may not look at.
    OfOthers,
}

/// A stack as it is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployedStack {
    pub template: String,
    pub parameters: BTreeMap<String, String>,
}

impl AwsProvider {
    /// Looks for a bucket.
    pub async fn bucket(&self, name: &str, region: &str) -> Result<BucketState, ProviderError> {
        const OPERATION: &str = "s3:ListBucket";
        let aws = self.aws();
        let client = aws.bucket_client(None, region).await?;
        match aws.call(OPERATION, client.head_bucket().bucket(name).send()).await {
            Ok(_) => Ok(BucketState::There),
            Err(denied) if denied.class == ErrorClass::AccessDenied => Ok(BucketState::OfOthers),
            // The answer to HEAD has no body that would say more.
            Err(none)
                if matches!(
                    error::code(&none),
                    Some("NotFound" | "NoSuchBucket" | "status 404")
                ) =>
            {
                Ok(BucketState::Missing)
            }
            Err(refused) => Err(refused),
        }
    }

    /// Looks for a stack.
    pub async fn deployed_stack(&self, name: &str) -> Result<Option<DeployedStack>, ProviderError> {
        let Some(stack) = read::find_live(self.aws(), name).await? else { return Ok(None) };
        let template = read::template(self.aws(), name).await?.unwrap_or_default();
        let parameters = stack.parameters.unwrap_or_default().into_iter();
        let parameters = parameters.filter_map(|it| Some((it.parameter_key?, it.parameter_value?)));
        Ok(Some(DeployedStack { template, parameters: parameters.collect() }))
    }
}
