//! What an invocation asks of AWS, counted where it is asked, and told in the one line that the invocation logs.
//!
//! The units are DynamoDB's own word: every request asks for its `ConsumedCapacity`. What is asked outside of an invocation
//! (an environment's warm-up) belongs to none and is not counted.

use aws_sdk_dynamodb::operation::{
    batch_get_item as get_batch, batch_write_item as write_batch, delete_item as delete, get_item as get,
    put_item as put, query, transact_write_items as transact, update_item as update,
};
use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextMut, Error,
    FinalizerInterceptorContextRef, Input, Output,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use serde::Deserialize;
use std::cell::Cell;

/// What one invocation asked of AWS, as its line tells it. Attempts count each: AWS bills them so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Usage {
    pub dynamodb_requests: u32,
    /// As DynamoDB tells it, in units of 4 KB read consistently; half of it otherwise.
    pub read_units: f64,
    /// As DynamoDB tells it, in units of 1 KB; twice of it in a transaction.
    pub write_units: f64,
    /// Writes whose condition did not hold. DynamoDB bills them by the size of what is there, and does not say how much.
    pub refused_writes: u32,
    /// Requests of S3 at the price of a PUT.
    pub s3_writes: u32,
    /// Requests of S3 at the price of a GET.
    pub s3_reads: u32,
    /// Requests of S3 without a price.
    pub s3_deletes: u32,
    pub sqs_requests: u32,
    pub ses_requests: u32,
    pub stream_requests: u32,
}

tokio::task_local! {
    /// Of the invocation that this task works on.
    static CURRENT: Cell<Usage>;
}

/// Runs `work`, and tells what it asked of AWS. Work that it gives to other tasks is not seen. Within measured work it
/// counts for that as well.
pub async fn measured<F: Future>(work: F) -> (F::Output, Usage) {
    // In a box, so that whatever holds this holds a pointer and not all of the work's own futures.
    let work = Box::pin(async {
        let output = work.await;
        (output, CURRENT.with(Cell::get))
    });
    let (output, usage) = CURRENT.scope(Cell::default(), work).await;
    count(|outer| *outer += usage);
    (output, usage)
}

fn count(change: impl FnOnce(&mut Usage)) {
    // Fails outside of an invocation, where there is nothing to count for.
    let _outside = CURRENT.try_with(|current| {
        let mut usage = current.get();
        change(&mut usage);
        current.set(usage);
    });
}

/// Logs an invocation's one line: its fields, and what it asked of AWS as far as it asked for anything.
macro_rules! log_invocation {
    ($level:ident, $usage:expr, $($fields:tt)+) => {{
        let usage: $crate::usage::Usage = $usage;
        let some = |count: u32| (count > 0).then_some(count);
        let told = |units: f64| (units > 0.0).then_some(units);
        tracing::$level!(
            dynamodb_requests = some(usage.dynamodb_requests),
            read_units = told(usage.read_units),
            write_units = told(usage.write_units),
            refused_writes = some(usage.refused_writes),
            s3_writes = some(usage.s3_writes),
            s3_reads = some(usage.s3_reads),
            s3_deletes = some(usage.s3_deletes),
            sqs_requests = some(usage.sqs_requests),
            ses_requests = some(usage.ses_requests),
            stream_requests = some(usage.stream_requests),
            $($fields)+
        )
    }};
}
pub(crate) use log_invocation;

/// Counts what a client asks for.
#[derive(Debug)]
pub(crate) struct Meter;

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        ask_for_units(context.input_mut());
        Ok(())
    }

    // Not before: a presigned request goes so far as well, and is never sent.
    fn read_after_transmit(
        &self,
        _: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(operation) = config.load::<Metadata>() {
            count(|usage| usage.add_request(operation.service(), operation.name()));
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        match context.output_or_error() {
            Some(Ok(output)) => count(|usage| usage.add_units(output)),
            Some(Err(error)) if error.as_operation_error().is_some_and(is_refusal) => {
                count(|usage| usage.refused_writes += 1);
            }
            _ => {}
        }
        Ok(())
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.dynamodb_requests += other.dynamodb_requests;
        self.read_units += other.read_units;
        self.write_units += other.write_units;
        self.refused_writes += other.refused_writes;
        self.s3_writes += other.s3_writes;
        self.s3_reads += other.s3_reads;
        self.s3_deletes += other.s3_deletes;
        self.sqs_requests += other.sqs_requests;
        self.ses_requests += other.ses_requests;
        self.stream_requests += other.stream_requests;
    }
}

