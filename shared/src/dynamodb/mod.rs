//! The edge to DynamoDB: two tables, and every request that is made of them.
//!
//! | table | partition key | sort key | holds |
//! |---|---|---|---|
//! | notes | `OWNER#<sub>` | `NOTE#<id>` | a note |
//! | notes | `OWNER#<sub>` | `ATTACHMENT#<note>#<id>` | an attachment |
//! | notes | `OWNER#<sub>` | `SETTINGS` | e-mail preferences |
//! | ledger | `IDEMPOTENCY#<sub>` | hash of the key | the first answer to a request |
//! | ledger | `VERSIONS#<sub>` | `<note>#<version>` | an earlier version of a note |
//! | ledger | `WORDS#<sub>#<prefix>` | `<note>` | a live note's words that begin so |
//! | ledger | `TRASHED-WORDS#<sub>#<prefix>` | `<deleted at> <note>` | the same of a note in the trash |
//! | ledger | `ACTIVITY#<day>#<shard>` | `<owner's key segment>#<event id>` | one change |
//! | ledger | `REPORT#<sub>` | day | an owner's report |
//! | ledger | `DAILY#<day>` | `PROGRESS` | how far the daily report is |
//! | ledger | `EMAIL#<key>` | `SENT` | the record of one e-mail |
//! | ledger | `ADDRESS#<hash>` | `SUPPRESSION` | why an address is not mailed |
//!
//! Two sparse indexes of the notes table: `trash` (`trash_owner`, `deleted_at`) lists an owner's trash; `work`
//! (`work_shard`, `work_order`) holds what a schedule is to look at, see [`Work`].

mod attachments;
mod attempts;
mod keys;
mod ledger;
mod notes;
mod search;
mod transaction;
mod versions;

pub use attachments::{AttachmentChange, Marked, Uploaded};
pub use keys::ItemKey;
pub use ledger::{ActivityPage, Claim, DailyProgress, Recorded};
pub use notes::{Changed, Created, Edit, Listing, Page, Replay};
pub use search::IndexChange;
pub use versions::{HistoryChange, Kept, VersionPage};

use crate::failure::Failure;
use crate::limits;
use crate::note::Id;
use crate::owner::Owner;
use crate::timestamp::Timestamp;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The two tables.
#[derive(Clone)]
pub struct Store {
    client: aws_sdk_dynamodb::Client,
    notes: String,
    ledger: String,
}

/// Kinds of scheduled work. The index keeps each in [`limits::SHARDS`] partitions, ordered by what it is due by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Trashed notes, by when they are to be purged.
    Purge,
    /// Attachments that wait for their upload, by when they expire.
    Upload,
    /// Settings with a daily report, by owner.
    DailyReport,
}

impl Work {
    /// A partition of the index, e.g. `purge#07`.
    pub fn partition(self, shard: u32) -> String {
        let name = match self {
            Self::Purge => "purge",
            Self::Upload => "upload",
            Self::DailyReport => "daily-report",
        };
        format!("{name}#{shard:02}")
    }
}

/// One entry of the work index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub owner: Owner,
    /// The sort key of the item in the notes table.
    pub sort_key: String,
    /// `work_order`; also where to go on from.
    pub order: String,
    /// The owner's address, where the item is their settings.
    pub email: Option<String>,
}

/// One of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Notes,
    Ledger,
}

impl Store {
    pub fn new(client: aws_sdk_dynamodb::Client, notes: String, ledger: String) -> Self {
        Self { client, notes, ledger }
    }

    /// A read that costs next to nothing, of a table that the function may read: what it warms (connection, signing key) is
    /// what the first request would pay for. Its outcome does not matter.
    pub async fn warm_up(&self, by: Table) {
        let table = match by {
            Table::Notes => &self.notes,
            Table::Ledger => &self.ledger,
        };
        let result = self
            .client
            .get_item()
            .table_name(table)
            .key("pk", text("WARM-UP"))
            .key("sk", text("WARM-UP"))
            .send()
            .await;
        tracing::debug!(warm = result.is_ok(), "warmed up");
    }

