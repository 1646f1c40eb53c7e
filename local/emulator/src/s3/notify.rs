//! Bucket notifications: which changes go to which queues, in the JSON that S3 sends.

use crate::Shared;
use chrono::{DateTime, SecondsFormat, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::QueueConfiguration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind of bucket setting that rules are kept under.
pub(super) const RULES: &str = "notification-rules";

/// What stays as it is in an event's key.
const KEY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b'/').remove(b' ');

/// A queue configuration, as far as matching goes.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) queue: String,
    /// Such as `s3:ObjectCreated:*`.
    pub(super) events: Vec<String>,
    pub(super) prefix: String,
    pub(super) suffix: String,
}

/// Something that happened to an object.
pub(super) struct Change<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    /// Such as `ObjectCreated:Put`.
    pub(super) event: &'a str,
    pub(super) sequencer: u64,
    /// Size and ETag, unless it was removed.
    pub(super) object: Option<(u64, &'a str)>,
    pub(super) at: DateTime<Utc>,
}

impl Rule {
    pub(super) fn read(configuration: &QueueConfiguration) -> Self {
        let rules =
            configuration.filter.as_ref().and_then(|filter| filter.key.as_ref()?.filter_rules.as_ref());
        let value = |wanted: &str| {
            let mut named = rules.into_iter().flatten().filter(|rule| {
                rule.name.as_ref().is_some_and(|name| name.as_str().eq_ignore_ascii_case(wanted))
            });
            named.next().and_then(|rule| rule.value.clone()).unwrap_or_default()
        };
        Self {
            id: configuration.id.clone().unwrap_or_default(),
            queue: configuration.queue_arn.clone(),
            events: configuration.events.iter().map(|event| event.as_ref().to_owned()).collect(),
            prefix: value("prefix"),
            suffix: value("suffix"),
        }
    }

    fn wants(&self, change: &Change<'_>) -> bool {
        let event = |pattern: &String| {
            let pattern = pattern.strip_prefix("s3:").unwrap_or(pattern);
            pattern
                .strip_suffix('*')
                .map_or(pattern == change.event, |prefix| change.event.starts_with(prefix))
        };
        change.key.starts_with(&self.prefix)
            && change.key.ends_with(&self.suffix)
            && self.events.iter().any(event)
    }
}

/// The messages that a change makes: queue ARN and body.
pub(super) fn notices(rules: &[Rule], change: &Change<'_>, shared: &Shared) -> Vec<(String, String)> {
    let wanting = rules.iter().filter(|rule| rule.wants(change));
    wanting.map(|rule| (rule.queue.clone(), event(rule, change, shared).to_string())).collect()
}

fn event(rule: &Rule, change: &Change<'_>, shared: &Shared) -> Value {
    let mut object = json!({
        "key": utf8_percent_encode(change.key, KEY).to_string().replace(' ', "+"),
        "sequencer": format!("{:018X}", change.sequencer),
    });
    if let Some((size, etag)) = change.object {
        object["size"] = json!(size);
        object["eTag"] = json!(etag);
    }
    json!({ "Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": shared.region,
        "eventTime": change.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "eventName": change.event,
        "userIdentity": { "principalId": format!("AWS:{}", shared.account) },
        "requestParameters": { "sourceIPAddress": "127.0.0.1" },
        "responseElements": {
            "x-amz-request-id": request_id(), "x-amz-id-2": uuid::Uuid::new_v4().simple().to_string(),
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule.id,
            "bucket": {
                "name": change.bucket,
                "ownerIdentity": { "principalId": shared.account },
                "arn": format!("arn:aws:s3:::{}", change.bucket),
            },
            "object": object,
        },
    }] })
}

/// What every queue gets once when notifications to it are configured.
pub(super) fn test_event(bucket: &str, at: DateTime<Utc>) -> String {
    json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "Bucket": bucket,
        "RequestId": request_id(),
        "HostId": uuid::Uuid::new_v4().simple().to_string(),
    })
    .to_string()
}

fn request_id() -> String {
    let id = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
    id.chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;

    fn rule(events: &[&str], prefix: &str, suffix: &str) -> Rule {
        Rule {
            id: "n".to_owned(),
            queue: "arn:aws:sqs:r:a:q".to_owned(),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
        }
    }

    fn change<'a>(key: &'a str, event: &'a str) -> Change<'a> {
        Change { bucket: "b", key, event, sequencer: 0x1f, object: Some((5, "e")), at: Utc::now() }
    }

    #[test]
    fn prefix_suffix_and_event_type_all_have_to_match() {
        let created = rule(&["s3:ObjectCreated:*"], "att/", ".png");
        assert!(created.wants(&change("att/x.png", "ObjectCreated:Put")));
        assert!(created.wants(&change("att/x.png", "ObjectCreated:CompleteMultipartUpload")));
        assert!(!created.wants(&change("att/x.png", "ObjectRemoved:Delete")));
        assert!(!created.wants(&change("other/x.png", "ObjectCreated:Put")));
        assert!(!created.wants(&change("att/x.jpg", "ObjectCreated:Put")));
        let exact = rule(&["s3:ObjectCreated:Copy"], "", "");
        assert!(exact.wants(&change("k", "ObjectCreated:Copy")));
        assert!(!exact.wants(&change("k", "ObjectCreated:Put")));
    }

    #[test]
    fn the_key_is_encoded_as_s3_does_it() {
        let shared = Shared::for_tests(Clock::default());
        let event = event(&rule(&[], "", ""), &change("att/my file é+1.txt", "ObjectCreated:Put"), &shared);
        let object = &event["Records"][0]["s3"]["object"];
        assert_eq!(object["key"], "att/my+file+%C3%A9%2B1.txt");
        assert_eq!(object["sequencer"], "00000000000000001F");
    }
}
