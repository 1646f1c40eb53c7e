//! What a template describes, after every parameter, condition and intrinsic is resolved: the plan that the rest of the
//! host carries out. Nothing here knows YAML, and nothing here runs.

use chrono::{DateTime, Utc};
use emulator::access::Statement;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// A resolved SAM application.
#[derive(Clone, Debug, Default)]
pub struct App {
    pub functions: Vec<Function>,
    pub http_api: Option<HttpApi>,
    pub tables: Vec<Table>,
    pub queues: Vec<Queue>,
    pub buckets: Vec<Bucket>,
    pub topics: Vec<Topic>,
    pub subscriptions: Vec<Subscription>,
    pub identities: Vec<String>,
    pub configuration_sets: Vec<ConfigurationSet>,
    pub stream_sources: Vec<StreamSource>,
    pub queue_sources: Vec<QueueSource>,
    pub bucket_sources: Vec<BucketSource>,
    pub schedules: Vec<Schedule>,
    /// Functions whose role the template writes out; the others have one that SAM makes.
    pub with_own_role: BTreeSet<String>,
    /// Template outputs by name, resolved.
    pub outputs: BTreeMap<String, String>,
}

impl App {
    /// The names of the queues in which failures end: of queues, streams, asynchronous invocations and schedules.
    pub fn dead_letter_queues(&self) -> Vec<String> {
        let arns: BTreeSet<String> = self
            .queues
            .iter()
            .filter_map(Queue::redrive_target)
            .chain(self.stream_sources.iter().filter_map(|source| source.on_failure.clone()))
            .chain(self.functions.iter().filter_map(|function| function.asynchronous.on_failure.clone()))
            .chain(self.functions.iter().filter_map(|found| found.asynchronous.dead_letter_queue.clone()))
            .chain(self.schedules.iter().filter_map(|schedule| schedule.dead_letter_queue.clone()))
            .collect();
        self.queues.iter().filter(|queue| arns.contains(&queue.arn)).map(|queue| queue.name.clone()).collect()
    }
}

/// A Lambda function.
#[derive(Clone, Debug)]
pub struct Function {
    /// The logical id, which is also the function's name here.
    pub name: String,
    pub arn: String,
    /// What the function's `bootstrap` is told to run; most run one thing and do not ask.
    pub handler: String,
    pub memory_megabytes: u32,
    pub timeout: Duration,
    pub environment: BTreeMap<String, String>,
    pub build: Build,
    /// `EventInvokeConfig` or AWS's defaults: how asynchronous invocations are retried and where they end.
    pub asynchronous: Asynchronous,
    /// What the function's role allows and denies.
    pub policies: Vec<Statement>,
}

/// How a function's executable comes to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Build {
    /// `BuildMethod: rust-cargolambda`: a cargo binary of the workspace at `workspace`.
    Cargo { workspace: PathBuf, binary: String },
    /// `BuildMethod: makefile`: what `make build-<logical id>` in `directory` leaves in `ARTIFACTS_DIR`, which must be an
    /// executable called `bootstrap`.
    Make { directory: PathBuf },
    /// No build method: `CodeUri` is a directory that holds an executable called `bootstrap`.
    Prebuilt { bootstrap: PathBuf },
}

/// Retry rules of asynchronous invocations (S3, Scheduler, `Event` invokes).
#[derive(Clone, Debug)]
pub struct Asynchronous {
    /// 0–2; AWS's default is 2.
    pub maximum_retry_attempts: u32,
    /// 60 s – 6 h; AWS's default is 6 h.
    pub maximum_event_age: Duration,
    /// ARN of the on-failure destination.
    pub on_failure: Option<String>,
    /// ARN of the function's dead-letter queue. With a destination as well both are told.
    pub dead_letter_queue: Option<String>,
}

impl Default for Asynchronous {
    fn default() -> Self {
        Self {
            maximum_retry_attempts: 2,
            maximum_event_age: Duration::from_secs(6 * 3600),
            on_failure: None,
            dead_letter_queue: None,
        }
    }
}

/// An API Gateway HTTP API.
#[derive(Clone, Debug, Default)]
pub struct HttpApi {
    pub id: String,
    pub routes: Vec<Route>,
    /// By authorizer name.
    pub authorizers: BTreeMap<String, JwtAuthorizer>,
    pub cors: Option<Cors>,
    pub throttle: Option<Throttle>,
}

/// One route of the HTTP API: `route_key` is what the event carries, e.g. `GET /notes/{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub method: String,
    pub path: String,
    pub function: String,
    /// The authorizer's name; `None` for an open route.
    pub authorizer: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtAuthorizer {
    pub issuer: String,
    pub audience: Vec<String>,
    /// For example `$request.header.Authorization`.
    pub identity_source: String,
    pub scopes: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    pub allow_origins: Vec<String>,
    pub allow_methods: Vec<String>,
    pub allow_headers: Vec<String>,
    pub expose_headers: Vec<String>,
    pub max_age: Option<u32>,
    pub allow_credentials: bool,
}

