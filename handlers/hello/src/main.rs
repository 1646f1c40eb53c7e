//! Greets, hands out the contract, and answers what no route takes.
#![forbid(unsafe_code)]

use hello::Hello;
use shared::runtime::{self, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::start_logging();
    let handler = Hello;
    shared::http::run(async |request: &_| handler.answer(request).await).await
}
