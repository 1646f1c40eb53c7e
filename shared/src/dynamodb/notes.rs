//! Notes and settings in the notes table.

use super::{
    Item, Store, Work, WorkEntry, failure, from_item, is_condition_failure, note_key, number, owner_key,
    purge_at, text, to_item,
};
use crate::failure::Failure;
use crate::limits;
use crate::note::{Id, Note, Summary, excerpt};
use crate::owner::Owner;
use crate::settings::Settings;
use crate::timestamp::Timestamp;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use aws_smithy_runtime_api::client::result::SdkError;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A note as the table holds it.
#[derive(Serialize)]
struct NoteRecord<'a> {
    pk: String,
    sk: String,
    #[serde(flatten)]
    note: &'a Note,
    excerpt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_by: Option<&'a str>,
}

/// A note as lists read it: with its excerpt.
#[derive(Deserialize)]
struct ListedNote {
    #[serde(flatten)]
    note: Note,
    #[serde(default)]
    excerpt: String,
}

/// A request that may be repeated: its `Idempotency-Key` and a digest of its body.
#[derive(Clone, Debug)]
pub struct Replay {
    pub key: String,
    pub body_digest: String,
}

/// The record of the first request with some `Idempotency-Key`.
#[derive(Serialize, Deserialize)]
struct IdempotencyRecord {
    pk: String,
    sk: String,
    body_digest: String,
    note: Note,
    expires_at: i64,
}

/// How a creation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    Now,
    /// An earlier request with the same key made this note.
    Before(Box<Note>),
    /// The key belongs to another request.
    KeyReused,
}

/// Which of an owner's notes to list.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The trash instead of the live notes.
    pub trash: bool,
    /// How many at most.
    pub limit: usize,
    /// Where the last page ended.
    pub after: Option<String>,
    /// Only notes with this tag.
    pub tag: Option<String>,
    /// Only notes that hold every one of these words, in title, body or tags; lower case.
    pub words: Vec<String>,
}

/// A page of a listing, and where the next begins if there may be one.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub items: Vec<Summary>,
    pub next: Option<String>,
}

impl Store {
    /// Stores a new note: one conditional write, or with an `Idempotency-Key` a transaction that also records the
    /// answer.
    pub async fn create_note(
        &self,
        owner: &Owner,
        note: &Note,
        changed_by: Option<&str>,
        replay: Option<&Replay>,
    ) -> Result<Created, Failure> {
        let item = to_item(&NoteRecord {
            pk: owner_key(owner),
            sk: note_key(note.id),
            note,
            excerpt: excerpt(&note.body),
            changed_by,
        })?;
        match replay {
            None => {
                let put = self
                    .client
                    .put_item()
                    .table_name(&self.notes)
                    .set_item(Some(item))
                    .condition_expression("attribute_not_exists(pk)");
                // The id is new with this request: what is there was put there by an attempt whose answer was lost.
                held(put.send().await)?;
                Ok(Created::Now)
            }
            Some(replay) => self.create_note_once(owner, note, item, replay).await,
        }
    }

    async fn create_note_once(
        &self,
        owner: &Owner,
        note: &Note,
        item: Item,
        replay: &Replay,
    ) -> Result<Created, Failure> {
        let record = to_item(&IdempotencyRecord {
            pk: format!("IDEMPOTENCY#{}", owner.as_str()),
            sk: replay.key.clone(),
            body_digest: replay.body_digest.clone(),
            note: note.clone(),
            expires_at: note.created_at.plus(limits::IDEMPOTENCY_LIFE).seconds(),
        })?;
        let first_time = Put::builder()
            .table_name(&self.ledger)
            .set_item(Some(record))
            // Time to live deletes late, so an expired record may still be here.
            .condition_expression("attribute_not_exists(pk) OR expires_at < :now")
            .expression_attribute_values(":now", number(note.created_at.seconds()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(Failure::permanent)?;
        let new_note = Put::builder()
            .table_name(&self.notes)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(Failure::permanent)?;
        let result = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(first_time).build())
            .transact_items(TransactWriteItem::builder().put(new_note).build())
            .send()
            .await;
        let Err(error) = result else { return Ok(Created::Now) };
        let cancelled = error.as_service_error().and_then(|error| match error {
            aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
                cancelled,
            ) => cancelled.cancellation_reasons().first(),
            _ => None,
        });
        match cancelled
            .filter(|reason| reason.code() == Some("ConditionalCheckFailed"))
            .and_then(|r| r.item())
        {
            Some(item) => {
                let record: IdempotencyRecord = from_item(item.clone())?;
                Ok(if record.body_digest == replay.body_digest {
                    Created::Before(Box::new(record.note))
                } else {
                    Created::KeyReused
                })
            }
            None => Err(failure(&error)),
        }
    }

