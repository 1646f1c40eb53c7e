//! Queue attributes: their names, limits and defaults.

use crate::wire::ServiceError;
use serde_json::Value;
use std::collections::BTreeMap;

/// The attributes of a queue as set by its owner, by name.
pub(super) type Raw = BTreeMap<String, String>;

/// Numbers: name, default, least, most.
const NUMBERS: [(&str, u64, u64, u64); 6] = [
    ("DelaySeconds", 0, 0, 900),
    ("MaximumMessageSize", 1_048_576, 1024, 1_048_576),
    ("MessageRetentionPeriod", 345_600, 60, 1_209_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 0, 20),
    ("VisibilityTimeout", 30, 0, 43_200),
    ("KmsDataKeyReusePeriodSeconds", 300, 60, 86_400),
];

/// Queues that `RedriveAllowPolicy` may name.
const MOST_SOURCES: usize = 10;

const FLAGS: [&str; 3] = ["FifoQueue", "ContentBasedDeduplication", "SqsManagedSseEnabled"];

const TEXTS: [&str; 6] = [
    "Policy",
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "KmsMasterKeyId",
    "DeduplicationScope",
    "FifoThroughputLimit",
];

/// The attributes in effect. Times are in milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) visibility: i64,
    pub(super) delay: i64,
    pub(super) retention: i64,
    pub(super) wait: i64,
    /// Bytes.
    pub(super) largest: usize,
    pub(super) fifo: bool,
    pub(super) content_deduplication: bool,
    /// Deduplication ids are told apart by group.
    pub(super) scope_is_group: bool,
    pub(super) redrive: Option<Redrive>,
    pub(super) allow: Allow,
}

/// Which queues may have this one as their dead-letter queue (`RedriveAllowPolicy`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Allow {
    All,
    None,
    /// By ARN.
    Only(Vec<String>),
}

impl Allow {
    pub(super) fn lets(&self, source_arn: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Only(arns) => arns.iter().any(|arn| arn == source_arn),
        }
    }
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redrive {
    pub(super) target_arn: String,
    pub(super) most_receives: u32,
}

impl Redrive {
    /// The dead-letter queue's name.
    pub(super) fn target(&self) -> &str {
        queue_of(&self.target_arn)
    }
}

/// The queue that an ARN names.
pub(super) fn queue_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

impl Settings {
    /// # Errors
    /// `InvalidAttributeName`, or `InvalidAttributeValue` for one out of range.
    pub(super) fn parse(raw: &Raw) -> Result<Self, ServiceError> {
        for (name, value) in raw {
            check(name, value)?;
        }
        let number = |name: &str| {
            let default =
                NUMBERS.iter().find(|(known, ..)| *known == name).map_or(0, |(_, default, ..)| *default);
            raw.get(name).and_then(|value| value.parse().ok()).unwrap_or(default)
        };
        let millis = |name: &str| i64::try_from(number(name) * 1000).unwrap_or(i64::MAX);
        let flag = |name: &str| raw.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Ok(Self {
            visibility: millis("VisibilityTimeout"),
            delay: millis("DelaySeconds"),
            retention: millis("MessageRetentionPeriod"),
            wait: millis("ReceiveMessageWaitTimeSeconds"),
            largest: usize::try_from(number("MaximumMessageSize")).unwrap_or(usize::MAX),
            fifo: flag("FifoQueue"),
            content_deduplication: flag("ContentBasedDeduplication"),
            scope_is_group: raw.get("DeduplicationScope").is_some_and(|scope| scope == "messageGroup"),
            redrive: raw
                .get("RedrivePolicy")
                .filter(|policy| !policy.is_empty())
                .map(|p| redrive(p))
                .transpose()?,
            allow: raw
                .get("RedriveAllowPolicy")
                .filter(|policy| !policy.is_empty())
                .map_or(Ok(Allow::All), |policy| allow(policy))?,
        })
    }
}

fn check(name: &str, value: &str) -> Result<(), ServiceError> {
    if let Some((_, _, least, most)) = NUMBERS.iter().find(|(known, ..)| *known == name) {
        let valid = value.parse::<u64>().is_ok_and(|number| (least..=most).contains(&&number));
        return if valid { Ok(()) } else { Err(invalid(name)) };
    }
    if FLAGS.contains(&name) {
        let valid = value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
        return if valid { Ok(()) } else { Err(invalid(name)) };
    }
    if TEXTS.contains(&name) {
        return Ok(());
    }
    Err(ServiceError::sender("InvalidAttributeName", format!("Unknown Attribute {name}.")))
}

