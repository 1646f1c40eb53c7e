//! What Lambda tells of a batch of stream records that used up its attempts: where the records are, not what they say.

use serde::Deserialize;
use shared::json;
use std::fmt;

#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct StreamFailure {
    #[serde(rename = "requestContext", default)]
    context: Option<Context>,
    /// Missing when the records were too old before the function ever got them.
    #[serde(rename = "responseContext", default)]
    response: Option<Response>,
    #[serde(rename = "DDBStreamBatchInfo")]
    pub(crate) batch: Batch,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Context {
    /// Why Lambda gave up, such as `RetryAttemptsExhausted`.
    #[serde(default)]
    condition: String,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    /// `Unhandled` when the function failed as a whole; missing when it reported which records failed.
    function_error: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Batch {
    pub(crate) stream_arn: String,
    pub(crate) shard_id: String,
    pub(crate) start_sequence_number: String,
    pub(crate) end_sequence_number: String,
}

impl StreamFailure {
    /// Reads a message's body; `None` for any other.
    pub(crate) fn parse(body: &str) -> Option<Self> {
        json::object(body.as_bytes()).ok()
    }
}

/// Why Lambda gave up, in its own words.
impl fmt::Display for StreamFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let condition = self.context.as_ref().map(|context| context.condition.as_str());
        let error = self.response.as_ref().and_then(|response| response.function_error.as_deref());
        let words: Vec<&str> =
            [condition, error].into_iter().flatten().filter(|word| !word.is_empty()).collect();
        write!(f, "Lambda gave the batch up: {}", words.join(", "))
    }
}
