//! What Lambda tells of a batch of stream records that used up its attempts: where the records are, not what they say.

use serde::Deserialize;

#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct StreamFailure {
    #[serde(rename = "requestContext", default)]
    pub(crate) context: Context,
    #[serde(rename = "DDBStreamBatchInfo")]
    pub(crate) batch: Batch,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Context {
    /// Why Lambda gave up, such as `RetryAttemptsExhausted`.
    #[serde(default)]
    pub(crate) condition: String,
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
        serde_json::from_str(body).ok()
    }
}
