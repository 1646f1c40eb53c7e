//! What a handler's `main` wires: logging, the environment, the AWS clients, and the loop that takes invocations.

use crate::clients;
use crate::concurrent;
use crate::dynamodb::Store;
use crate::json::Object;
use crate::metrics;
use crate::s3::Objects;
use crate::ses::Mailer;
use crate::signing::SigningKeys;
use crate::sqs::Queues;
use crate::streams::Streams;
use crate::trust;
use crate::usage::{log_invocation, measured};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::{BehaviorVersion, IdentityCache, StalledStreamProtectionConfig};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::env;
use std::pin::Pin;
use std::time::{Duration, Instant};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;

pub use lambda_runtime::{Error, LambdaEvent};

/// Starts logging: JSON, one line an event, to standard output, at the level Lambda asks for. A panic is logged by its place,
/// since its text may quote a note, and ends the process: on a laptop too, as deployed (see `panic` in Cargo.toml).
pub fn start_logging() {
    let level = log_level(env::var("AWS_LAMBDA_LOG_LEVEL").as_deref().unwrap_or_default());
    // The SDK's and the runtime's own lines would say what the outcome line already says.
    let quiet = ["aws", "lambda_runtime", "hyper"].map(|target| (target, level.min(LevelFilter::WARN)));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_filter(Targets::new().with_default(level).with_targets(quiet));
    // Fails only where one is set already, and then that one is as good.
    if tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines)).is_err() {
        tracing::debug!("logging was started before");
    }
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(place = panic.location().map(tracing::field::display), "panic");
        std::process::abort()
    }));
}

/// A level of Lambda's as `tracing` has it.
fn log_level(name: &str) -> LevelFilter {
    match name {
        "FATAL" => LevelFilter::ERROR,
        "" => LevelFilter::INFO,
        name => name.parse().unwrap_or(LevelFilter::INFO),
    }
}

/// Reads a variable that the template sets.
pub fn variable(name: &str) -> Result<String, Error> {
    env::var(name).map_err(|_| format!("the environment variable {name} is not set").into())
}

/// The signing keys of `SIGNING_KEYS`, newest first, separated by commas.
pub fn signing_keys() -> Result<SigningKeys, Error> {
    SigningKeys::parse(&variable("SIGNING_KEYS")?).ok_or_else(|| "SIGNING_KEYS holds no key".into())
}

/// The AWS clients, over one configuration and one connection pool.
pub struct Aws {
    config: SdkConfig,
    endpoint_is_local: bool,
}

impl Aws {
    /// Reads region, credentials and endpoint as Lambda sets them.
    ///
    /// By hand and not by `aws-config`: a function's credentials are always in its environment, and looking elsewhere
    /// costs binary size and start-up.
    pub fn from_environment() -> Result<Self, Error> {
        let credentials = Credentials::new(
            variable("AWS_ACCESS_KEY_ID")?,
            variable("AWS_SECRET_ACCESS_KEY")?,
            env::var("AWS_SESSION_TOKEN").ok().filter(|token| !token.is_empty()),
            None,
            "environment",
        );
        let endpoint = env::var("AWS_ENDPOINT_URL").ok().filter(|url| !url.is_empty());
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(variable("AWS_REGION")?))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(trust::http_client(endpoint.as_deref())?)
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(3)
                    .with_initial_backoff(Duration::from_millis(50))
                    .with_max_backoff(Duration::from_secs(2)),
            )
            .timeout_config(
                TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(20)).build(),
            )
            // They are as they are until the environment ends, so that there is nothing to look up.
            .identity_cache(IdentityCache::no_cache())
            // Answers are small, and an attempt has its time. Only S3's bodies come in streams.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .sleep_impl(aws_smithy_async_sleep());
        if let Some(url) = &endpoint {
            config = config.endpoint_url(url);
        }
        Ok(Self { config: config.build(), endpoint_is_local: endpoint.is_some() })
    }

    pub fn store(&self) -> Result<Store, Error> {
        // A function is given only the tables it uses; the other name is then never looked at.
        let table = |name| env::var(name).unwrap_or_default();
        Ok(Store::new(clients::dynamodb(&self.config), table("NOTES_TABLE"), table("LEDGER_TABLE")))
    }

    pub fn objects(&self) -> Objects {
        // Another endpoint has no wildcard host names for buckets.
        let client = clients::s3(&self.config, !self.endpoint_is_local);
        let bucket = |name| env::var(name).unwrap_or_default();
        Objects::new(client, bucket("UPLOADS_BUCKET"), bucket("THUMBNAILS_BUCKET"))
    }

    pub fn queues(&self) -> Queues {
        Queues::new(clients::sqs(&self.config))
    }

    pub fn mailer(&self) -> Result<Mailer, Error> {
        let client = clients::ses(&self.config);
        Ok(Mailer::new(client, variable("SENDER_ADDRESS")?, env::var("CONFIGURATION_SET").ok()))
    }

    pub fn streams(&self) -> Streams {
        Streams::new(clients::streams(&self.config))
    }
}

