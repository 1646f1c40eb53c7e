//! Checks uploads and makes thumbnails.
#![forbid(unsafe_code)]

mod notification;
mod thumbnails;

#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod tests;

use aws_lambda_events::sqs::SqsEvent;
use shared::runtime::{self, Aws, Error, LambdaEvent};
use thumbnails::Thumbnails;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::start_logging();
    let aws = Aws::from_environment()?;
    let handler = Thumbnails::new(aws.store()?, aws.objects());
    let queues = aws.queues();
    handler.store.warm_up().await;
    runtime::run(async |event: LambdaEvent<SqsEvent>| {
        Ok(queues.consume(event.payload, async |message| handler.take(message).await).await)
    })
    .await
}
