//! Creates, changes and restores notes.
#![forbid(unsafe_code)]

use save_note::SaveNote;
use shared::dynamodb::Table;
use shared::runtime::{self, Aws, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::start_logging();
    let handler = SaveNote::new(Aws::from_environment()?.store()?);
    handler.store.warm_up(Table::Notes).await;
    shared::http::run(async |request: &_| handler.answer(request).await).await
}
