//! Reads, lists and searches notes.
#![forbid(unsafe_code)]

use get_notes::GetNotes;
use shared::dynamodb::Table;
use shared::runtime::{self, Aws, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::start_logging();
    let handler = GetNotes::new(Aws::from_environment()?.store()?, runtime::signing_keys()?);
    handler.store.warm_up(Table::Notes).await;
    shared::http::run(async |request: &_| handler.answer(request).await).await
}