    /// Entries of the work index in one shard with an order up to `until` (or all), after `after`, at most `limit`.
    pub async fn due(
        &self,
        work: Work,
        shard: u32,
        until: Option<Timestamp>,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, Failure> {
        let partition = work.partition(shard);
        let mut query = self
            .client
            .query()
            .table_name(&self.notes)
            .index_name("work")
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .expression_attribute_values(":shard", text(&partition));
        query = match until {
            Some(until) => query
                .key_condition_expression("work_shard = :shard AND work_order <= :until")
                .expression_attribute_values(":until", text(until)),
            None => query.key_condition_expression("work_shard = :shard"),
        };
        if let Some(after) = after {
            query = query.set_exclusive_start_key(Some(HashMap::from([
                ("work_shard".to_owned(), text(&partition)),
                ("work_order".to_owned(), text(&after.order)),
                ("pk".to_owned(), text(owner_key(&after.owner))),
                ("sk".to_owned(), text(&after.sort_key)),
            ])));
        }
        let output = query.send().await.map_err(|error| failure(&error))?;
        Ok(output.items().iter().filter_map(due_from).collect())
    }
}

fn due_from(item: &Item) -> Option<Due> {
    let get = |name: &str| item.get(name)?.as_s().ok().cloned();
    Some(Due {
        owner: Owner::new(get("pk")?.strip_prefix("OWNER#")?).ok()?,
        sort_key: get("sk")?,
        order: get("work_order")?,
        email: get("email"),
    })
}

pub(crate) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn owner_key(owner: &Owner) -> String {
    format!("OWNER#{}", owner.as_str())
}

pub(crate) fn note_key(id: Id) -> String {
    format!("NOTE#{id}")
}

pub(crate) fn attachment_key(note: Id, id: Id) -> String {
    format!("ATTACHMENT#{note}#{id}")
}

pub(crate) fn to_item<T: Serialize>(value: &T) -> Result<Item, Failure> {
    serde_dynamo::aws_sdk_dynamodb_1::to_item(value).map_err(Failure::permanent)
}

pub(crate) fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, Failure> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(Failure::permanent)
}

/// Whether an SDK call failed because its condition did not hold.
pub(crate) fn is_condition_failure<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("ConditionalCheckFailedException")
}

/// Whether the condition of a call held; what it would have done is then done.
fn held<T, E, R>(result: Result<T, SdkError<E, R>>) -> Result<bool, Failure>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match result {
        Ok(_) => Ok(true),
        Err(error) if is_condition_failure(&error) => Ok(false),
        Err(error) => Err(failure(&error)),
    }
}

/// What a failed SDK call means. Only a request that is itself wrong is permanent: a missing permission or table is put
/// right by people, and the event must still be there when they have.
pub fn failure<E, R>(error: &SdkError<E, R>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let Some(service) = error.as_service_error() else {
        return Failure::passing(kind_of(error));
    };
    let code = service.code().unwrap_or("unknown error");
    match code {
        "ValidationException" | "InvalidMessageContents" => {
            Failure::permanent(format!("{code}: {}", service.message().unwrap_or_default()))
        }
        "ProvisionedThroughputExceededException" | "ThrottlingException" => {
            Failure::Throttled(code.to_owned())
        }
        _ => Failure::passing(code),
    }
}

fn kind_of<E, R>(error: &SdkError<E, R>) -> &'static str {
    match error {
        SdkError::TimeoutError(_) => "timeout",
        SdkError::DispatchFailure(_) => "no connection",
        SdkError::ConstructionFailure(_) => "the request could not be built",
        _ => "the response could not be read",
    }
}

/// The attributes of an entry in the work index.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct WorkEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    work_shard: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    work_order: Option<String>,
}

impl WorkEntry {
    pub(crate) fn new(work: Work, owner: &Owner, order: impl ToString) -> Self {
        Self { work_shard: Some(work.partition(owner.shard())), work_order: Some(order.to_string()) }
    }

    pub(crate) fn none() -> Self {
        Self::default()
    }
}

/// When a trashed note is to be purged.
pub(crate) fn purge_at(deleted_at: Timestamp) -> Timestamp {
    deleted_at.plus(limits::TRASH_LIFE)
}
