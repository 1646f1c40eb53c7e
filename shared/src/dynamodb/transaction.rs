//! Transactions, tried again where others touch the same items.

use super::attempts::{ATTEMPTS, pause_before};
use super::{Store, failure};
use crate::failure::Failure;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use aws_smithy_runtime_api::client::result::SdkError;

/// How a transaction ended.
#[derive(Debug)]
pub(super) enum Transacted {
    Done,
    /// A condition did not hold: one reason for each action, in their order.
    Refused(Vec<CancellationReason>),
}

impl Store {
    /// Writes all of `actions` or none.
    ///
    /// # Errors
    /// Passing when others kept touching the same items, or a service failed.
    pub(super) async fn transact(&self, actions: Vec<TransactWriteItem>) -> Result<Transacted, Failure> {
        for attempt in 1..=ATTEMPTS {
            pause_before(attempt).await;
            let request = self.client.transact_write_items().set_transact_items(Some(actions.clone()));
            let Err(error) = request.send().await else { return Ok(Transacted::Done) };
            let reasons = cancellation_reasons(&error);
            if names(reasons, "ConditionalCheckFailed") {
                return Ok(Transacted::Refused(reasons.to_vec()));
            }
            // The SDK does not retry conflicts.
            if attempt == ATTEMPTS || !names(reasons, "TransactionConflict") {
                return Err(failure(&error));
            }
        }
        Err(Failure::passing("transactions kept conflicting"))
    }
}

fn cancellation_reasons<R>(error: &SdkError<TransactWriteItemsError, R>) -> &[CancellationReason] {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons()
        }
        _ => &[],
    }
}

fn names(reasons: &[CancellationReason], code: &str) -> bool {
    reasons.iter().any(|reason| reason.code() == Some(code))
}
