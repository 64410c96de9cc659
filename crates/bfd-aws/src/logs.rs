//! CloudWatch Logs: the one call that is made of it.

use crate::json::{Call, Client, Refusal};
use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use serde_json::json;

const GET_LOG_EVENTS: Call = Call {
    service: "CloudWatch Logs",
    signed_for: "logs",
    api: "Logs_20140328",
    operation: "GetLogEvents",
};

#[derive(Debug)]
pub(crate) struct Logs {
    get_log_events: Client,
}

impl Logs {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self { get_log_events: Client::new(config, GET_LOG_EVENTS) }
    }

    /// The last lines of a stream, oldest first.
    pub(crate) async fn last_lines(
        &self,
        group: &str,
        stream: &str,
        limit: usize,
    ) -> Result<Vec<String>, SdkError<Refusal, HttpResponse>> {
        let wanted = json!({
            "logGroupName": group,
            "logStreamName": stream,
            "startFromHead": false,
            "limit": limit,
        });
        let answer = self.get_log_events.send(wanted).await?;
        let events = answer["events"].as_array().into_iter().flatten();
        let lines = events.filter_map(|event| event["message"].as_str());
        Ok(lines.map(str::to_owned).collect())
    }
}
