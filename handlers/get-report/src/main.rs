//! Reads an owner's stored report.
#![forbid(unsafe_code)]

use get_report::GetReport;
use shared::dynamodb::Table;
use shared::runtime::{self, Aws, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::start_logging();
    let handler = GetReport::new(Aws::from_environment()?.store()?);
    handler.store.warm_up(Table::Ledger).await;
    shared::http::run(async |request: &_| handler.answer(request).await).await
}
