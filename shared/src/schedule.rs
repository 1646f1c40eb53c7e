//! What the scheduler sends, as the template's `Input` spells it.

use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// One run of a schedule. A run that is delivered again has the same moment, and that moment is the run's "now".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledRun {
    /// The schedule's name.
    pub schedule: String,
    pub scheduled_time: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::ScheduledRun;
    use crate::json::object;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_run_is_an_object_with_a_name_and_a_moment() {
        let read = |text: &str| object::<ScheduledRun>(text.as_bytes());
        let run = read(r#"{"schedule":"s","scheduled_time":"2026-11-23T04:00:00+01:00"}"#).unwrap();
        assert_eq!(run.scheduled_time, "2026-11-23T03:00:00.000Z".parse().unwrap());
        for text in [
            r#"["s","2026-11-23T03:00:00Z"]"#,
            r#"{"schedule":"s","scheduled_time":"<aws.scheduler.scheduled-time>"}"#,
            r#"{"schedule":"s","scheduled_time":1795402800}"#,
            r#"{"scheduled_time":"2026-11-23T03:00:00Z"}"#,
            r#"{"schedule":"s","schedule":"s","scheduled_time":"2026-11-23T03:00:00Z"}"#,
            "null",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(schedule in "\\PC{0,20}", moment in "\\PC{0,30}|[0-9TZ:.+-]{0,30}|[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,12})?(Z|[+-][0-2][0-9]:[0-9]{2})") {
            let text = json!({ "schedule": schedule, "scheduled_time": moment }).to_string();
            if let Ok(run) = object::<ScheduledRun>(text.as_bytes()) {
                let again = serde_json::to_vec(&run).unwrap();
                prop_assert_eq!(object::<ScheduledRun>(&again).unwrap(), run);
            }
        }
    }
}
