//! The event sources of functions: streams, queues and schedules. Routes are in `http_api`.

use super::catalog::without_effect;
use super::fields::Fields;
use super::functions::on_failure;
use crate::app::{App, QueueSource, Schedule, StartingPosition, StreamSource, name_of};
use crate::sources::expression::Expression;
use crate::sources::filters::Filters;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::time::Duration;

const HTTP_HINT: &str = "use HttpApi";
const QUEUE_HINT: &str = "let a queue stand between: an SQS event works everywhere";

/// The most characters that a filter pattern may have.
const LONGEST_PATTERN: usize = 4096;

/// Event types that are not run here, and what to do instead.
const UNSUPPORTED: [(&str, &str); 11] = [
    ("AlexaSkill", "there is no Alexa"),
    ("Api", HTTP_HINT),
    ("CloudWatchEvent", QUEUE_HINT),
    ("CloudWatchLogs", "logs go to the terminal"),
    ("Cognito", "the host is its own identity provider"),
    ("DocumentDB", QUEUE_HINT),
    ("EventBridgeRule", QUEUE_HINT),
    ("Kinesis", QUEUE_HINT),
    ("MQ", QUEUE_HINT),
    ("MSK", QUEUE_HINT),
    ("SNS", QUEUE_HINT),
];

/// Where an event belongs.
pub(super) struct Event<'a> {
    pub(super) function: &'a str,
    pub(super) name: &'a str,
    /// Settings of the host that an event's default input tells.
    pub(super) region: &'a str,
    pub(super) account: &'a str,
}

impl Event<'_> {
    fn id(&self) -> String {
        format!("{}.{}", self.function, self.name)
    }
}

/// One event that is no route. `kind` was taken from `outer` already.
pub(super) fn event(event: &Event<'_>, kind: &str, outer: &Fields<'_>, fields: Fields<'_>, app: &mut App) {
    match kind {
        "DynamoDB" => app.stream_sources.extend(stream_source(event, fields)),
        "SQS" => app.queue_sources.extend(queue_source(event, fields)),
        "ScheduleV2" => app.schedules.extend(schedule_v2(event, fields)),
        "Schedule" => app.schedules.extend(schedule_rule(event, fields)),
        other => {
            let message = match UNSUPPORTED.iter().find(|(kind, _)| *kind == other) {
                Some((_, hint)) => format!("{other} events are not supported by the laptop cloud: {hint}"),
                None => format!("unknown event type {other:?}"),
            };
            outer.wrong::<()>("Type", message);
        }
    }
}

fn stream_source(event: &Event<'_>, mut fields: Fields<'_>) -> Option<StreamSource> {
    let stream = fields.required_text("Stream");
    let table = stream.as_deref().and_then(|arn| {
        let table = arn.split_once(":table/").and_then(|(_, rest)| rest.split_once("/stream/"));
        let table = table.map(|(table, _)| table.to_owned());
        table.or_else(|| fields.wrong("Stream", format_args!("{arn:?} is no ARN of a table's stream")))
    });
    fields.require("StartingPosition");
    let position = fields.choice("StartingPosition", &["TRIM_HORIZON", "LATEST"]);
    let age = fields.integer("MaximumRecordAgeInSeconds", -1..=604_800).unwrap_or(-1);
    if (0..60).contains(&age) {
        fields.wrong::<()>(
            "MaximumRecordAgeInSeconds",
            format_args!("{age} is neither -1 nor within 60–604800"),
        );
    }
    let attempts = fields.integer("MaximumRetryAttempts", -1..=10_000).unwrap_or(-1);
    let destination = fields.object("DestinationConfig").and_then(|mut destinations| {
        let on_failure = destinations.object("OnFailure").and_then(on_failure);
        destinations.finish();
        on_failure
    });
    fields.unsupported(&[
        ("SourceAccessConfigurations", "streams need none"),
        ("StartingPositionTimestamp", "table streams begin at TRIM_HORIZON or LATEST"),
        ("TumblingWindowInSeconds", "there are no aggregations"),
    ]);
    let source = StreamSource {
        id: event.id(),
        function: event.function.to_owned(),
        table: table.unwrap_or_default(),
        starting_position: match position {
            Some("LATEST") => StartingPosition::Latest,
            _ => StartingPosition::TrimHorizon,
        },
        batch_size: fields.count("BatchSize", 1..=10_000).unwrap_or(100),
        window: window(&mut fields),
        maximum_retry_attempts: u32::try_from(attempts).ok(),
        maximum_record_age: u64::try_from(age).ok().map(Duration::from_secs),
        bisect_on_error: fields.flag("BisectBatchOnFunctionError").unwrap_or_default(),
        parallelization_factor: fields.count("ParallelizationFactor", 1..=10).unwrap_or(1),
        report_batch_item_failures: reports_failures(&mut fields),
        on_failure: destination,
        filters: filters(&mut fields),
    };
    let enabled = fields.flag("Enabled").unwrap_or(true);
    fields.without_effect(&without_effect::EVENT_SOURCE);
    fields.finish();
    (enabled && stream.is_some()).then_some(source)
}

