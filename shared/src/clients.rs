//! The SDK's clients, as every edge gets them: each counts what it asks for, see [`crate::usage`].

use crate::usage::Meter;
use aws_runtime::invocation_id::InvocationIdInterceptor;
use aws_runtime::request_info::RequestInfoInterceptor;
use aws_runtime::user_agent::UserAgentInterceptor;
use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, disable_interceptor};
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;

/// Keeps the SDK from describing itself, its features, the machine and its attempts in four headers, most of them signed, of
/// every request: a fifteenth of a request's instructions. The HTTP client names this application there, which is what CloudTrail
/// then tells.
#[derive(Debug)]
struct Reticence;

impl Intercept for Reticence {
    fn name(&self) -> &'static str {
        "Reticence"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let state = config.interceptor_state();
        state.store_put(disable_interceptor::<UserAgentInterceptor>("the HTTP client names the application"));
        state.store_put(disable_interceptor::<InvocationIdInterceptor>("no service here reads it"));
        state.store_put(disable_interceptor::<RequestInfoInterceptor>("no service here reads it"));
        Ok(())
    }
}

pub(crate) fn dynamodb(config: &SdkConfig) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(config).interceptor(Meter).interceptor(Reticence);
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

pub(crate) fn streams(config: &SdkConfig) -> aws_sdk_dynamodbstreams::Client {
    let config =
        aws_sdk_dynamodbstreams::config::Builder::from(config).interceptor(Meter).interceptor(Reticence);
    aws_sdk_dynamodbstreams::Client::from_conf(config.build())
}

pub(crate) fn sqs(config: &SdkConfig) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::config::Builder::from(config).interceptor(Meter).interceptor(Reticence);
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// `has_bucket_hosts`: whether a bucket's name may be part of the host's, as on AWS.
pub(crate) fn s3(config: &SdkConfig, has_bucket_hosts: bool) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(config).interceptor(Meter).interceptor(Reticence);
    let config = config.stalled_stream_protection(StalledStreamProtectionConfig::enabled().build());
    aws_sdk_s3::Client::from_conf(config.force_path_style(!has_bucket_hosts).build())
}

/// With one attempt: SES does not know a repeated send for what it is, so that after a lost answer the client's own retry
/// would be a second e-mail. The queue retries, by way of the record of what was sent.
pub(crate) fn ses(config: &SdkConfig) -> aws_sdk_ses::Client {
    let config = aws_sdk_ses::config::Builder::from(config).interceptor(Meter).interceptor(Reticence);
    aws_sdk_ses::Client::from_conf(config.retry_config(RetryConfig::disabled()).build())
}
