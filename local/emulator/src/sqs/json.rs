//! The JSON protocol of SQS (`x-amz-target: AmazonSQS.*`).

use super::message::{self, Attribute, Message, Receipt};
use super::{Attributes, LARGEST_BATCH, Outgoing, Result, Sent, Sqs, request};
use crate::wire::{self, ServiceError};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// Who calls, and by which name of ours.
struct Caller<'a> {
    host: &'a str,
    sender: &'a str,
}

/// Carries out `operation` with the JSON request `body`. Queue URLs are given under `host`.
pub(crate) async fn answer(sqs: &Sqs, operation: &str, body: &[u8], host: &str, sender: &str) -> Response {
    match dispatch(sqs, operation, body, &Caller { host, sender }).await {
        Ok(Value::Null) => wire::respond(200, CONTENT_TYPE, "{}"),
        Ok(json) => wire::respond(200, CONTENT_TYPE, json.to_string()),
        Err(error) => error_response(&error),
    }
}

/// Like `answer`, to a caller within this process: the status and the JSON.
pub(crate) async fn carry_out(sqs: &Sqs, operation: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let caller = Caller { host: "localhost", sender: "localhost" };
    match dispatch(sqs, operation, body, &caller).await {
        Ok(json) => (200, json.to_string().into_bytes()),
        Err(error) => (error.status, error_json(&error).to_string().into_bytes()),
    }
}

fn error_json(error: &ServiceError) -> Value {
    let (namespace, _) = codes(&error.code);
    json!({ "__type": format!("{namespace}#{}", error.code), "message": error.message })
}

/// An error with the old protocol's code in a header, which SDKs prefer.
pub(crate) fn error_response(error: &ServiceError) -> Response {
    let (_, query_code) = codes(&error.code);
    let mut response = wire::respond(error.status, CONTENT_TYPE, error_json(error).to_string());
    let side = if error.status >= 500 { "Receiver" } else { "Sender" };
    if let Ok(value) = HeaderValue::try_from(format!("{query_code};{side}")) {
        response.headers_mut().insert(HeaderName::from_static("x-amzn-query-error"), value);
    }
    response
}