fn queue_source(event: &Event<'_>, mut fields: Fields<'_>) -> Option<QueueSource> {
    let queue = fields.required_text("Queue");
    let batch_size = fields.count("BatchSize", 1..=10_000).unwrap_or(10);
    let window = window(&mut fields);
    let name = queue.as_deref().map(name_of).unwrap_or_default().to_owned();
    let fifo = name.ends_with(".fifo");
    if fifo && (batch_size > 10 || !window.is_zero()) {
        fields.wrong::<()>("BatchSize", "a FIFO queue gives at most 10 messages at once and waits for none");
    } else if batch_size > 10 && window.is_zero() {
        fields.wrong::<()>("BatchSize", "more than 10 needs a MaximumBatchingWindowInSeconds of at least 1");
    }
    let maximum_concurrency = fields.object("ScalingConfig").and_then(|mut scaling| {
        let concurrency = scaling.count("MaximumConcurrency", 2..=1000);
        scaling.finish();
        concurrency
    });
    let report_batch_item_failures = reports_failures(&mut fields);
    let filters = filters(&mut fields);
    let enabled = fields.flag("Enabled").unwrap_or(true);
    fields.unsupported(&[("ProvisionedPollerConfig", "queues are polled as fast as they fill")]);
    fields.without_effect(&without_effect::EVENT_SOURCE);
    fields.finish();
    let queue_arn = queue.filter(|_| enabled)?;
    Some(QueueSource {
        id: event.id(),
        function: event.function.to_owned(),
        queue_arn,
        queue_name: name,
        batch_size,
        window,
        report_batch_item_failures,
        maximum_concurrency,
        filters,
    })
}

fn window(fields: &mut Fields<'_>) -> Duration {
    let seconds = fields.count("MaximumBatchingWindowInSeconds", 0..=300).unwrap_or(0);
    Duration::from_secs(seconds.into())
}

fn reports_failures(fields: &mut Fields<'_>) -> bool {
    let types = fields.texts("FunctionResponseTypes");
    for other in types.iter().filter(|kind| *kind != "ReportBatchItemFailures") {
        fields.wrong::<()>("FunctionResponseTypes", format_args!("{other:?} is not ReportBatchItemFailures"));
    }
    !types.is_empty()
}

fn filters(fields: &mut Fields<'_>) -> Vec<Value> {
    let Some(mut criteria) = fields.object("FilterCriteria") else {
        return Vec::new();
    };
    let mut patterns = Vec::new();
    for mut filter in criteria.objects("Filters") {
        if let Some(text) = filter.required_text("Pattern") {
            if text.chars().count() > LONGEST_PATTERN {
                let message = format_args!("it has more than {LONGEST_PATTERN} characters");
                filter.wrong::<()>("Pattern", message);
            }
            match serde_json::from_str(&text) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => {
                    filter.wrong::<()>("Pattern", format_args!("it is not JSON: {error}"));
                }
            }
        }
        filter.finish();
    }
    if let Err(error) = Filters::new(&patterns) {
        criteria.wrong::<()>("Filters", error);
    }
    criteria.finish();
    patterns
}

