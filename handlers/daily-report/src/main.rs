//! Yesterday's activity: a report for every owner, an e-mail for every subscriber, and one for the operator.
#![forbid(unsafe_code)]

mod daily_report;
mod tally;

#[cfg(test)]
mod tests;

use daily_report::DailyReport;
use shared::runtime::{self, Aws, Deadline, Error, LambdaEvent};
use shared::schedule::ScheduledRun;
use std::time::Duration;

/// What the page in hand needs to be finished.
const MARGIN: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::start_logging();
    let aws = Aws::from_environment()?;
    let handler = &DailyReport {
        store: aws.store()?,
        queues: aws.queues(),
        email_queue_url: runtime::variable("EMAIL_QUEUE_URL")?,
        operator_address: runtime::variable("OPERATOR_ADDRESS")?,
    };
    runtime::run(|event: LambdaEvent<ScheduledRun>| async move {
        let deadline = Deadline::of(&event, MARGIN);
        Ok(handler.run(&event.payload, deadline).await?)
    })
    .await
}
