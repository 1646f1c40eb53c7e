//! Moves notes to the trash, or out of it for good.
#![forbid(unsafe_code)]

use delete_note::DeleteNote;
use shared::dynamodb::Table;
use shared::runtime::{self, Aws, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::start_logging();
    let handler = DeleteNote::new(Aws::from_environment()?.store()?);
    handler.store.warm_up(Table::Notes).await;
    shared::http::run(async |request: &_| handler.answer(request).await).await
}