/// `ScheduleV2`: a schedule of EventBridge Scheduler.
fn schedule_v2(event: &Event<'_>, mut fields: Fields<'_>) -> Option<Schedule> {
    let expression = fields.required_text("ScheduleExpression");
    let time_zone = fields.text("ScheduleExpressionTimezone").unwrap_or_else(|| "UTC".to_owned());
    let input = fields.text("Input");
    let enabled = fields.choice("State", &["ENABLED", "DISABLED"]) != Some("DISABLED");
    let (start, end) = (date(&mut fields, "StartDate"), date(&mut fields, "EndDate"));
    if let (Some(start), Some(end)) = (start, end)
        && start >= end
    {
        fields.wrong::<()>("EndDate", "it must be later than StartDate");
    }
    flexible_window(&mut fields);
    fields.without_effect(&["KmsKeyArn"]);
    schedule(event, fields, Parts { expression: expression?, time_zone, start, end, input, enabled })
}

fn date(fields: &mut Fields<'_>, key: &'static str) -> Option<DateTime<Utc>> {
    let text = fields.text(key)?;
    match DateTime::parse_from_rfc3339(&text) {
        Ok(date) => Some(date.to_utc()),
        Err(_) => fields.wrong(key, format_args!("{text:?} is no date like 2030-01-31T12:00:00Z")),
    }
}

/// A flexible window allows any time in it, and a run comes at its beginning; so it is only checked.
fn flexible_window(fields: &mut Fields<'_>) {
    let Some(mut window) = fields.object("FlexibleTimeWindow") else {
        return;
    };
    window.require("Mode");
    let flexible = window.choice("Mode", &["OFF", "FLEXIBLE"]) == Some("FLEXIBLE");
    if flexible {
        window.require("MaximumWindowInMinutes");
    }
    let minutes = window.count("MaximumWindowInMinutes", 1..=1440);
    if minutes.is_some() && !flexible {
        window.wrong::<()>("MaximumWindowInMinutes", "only a window of mode FLEXIBLE has it");
    }
    window.finish();
}

/// `Schedule`: a rule of EventBridge, always in UTC and with an event of its own.
fn schedule_rule(event: &Event<'_>, mut fields: Fields<'_>) -> Option<Schedule> {
    let expression = fields.required_text("Schedule");
    let input = fields.text("Input").unwrap_or_else(|| rule_event(event));
    let disabled = fields.choice("State", &["ENABLED", "DISABLED"]) == Some("DISABLED");
    let enabled = fields.flag("Enabled").unwrap_or(true) && !disabled;
    let time_zone = "UTC".to_owned();
    let parts =
        Parts { expression: expression?, time_zone, start: None, end: None, input: Some(input), enabled };
    schedule(event, fields, parts)
}

/// The event of a scheduled rule, with the same placeholders that Scheduler replaces.
fn rule_event(event: &Event<'_>) -> String {
    let rule = format!("arn:aws:events:{}:{}:rule/{}", event.region, event.account, event.id());
    json!({
        "version": "0",
        "id": "<aws.scheduler.execution-id>",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": event.account,
        "time": "<aws.scheduler.scheduled-time>",
        "region": event.region,
        "resources": [rule],
        "detail": {},
    })
    .to_string()
}

struct Parts {
    expression: String,
    time_zone: String,
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
    input: Option<String>,
    enabled: bool,
}

fn schedule(event: &Event<'_>, mut fields: Fields<'_>, parts: Parts) -> Option<Schedule> {
    if let Err(error) = Expression::parse(&parts.expression, &parts.time_zone) {
        fields.wrong_at(&fields.place, error);
    }
    let (mut attempts, mut age) = (None, None);
    if let Some(mut retry) = fields.object("RetryPolicy") {
        attempts = retry.count("MaximumRetryAttempts", 0..=185);
        age = retry.count("MaximumEventAgeInSeconds", 60..=86_400);
        retry.finish();
    }
    let dead_letter_queue = fields.object("DeadLetterConfig").and_then(|mut config| {
        config.unsupported(&[
            ("QueueLogicalId", "write the queue as a resource and give its Arn"),
            ("Type", "write the queue as a resource and give its Arn"),
        ]);
        let arn = config.text("Arn");
        config.finish();
        arn
    });
    fields.without_effect(&without_effect::SCHEDULE);
    fields.finish();
    Some(Schedule {
        name: event.id(),
        function: event.function.to_owned(),
        expression: parts.expression,
        time_zone: parts.time_zone,
        start: parts.start,
        end: parts.end,
        input: parts.input,
        enabled: parts.enabled,
        maximum_retry_attempts: attempts.unwrap_or(185),
        maximum_event_age: Duration::from_secs(age.unwrap_or(86_400).into()),
        dead_letter_queue,
    })
}