    /// One note, trashed or not.
    pub async fn note(&self, owner: &Owner, id: Id) -> Result<Option<Note>, Failure> {
        let output = self
            .client
            .get_item()
            .table_name(&self.notes)
            .key("pk", text(owner_key(owner)))
            .key("sk", text(note_key(id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failure(&error))?;
        output.item.map(from_item).transpose()
    }

    /// Writes a note's content, provided the table still holds the version before. `false`: it does not.
    ///
    /// The SDK repeats a write whose answer was lost, and the repetition finds the first: that counts as written.
    pub async fn change_note(
        &self,
        owner: &Owner,
        note: &Note,
        changed_by: Option<&str>,
    ) -> Result<bool, Failure> {
        let strings = |values: &[String]| AttributeValue::L(values.iter().map(text).collect());
        let result = self
            .client
            .update_item()
            .table_name(&self.notes)
            .key("pk", text(owner_key(owner)))
            .key("sk", text(note_key(note.id)))
            .update_expression(
                "SET title = :title, body = :body, tags = :tags, notify = :notify, excerpt = :excerpt, \
                 version = :version, updated_at = :now, changed_by = :by",
            )
            .condition_expression("version = :before AND attribute_not_exists(deleted_at)")
            .expression_attribute_values(":title", text(&note.title))
            .expression_attribute_values(":body", text(&note.body))
            .expression_attribute_values(":tags", strings(&note.tags))
            .expression_attribute_values(":notify", strings(&note.notify))
            .expression_attribute_values(":excerpt", text(excerpt(&note.body)))
            .expression_attribute_values(":version", number(note.version))
            .expression_attribute_values(":now", text(note.updated_at))
            .expression_attribute_values(":before", number(note.version - 1))
            .expression_attribute_values(":by", changed_by.map_or(AttributeValue::Null(true), text))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) if is_condition_failure(&error) => Ok(present(&error).is_some_and(|present| {
                // Its attachments are counted beside it.
                Note { attachments: note.attachments, ..present } == *note
            })),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Moves a note to the trash; it is purged `limits::TRASH_LIFE` later. `None`: there is no such live note at that
    /// version (any version if `version` is `None`).
    pub async fn trash_note(
        &self,
        owner: &Owner,
        id: Id,
        version: Option<u64>,
        now: Timestamp,
        changed_by: Option<&str>,
    ) -> Result<Option<Note>, Failure> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.notes)
            .key("pk", text(owner_key(owner)))
            .key("sk", text(note_key(id)))
            .update_expression(
                "SET deleted_at = :now, updated_at = :now, trash_owner = pk, work_shard = :shard, \
                 work_order = :purge_at, changed_by = :by ADD version :one",
            )
            .expression_attribute_values(":now", text(now))
            .expression_attribute_values(":shard", text(Work::Purge.partition(owner.shard())))
            .expression_attribute_values(":purge_at", text(purge_at(now)))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":by", changed_by.map_or(AttributeValue::Null(true), text))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        update = match version {
            None => update.condition_expression("attribute_exists(pk) AND attribute_not_exists(deleted_at)"),
            Some(version) => update
                .condition_expression("version = :before AND attribute_not_exists(deleted_at)")
                .expression_attribute_values(":before", number(version)),
        };
        match update.send().await {
            Ok(output) => output.attributes.map(from_item).transpose(),
            // As in [`Self::change_note`].
            Err(error) if is_condition_failure(&error) => {
                let is_ours = |present: &Note| {
                    present.deleted_at == Some(now)
                        && version.is_none_or(|version| present.version == version + 1)
                };
                Ok(present(&error).filter(is_ours))
            }
            Err(error) => Err(failure(&error)),
        }
    }

    /// Takes a note out of the trash. `None`: there is no such trashed note.
    pub async fn restore_note(
        &self,
        owner: &Owner,
        id: Id,
        now: Timestamp,
        changed_by: Option<&str>,
    ) -> Result<Option<Note>, Failure> {
        let result = self
            .client
            .update_item()
            .table_name(&self.notes)
            .key("pk", text(owner_key(owner)))
            .key("sk", text(note_key(id)))
            .update_expression(
                "SET updated_at = :now, changed_by = :by REMOVE deleted_at, trash_owner, work_shard, work_order \
                 ADD version :one",
            )
            .condition_expression("attribute_exists(deleted_at) AND attribute_not_exists(purging)")
            .expression_attribute_values(":now", text(now))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":by", changed_by.map_or(AttributeValue::Null(true), text))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match result {
            Ok(output) => output.attributes.map(from_item).transpose(),
            Err(error) if is_condition_failure(&error) => Ok(None),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Removes a trashed note for good, its attachments first. `due_by`: only if it was to be purged by then. `false`: it
    /// is not in the trash (any more), or was trashed again since. Objects go by way of the stream.
    ///
    /// The note is marked before anything goes: from then on it cannot be restored, and a purge that is cut short is
    /// found again, since the note itself goes last.
    pub async fn purge_note(
        &self,
        owner: &Owner,
        id: Id,
        due_by: Option<Timestamp>,
    ) -> Result<bool, Failure> {
        let mut mark = self
            .client
            .update_item()
            .table_name(&self.notes)
            .key("pk", text(owner_key(owner)))
            .key("sk", text(note_key(id)))
            .update_expression("SET purging = :true")
            .expression_attribute_values(":true", AttributeValue::Bool(true));
        mark = match due_by {
            None => mark.condition_expression("attribute_exists(deleted_at)"),
            // The index that found it lags behind: it may be restored, and trashed anew.
            Some(due_by) => mark
                .condition_expression("attribute_exists(deleted_at) AND work_order <= :due_by")
                .expression_attribute_values(":due_by", text(due_by)),
        };
        if !held(mark.send().await)? {
            return Ok(false);
        }
        for attachment in self.attachments(owner, id).await? {
            self.delete_item_unconditionally(owner, &super::attachment_key(id, attachment.id)).await?;
        }
        let result = self
            .client
            .delete_item()
            .table_name(&self.notes)
            .key("pk", text(owner_key(owner)))
            .key("sk", text(note_key(id)))
            .condition_expression("attribute_exists(deleted_at)")
            .send()
            .await;
        held(result)
    }

    pub(super) async fn delete_item_unconditionally(
        &self,
        owner: &Owner,
        sort_key: &str,
    ) -> Result<(), Failure> {
        self.client
            .delete_item()
            .table_name(&self.notes)
            .key("pk", text(owner_key(owner)))
            .key("sk", text(sort_key))
            .send()
            .await
            .map_err(|error| failure(&error))?;
        Ok(())
    }

    /// Lists an owner's notes, newest first. Without a filter one query; with one, at most `limits::PAGE_QUERIES`, so
    /// that a page may hold fewer than asked for and still have a next.
    pub async fn list_notes(&self, owner: &Owner, listing: &Listing) -> Result<Page, Failure> {
        let mut page = Page { items: Vec::new(), next: listing.after.clone() };
        for _ in 0..limits::PAGE_QUERIES {
            let (items, next) = self.query_notes(owner, listing, page.next.as_deref()).await?;
            for item in items {
                // The query may bring more than fit: the page then ends at the last that does.
                if page.items.len() == listing.limit {
                    page.next = page.items.last().map(|last| position(listing, last));
                    return Ok(page);
                }
                page.items.push(item);
            }
            page.next = next;
            if page.next.is_none() || page.items.len() >= listing.limit {
                return Ok(page);
            }
        }
        Ok(page)
    }

    async fn query_notes(
        &self,
        owner: &Owner,
        listing: &Listing,
        after: Option<&str>,
    ) -> Result<(Vec<Summary>, Option<String>), Failure> {
        let is_filtered = listing.tag.is_some() || !listing.words.is_empty();
        // A filter reads on; without one, read what the page takes.
        let limit = if is_filtered { limits::PAGE_MAXIMUM } else { listing.limit };
        let mut query = self
            .client
            .query()
            .table_name(&self.notes)
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .expression_attribute_values(":owner", text(owner_key(owner)));
        query = if listing.trash {
            query.index_name("trash").key_condition_expression("trash_owner = :owner")
        } else {
            query
                .key_condition_expression("pk = :owner AND begins_with(sk, :notes)")
                .filter_expression("attribute_not_exists(deleted_at)")
                .expression_attribute_values(":notes", text("NOTE#"))
        };
        if let Some(after) = after {
            query = query.set_exclusive_start_key(Some(start_key(owner, listing, after)?));
        }
        let output = query.send().await.map_err(|error| failure(&error))?;
        let next = output.last_evaluated_key.as_ref().and_then(|key| position_of_key(listing, key));
        let mut found = Vec::new();
        for item in output.items.unwrap_or_default() {
            let listed: ListedNote = from_item(item)?;
            if matches(listing, &listed.note) {
                found.push(summary(listed));
            }
        }
        Ok((found, next))
    }

    /// An owner's settings; the defaults when nothing was ever set.
    pub async fn settings(&self, owner: &Owner) -> Result<Option<Settings>, Failure> {
        let output = self
            .client
            .get_item()
            .table_name(&self.notes)
            .key("pk", text(owner_key(owner)))
            .key("sk", text("SETTINGS"))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failure(&error))?;
        Ok(output.item.map(from_item::<SettingsRecord>).transpose()?.map(|record| record.settings()))
    }

    /// Stores an owner's settings as they were wanted `now`. `false`: what was wanted later is there already, and stays.
    /// The SDK repeats a write whose answer was lost, and another may have come between.
    pub async fn put_settings(
        &self,
        owner: &Owner,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let work = if settings.daily_report {
            WorkEntry::new(Work::DailyReport, owner, owner.to_key_segment())
        } else {
            WorkEntry::none()
        };
        let mut item = to_item(&SettingsRecord {
            email: settings.email.clone(),
            notifications: settings.notifications,
            daily_report: settings.daily_report,
        })?;
        item.extend(to_item(&work)?);
        item.insert("pk".into(), text(owner_key(owner)));
        item.insert("sk".into(), text("SETTINGS"));
        item.insert("updated_at".into(), text(now));
        let put = self
            .client
            .put_item()
            .table_name(&self.notes)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(updated_at) OR updated_at <= :now")
            .expression_attribute_values(":now", text(now));
        held(put.send().await)
    }
}

