//! DynamoDB and DynamoDB Streams: the wire protocol over `dynoxide`'s actions and its SQLite store.

mod arns;
mod records;
mod store;
mod tokens;

use crate::wire::ServiceError;
use crate::{OpenError, Shared, lock};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use dynoxide::actions::vector_lifecycle::VectorIndexLifecycle;
use dynoxide::{DynoxideError, actions};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::{Arc, Mutex};
use store::Store;
use tokens::Tokens;

/// The tables of one file.
pub(crate) struct Dynamo {
    store: Mutex<Store>,
    tokens: Mutex<Tokens>,
    lifecycle: VectorIndexLifecycle,
    shared: Arc<Shared>,
}

type Answer = Result<Vec<u8>, DynoxideError>;

impl Dynamo {
    pub(crate) fn open(directory: &Path, shared: Arc<Shared>) -> Result<Self, OpenError> {
        let records = shared.records.clone();
        let store = Store::open(&directory.join("dynamodb.sqlite"), &shared.clock, move || {
            records.send_modify(|count| *count = count.wrapping_add(1));
        })?;
        Ok(Self {
            store: Mutex::new(store),
            tokens: Mutex::default(),
            lifecycle: VectorIndexLifecycle::default(),
            shared,
        })
    }

    /// Carries out `operation` with the JSON request `body`.
    pub(crate) fn answer(&self, operation: &str, body: &[u8]) -> Response {
        let (status, json) = self.carry_out(operation, body);
        response(status, json)
    }

    /// The ARN of a table's stream, where it has one.
    pub(crate) fn stream_of(&self, table: &str) -> Option<String> {
        let request = serde_json::json!({ "TableName": table }).to_string();
        let (_, answer) = self.carry_out("DescribeTable", request.as_bytes());
        let answer: serde_json::Value = serde_json::from_slice(&answer).ok()?;
        answer["Table"]["LatestStreamArn"].as_str().map(str::to_owned)
    }

    /// The status and the JSON that `operation` with the JSON request `body` is answered with.
    pub(crate) fn carry_out(&self, operation: &str, body: &[u8]) -> (u16, Vec<u8>) {
        match self.dispatch(operation, body) {
            Ok(json) => {
                if is_write(operation) {
                    self.shared.changed();
                }
                (200, json)
            }
            Err(error) => {
                tracing::debug!(operation, %error, "refused");
                (error.status_code(), error.to_json().into_bytes())
            }
        }
    }

    /// Deletes what has expired; returns how many items. Between any two, waiting requests have their turn.
    pub(crate) fn sweep_ttl(&self) -> usize {
        let now = self.shared.clock.now();
        let mut swept = 0;
        loop {
            match lock(&self.store).remove_expired(now) {
                Ok(true) => swept += 1,
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(%error, "expired items could not be deleted");
                    break;
                }
            }
        }
        if swept > 0 {
            self.shared.changed();
        }
        swept
    }

    /// Drops the stream records older than 24 hours.
    pub(crate) fn trim_streams(&self) {
        let now = self.shared.clock.now();
        if let Err(error) = lock(&self.store).trim_streams(now) {
            tracing::error!(%error, "stream records could not be trimmed");
        }
    }

    fn dispatch(&self, operation: &str, body: &[u8]) -> Answer {
        /// Reads the request, carries it out under the lock and hands back the response.
        macro_rules! execute {
            ($action:ident) => {{
                let request = read(body)?;
                let store = lock(&self.store);
                pollster::block_on(actions::$action::execute(store.engine(), request))?
            }};
            ($action:ident, lifecycle) => {{
                let request = read(body)?;
                let store = lock(&self.store);
                pollster::block_on(actions::$action::execute(store.engine(), request, &self.lifecycle))?
            }};
        }
        match operation {
            "PutItem" => write(&execute!(put_item)),
            "GetItem" => write(&execute!(get_item)),
            "UpdateItem" => write(&execute!(update_item)),
            "DeleteItem" => write(&execute!(delete_item)),
            "Query" => write(&execute!(query)),
            "Scan" => write(&execute!(scan)),
            "BatchGetItem" => write(&execute!(batch_get_item)),
            "BatchWriteItem" => write(&execute!(batch_write_item)),
            "TransactGetItems" => write(&execute!(transact_get_items)),
            "TransactWriteItems" => {
                self.once(body, "TransactItems", || write(&execute!(transact_write_items)))
            }
            "ExecuteStatement" => write(&execute!(execute_statement)),
            "ExecuteTransaction" => {
                self.once(body, "TransactStatements", || write(&execute!(execute_transaction)))
            }
            "BatchExecuteStatement" => write(&execute!(batch_execute_statement)),
            "GetRecords" => write(&records::Records::of(execute!(get_records), &self.shared.region)),
            "GetShardIterator" => write(&execute!(get_shard_iterator)),
            "DescribeStream" => write(&execute!(describe_stream)),
            "ListStreams" => {
                let mut request = read::<actions::list_streams::ListStreamsRequest>(body)?;
                arns::to_engine(&mut request.exclusive_start_stream_arn, &self.shared);
                let listed =
                    pollster::block_on(actions::list_streams::execute(lock(&self.store).engine(), request))?;
                write(&self.located(listed))
            }
            "CreateTable" => write(&self.located(execute!(create_table))),
            "DescribeTable" => write(&self.located(execute!(describe_table, lifecycle))),
            "UpdateTable" => write(&self.located(execute!(update_table, lifecycle))),
            "DeleteTable" => write(&self.located(execute!(delete_table, lifecycle))),
            "ListTables" => write(&execute!(list_tables)),
            "UpdateTimeToLive" => write(&execute!(update_time_to_live)),
            "DescribeTimeToLive" => write(&execute!(describe_time_to_live)),
            "TagResource" => write(&execute!(tag_resource)),
            "UntagResource" => write(&execute!(untag_resource)),
            "ListTagsOfResource" => write(&execute!(list_tags_of_resource)),
            "DescribeContinuousBackups" => Ok(continuous_backups()),
            "UpdateContinuousBackups" => Ok(continuous_backups()),
            _ => Err(DynoxideError::UnsupportedCapability(operation.to_owned())),
        }
    }

    fn located<R: arns::Located>(&self, mut response: R) -> R {
        response.locate(&self.shared);
        response
    }

    /// Carries a transaction out once per `ClientRequestToken`; a repeat gets the first answer.
    fn once(&self, body: &[u8], content: &str, carry_out: impl FnOnce() -> Answer) -> Answer {
        let Some(claim) = tokens::Claim::read(body, content) else {
            return carry_out();
        };
        // Held throughout, so that a repeat that arrives meanwhile waits for the first.
        let mut tokens = lock(&self.tokens);
        let now = std::time::Instant::now();
        match tokens.recall(&claim, now) {
            tokens::Recall::Same(answer) => Ok(answer),
            tokens::Recall::Different => Err(DynoxideError::IdempotentParameterMismatchException(
                "The request uses the same client token as a previous, but non-identical request.".to_owned(),
            )),
            tokens::Recall::Unknown => {
                let answer = carry_out()?;
                tokens.remember(claim, answer.clone(), now);
                Ok(answer)
            }
        }
    }
}

