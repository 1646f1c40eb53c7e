//! Going on with what DynamoDB did not take at once: what a batch left, and transactions that others touched.

use crate::backoff::{delay, jitter};
use std::time::Duration;
use uuid::Uuid;

/// Times that it is asked for before it counts as a failure.
pub(super) const ATTEMPTS: u32 = 6;
/// Pauses between attempts, before jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Waits before attempt number `attempt`, unless it is the first (1).
pub(super) async fn pause_before(attempt: u32) {
    if attempt > 1 {
        let jitter = jitter(&Uuid::new_v4().to_string());
        tokio::time::sleep(delay(FIRST_PAUSE, LONGEST_PAUSE, attempt - 1, jitter)).await;
    }
}
