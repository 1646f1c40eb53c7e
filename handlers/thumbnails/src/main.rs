//! Checks uploads and makes thumbnails.
#![forbid(unsafe_code)]

mod notification;
mod pictures;
mod thumbnails;
mod worker;

#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod tests;

use aws_lambda_events::sqs::SqsEvent;
use pictures::Processes;
use shared::dynamodb::Table;
use shared::runtime::{self, Aws, Error, LambdaEvent};
use thumbnails::Thumbnails;

fn main() -> Result<(), Error> {
    match worker::asked(std::env::args().skip(1)) {
        Some(output) => Ok(worker::run(output)?),
        None => handle(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn handle() -> Result<(), Error> {
    runtime::start_logging();
    let aws = Aws::from_environment()?;
    let handler = Thumbnails::new(aws.store()?, aws.objects(), Processes::of(std::env::current_exe()?));
    let queues = aws.queues();
    handler.store.warm_up(Table::Notes).await;
    runtime::run(async |event: LambdaEvent<SqsEvent>| {
        Ok(queues.consume(event.payload, async |message| handler.take(message).await).await)
    })
    .await
}
