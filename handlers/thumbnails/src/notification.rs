//! What S3 says about a new object.
//!
//! Only the fields that are used are read: the event types of `aws_lambda_events` ask for many more, and one of those
//! missing or changed would stop every upload.

use serde::Deserialize;
use shared::attachment::Sequencer;
use shared::failure::Failure;
use shared::json;
use shared::timestamp::Timestamp;

/// The event version whose fields these are; minor versions add fields.
const MAJOR_VERSION: &str = "2.";
/// Sent once, when a bucket's notifications are configured.
const TEST_EVENT: &str = "s3:TestEvent";

/// One new object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upload {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) size: Option<u64>,
    pub(crate) sequencer: Sequencer,
    pub(crate) at: Option<Timestamp>,
}

/// The uploads of a message's body; none in a test event.
pub(crate) fn uploads(body: &str) -> Result<Vec<Upload>, Failure> {
    let body: Body = json::object(body.as_bytes()).map_err(Failure::permanent)?;
    match (body.records, body.event) {
        (Some(records), _) => records.into_iter().filter_map(upload).collect(),
        (None, Some(event)) if event == TEST_EVENT => Ok(Vec::new()),
        (None, Some(event)) => Err(Failure::permanent(format!("an event of the unknown kind {event}"))),
        (None, None) => Err(Failure::permanent("it is neither a notification nor a test of one")),
    }
}

/// `None` for events that are not about a new object.
fn upload(record: Record) -> Option<Result<Upload, Failure>> {
    if !record.event_version.starts_with(MAJOR_VERSION) {
        return Some(Err(Failure::permanent(format!(
            "an event of the unknown version {}",
            record.event_version
        ))));
    }
    // In notifications the name comes without the prefix that the configuration has.
    let name = record.event_name.strip_prefix("s3:").unwrap_or(&record.event_name);
    name.starts_with("ObjectCreated:").then(|| {
        let key = decoded(&record.s3.object.key)
            .ok_or_else(|| Failure::permanent(format!("a key that is no text: {}", record.s3.object.key)))?;
        Ok(Upload {
            bucket: record.s3.bucket.name,
            key,
            size: record.s3.object.size,
            sequencer: Sequencer::new(&record.s3.object.sequencer),
            at: record.event_time,
        })
    })
}

/// The key as it is: the event has it percent-encoded, with `+` for a space.
fn decoded(key: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, tail) = match (first, tail) {
            (b'+', _) => (b' ', tail),
            (b'%', [high, low, tail @ ..]) => (hexadecimal(*high)? << 4 | hexadecimal(*low)?, tail),
            (b'%', _) => return None,
            _ => (*first, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// One or the other.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    records: Option<Vec<Record>>,
    /// The kind of a test.
    event: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_version: String,
    event_name: String,
    #[serde(default)]
    event_time: Option<Timestamp>,
    s3: Entity,
}

#[derive(Deserialize)]
struct Entity {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    sequencer: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_decoded() {
        assert_eq!(decoded("a+b%2Bc%20%C3%A9/d").as_deref(), Some("a b+c é/d"));
        assert_eq!(decoded("%"), None);
        assert_eq!(decoded("%FF"), None);
    }

    #[test]
    fn a_test_event_has_no_uploads() {
        let body = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-01T00:00:00.000Z","Bucket":"b"}"#;
        assert_eq!(uploads(body), Ok(Vec::new()));
    }

    #[test]
    fn removals_are_passed_over_and_nonsense_is_a_permanent_failure() {
        let record = |version: &str, name: &str| {
            let s3 = r#"{"bucket":{"name":"b"},"object":{"key":"k","size":1,"sequencer":"0A"}}"#;
            format!(r#"{{"Records":[{{"eventVersion":"{version}","eventName":"{name}","s3":{s3}}}]}}"#)
        };
        assert_eq!(uploads(&record("2.1", "ObjectRemoved:Delete")), Ok(Vec::new()));
        assert_eq!(uploads(&record("2.9", "ObjectCreated:Put")).unwrap().len(), 1);
        for body in [record("3.0", "ObjectCreated:Put"), "x".to_owned(), "{}".to_owned(), "[[]]".to_owned()] {
            assert!(!uploads(&body).unwrap_err().is_passing());
        }
    }

    proptest! {
        #[test]
        fn a_damaged_notification_is_refused_for_good_or_names_an_object(
            at in any::<usize>(), gone in 0usize..40, by in "[\\[\\]{}:,\"%+0-9a-z\\\\]{0,4}", noise in "\\PC{0,60}",
        ) {
            let good = shared::sample::event("thumbnails")["Records"][0]["body"].as_str().unwrap().to_owned();
            prop_assert_eq!(uploads(&good).unwrap().len(), 1);
            for body in [shared::sample::damaged(&good, at, gone, &by), noise] {
                match uploads(&body) {
                    Ok(uploads) => prop_assert!(uploads.len() <= 1, "{}", body),
                    Err(failure) => prop_assert!(!failure.is_passing(), "{}", body),
                }
                prop_assert!(uploads(&body).is_err() || serde_json::from_str::<serde_json::Value>(&body).is_ok());
            }
        }

        #[test]
        fn every_key_comes_back_as_it_was(key in "\\PC{0,30}|[+%/ \"0-9A-F]{0,20}") {
            let encoded: String = key.bytes().map(|byte| match byte {
                b' ' => "+".to_owned(),
                byte if byte.is_ascii_alphanumeric() || byte == b'/' => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            }).collect();
            prop_assert_eq!(decoded(&encoded), Some(key));
        }
    }
}