fn is_write(operation: &str) -> bool {
    matches!(
        operation,
        "PutItem"
            | "UpdateItem"
            | "DeleteItem"
            | "BatchWriteItem"
            | "TransactWriteItems"
            | "ExecuteStatement"
            | "ExecuteTransaction"
            | "BatchExecuteStatement"
    )
}

fn continuous_backups() -> Vec<u8> {
    br#"{"ContinuousBackupsDescription":{"ContinuousBackupsStatus":"ENABLED","PointInTimeRecoveryDescription":{"PointInTimeRecoveryStatus":"ENABLED"}}}"#.to_vec()
}

/// Reads a request. The engine's own types put the class of a refusal in front of its text.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, DynoxideError> {
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        let plain = text.split(" at line ").next().unwrap_or(&text);
        for (marker, class) in MARKERS {
            if let Some(message) = plain.strip_prefix(marker) {
                return class(message.to_owned());
            }
        }
        let invalid = ["missing field", "unknown variant", "invalid type: null", "AttributeValue"];
        if invalid.iter().any(|sign| plain.contains(sign)) {
            return DynoxideError::ValidationException(plain.to_owned());
        }
        DynoxideError::SerializationException(plain.to_owned())
    })
}

type Class = fn(String) -> DynoxideError;

const MARKERS: [(&str, Class); 5] = [
    ("VALIDATION_AS_READ:", DynoxideError::ValidationException),
    ("VALIDATION_REQUEST:", DynoxideError::ValidationException),
    ("VALIDATION:", DynoxideError::ValidationException),
    ("SERIALIZATION_AS_READ:", DynoxideError::SerializationException),
    ("SERIALIZATION:", DynoxideError::SerializationException),
];

fn write<T: Serialize>(response: &T) -> Answer {
    serde_json::to_vec(response).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// A response with the checksum and request id that DynamoDB's clients look at.
fn response(status: u16, json: Vec<u8>) -> Response {
    let checksum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &json);
    let mut response = Response::new(Body::from(Bytes::from(json)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    headers.insert(HeaderName::from_static("x-amz-crc32"), HeaderValue::from(checksum));
    let mut id = [0; uuid::fmt::Simple::LENGTH];
    let id = uuid::Uuid::new_v4().simple().encode_upper(&mut id);
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}

/// An error of ours (of authentication, or injected) in DynamoDB's shape.
pub(crate) fn error_response(error: &ServiceError) -> Response {
    let namespace = if error.code.ends_with("ProvisionedThroughputExceededException") {
        "com.amazonaws.dynamodb.v20120810"
    } else {
        "com.amazon.coral.service"
    };
    let body =
        serde_json::json!({ "__type": format!("{namespace}#{}", error.code), "message": error.message });
    response(error.status, body.to_string().into_bytes())
}

#[cfg(test)]
mod capacity_tests;
#[cfg(test)]
mod tests;