fn aws_smithy_async_sleep() -> aws_smithy_async::rt::sleep::SharedAsyncSleep {
    aws_smithy_async::rt::sleep::SharedAsyncSleep::new(aws_smithy_async::rt::sleep::TokioSleep::new())
}

/// How long an invocation may still run.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// From an invocation's context; the margin is kept for what must be written at the end.
    pub fn of<T>(event: &LambdaEvent<T>, margin: Duration) -> Self {
        let left = event.context.deadline().duration_since(std::time::SystemTime::now()).unwrap_or_default();
        Self(Instant::now() + left.saturating_sub(margin))
    }

    /// A deadline `left` from now.
    pub fn after(left: Duration) -> Self {
        Self(Instant::now() + left)
    }

    pub fn has_passed(self) -> bool {
        Instant::now() >= self.0
    }

    /// Whether there is time for something that takes so long.
    pub fn leaves(self, time: Duration) -> bool {
        self.0.saturating_duration_since(Instant::now()) >= time
    }
}

/// Takes invocations until the environment ends, giving each to `work`, and logs each in one line.
///
/// # Errors
/// When the Runtime API is gone.
pub async fn run<E, R, F, Fut>(work: F) -> Result<(), Error>
where
    E: DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    F: Fn(LambdaEvent<E>) -> Fut,
    Fut: Future<Output = Result<R, Error>>,
{
    let work = &work;
    serve(move |event: LambdaEvent<E>| async move {
        let started = Instant::now();
        let context = event.context.clone();
        let (request_id, function) = (context.request_id.as_str(), context.env_config.function_name.as_str());
        let (result, usage) = measured(metrics::told(function, request_id, work(event))).await;
        let duration_ms = started.elapsed().as_secs_f64() * 1e3;
        match &result {
            Ok(_) => log_invocation!(info, usage, request_id, function, duration_ms, "invocation"),
            Err(error) => {
                log_invocation!(error, usage, request_id, function, duration_ms, %error, "invocation")
            }
        }
        result
    })
    .await
}

/// The work on one invocation.
type Boxed<'a, R> = Pin<Box<dyn Future<Output = Result<R, Error>> + 'a>>;

/// Takes invocations until the environment ends, one at a time or, on Lambda Managed Instances, several; `work` logs for
/// itself.
pub(crate) async fn serve<E, R, F, Fut>(work: F) -> Result<(), Error>
where
    E: DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    F: Fn(LambdaEvent<E>) -> Fut,
    Fut: Future<Output = Result<R, Error>>,
{
    let work = &work;
    // In a box of one type, so that the work is compiled once for both ways to run it.
    let strict =
        move |LambdaEvent { payload: Object(payload), context }: LambdaEvent<Object<E>>| -> Boxed<'_, R> {
            Box::pin(work(LambdaEvent { payload, context }))
        };
    // Lambda sets it where an environment gets several invocations at a time.
    let concurrency = env::var("AWS_LAMBDA_MAX_CONCURRENCY").ok().and_then(|number| number.parse().ok());
    match concurrency {
        Some(2_u32..) => concurrent::serve(strict).await,
        _ => lambda_runtime::run(lambda_runtime::service_fn(strict)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a process of this test's own does when this is set.
    const PANIC: &str = "PANIC_FOR_A_TEST";

    #[test]
    fn a_panic_is_logged_without_its_text_and_ends_the_process() {
        if env::var_os(PANIC).is_some() {
            start_logging();
            panic!("a note's text");
        }
        let name = "runtime::tests::a_panic_is_logged_without_its_text_and_ends_the_process";
        let mut itself = std::process::Command::new(env::current_exe().unwrap());
        let ended = itself.args(["--exact", name, "--nocapture"]).env(PANIC, "1").output().unwrap();
        assert_eq!(ended.status.code(), None, "it aborts");
        let said = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
        assert!(said.contains("\"message\":\"panic\"") && said.contains("src/runtime.rs:"), "{said}");
        assert!(!said.contains("a note's text"), "{said}");
    }

    #[test]
    fn every_level_of_lambdas_is_known() {
        let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "", "LOUD"].map(log_level);
        let expected = [
            LevelFilter::TRACE,
            LevelFilter::DEBUG,
            LevelFilter::INFO,
            LevelFilter::WARN,
            LevelFilter::ERROR,
            LevelFilter::ERROR,
            LevelFilter::INFO,
            LevelFilter::INFO,
        ];
        assert_eq!(levels, expected);
    }
}
