//! Hands out upload and download URLs, lists and deletes attachments.
#![forbid(unsafe_code)]

use attachments::Attachments;
use shared::dynamodb::Table;
use shared::runtime::{self, Aws, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::start_logging();
    let aws = Aws::from_environment()?;
    let handler = Attachments::new(aws.store()?, aws.objects());
    handler.store.warm_up(Table::Notes).await;
    shared::http::run(async |request: &_| handler.answer(request).await).await
}