/// Token bucket: `rate` requests a second, `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    pub rate: f64,
    pub burst: u32,
}

/// A DynamoDB table, as `CreateTable` and `UpdateTimeToLive` want it.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub arn: String,
    /// The body of `CreateTable` in DynamoDB's own JSON.
    pub create: Value,
    pub ttl_attribute: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Queue {
    pub name: String,
    pub arn: String,
    /// What `Ref` came to; the endpoint may call it otherwise once it was made.
    pub url: String,
    /// What `CreateQueue` takes as `Attributes`, `RedrivePolicy` included.
    pub attributes: BTreeMap<String, String>,
}

impl Queue {
    /// The ARN of the queue that its dead letters go to.
    pub fn redrive_target(&self) -> Option<String> {
        redrive_target(self.attributes.get("RedrivePolicy")?)
    }
}

/// The ARN of the queue that a redrive policy names.
pub fn redrive_target(policy: &str) -> Option<String> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    policy["deadLetterTargetArn"].as_str().map(ToOwned::to_owned)
}

/// The name at the end of an ARN.
pub fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

#[derive(Clone, Debug)]
pub struct Bucket {
    pub name: String,
    /// The body of `PutBucketCors` in CloudFormation's shape, resolved: a list of rules.
    pub cors_rules: Vec<CorsRule>,
    pub notifications: Vec<BucketNotification>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorsRule {
    pub allowed_origins: Vec<String>,
    pub allowed_methods: Vec<String>,
    pub allowed_headers: Vec<String>,
    pub exposed_headers: Vec<String>,
    pub max_age: Option<i32>,
}

/// Objects of `event` under `prefix` and ending in `suffix` are told to `queue_arn`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketNotification {
    pub event: String,
    pub queue_arn: String,
    pub prefix: Option<String>,
    pub suffix: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Topic {
    pub name: String,
    pub arn: String,
}

#[derive(Clone, Debug)]
pub struct Subscription {
    pub topic_arn: String,
    pub protocol: String,
    pub endpoint: String,
    pub raw_message_delivery: bool,
}

#[derive(Clone, Debug)]
pub struct ConfigurationSet {
    pub name: String,
    pub destinations: Vec<EventDestination>,
}

/// SES events of `event_types` (lower case, as CloudFormation has them) go to `topic_arn`.
#[derive(Clone, Debug)]
pub struct EventDestination {
    pub name: String,
    pub event_types: Vec<String>,
    pub topic_arn: String,
}

/// Buckets that call a function themselves, without waiting for it. A queue stands between, from which the host passes
/// their events on as asynchronous invocations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketSource {
    pub id: String,
    pub function: String,
    pub queue_name: String,
}

/// A DynamoDB stream event source mapping.
#[derive(Clone, Debug)]
pub struct StreamSource {
    /// `<function>.<event name>`, stable over restarts: checkpoints are kept under it.
    pub id: String,
    pub function: String,
    pub table: String,
    pub starting_position: StartingPosition,
    pub batch_size: u32,
    pub window: Duration,
    /// −1 in the template is `None`: until the record expires.
    pub maximum_retry_attempts: Option<u32>,
    pub maximum_record_age: Option<Duration>,
    pub bisect_on_error: bool,
    pub parallelization_factor: u32,
    pub report_batch_item_failures: bool,
    pub on_failure: Option<String>,
    /// Lambda filter patterns as JSON; a record passes when any matches, or when there is none.
    pub filters: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartingPosition {
    TrimHorizon,
    Latest,
}

/// An SQS event source mapping.
#[derive(Clone, Debug)]
pub struct QueueSource {
    pub id: String,
    pub function: String,
    pub queue_arn: String,
    pub queue_name: String,
    pub batch_size: u32,
    pub window: Duration,
    pub report_batch_item_failures: bool,
    pub maximum_concurrency: Option<u32>,
    pub filters: Vec<Value>,
}

/// An EventBridge Scheduler schedule that invokes a function.
#[derive(Clone, Debug, Serialize)]
pub struct Schedule {
    /// Logical id of function and event, e.g. `DailyReportFunction.EveryMorning`.
    pub name: String,
    pub function: String,
    /// `cron(…)`, `rate(…)` or `at(…)`.
    pub expression: String,
    /// IANA name.
    pub time_zone: String,
    /// No occurrence before this; a rate counts from here.
    pub start: Option<DateTime<Utc>>,
    /// No occurrence after this.
    pub end: Option<DateTime<Utc>>,
    /// Text sent as it stands, after `<aws.scheduler.…>` is replaced. `None`: Scheduler's default event.
    pub input: Option<String>,
    pub enabled: bool,
    pub maximum_retry_attempts: u32,
    #[serde(skip)]
    pub maximum_event_age: Duration,
    /// ARN of the schedule's dead-letter queue.
    pub dead_letter_queue: Option<String>,
}
