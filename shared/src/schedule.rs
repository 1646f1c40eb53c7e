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
