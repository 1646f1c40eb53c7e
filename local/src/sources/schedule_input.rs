//! What a schedule's run gives to its target (EventBridge Scheduler user guide, "Adding context attributes" and "Universal
//! targets").

use super::endpoint::moment_in_seconds;
use chrono::{DateTime, Utc};
use serde_json::json;

/// One run of a schedule.
#[derive(Clone, Debug)]
pub(super) struct Run<'a> {
    pub(super) schedule_arn: &'a str,
    pub(super) scheduled: DateTime<Utc>,
    pub(super) execution_id: &'a str,
    /// From 1.
    pub(super) attempt: u32,
}

impl Run<'_> {
    /// The payload: `input` with its context attributes replaced, or Scheduler's default event.
    pub(super) fn payload(&self, input: Option<&str>) -> String {
        match input {
            Some(input) => input
                .replace("<aws.scheduler.schedule-arn>", self.schedule_arn)
                .replace("<aws.scheduler.scheduled-time>", &moment_in_seconds(self.scheduled))
                .replace("<aws.scheduler.execution-id>", self.execution_id)
                .replace("<aws.scheduler.attempt-number>", &self.attempt.to_string()),
            None => self.default_event(),
        }
    }

    fn default_event(&self) -> String {
        let mut parts = self.schedule_arn.split(':').skip(3);
        let (region, account) = (parts.next(), parts.next());
        json!({
            "version": "0",
            "id": self.execution_id,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": account,
            "time": moment_in_seconds(self.scheduled),
            "region": region,
            "resources": [self.schedule_arn],
            // A string, not an object: this is what Scheduler sends.
            "detail": "{}",
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn run() -> Run<'static> {
        Run {
            schedule_arn: "arn:aws:scheduler:eu-west-1:123456789012:schedule/default/nightly",
            scheduled: DateTime::parse_from_rfc3339("2022-03-22T18:59:43Z").unwrap().to_utc(),
            execution_id: "e-1",
            attempt: 2,
        }
    }

    #[test]
    fn context_attributes_are_replaced_and_the_rest_stays_as_it_is() {
        let input = r#"{"at":"<aws.scheduler.scheduled-time>","id":"<aws.scheduler.execution-id>",
            "arn":"<aws.scheduler.schedule-arn>","n":"<aws.scheduler.attempt-number>","other":"<aws.x>"}"#;
        let payload: Value = serde_json::from_str(&run().payload(Some(input))).unwrap();
        assert_eq!(
            payload,
            json!({"at": "2022-03-22T18:59:43Z", "id": "e-1", "n": "2", "other": "<aws.x>",
                "arn": "arn:aws:scheduler:eu-west-1:123456789012:schedule/default/nightly"})
        );
    }

    #[test]
    fn without_input_the_detail_is_a_string() {
        let event: Value = serde_json::from_str(&run().payload(None)).unwrap();
        assert_eq!(event["detail"], "{}");
        assert_eq!((&event["region"], &event["account"]), (&json!("eu-west-1"), &json!("123456789012")));
        assert_eq!(event["time"], "2022-03-22T18:59:43Z");
    }
}
