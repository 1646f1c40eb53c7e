//! Events that Lambda and EventBridge Scheduler give up, as they put them into a queue. Unlike a message that failed in one,
//! such an event goes back to its function.

use super::letter::is_name;
use aws_sdk_sqs::types::Message;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Characters of an error that are told.
const ERROR_CHARACTERS: usize = 300;

/// An event that was given up before or by a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GivenUp {
    /// The ARN of the function, where it is told.
    pub(super) function_arn: Option<String>,
    /// What it is; nothing of what it says.
    pub(super) kind: Option<String>,
    pub(super) error: Option<String>,
    /// The event as its function is to get it, or why it cannot be had.
    pub(super) event: Result<String, &'static str>,
}

impl GivenUp {
    /// What a message tells, if it is one of those.
    pub(super) fn read(message: &Message) -> Option<Self> {
        by_scheduler(message).or_else(|| by_lambda(message.body())).or_else(|| left_by_lambda(message))
    }

    /// The name of the function.
    pub(super) fn function(&self) -> Option<&str> {
        function_name(self.function_arn.as_deref()?)
    }
}

fn function_name(arn: &str) -> Option<&str> {
    let (before, function) = arn.split_once(":function:")?;
    let function = function.split(':').next()?;
    (before.starts_with("arn:") && is_name(function)).then_some(function)
}

fn attribute<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let text = message.message_attributes.as_ref()?.get(name)?.string_value()?;
    Some(text).filter(|text| !text.is_empty())
}

/// Scheduler's dead-letter queue (EventBridge Scheduler user guide, "Configuring a dead-letter queue"): the event, with what
/// happened as attributes.
fn by_scheduler(message: &Message) -> Option<GivenUp> {
    let schedule = attribute(message, "SCHEDULE_ARN")?;
    let target = attribute(message, "TARGET_ARN")?;
    let error = match (attribute(message, "ERROR_CODE"), attribute(message, "ERROR_MESSAGE")) {
        (Some(code), Some(message)) => Some(format!("{code}: {message}")),
        (code, message) => code.or(message).map(ToOwned::to_owned),
    };
    let schedule = schedule.rsplit('/').next().filter(|name| is_name(name));
    let event = if function_name(target).is_none() {
        Err("its schedule's target is no function")
    } else if attribute(message, "IS_PAYLOAD_TRUNCATED").is_some_and(|is| is.eq_ignore_ascii_case("true")) {
        Err("Scheduler kept only a part of its event")
    } else {
        Ok(message.body().unwrap_or_default().to_owned())
    };
    Some(GivenUp {
        function_arn: function_name(target).map(|_| target.to_owned()),
        kind: schedule.map(|schedule| format!("run of {schedule}")),
        error: error.map(cut),
        event,
    })
}

/// Lambda's record of an invocation (Lambda developer guide, "Capturing records of Lambda asynchronous invocations"), or of
/// a batch of a stream, which tells where the records are and not what they say.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    request_context: RequestContext,
    #[serde(borrow)]
    request_payload: Option<&'a RawValue>,
    #[serde(default)]
    response_payload: Value,
    #[serde(default, rename = "DDBStreamBatchInfo")]
    stream_batch: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    function_arn: String,
    condition: String,
}

fn by_lambda(body: Option<&str>) -> Option<GivenUp> {
    let record: Record<'_> = serde_json::from_str(body?).ok()?;
    let RequestContext { function_arn, condition } = record.request_context;
    let function = function_name(&function_arn).filter(|_| is_name(&condition))?;
    let response = &record.response_payload;
    let error = match (response["errorType"].as_str(), response["errorMessage"].as_str()) {
        (Some(kind), Some(message)) => format!("{kind}: {message}"),
        (kind, message) => kind.or(message).unwrap_or(&condition).to_owned(),
    };
    let (what, event) = match record.request_payload {
        Some(payload) => ("invocation", Ok(payload.get().to_owned())),
        None if record.stream_batch.is_object() => {
            ("stream batch", Err("it only tells where the records of a stream are"))
        }
        None => ("invocation", Err("its event is not in it")),
    };
    let kind = Some(format!("{what} of {function}: {condition}"));
    Some(GivenUp { function_arn: Some(function_arn), kind, error: Some(cut(error)), event })
}

/// A function's own dead-letter queue (Lambda developer guide, "Adding a dead-letter queue"): the event as it was. For which
/// function, nobody tells.
fn left_by_lambda(message: &Message) -> Option<GivenUp> {
    attribute(message, "RequestID")?;
    let code = attribute(message, "ErrorCode")?;
    Some(GivenUp {
        function_arn: None,
        kind: None,
        error: Some(cut(attribute(message, "ErrorMessage").unwrap_or(code).to_owned())),
        event: Err("Lambda does not say which function it was for"),
    })
}

fn cut(error: String) -> String {
    error.chars().take(ERROR_CHARACTERS).collect()
}