fn invalid(name: &str) -> ServiceError {
    ServiceError::sender("InvalidAttributeValue", format!("Invalid value for the parameter {name}."))
}

fn redrive(policy: &str) -> Result<Redrive, ServiceError> {
    let parsed: Value = serde_json::from_str(policy).map_err(|_| invalid("RedrivePolicy"))?;
    let target_arn = parsed.get("deadLetterTargetArn").and_then(Value::as_str);
    // Templates write it as a number, older tools as text.
    let most = match parsed.get("maxReceiveCount") {
        Some(Value::String(text)) => text.parse().ok(),
        Some(number) => number.as_u64(),
        None => None,
    };
    match (target_arn, most) {
        (Some(arn), Some(most @ 1..=1000)) => {
            Ok(Redrive { target_arn: arn.to_owned(), most_receives: u32::try_from(most).unwrap_or(1000) })
        }
        _ => Err(invalid("RedrivePolicy")),
    }
}

fn allow(policy: &str) -> Result<Allow, ServiceError> {
    let refused = || invalid("RedriveAllowPolicy");
    let parsed: Value = serde_json::from_str(policy).map_err(|_| refused())?;
    let sources = parsed.get("sourceQueueArns").map(Value::as_array);
    match (parsed.get("redrivePermission").and_then(Value::as_str), sources) {
        (Some("allowAll"), None) => Ok(Allow::All),
        (Some("denyAll"), None) => Ok(Allow::None),
        (Some("byQueue"), Some(Some(arns))) if (1..=MOST_SOURCES).contains(&arns.len()) => {
            let arns = arns.iter().map(|arn| arn.as_str().map(str::to_owned));
            arns.collect::<Option<_>>().map(Allow::Only).ok_or_else(refused)
        }
        _ => Err(refused()),
    }
}

/// Every attribute with a value, defaults included.
pub(super) fn with_defaults(raw: &Raw) -> Raw {
    let mut all = raw.clone();
    all.retain(|_, value| !value.is_empty());
    for (name, default, ..) in NUMBERS.iter().filter(|(name, ..)| !name.starts_with("Kms")) {
        all.entry((*name).to_owned()).or_insert_with(|| default.to_string());
    }
    all.entry("SqsManagedSseEnabled".to_owned()).or_insert_with(|| "true".to_owned());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, value: &str) -> Result<Settings, ServiceError> {
        Settings::parse(&Raw::from([(name.to_owned(), value.to_owned())]))
    }

    #[test]
    fn attributes_have_limits_and_known_names() {
        assert_eq!(parse("VisibilityTimeout", "60").unwrap().visibility, 60_000);
        assert_eq!(parse("VisibilityTimeout", "43201").unwrap_err().code, "InvalidAttributeValue");
        assert_eq!(parse("Colour", "red").unwrap_err().code, "InvalidAttributeName");
    }

    #[test]
    fn a_redrive_policy_is_read_with_its_count_as_number_or_text() {
        for count in ["3", "\"3\""] {
            let policy =
                format!(r#"{{"deadLetterTargetArn":"arn:aws:sqs:r:a:dead","maxReceiveCount":{count}}}"#);
            let redrive = parse("RedrivePolicy", &policy).unwrap().redrive.unwrap();
            assert_eq!((redrive.target(), redrive.most_receives), ("dead", 3));
        }
        assert!(parse("RedrivePolicy", "{}").is_err());
    }

    #[test]
    fn a_redrive_allow_policy_names_all_none_or_up_to_ten_queues() {
        let allow = |policy: &str| parse("RedriveAllowPolicy", policy).map(|settings| settings.allow);
        assert_eq!(allow(r#"{"redrivePermission":"allowAll"}"#).unwrap(), Allow::All);
        assert!(!allow(r#"{"redrivePermission":"denyAll"}"#).unwrap().lets("a"));
        let some = allow(r#"{"redrivePermission":"byQueue","sourceQueueArns":["a"]}"#).unwrap();
        assert_eq!((some.lets("a"), some.lets("b")), (true, false));
        let eleven = serde_json::json!({"redrivePermission": "byQueue", "sourceQueueArns": vec!["a"; 11]});
        for wrong in [
            r#"{"redrivePermission":"byQueue"}"#,
            r#"{"redrivePermission":"some"}"#,
            "x",
            &eleven.to_string(),
        ] {
            assert!(allow(wrong).is_err(), "{wrong}");
        }
    }
}
