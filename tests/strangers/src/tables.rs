//! The two tables of the template in an embedded emulator, and the SDK's client of them.

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use emulator::{Clock, Emulator, Options};
use serde_json::{Value, json};
use shared::dynamodb::Store;
use shared::fake::store_over;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Opens the emulator in `directory`, and makes the tables that the template has.
pub(crate) fn open(directory: &Path) -> Emulator {
    let emulator = Emulator::open(Options {
        directory: directory.to_owned(),
        region: "us-east-1".into(),
        account: "000000000000".into(),
        clock: Clock::default(),
        // Nobody calls from outside.
        credentials: Arc::new(|_| None),
    })
    .expect("an empty directory");
    for name in ["NotesTable", "LedgerTable"] {
        call(&emulator, "CreateTable", &creation(name));
    }
    emulator
}

/// What the emulator answers to a request that must succeed.
pub(crate) fn call(emulator: &Emulator, operation: &str, request: &Value) -> Value {
    let (status, answer) = emulator.dynamodb(operation, request.to_string().as_bytes());
    assert_eq!(status, 200, "{operation}: {}", String::from_utf8_lossy(&answer));
    serde_json::from_slice(&answer).expect("JSON")
}

/// `CreateTable` for one of the template's tables, which is named after its resource.
fn creation(name: &str) -> Value {
    let template: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(include_str!("../../../template.yaml")).expect("the template is YAML");
    let properties = &template["Resources"][name]["Properties"];
    let property = |name: &str| serde_json::to_value(&properties[name]).expect("plain YAML");
    let mut creation = json!({ "TableName": name });
    for copied in ["AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes"] {
        if !properties[copied].is_null() {
            creation[copied] = property(copied);
        }
    }
    if let Value::Object(mut stream) = property("StreamSpecification") {
        stream.insert("StreamEnabled".into(), json!(true));
        creation["StreamSpecification"] = Value::Object(stream);
    }
    creation
}

/// The handlers' edge to the tables.
pub(crate) fn store(emulator: &Emulator) -> Store {
    store_over(InProcess(emulator.clone()), "NotesTable", "LedgerTable")
}

/// What carries the SDK's requests to the emulator.
#[derive(Clone)]
struct InProcess(Emulator);

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (emulator, target) = (self.0.clone(), request.headers().get("x-amz-target").unwrap_or_default());
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        HttpConnectorFuture::new(async move {
            // So that what is done at the same time alternates.
            tokio::task::yield_now().await;
            let (status, body) = emulator.dynamodb(&operation, request.body().bytes().unwrap_or_default());
            let status = StatusCode::try_from(status).expect("the emulator answers with an HTTP status");
            Ok(HttpResponse::new(status, SdkBody::from(body)))
        })
    }
}
