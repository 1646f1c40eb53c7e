//! Purges what is due: trashed notes after their time, attachments whose upload never came.
#![forbid(unsafe_code)]

mod nightly_cleanup;

#[cfg(test)]
mod tests;

use nightly_cleanup::NightlyCleanup;
use shared::runtime::{self, Aws, Deadline, Error, LambdaEvent};
use shared::schedule::ScheduledRun;
use std::time::Duration;

/// What the entry in hand needs to be finished.
const MARGIN: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::start_logging();
    let handler = &NightlyCleanup { store: Aws::from_environment()?.store()? };
    runtime::run(|event: LambdaEvent<ScheduledRun>| async move {
        let deadline = Deadline::of(&event, MARGIN);
        Ok(handler.run(&event.payload, deadline).await?)
    })
    .await
}