impl Usage {
    fn add_request(&mut self, service: &str, operation: &str) {
        let counter = match service {
            "DynamoDB" => &mut self.dynamodb_requests,
            "DynamoDB Streams" => &mut self.stream_requests,
            "SQS" => &mut self.sqs_requests,
            "SES" => &mut self.ses_requests,
            "S3" if operation.starts_with("Delete") => &mut self.s3_deletes,
            "S3" if operation.starts_with("Get") || operation.starts_with("Head") => &mut self.s3_reads,
            "S3" => &mut self.s3_writes,
            _ => return,
        };
        *counter += 1;
    }

    fn add_units(&mut self, output: &Output) {
        self.read_units += read_units(output);
        self.write_units += write_units(output);
    }
}

/// The first of these types that `$value` is, taken as `$name`.
macro_rules! first_of {
    ($value:expr, $downcast:ident, [$($kind:ty),+], $name:ident => $use:expr) => {
        $(if let Some($name) = $value.$downcast::<$kind>() { return $use; })+
    };
}

fn ask_for_units(input: &mut Input) {
    first_of!(
        input,
        downcast_mut,
        [
            get::GetItemInput,
            query::QueryInput,
            get_batch::BatchGetItemInput,
            put::PutItemInput,
            update::UpdateItemInput,
            delete::DeleteItemInput,
            write_batch::BatchWriteItemInput,
            transact::TransactWriteItemsInput
        ],
        request => request.return_consumed_capacity = Some(ReturnConsumedCapacity::Total)
    );
}

fn read_units(output: &Output) -> f64 {
    first_of!(
        output,
        downcast_ref,
        [get::GetItemOutput, query::QueryOutput],
        output => total(output.consumed_capacity())
    );
    first_of!(
        output,
        downcast_ref,
        [get_batch::BatchGetItemOutput],
        output => total(output.consumed_capacity())
    );
    0.0
}

fn write_units(output: &Output) -> f64 {
    first_of!(
        output,
        downcast_ref,
        [put::PutItemOutput, update::UpdateItemOutput, delete::DeleteItemOutput],
        output => total(output.consumed_capacity())
    );
    first_of!(
        output,
        downcast_ref,
        [write_batch::BatchWriteItemOutput, transact::TransactWriteItemsOutput],
        output => total(output.consumed_capacity())
    );
    0.0
}

fn total<'a>(capacities: impl IntoIterator<Item = &'a ConsumedCapacity>) -> f64 {
    capacities.into_iter().filter_map(ConsumedCapacity::capacity_units).sum()
}

fn is_refusal(error: &Error) -> bool {
    use {
        delete::DeleteItemError as Delete, put::PutItemError as Put,
        transact::TransactWriteItemsError as Transact, update::UpdateItemError as Update,
    };
    is(error, Put::is_conditional_check_failed_exception)
        || is(error, Update::is_conditional_check_failed_exception)
        || is(error, Delete::is_conditional_check_failed_exception)
        || is(error, Transact::is_transaction_canceled_exception)
}

