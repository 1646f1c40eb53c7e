//! The SDK's clients, as every edge gets them: each counts what it asks for, see [`crate::usage`].

use crate::usage::Meter;
use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;

pub(crate) fn dynamodb(config: &SdkConfig) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(config).interceptor(Meter);
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

pub(crate) fn streams(config: &SdkConfig) -> aws_sdk_dynamodbstreams::Client {
    let config = aws_sdk_dynamodbstreams::config::Builder::from(config).interceptor(Meter);
    aws_sdk_dynamodbstreams::Client::from_conf(config.build())
}

pub(crate) fn sqs(config: &SdkConfig) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::config::Builder::from(config).interceptor(Meter);
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// `has_bucket_hosts`: whether a bucket's name may be part of the host's, as on AWS.
pub(crate) fn s3(config: &SdkConfig, has_bucket_hosts: bool) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(config).interceptor(Meter);
    let config = config.stalled_stream_protection(StalledStreamProtectionConfig::enabled().build());
    aws_sdk_s3::Client::from_conf(config.force_path_style(!has_bucket_hosts).build())
}

/// With one attempt: SES does not know a repeated send for what it is, so that after a lost answer the client's own retry
/// would be a second e-mail. The queue retries, by way of the record of what was sent.
pub(crate) fn ses(config: &SdkConfig) -> aws_sdk_ses::Client {
    let config = aws_sdk_ses::config::Builder::from(config).interceptor(Meter);
    aws_sdk_ses::Client::from_conf(config.retry_config(RetryConfig::disabled()).build())
}