/// Settings as the table holds them, where unknown attributes (keys, index entries) are no error.
#[derive(Serialize, Deserialize)]
struct SettingsRecord {
    email: Option<String>,
    notifications: bool,
    daily_report: bool,
}

impl SettingsRecord {
    fn settings(self) -> Settings {
        Settings { email: self.email, notifications: self.notifications, daily_report: self.daily_report }
    }
}

/// The note that a condition did not hold for.
fn present<R>(error: &SdkError<UpdateItemError, R>) -> Option<Note> {
    match error.as_service_error()? {
        UpdateItemError::ConditionalCheckFailedException(failed) => from_item(failed.item()?.clone()).ok(),
        _ => None,
    }
}

fn held<T, E, R>(result: Result<T, SdkError<E, R>>) -> Result<bool, Failure>
where
    E: aws_smithy_types::error::metadata::ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match result {
        Ok(_) => Ok(true),
        Err(error) if is_condition_failure(&error) => Ok(false),
        Err(error) => Err(failure(&error)),
    }
}

fn matches(listing: &Listing, note: &Note) -> bool {
    if listing.tag.as_ref().is_some_and(|tag| !note.tags.contains(tag)) {
        return false;
    }
    if listing.words.is_empty() {
        return true;
    }
    let haystack = format!("{}\n{}\n{}", note.title, note.body, note.tags.join("\n")).to_lowercase();
    listing.words.iter().all(|word| haystack.contains(word))
}