fn is<E: std::error::Error + Send + Sync + 'static>(error: &Error, kind: fn(&E) -> bool) -> bool {
    error.downcast_ref::<E>().is_some_and(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attachment::{NewAttachment, ObjectKey, Sequencer, ThumbnailFormat, ThumbnailSet};
    use crate::dynamodb::Table;
    use crate::fake::{Answer, FakeAws};
    use crate::note::Id;
    use crate::owner::Owner;
    use crate::settings::Settings;
    use crate::timestamp::Timestamp;
    use serde_json::json;

    fn units(units: f64) -> Answer {
        Answer::json(json!({ "ConsumedCapacity": { "TableName": "notes", "CapacityUnits": units } }))
    }

    fn id(millis: i64) -> Id {
        Id::new(Timestamp::from_millis(millis))
    }

    fn anna() -> Owner {
        Owner::new("anna").unwrap()
    }

    #[tokio::test]
    async fn what_is_asked_is_counted_by_service_and_kind() {
        let batch = json!({ "ConsumedCapacity": [{ "CapacityUnits": 2.0 }, { "CapacityUnits": 4.0 }] });
        let script =
            [("GetItem", units(1.5)), ("PutItem", units(3.0)), ("BatchWriteItem", Answer::json(batch))];
        let aws = FakeAws::with(script);
        let (store, queues, now) = (aws.store(), aws.queues(), Timestamp::from_millis(0));
        let ((), usage) = measured(async {
            store.settings(&anna()).await.unwrap();
            store.put_settings(&anna(), &Settings::default(), now).await.unwrap();
            store
                .put_reports(&[(anna(), crate::report::Report::empty(chrono::NaiveDate::MIN))])
                .await
                .unwrap();
            queues.send("https://queue", vec![crate::sqs::Outgoing::default()]).await.unwrap();
        })
        .await;
        let seen = Usage {
            dynamodb_requests: 3,
            read_units: 1.5,
            write_units: 9.0,
            sqs_requests: 1,
            ..Usage::default()
        };
        assert_eq!(usage, seen);
    }

    #[tokio::test]
    async fn a_refused_write_is_told_apart_for_its_units_are_not_told() {
        for refusal in ["ConditionalCheckFailedException", "ResourceNotFoundException"] {
            let aws = FakeAws::with([("PutItem", Answer::error(refusal))]);
            let store = aws.store();
            let (owner, wish) = (anna(), Settings::default());
            let put = store.put_settings(&owner, &wish, Timestamp::from_millis(0));
            let (_, usage) = measured(put).await;
            let refused_writes = u32::from(refusal.starts_with("Conditional"));
            assert_eq!(usage, Usage { dynamodb_requests: 1, refused_writes, ..Usage::default() });
        }
    }

    #[tokio::test]
    async fn what_is_presigned_is_not_asked_yet() {
        let key = ObjectKey { owner: anna(), note_id: id(1), attachment_id: id(2) };
        let attachment = NewAttachment {
            filename: "a.png".into(),
            content_type: "image/png".into(),
            size: 1,
            sha256: None,
            thumbnail_format: ThumbnailFormat::WebP,
        };
        let attachment = attachment.into_attachment(id(1), Timestamp::from_millis(2));
        let set = ThumbnailSet::new(&Sequencer::new("0A"), b"content");
        let objects = FakeAws::default().objects();
        let (_, usage) = measured(objects.presign_thumbnail(&key, &attachment, 256)).await;
        assert_eq!(usage, Usage::default());
        let (_, usage) =
            measured(objects.put_thumbnail(&key, &set, ThumbnailFormat::WebP, 256, Vec::new())).await;
        assert_eq!(usage, Usage { s3_writes: 1, ..Usage::default() });
    }

    #[tokio::test]
    async fn measured_work_counts_for_the_measured_work_around_it() {
        let aws = FakeAws::answering(|_| Some(units(1.0)));
        let store = aws.store();
        let (anna, id) = (anna(), id(1));
        let (inner, usage) = measured(async {
            store.note(&anna, id).await.unwrap();
            measured(store.note(&anna, id)).await.1
        })
        .await;
        assert_eq!((inner.dynamodb_requests, inner.read_units), (1, 1.0));
        assert_eq!((usage.dynamodb_requests, usage.read_units), (2, 2.0));
    }

    #[tokio::test]
    async fn invocations_side_by_side_and_what_is_asked_outside_of_them_are_not_mixed() {
        let aws = FakeAws::answering(|_| Some(units(1.0)));
        let store = aws.store();
        store.warm_up(Table::Notes).await;
        let (anna, id) = (anna(), id(1));
        let twice = measured(async {
            tokio::try_join!(store.note(&anna, id), store.note(&anna, id)).unwrap();
        });
        let ((_, two), (_, one)) = tokio::join!(twice, measured(store.settings(&anna)));
        assert_eq!((two.dynamodb_requests, two.read_units), (2, 2.0));
        assert_eq!((one.dynamodb_requests, one.read_units), (1, 1.0));
    }
}
