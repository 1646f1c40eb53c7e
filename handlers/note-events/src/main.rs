//! Turns changes of notes into activity, e-mail jobs, earlier versions and the removal of objects.
#![forbid(unsafe_code)]

mod derived;
#[cfg(test)]
mod derived_tests;
mod effects;
mod event;
mod note_events;
mod record;
#[cfg(test)]
mod tests;

use note_events::NoteEvents;
use shared::runtime::{self, Aws, Error, LambdaEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::start_logging();
    let aws = Aws::from_environment()?;
    let handler = &NoteEvents {
        store: aws.store()?,
        queues: aws.queues(),
        objects: aws.objects(),
        email_queue_url: runtime::variable("EMAIL_QUEUE_URL")?,
    };
    runtime::run(|event: LambdaEvent<event::Event>| async move { handler.answer(event.payload).await }).await
}