fn summary(listed: ListedNote) -> Summary {
    let note = listed.note;
    Summary {
        id: note.id,
        title: note.title,
        excerpt: listed.excerpt,
        tags: note.tags,
        notify: note.notify,
        version: note.version,
        created_at: note.created_at,
        updated_at: note.updated_at,
        deleted_at: note.deleted_at,
        attachments: note.attachments,
    }
}

/// A position in a listing: the note's id, in the trash after its moment of deletion.
fn position(listing: &Listing, item: &Summary) -> String {
    match item.deleted_at.filter(|_| listing.trash) {
        Some(deleted_at) => format!("{deleted_at} {}", item.id),
        None => item.id.to_string(),
    }
}

fn position_of_key(listing: &Listing, key: &Item) -> Option<String> {
    let id = key.get("sk")?.as_s().ok()?.strip_prefix("NOTE#")?.to_owned();
    if !listing.trash {
        return Some(id);
    }
    Some(format!("{} {id}", key.get("deleted_at")?.as_s().ok()?))
}

fn start_key(owner: &Owner, listing: &Listing, after: &str) -> Result<Item, Failure> {
    let wrong = || Failure::permanent("the cursor does not fit the listing");
    let (deleted_at, id) = match after.split_once(' ') {
        Some((deleted_at, id)) if listing.trash => (Some(deleted_at), id),
        None if !listing.trash => (None, after),
        _ => return Err(wrong()),
    };
    let id = Id::parse(id).ok_or_else(wrong)?;
    let mut key: Item =
        HashMap::from([("pk".to_owned(), text(owner_key(owner))), ("sk".to_owned(), text(note_key(id)))]);
    if let Some(deleted_at) = deleted_at {
        key.insert("trash_owner".to_owned(), text(owner_key(owner)));
        key.insert("deleted_at".to_owned(), text(deleted_at));
    }
    Ok(key)
}
