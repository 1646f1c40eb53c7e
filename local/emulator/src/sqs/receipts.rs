//! What receipt handles allow: deleting a message and changing its visibility. The outer errors are the store's, the
//! inner ones refusals.

use super::Result;
use super::message::Receipt;
use super::queue::Queue;
use super::store::Store;
use crate::wire::ServiceError;

pub(super) fn delete_one(queue: &mut Queue, store: &Store, handle: &str) -> rusqlite::Result<Result> {
    let Some(receipt) = Receipt::decode(handle, &queue.name) else {
        return Ok(Err(bad_handle(handle)));
    };
    let fifo = queue.settings.fifo;
    match queue.held(receipt) {
        Some(message) if message.in_flight || !fifo => {
            store.delete(receipt.sequence)?;
            queue.remove(receipt.sequence);
            Ok(Ok(()))
        }
        Some(_) => Ok(Err(expired_handle(handle))),
        // Received again since: a standard queue says nothing and keeps it, a FIFO queue says so.
        None if fifo && queue.get(receipt.sequence).is_some() => Ok(Err(expired_handle(handle))),
        None => Ok(Ok(())),
    }
}

pub(super) fn change_one(
    queue: &mut Queue,
    store: &Store,
    handle: &str,
    due: i64,
) -> rusqlite::Result<Result> {
    let Some(receipt) = Receipt::decode(handle, &queue.name) else {
        return Ok(Err(bad_handle(handle)));
    };
    if queue.get(receipt.sequence).is_none() {
        let message = format!(
            "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not \
             available for visibility timeout change."
        );
        return Ok(Err(ServiceError::sender("InvalidParameterValue", message)));
    }
    if !queue.held(receipt).is_some_and(|message| message.in_flight) {
        return Ok(Err(ServiceError::sender(
            "MessageNotInflight",
            "The message referred to isn't in flight.",
        )));
    }
    if let Some(message) = queue.reschedule(receipt.sequence, due) {
        store.update(&message)?;
    }
    Ok(Ok(()))
}

fn bad_handle(handle: &str) -> ServiceError {
    ServiceError::sender(
        "ReceiptHandleIsInvalid",
        format!("The input receipt handle \"{handle}\" is not valid."),
    )
}

fn expired_handle(handle: &str) -> ServiceError {
    let message = format!(
        "Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
    );
    ServiceError::sender("InvalidParameterValue", message)
}
