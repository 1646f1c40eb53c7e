//! The AWS SDK's clients for one endpoint, over one HTTP client that all of them share.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use https_client::{CertificateError, Roots};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An endpoint that is being started needs a moment; one that is gone should be told of soon.
const ATTEMPTS: u32 = 4;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Above the 20 s that an SQS long poll may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// Names a PEM file with the certificates that an endpoint's own must come from, in place of the system's: as with all of
/// AWS's tools.
pub const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// The file that `AWS_CA_BUNDLE` names, wherever one looks from.
///
/// # Errors
/// When the path cannot be made absolute.
pub fn ca_bundle() -> Result<Option<PathBuf>, ClientError> {
    let Some(path) =
        std::env::var_os(CA_BUNDLE).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty())
    else {
        return Ok(None);
    };
    match std::path::absolute(&path) {
        Ok(path) => Ok(Some(path)),
        Err(source) => Err(ClientError::CertificateFile { path, source }),
    }
}

/// Why no clients could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{CA_BUNDLE} names {path}, which cannot be read: {source}")]
    CertificateFile { path: PathBuf, source: std::io::Error },
    #[error("{CA_BUNDLE} names {path}, which cannot be used: {source}")]
    Certificates { path: PathBuf, source: CertificateError },
    #[error("TLS cannot be had: {0}")]
    Tls(#[from] CertificateError),
}

/// A client of each data service. Clones share connections.
#[derive(Clone, Debug)]
pub struct Clients {
    pub dynamodb: aws_sdk_dynamodb::Client,
    pub lambda: aws_sdk_lambda::Client,
    pub streams: aws_sdk_dynamodbstreams::Client,
    pub s3: aws_sdk_s3::Client,
    pub sqs: aws_sdk_sqs::Client,
    pub ses: aws_sdk_ses::Client,
    pub sns: aws_sdk_sns::Client,
}

impl Clients {
    /// Clients for everything behind the endpoint at `url`, for example `http://127.0.0.1:4566`.
    ///
    /// # Errors
    /// When `AWS_CA_BUNDLE` is set and unusable.
    pub fn new(url: &str, region: &str, credentials: Credentials) -> Result<Self, ClientError> {
        Self::trusting(url, region, credentials, ca_bundle()?.as_deref())
    }

    /// The same, with another file of certificates than the environment names, or the system's.
    ///
    /// # Errors
    /// When `ca_bundle` is unusable.
    pub fn trusting(
        url: &str,
        region: &str,
        credentials: Credentials,
        ca_bundle: Option<&Path>,
    ) -> Result<Self, ClientError> {
        let config = SdkConfig::builder()
            .behavior_version(behavior_version())
            .region(Region::new(region.to_owned()))
            .endpoint_url(url)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client(ca_bundle)?)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts())
            // A loopback endpoint that is paused (a debugger, a moved clock) is not a broken one.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        // Host names like bucket.127.0.0.1 lead nowhere.
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Ok(Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            lambda: aws_sdk_lambda::Client::new(&config),
            streams: aws_sdk_dynamodbstreams::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            sqs: aws_sdk_sqs::Client::new(&config),
            ses: aws_sdk_ses::Client::new(&config),
            sns: aws_sdk_sns::Client::new(&config),
        })
    }

    /// The same, with functions that are elsewhere than the data.
    #[must_use]
    pub fn with_functions_at(self, url: &str) -> Self {
        let config = self.lambda.config().to_builder().endpoint_url(url).build();
        Self { lambda: aws_sdk_lambda::Client::from_conf(config), ..self }
    }
}

/// The configuration that AWS's own command line would use here: profile, region, credentials, endpoint.
///
/// # Errors
/// When `AWS_CA_BUNDLE` is set and unusable.
pub async fn of_aws() -> Result<SdkConfig, ClientError> {
    let loader = aws_config::defaults(behavior_version()).http_client(http_client(ca_bundle()?.as_deref())?);
    Ok(loader.timeout_config(timeouts()).load().await)
}

/// Pinned: an update of the SDK must not change how this host behaves.
fn behavior_version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build()
}

/// Speaks HTTP and HTTPS.
fn http_client(ca_bundle: Option<&Path>) -> Result<SharedHttpClient, ClientError> {
    let Some(path) = ca_bundle else {
        return Ok(https_client::client(&Roots::System, CONNECT_TIMEOUT)?);
    };
    let pem = std::fs::read(path)
        .map_err(|source| ClientError::CertificateFile { path: path.to_owned(), source })?;
    https_client::client(&Roots::Pem(pem.into()), CONNECT_TIMEOUT)
        .map_err(|source| ClientError::Certificates { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_cannot_be_read_is_named() {
        let credentials = Credentials::from_keys("a", "b", None);
        let bundle = Path::new("/nowhere/bundle.pem");
        let error = Clients::trusting("https://127.0.0.1:1", "us-east-1", credentials, Some(bundle));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(CA_BUNDLE) && error.contains("/nowhere/bundle.pem"), "{error}");
    }

    #[tokio::test]
    async fn a_request_reaches_a_plain_endpoint() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer =
            || async { ([("content-type", "application/x-amz-json-1.0")], r#"{"QueueUrls":["u"]}"#) };
        let app = axum::Router::new().route("/", axum::routing::post(answer));
        let server = tokio::spawn(async move { axum::serve(listener, app).await });
        let credentials = Credentials::from_keys("a", "b", None);
        let clients = Clients::new(&url, "us-east-1", credentials).unwrap();
        let queues = clients.sqs.list_queues().send().await.unwrap();
        assert_eq!(queues.queue_urls(), ["u"]);
        server.abort();
    }
}
