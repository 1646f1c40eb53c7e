//! Renders and sends one e-mail per job, once.
#![forbid(unsafe_code)]

mod chart;
mod content;
mod mime;
mod send_email;
#[cfg(test)]
mod tests;

use send_email::SendEmail;
use shared::limits;
use shared::runtime::{self, Aws, Deadline, Error, LambdaEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::start_logging();
    let aws = Aws::from_environment()?;
    let queues = &aws.queues();
    let handler = &SendEmail {
        store: aws.store()?,
        mailer: aws.mailer()?,
        keys: runtime::signing_keys()?,
        api_url: runtime::variable("API_URL")?,
    };
    runtime::run(|event: LambdaEvent<_>| async move {
        let deadline = Deadline::of(&event, limits::EMAIL_ANSWER_TIME);
        Ok(queues.consume(event.payload, async |message: &_| handler.take(message, deadline).await).await)
    })
    .await
}
