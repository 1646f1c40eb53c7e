//! Replays what failed, with growing delays, then parks what will not pass.
#![forbid(unsafe_code)]

mod retry;
mod stream_failure;

#[cfg(test)]
mod tests;

use retry::Retry;
use shared::runtime::{self, Aws, Error, LambdaEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::start_logging();
    let aws = Aws::from_environment()?;
    let handler = &Retry {
        queues: aws.queues(),
        streams: aws.streams(),
        replays_queue_url: runtime::variable("REPLAYS_QUEUE_URL")?,
        parking_queue_url: runtime::variable("PARKING_QUEUE_URL")?,
    };
    runtime::run(|event: LambdaEvent<_>| async move {
        Ok(handler.queues.consume(event.payload, async |message: &_| handler.take(message).await).await)
    })
    .await
}
