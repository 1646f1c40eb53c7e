//! AWS as this function sees it, in memory: one attachment, one upload, and every request that was made.
//!
//! Written out instead of `aws-smithy-mocks`, whose `test-util` features would make the whole SDK compile twice.

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use shared::dynamodb::Store;
use shared::s3::Objects;
use shared::sqs::Queues;
use std::sync::{Arc, Mutex};

/// What AWS holds and does.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The attachment's item, as DynamoDB's JSON.
    pub(crate) item: Option<Value>,
    pub(crate) upload: Option<Vec<u8>>,
    /// The item goes while thumbnails are stored.
    pub(crate) loses_the_item: bool,
    /// S3 answers 503.
    pub(crate) has_no_s3: bool,
    pub(crate) requests: Vec<Request>,
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GetItem`, or `PUT /bucket/key`.
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct FakeAws(Arc<Mutex<State>>);

impl FakeAws {
    pub(crate) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// The requests whose name starts so.
    pub(crate) fn requests(&self, start: &str) -> Vec<Request> {
        let state = self.0.lock().unwrap();
        state.requests.iter().filter(|request| request.name.starts_with(start)).cloned().collect()
    }

    pub(crate) fn store(&self) -> Store {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::v2026_01_12())
            .region(aws_sdk_dynamodb::config::Region::new("eu-west-1"))
            .credentials_provider(credentials())
            .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
            .http_client(self.client())
            .build();
        Store::new(aws_sdk_dynamodb::Client::from_conf(config), "notes".into(), "ledger".into())
    }

    pub(crate) fn objects(&self) -> Objects {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::v2026_01_12())
            .region(aws_sdk_s3::config::Region::new("eu-west-1"))
            .credentials_provider(credentials())
            .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
            .http_client(self.client())
            .force_path_style(true)
            .build();
        Objects::new(aws_sdk_s3::Client::from_conf(config), String::new(), "thumbnails".into())
    }

    pub(crate) fn queues(&self) -> Queues {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::v2026_01_12())
            .region(aws_sdk_sqs::config::Region::new("eu-west-1"))
            .credentials_provider(credentials())
            .http_client(self.client())
            .build();
        Queues::new(aws_sdk_sqs::Client::from_conf(config))
    }

    fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }
}

fn credentials() -> aws_credential_types::Credentials {
    aws_credential_types::Credentials::new("key", "secret", None, None, "test")
}

impl HttpConnector for FakeAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut state = self.0.lock().unwrap();
        let name = name(&request);
        let body = request.body().bytes().unwrap_or_default().to_vec();
        state.requests.push(Request { name: name.clone(), body });
        let (status, body) = state.answer(&name);
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))))
    }
}

fn name(request: &HttpRequest) -> String {
    match request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next()) {
        Some(operation) => operation.to_owned(),
        None => {
            let uri: http::Uri = request.uri().parse().unwrap();
            format!("{} {}", request.method(), uri.path())
        }
    }
}

impl State {
    fn answer(&mut self, name: &str) -> (u16, Vec<u8>) {
        let json = |value: &Value| value.to_string().into_bytes();
        match name.split(' ').next().unwrap_or_default() {
            "GetItem" => match &self.item {
                Some(item) => (200, json(&json!({ "Item": item }))),
                None => (200, json(&json!({}))),
            },
            "UpdateItem" if self.item.is_none() => (
                400,
                json(
                    &json!({ "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException" }),
                ),
            ),
            "GET" | "PUT" | "DELETE" if self.has_no_s3 => {
                (503, b"<Error><Code>SlowDown</Code></Error>".to_vec())
            }
            "GET" => match &self.upload {
                Some(upload) => (200, upload.clone()),
                None => (404, b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
            },
            "PUT" if self.loses_the_item => {
                self.item = None;
                (200, Vec::new())
            }
            "DELETE" => (204, Vec::new()),
            "UpdateItem" | "ChangeMessageVisibility" => (200, b"{}".to_vec()),
            _ => (200, Vec::new()),
        }
    }
}
