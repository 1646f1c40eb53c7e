//! E-mail preferences and one-click unsubscribe.
#![forbid(unsafe_code)]

use settings::SettingsHandler;
use shared::dynamodb::Table;
use shared::runtime::{self, Aws, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::start_logging();
    let handler = SettingsHandler::new(Aws::from_environment()?.store()?, runtime::signing_keys()?);
    handler.store.warm_up(Table::Notes).await;
    shared::http::run(async |request: &_| handler.answer(request).await).await
}
