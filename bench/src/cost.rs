//! What operations cost: what is billed for them, each part by itself.

use crate::prices;
use bench::invocations::{Invocation, Logged};
use derive_more::{Add, Mul, Sub};
use shared::usage::Usage;

/// The one function with more memory than the template's 128 MB.
const LARGE: (&str, f64) = ("ThumbnailsFunction", 1024.0);
const MEGABYTES: f64 = 128.0;
/// At so many megabytes a function has a whole core.
const CORE_MEGABYTES: f64 = 1769.0;
/// What a small function computes for an invocation, at its fourteenth of a core: 0.2 ms of CPU were measured.
const SMALL_MILLISECONDS: f64 = 3.0;
/// What an answer of an AWS service within a region takes.
const ANSWER_MILLISECONDS: f64 = 5.0;
/// Functions that Lambda gives messages of queues to. For each invocation it receives once and deletes once.
const POLLED: [&str; 4] =
    ["ThumbnailsFunction", "SendEmailFunction", "EmailFeedbackFunction", "RetryFunction"];
/// What Lambda logs of an invocation: its start and its report; and API Gateway of a request.
const PLATFORM_LOG_BYTES: f64 = 700.0;
const ACCESS_LOG_BYTES: f64 = 350.0;

/// What is billed.
#[derive(Clone, Copy, Debug, Default, Add, Mul, Sub)]
pub(crate) struct Cost {
    /// Of whoever waits for an answer, and of what follows from it.
    pub(crate) answered: Asked,
    pub(crate) followed: Asked,
    pub(crate) api_requests: f64,
    pub(crate) invocations: f64,
    pub(crate) gb_seconds: f64,
    pub(crate) s3_writes: f64,
    pub(crate) s3_reads: f64,
    pub(crate) sqs_requests: f64,
    pub(crate) emails: f64,
    pub(crate) log_bytes: f64,
    pub(crate) bytes_out: f64,
}

/// What is asked of DynamoDB.
#[derive(Clone, Copy, Debug, Default, Add, Mul, Sub)]
pub(crate) struct Asked {
    pub(crate) requests: f64,
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
}

impl Cost {
    /// Of what was logged.
    pub(crate) fn of(logged: &Logged) -> Self {
        let cost =
            logged.invocations.iter().map(Self::of_invocation).fold(Self::default(), |sum, cost| sum + cost);
        Self { log_bytes: cost.log_bytes + logged.bytes.values().sum::<usize>() as f64, ..cost }
    }

    fn of_invocation(invocation: &Invocation) -> Self {
        let Usage {
            dynamodb_requests,
            read_units,
            write_units,
            refused_writes: _,
            s3_writes,
            s3_reads,
            s3_deletes,
            sqs_requests,
            ses_requests,
            stream_requests,
        } = invocation.usage;
        let asked = Asked { requests: dynamodb_requests.into(), read_units, write_units };
        let none = Asked::default();
        let (answered, followed) = if invocation.is_request { (asked, none) } else { (none, asked) };
        let answers = dynamodb_requests
            + s3_writes
            + s3_reads
            + s3_deletes
            + sqs_requests
            + ses_requests
            + stream_requests;
        let polled = if POLLED.contains(&invocation.function.as_str()) { 2.0 } else { 0.0 };
        Self {
            answered,
            followed,
            api_requests: f64::from(u8::from(invocation.is_request)),
            invocations: 1.0,
            gb_seconds: gb_seconds(invocation, answers.into()),
            s3_writes: s3_writes.into(),
            s3_reads: s3_reads.into(),
            sqs_requests: f64::from(sqs_requests) + polled,
            emails: ses_requests.into(),
            log_bytes: if invocation.is_request { ACCESS_LOG_BYTES } else { 0.0 } + PLATFORM_LOG_BYTES,
            bytes_out: 0.0,
        }
    }

    pub(crate) fn dynamodb(&self) -> Asked {
        self.answered + self.followed
    }

    /// A million times this, in USD, without storage and what is free.
    pub(crate) fn per_million(&self) -> f64 {
        let dynamodb = self.dynamodb();
        let parts = [
            (self.api_requests, prices::API_REQUEST),
            (self.invocations, prices::LAMBDA_REQUEST),
            (self.gb_seconds, prices::LAMBDA_GB_SECOND),
            (dynamodb.read_units, prices::READ_UNIT),
            (dynamodb.write_units, prices::WRITE_UNIT),
            (self.s3_writes, prices::S3_WRITE),
            (self.s3_reads, prices::S3_READ),
            (self.sqs_requests, prices::SQS_REQUEST),
            (self.emails, prices::EMAIL),
            (self.log_bytes / 1e9, prices::LOG_GB),
            (self.bytes_out / 1e9, prices::OUT_GB),
        ];
        parts.iter().map(|(quantity, price)| quantity * price.each).sum::<f64>() * 1e6
    }
}

/// Estimated as Lambda would bill it: laptops compute faster, and their services answer sooner.
fn gb_seconds(invocation: &Invocation, answers: f64) -> f64 {
    let (name, large) = LARGE;
    let (megabytes, computing) = if invocation.function == name {
        (large, invocation.milliseconds * CORE_MEGABYTES / large)
    } else {
        (MEGABYTES, SMALL_MILLISECONDS)
    };
    megabytes / 1024.0 * (computing + answers * ANSWER_MILLISECONDS) / 1e3
}
