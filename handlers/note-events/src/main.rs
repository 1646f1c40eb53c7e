//! Turns changes of notes into activity, e-mail jobs, earlier versions, the search index and the removal of objects.
#![forbid(unsafe_code)]

use note_events::{Event, NoteEvents};
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
    // In a box: the futures nest deeper than the compiler follows.
    runtime::run(|event: LambdaEvent<Event>| Box::pin(handler.answer(event.payload))).await
}