fn codes(code: &str) -> (&'static str, String) {
    const OURS: &str = "com.amazonaws.sqs";
    match code {
        "QueueDoesNotExist" => (OURS, "AWS.SimpleQueueService.NonExistentQueue".to_owned()),
        "AccessDeniedException" => ("com.amazon.coral.service", "AccessDenied".to_owned()),
        "QueueNameExists" => (OURS, "QueueAlreadyExists".to_owned()),
        "BatchEntryIdsNotDistinct"
        | "BatchRequestTooLong"
        | "EmptyBatchRequest"
        | "InvalidBatchEntryId"
        | "MessageNotInflight"
        | "TooManyEntriesInBatchRequest"
        | "UnsupportedOperation" => (OURS, format!("AWS.SimpleQueueService.{code}")),
        "InvalidAttributeName"
        | "InvalidAttributeValue"
        | "InvalidMessageContents"
        | "ReceiptHandleIsInvalid"
        | "ResourceNotFoundException" => (OURS, code.to_owned()),
        other => ("com.amazon.coral.service", other.to_owned()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueueInput {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateInput {
    queue_name: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default, alias = "tags")]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NameInput {
    queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListInput {
    queue_name_prefix: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendInput {
    queue_url: Option<String>,
    id: Option<String>,
    message_body: String,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_attributes: Attributes,
    #[serde(default)]
    message_system_attributes: Attributes,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveInput {
    queue_url: String,
    max_number_of_messages: Option<usize>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HandleInput {
    queue_url: Option<String>,
    id: Option<String>,
    receipt_handle: String,
    visibility_timeout: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", bound = "T: DeserializeOwned")]
struct BatchInput<T> {
    queue_url: String,
    #[serde(default = "Vec::new")]
    entries: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MoveInput {
    source_arn: String,
    destination_arn: Option<String>,
    max_results: Option<usize>,
}

async fn dispatch(sqs: &Sqs, operation: &str, body: &[u8], caller: &Caller<'_>) -> Result<Value> {
    match operation {
        "SendMessage" => send(sqs, read(body)?, caller),
        "SendMessageBatch" => send_batch(sqs, read(body)?, caller),
        "ReceiveMessage" => receive(sqs, read(body)?).await,
        "DeleteMessage" => {
            let input: HandleInput = read(body)?;
            sqs.delete(queue_name(input.queue_url.as_deref())?, &[&input.receipt_handle])?.remove(0)?;
            Ok(Value::Null)
        }
        "DeleteMessageBatch" => delete_batch(sqs, &read(body)?),
        "ChangeMessageVisibility" => {
            let input: HandleInput = read(body)?;
            let change = (input.receipt_handle.as_str(), visibility(&input)?);
            sqs.change_visibility(queue_name(input.queue_url.as_deref())?, &[change])?.remove(0)?;
            Ok(Value::Null)
        }
        "ChangeMessageVisibilityBatch" => change_batch(sqs, &read(body)?),
        _ => administer(sqs, operation, body, caller),
    }
}

fn administer(sqs: &Sqs, operation: &str, body: &[u8], caller: &Caller<'_>) -> Result<Value> {
    let name = |input: &QueueInput| queue_name(Some(&input.queue_url)).map(str::to_owned);
    match operation {
        "CreateQueue" => {
            let input: CreateInput = read(body)?;
            sqs.create_queue(&input.queue_name, input.attributes, input.tags)?;
            Ok(json!({ "QueueUrl": url(sqs, caller, &input.queue_name) }))
        }
        "GetQueueUrl" => {
            let input: NameInput = read(body)?;
            sqs.attributes(&input.queue_name)?;
            Ok(json!({ "QueueUrl": url(sqs, caller, &input.queue_name) }))
        }
        "ListQueues" => Ok(list(sqs, &read(body)?, caller)),
        "GetQueueAttributes" => {
            let input: QueueInput = read(body)?;
            get_attributes(sqs, &name(&input)?, &input.attribute_names)
        }
        "SetQueueAttributes" => {
            let input: QueueInput = read(body)?;
            sqs.set_attributes(&name(&input)?, input.attributes)?;
            Ok(Value::Null)
        }
        "DeleteQueue" => sqs.delete_queue(&name(&read(body)?)?).map(|()| Value::Null),
        "PurgeQueue" => sqs.purge(&name(&read(body)?)?).map(|()| Value::Null),
        "ListDeadLetterSourceQueues" => {
            let sources = sqs.sources(&name(&read(body)?)?)?;
            let urls: Vec<_> = sources.iter().map(|source| url(sqs, caller, source)).collect();
            Ok(json!({ "queueUrls": urls }))
        }
        "TagQueue" | "UntagQueue" => {
            let input: QueueInput = read(body)?;
            sqs.tag(&name(&input)?, input.tags, &input.tag_keys)?;
            Ok(Value::Null)
        }
        "ListQueueTags" => Ok(json!({ "Tags": sqs.tag(&name(&read(body)?)?, BTreeMap::new(), &[])? })),
        "StartMessageMoveTask" => {
            let input: MoveInput = read(body)?;
            sqs.move_messages(&input.source_arn, input.destination_arn.as_deref())?;
            let handle = json!({ "taskId": uuid::Uuid::new_v4(), "sourceArn": input.source_arn });
            Ok(json!({ "TaskHandle": STANDARD.encode(handle.to_string()) }))
        }
        "ListMessageMoveTasks" => Ok(move_tasks(sqs, &read(body)?)),
        _ => Err(ServiceError::unknown_operation("sqs", operation)),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        let code = if error.to_string().contains("missing field") {
            "MissingParameter"
        } else {
            "SerializationException"
        };
        ServiceError::sender(code, error.to_string())
    })
}

/// The queue that a URL names: its last segment. (A bare name is taken as well, as AWS does.)
fn queue_name(url: Option<&str>) -> Result<&str> {
    let url =
        url.ok_or_else(|| ServiceError::sender("MissingParameter", "The parameter QueueUrl is required."))?;
    Ok(url.rsplit('/').next().unwrap_or(url))
}

fn url(sqs: &Sqs, caller: &Caller<'_>, name: &str) -> String {
    format!("http://{}/{}/{name}", caller.host, sqs.shared.account)
}

fn list(sqs: &Sqs, input: &ListInput, caller: &Caller<'_>) -> Value {
    let limit = input.max_results.unwrap_or(1000).clamp(1, 1000);
    let prefix = input.queue_name_prefix.as_deref().unwrap_or_default();
    let mut names = sqs.names(prefix, input.next_token.as_deref(), limit + 1);
    let more = names.len() > limit;
    names.truncate(limit);
    let urls: Vec<_> = names.iter().map(|name| url(sqs, caller, name)).collect();
    let mut answer = json!({ "QueueUrls": urls });
    if more && input.max_results.is_some() {
        answer["NextToken"] = json!(names.last());
    }
    answer
}

fn get_attributes(sqs: &Sqs, name: &str, wanted: &[String]) -> Result<Value> {
    let mut attributes = sqs.attributes(name)?;
    if !wanted.iter().any(|name| name == "All") {
        attributes.retain(|name, _| wanted.contains(name));
    }
    Ok(if attributes.is_empty() { Value::Null } else { json!({ "Attributes": attributes }) })
}

impl SendInput {
    fn outgoing(self, caller: &Caller<'_>) -> Outgoing {
        let trace = self.message_system_attributes.get("AWSTraceHeader").and_then(|a| a.string_value.clone());
        Outgoing {
            body: self.message_body,
            attributes: self.message_attributes,
            trace,
            delay: self.delay_seconds,
            group: self.message_group_id,
            deduplication: self.message_deduplication_id,
            sender: caller.sender.to_owned(),
            late: 0,
        }
    }
}

fn sent_json(sent: Sent) -> Map<String, Value> {
    let mut json = Map::new();
    json.insert("MessageId".to_owned(), sent.id.into());
    json.insert("MD5OfMessageBody".to_owned(), sent.body_md5.into());
    if let Some(md5) = sent.attributes_md5 {
        json.insert("MD5OfMessageAttributes".to_owned(), md5.into());
    }
    if let Some(md5) = sent.trace_md5 {
        json.insert("MD5OfMessageSystemAttributes".to_owned(), md5.into());
    }
    if let Some(sequence) = sent.sequence {
        json.insert("SequenceNumber".to_owned(), format!("{sequence:020}").into());
    }
    json
}

fn send(sqs: &Sqs, input: SendInput, caller: &Caller<'_>) -> Result<Value> {
    let queue = queue_name(input.queue_url.as_deref())?.to_owned();
    let sent = sqs.send(&queue, vec![input.outgoing(caller)])?.remove(0)?;
    Ok(Value::Object(sent_json(sent)))
}

fn send_batch(sqs: &Sqs, input: BatchInput<SendInput>, caller: &Caller<'_>) -> Result<Value> {
    let ids = check_batch(input.entries.iter().map(|entry| entry.id.as_deref()))?;
    let weigh = |entry: &SendInput| message::size(&entry.message_body, &entry.message_attributes);
    if input.entries.iter().map(weigh).sum::<usize>() > LARGEST_BATCH {
        let message = format!("Batch requests cannot be longer than {LARGEST_BATCH} bytes.");
        return Err(ServiceError::sender("BatchRequestTooLong", message));
    }
    let outgoing = input.entries.into_iter().map(|entry| entry.outgoing(caller)).collect();
    let sent = sqs.send(queue_name(Some(&input.queue_url))?, outgoing)?;
    Ok(batch_json(ids, sent.into_iter().map(|sent| sent.map(sent_json))))
}

fn delete_batch(sqs: &Sqs, input: &BatchInput<HandleInput>) -> Result<Value> {
    let ids = check_batch(input.entries.iter().map(|entry| entry.id.as_deref()))?;
    let handles: Vec<_> = input.entries.iter().map(|entry| entry.receipt_handle.as_str()).collect();
    let deleted = sqs.delete(queue_name(Some(&input.queue_url))?, &handles)?;
    Ok(batch_json(ids, deleted.into_iter().map(|deleted| deleted.map(|()| Map::new()))))
}

fn change_batch(sqs: &Sqs, input: &BatchInput<HandleInput>) -> Result<Value> {
    let ids = check_batch(input.entries.iter().map(|entry| entry.id.as_deref()))?;
    let change = |entry: &'_ HandleInput| visibility(entry);
    let timeouts = input.entries.iter().map(change).collect::<Result<Vec<_>>>()?;
    let changes: Vec<_> =
        input.entries.iter().map(|entry| entry.receipt_handle.as_str()).zip(timeouts).collect();
    let changed = sqs.change_visibility(queue_name(Some(&input.queue_url))?, &changes)?;
    Ok(batch_json(ids, changed.into_iter().map(|changed| changed.map(|()| Map::new()))))
}

/// The ids of a batch's entries, which must be 1 to 10, well-formed and distinct.
fn check_batch<'a>(ids: impl Iterator<Item = Option<&'a str>>) -> Result<Vec<String>> {
    let ids: Vec<String> = ids.map(|id| id.unwrap_or_default().to_owned()).collect();
    let valid = |id: &String| {
        (1..=80).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let refuse = |code, message: &str| Err(ServiceError::sender(code, message));
    match ids.len() {
        0 => refuse("EmptyBatchRequest", "There should be at least one entry in the request."),
        1..=10 if !ids.iter().all(valid) => refuse(
            "InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most \
             80 letters long.",
        ),
        1..=10 if ids.iter().collect::<BTreeSet<_>>().len() < ids.len() => {
            refuse("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
        }
        1..=10 => Ok(ids),
        _ => refuse("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10."),
    }
}

fn batch_json(ids: Vec<String>, results: impl Iterator<Item = Result<Map<String, Value>>>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, result) in ids.into_iter().zip(results) {
        match result {
            Ok(mut json) => {
                json.insert("Id".to_owned(), id.into());
                successful.push(Value::Object(json));
            }
            Err(error) => failed.push(json!({
                "Id": id, "SenderFault": error.status < 500, "Code": codes(&error.code).1, "Message": error.message,
            })),
        }
    }
    let mut answer = json!({ "Successful": successful });
    if !failed.is_empty() {
        answer["Failed"] = failed.into();
    }
    answer
}

fn visibility(input: &HandleInput) -> Result<i64> {
    let seconds = input.visibility_timeout.unwrap_or(-1);
    check_range("VisibilityTimeout", seconds, 0, 43_200)
}

fn check_range(name: &str, value: i64, least: i64, most: i64) -> Result<i64> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let reason =
        format!("Value {value} for parameter {name} is invalid. Reason: Must be between {least} and {most}.");
    Err(request::invalid(reason))
}

async fn receive(sqs: &Sqs, input: ReceiveInput) -> Result<Value> {
    let queue = queue_name(Some(&input.queue_url))?;
    let limit = input.max_number_of_messages.unwrap_or(1);
    check_range("MaxNumberOfMessages", i64::try_from(limit).unwrap_or(i64::MAX), 1, 10)?;
    let visibility =
        input.visibility_timeout.map(|v| check_range("VisibilityTimeout", v, 0, 43_200)).transpose()?;
    let wait = input.wait_time_seconds.map(|wait| check_range("WaitTimeSeconds", wait, 0, 20)).transpose()?;
    let received = sqs.receive(queue, limit, visibility, wait).await?;
    if received.is_empty() {
        return Ok(Value::Null);
    }
    let messages: Vec<_> = received.iter().map(|message| received_json(message, queue, &input)).collect();
    Ok(json!({ "Messages": messages }))
}

fn received_json(message: &Message, queue: &str, input: &ReceiveInput) -> Value {
    let content = &message.content;
    let receipt = Receipt { sequence: message.sequence, receipt: message.receipt };
    let mut json = json!({
        "MessageId": content.id,
        "ReceiptHandle": receipt.encode(queue),
        "MD5OfBody": content.body_md5,
        "Body": content.body,
    });
    let wanted = |name: &String| {
        let mut names = input.attribute_names.iter().chain(&input.message_system_attribute_names);
        names.any(|wanted| wanted == "All" || wanted == name)
    };
    let mut system = request::system_attributes(message, queue.ends_with(".fifo"));
    system.retain(|name, _| wanted(name));
    if !system.is_empty() {
        json["Attributes"] = json!(system);
    }
    let selected: BTreeMap<&String, &Attribute> =
        request::selected(&content.attributes, &input.message_attribute_names);
    if !selected.is_empty() {
        json["MD5OfMessageAttributes"] =
            json!(message::attributes_md5(selected.iter().map(|(n, a)| (*n, *a))));
        json["MessageAttributes"] = json!(selected);
    }
    json
}

fn move_tasks(sqs: &Sqs, input: &MoveInput) -> Value {
    let tasks = sqs.move_tasks(&input.source_arn, input.max_results.unwrap_or(1).clamp(1, 10));
    let results: Vec<_> = tasks
        .iter()
        .map(|task| {
            let mut json = json!({
                "Status": "COMPLETED",
                "SourceArn": task.source,
                "ApproximateNumberOfMessagesMoved": task.moved,
                "ApproximateNumberOfMessagesToMove": task.to_move,
                "StartedTimestamp": task.started,
            });
            if let Some(destination) = &task.destination {
                json["DestinationArn"] = json!(destination);
            }
            json
        })
        .collect();
    json!({ "Results": results })
}
