//! Suppresses addresses that bounce or complain.
#![forbid(unsafe_code)]

mod email_feedback;
mod notification;

#[cfg(test)]
mod tests;

use email_feedback::EmailFeedback;
use shared::runtime::{self, Aws, Error, LambdaEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::start_logging();
    let aws = Aws::from_environment()?;
    let queues = &aws.queues();
    let handler = &EmailFeedback { store: aws.store()? };
    runtime::run(|event: LambdaEvent<_>| async move {
        Ok(queues.consume(event.payload, async |message: &_| handler.take(message).await).await)
    })
    .await
}
