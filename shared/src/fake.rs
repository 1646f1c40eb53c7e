//! AWS for tests: every request is noted, and answered by a function of the test's own.
//!
//! Below the SDK's clients, so that the edges are tested with them. Not the SDK's own mocks: those need the `test-util`
//! features, and with other features every SDK crate would be compiled a second time.

use crate::clients;
use crate::dynamodb::Store;
use crate::s3::Objects;
use crate::ses::Mailer;
use crate::sqs::Queues;
use crate::streams::Streams;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A request that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// `PutItem`, `SendMessageBatch`, `SendRawEmail`…; for S3 the method and the path, `DELETE /bucket/key`.
    pub operation: String,
    /// The body where it is JSON, otherwise null.
    pub json: Value,
    /// The body as it is.
    pub body: String,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    pub fn json(value: Value) -> Self {
        Self::bytes(value.to_string().into_bytes())
    }

    /// An object of S3.
    pub fn bytes(body: Vec<u8>) -> Self {
        Self { status: 200, body }
    }

    pub fn text(status: u16, body: &str) -> Self {
        Self { status, body: body.as_bytes().to_vec() }
    }

    /// An error of the JSON protocols (DynamoDB, SQS), e.g. `ConditionalCheckFailedException`.
    pub fn error(code: &str) -> Self {
        Self::text(400, &json!({ "__type": format!("com.amazonaws#{code}"), "message": code }).to_string())
    }
}

type Respond = dyn Fn(&Call) -> Option<Answer> + Send + Sync;

/// A fake AWS. Clones are the same one.
#[derive(Clone)]
pub struct FakeAws {
    calls: Arc<Mutex<Vec<Call>>>,
    respond: Arc<Respond>,
    is_yielding: bool,
}

impl Default for FakeAws {
    fn default() -> Self {
        Self::answering(|_| None)
    }
}

impl fmt::Debug for FakeAws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeAws")
    }
}

impl FakeAws {
    /// Answers by `respond`; where that has no answer, as a service does that took the request and has nothing to say.
    pub fn answering(respond: impl Fn(&Call) -> Option<Answer> + Send + Sync + 'static) -> Self {
        Self { calls: Arc::default(), respond: Arc::new(respond), is_yielding: false }
    }

    /// Gives others a turn before each answer, as there is time for while a service works.
    #[must_use]
    pub fn yielding(self) -> Self {
        Self { is_yielding: true, ..self }
    }

    /// Answers the calls of each operation with these in their order, then like [`Self::default`].
    pub fn with(script: impl IntoIterator<Item = (&'static str, Answer)>) -> Self {
        let script: Mutex<VecDeque<_>> = Mutex::new(script.into_iter().collect());
        Self::answering(move |call| {
            let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
            let next = script.iter().position(|(operation, _)| *operation == call.operation)?;
            script.remove(next).map(|(_, answer)| answer)
        })
    }

    /// What this fake answers to a call, without noting it: for fakes that wrap another.
    pub fn respond(&self, call: &Call) -> Option<Answer> {
        (self.respond)(call)
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The operations called so far.
    pub fn operations(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.operation).collect()
    }

    /// The bodies of the calls of one operation.
    pub fn sent(&self, operation: &str) -> Vec<Value> {
        self.calls().into_iter().filter(|call| call.operation == operation).map(|call| call.json).collect()
    }

    /// The bodies of the messages sent by SQS, in their order.
    pub fn messages(&self) -> Vec<Value> {
        let entries = self.sent("SendMessageBatch").into_iter().flat_map(|call| match &call["Entries"] {
            Value::Array(entries) => entries.clone(),
            _ => Vec::new(),
        });
        entries
            .map(|entry| {
                serde_json::from_str(entry["MessageBody"].as_str().unwrap_or_default()).unwrap_or_default()
            })
            .collect()
    }

    /// With tables `notes` and `ledger`.
    pub fn store(&self) -> Store {
        store_over(self.clone(), "notes", "ledger")
    }

    pub fn queues(&self) -> Queues {
        Queues::new(clients::sqs(&self.config()))
    }

    /// With buckets `uploads` and `thumbnails`.
    pub fn objects(&self) -> Objects {
        Objects::new(clients::s3(&self.config(), false), "uploads".into(), "thumbnails".into())
    }

    pub fn mailer(&self) -> Mailer {
        Mailer::new(clients::ses(&self.config()), "notes@example.com".into(), None)
    }

    pub fn streams(&self) -> Streams {
        Streams::new(clients::streams(&self.config()))
    }

    fn config(&self) -> SdkConfig {
        config_over(self.clone())
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let call = call(request);
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call.clone());
        let answer = (self.respond)(&call).unwrap_or_else(|| silence(&call));
        let status = StatusCode::try_from(answer.status).expect("a test answers with an HTTP status");
        HttpResponse::new(status, SdkBody::from(answer.body))
    }
}

/// The handlers' edge to tables that are reached by `connector`, whatever is behind it.
pub fn store_over(connector: impl HttpConnector + 'static, notes: &str, ledger: &str) -> Store {
    Store::new(clients::dynamodb(&config_over(connector)), notes.into(), ledger.into())
}

fn config_over(connector: impl HttpConnector + 'static) -> SdkConfig {
    let connector = SharedHttpConnector::new(connector);
    SdkConfig::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::v2026_01_12())
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "id", "key", None, None, "fake",
        )))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .retry_config(RetryConfig::disabled())
        .build()
}

impl HttpConnector for FakeAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if !self.is_yielding {
            return HttpConnectorFuture::ready(Ok(self.answer(&request)));
        }
        let aws = self.clone();
        HttpConnectorFuture::new(async move {
            tokio::task::yield_now().await;
            Ok(aws.answer(&request))
        })
    }
}

fn call(request: &HttpRequest) -> Call {
    let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
    let path = request.uri().split("://").last().unwrap_or_default();
    let path = path.find('/').map_or("/", |slash| &path[slash..]).split('?').next().unwrap_or_default();
    let target = request.headers().get("x-amz-target");
    let operation = match target {
        Some(target) => target.rsplit('.').next().unwrap_or_default().to_owned(),
        None => match body.strip_prefix("Action=") {
            Some(rest) => rest.split('&').next().unwrap_or_default().to_owned(),
            None => format!("{} {path}", request.method()),
        },
    };
    let mut json: Value = serde_json::from_str(&body).unwrap_or_default();
    if target.is_some_and(|target| target.starts_with("DynamoDB_")) {
        // Not for tests to look at: every request must ask for it.
        let asked = json.as_object_mut().and_then(|json| json.remove("ReturnConsumedCapacity"));
        assert_eq!(asked, Some("TOTAL".into()), "{operation} asks for its capacity units");
    }
    Call { operation, json, body }
}

fn silence(call: &Call) -> Answer {
    match call.operation.as_str() {
        "SendRawEmail" => Answer::text(
            200,
            "<SendRawEmailResponse><SendRawEmailResult><MessageId>ses-1</MessageId></SendRawEmailResult></SendRawEmailResponse>",
        ),
        "SendMessageBatch" => Answer::json(json!({ "Successful": [], "Failed": [] })),
        // Of a bucket and no object: a list.
        operation
            if operation.starts_with("GET /")
                && operation.trim_end_matches('/').matches('/').count() == 1 =>
        {
            Answer::text(200, "<ListBucketResult/>")
        }
        operation if operation.contains(' ') => Answer::text(204, ""),
        _ => Answer::json(json!({})),
    }
}
