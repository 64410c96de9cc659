//! Secrets Manager: whether a secret is there. Values are never read.

use crate::json::{Call, Client, Refusal};
use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use serde_json::json;

const DESCRIBE_SECRET: Call = Call {
    service: "Secrets Manager",
    signed_for: "secretsmanager",
    api: "secretsmanager",
    operation: "DescribeSecret",
};

#[derive(Debug)]
pub(crate) struct SecretsManager {
    describe_secret: Client,
}

impl SecretsManager {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self { describe_secret: Client::new(config, DESCRIBE_SECRET) }
    }

    /// Whether the secret is there and not about to be deleted, by its name or ARN. One that
    /// was never there is refused.
    pub(crate) async fn is_usable(
        &self,
        id: &str,
    ) -> Result<bool, SdkError<Refusal, HttpResponse>> {
        let answer = self.describe_secret.send(json!({ "SecretId": id })).await?;
        Ok(answer["DeletedDate"].is_null())
    }
}
