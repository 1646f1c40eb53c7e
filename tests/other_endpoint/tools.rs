//! What these tests share.

use std::time::{Duration, Instant};

/// How long something may take that an endpoint does in its own time.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What `look` gives, once it gives something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not come: {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
