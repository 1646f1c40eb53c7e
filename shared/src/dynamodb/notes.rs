//! Notes and settings in the notes table.

use super::transaction::Transacted;
use super::{
    Item, Store, Work, WorkEntry, failure, from_item, held, note_key, number, owner_key, purge_at, text,
    to_item,
};
use crate::failure::Failure;
use crate::limits;
use crate::note::{Changes, Expected, Id, Note, Place, Summary, excerpt};
use crate::owner::Owner;
use crate::search::Query;
use crate::settings::Settings;
use crate::timestamp::Timestamp;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
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
    changed_in: &'a str,
}

/// By whom, when and in which request a note is changed. The request makes a change happen once: the SDK repeats a
/// request whose answer was lost, and the condition on the note then tells that it is done.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    pub now: Timestamp,
    /// The caller's address, for those who are told of the change.
    pub by: Option<&'a str>,
    pub request_id: &'a str,
}

/// How a change to one note ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The note as it is now.
    Done(Box<Note>),
    /// Nothing was changed: there is no such note, or it is this one, in another version or state than was asked for.
    Refused(Option<Box<Note>>),
}

/// A note as lists read it: with its excerpt.
#[derive(Deserialize)]
pub(super) struct ListedNote {
    #[serde(flatten)]
    pub(super) note: Note,
    #[serde(default)]
    excerpt: String,
}

/// A request that may be repeated: its `Idempotency-Key` and a digest of its body.
#[derive(Clone, Debug)]
pub struct Replay {
    pub key: String,
    pub body_digest: String,
}

/// The record of the first request with some `Idempotency-Key`. It need not hold the answer: the same body makes the same
/// note, given its id and its moment.
#[derive(Serialize, Deserialize)]
struct IdempotencyRecord {
    pk: String,
    sk: String,
    body_digest: String,
    note_id: Id,
    created_at: Timestamp,
    expires_at: i64,
}

/// How a creation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    Now,
    /// An earlier request with the same key and body made the note with this id, at this moment.
    Before {
        id: Id,
        at: Timestamp,
    },
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
    /// Only notes that hold its words, in title, body or tags.
    pub query: Option<Query>,
}

impl Listing {
    /// Whether the note, as it is, belongs here.
    pub(super) fn holds(&self, note: &Note) -> bool {
        note.is_trashed() == self.trash
            && self.tag.as_ref().is_none_or(|tag| note.tags.contains(tag))
            && self.query.as_ref().is_none_or(|query| query.is_met_by(note))
    }
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
        edit: Edit<'_>,
        replay: Option<&Replay>,
    ) -> Result<Created, Failure> {
        let item = to_item(&NoteRecord {
            pk: owner_key(owner),
            sk: note_key(note.id),
            note,
            excerpt: excerpt(&note.body),
            changed_by: edit.by,
            changed_in: edit.request_id,
        })?;
        if let Some(replay) = replay {
            return self.create_note_once(owner, note, item, replay).await;
        }
        let result = self
            .client
            .put_item()
            .table_name(&self.notes)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        // The id is new, so that what is there can only be this note: stored by an attempt whose answer was lost.
        held(result).map(|_stored_now_or_before| Created::Now)
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
            note_id: note.id,
            created_at: note.created_at,
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
        let actions = vec![
            TransactWriteItem::builder().put(first_time).build(),
            TransactWriteItem::builder().put(new_note).build(),
        ];
        let Transacted::Refused(reasons) = self.transact(actions).await? else { return Ok(Created::Now) };
        let Some(item) = reasons.first().and_then(|reason| reason.item()) else {
            return Err(Failure::passing("a transaction was refused without a reason"));
        };
        let first: IdempotencyRecord = from_item(item.clone())?;
        if first.body_digest != replay.body_digest {
            return Ok(Created::KeyReused);
        }
        Ok(Created::Before { id: first.note_id, at: first.created_at })
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

    /// Sets some fields of a live note that is in an expected version: one write, and no read before it.
    pub async fn change_note(
        &self,
        owner: &Owner,
        id: Id,
        changes: &Changes,
        expected: &Expected,
        edit: Edit<'_>,
    ) -> Result<Changed, Failure> {
        let strings = |values: &[String]| AttributeValue::L(values.iter().map(text).collect());
        let Changes { title, body, tags, notify } = changes;
        let fields = [
            ("title", title.as_ref().map(text)),
            ("body", body.as_ref().map(text)),
            ("excerpt", body.as_ref().map(|body| text(excerpt(body)))),
            ("tags", tags.as_deref().map(strings)),
            ("notify", notify.as_deref().map(strings)),
        ];
        let mut set = String::new();
        let mut update = self.edit(owner, id, expected, edit, "attribute_not_exists(deleted_at)");
        for (name, value) in fields {
            if let Some(value) = value {
                set.push_str(&format!(", {name} = :{name}"));
                update = update.expression_attribute_values(format!(":{name}"), value);
            }
        }
        changed(update.update_expression(format!("{EDIT}{set} {NEXT_VERSION}")), edit).await
    }

    /// Moves a live note that is in an expected version to the trash; it is purged `limits::TRASH_LIFE` later.
    pub async fn trash_note(
        &self,
        owner: &Owner,
        id: Id,
        expected: &Expected,
        edit: Edit<'_>,
    ) -> Result<Changed, Failure> {
        let update = self
            .edit(owner, id, expected, edit, "attribute_not_exists(deleted_at)")
            .update_expression(format!(
                "{EDIT}, deleted_at = :now, trash_owner = pk, work_shard = :shard, work_order = :purge_at \
                 {NEXT_VERSION}"
            ))
            .expression_attribute_values(":shard", text(Work::Purge.partition(owner.shard())))
            .expression_attribute_values(":purge_at", text(purge_at(edit.now)));
        changed(update, edit).await
    }

    /// Takes a note out of the trash, unless it is being purged.
    pub async fn restore_note(&self, owner: &Owner, id: Id, edit: Edit<'_>) -> Result<Changed, Failure> {
        let state = "attribute_exists(deleted_at) AND attribute_not_exists(purging)";
        let update = self.edit(owner, id, &Expected::Any, edit, state).update_expression(format!(
            "{EDIT} REMOVE deleted_at, trash_owner, work_shard, work_order {NEXT_VERSION}"
        ));
        changed(update, edit).await
    }

    /// The part that all changes of one note share: what they write, and the condition they are made under.
    fn edit(
        &self,
        owner: &Owner,
        id: Id,
        expected: &Expected,
        edit: Edit<'_>,
        state: &str,
    ) -> UpdateItemFluentBuilder {
        let mut condition = format!("attribute_exists(pk) AND changed_in <> :request AND {state}");
        let mut update = self
            .client
            .update_item()
            .table_name(&self.notes)
            .key("pk", text(owner_key(owner)))
            .key("sk", text(note_key(id)))
            .expression_attribute_values(":now", text(edit.now))
            .expression_attribute_values(":by", edit.by.map_or(AttributeValue::Null(true), text))
            .expression_attribute_values(":request", text(edit.request_id))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Expected::OneOf(versions) = expected {
            // Zero is no note's version, and a list must not be empty.
            let versions = versions.iter().copied().chain([0]).enumerate();
            let names: Vec<String> = versions.clone().map(|(index, _)| format!(":version{index}")).collect();
            condition.push_str(&format!(" AND version IN ({})", names.join(", ")));
            for ((_, version), name) in versions.zip(names) {
                update = update.expression_attribute_values(name, number(version));
            }
        }
        update.condition_expression(condition)
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

    /// Lists an owner's notes, newest first. Without a filter one query; with a tag, at most `limits::PAGE_QUERIES`, so
    /// that a page may hold fewer than asked for and still have a next; what is searched for, the index finds.
    pub async fn list_notes(&self, owner: &Owner, listing: &Listing) -> Result<Page, Failure> {
        if let Some(query) = &listing.query {
            return self.search_notes(owner, listing, query).await;
        }
        let mut page = Page { items: Vec::new(), next: listing.after.clone() };
        for _ in 0..limits::PAGE_QUERIES {
            let (items, next) = self.query_notes(owner, listing, page.next.as_deref()).await?;
            for item in items {
                // The query may bring more than fit: the page then ends at the last that does.
                if page.items.len() == listing.limit {
                    page.next = page.items.last().map(|last| Place::of(last.deleted_at).position(last.id));
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
        // A filter reads on; without one, read what the page takes.
        let limit = if listing.tag.is_some() { limits::PAGE_MAXIMUM } else { listing.limit };
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
            if listing.holds(&listed.note) {
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

/// What every change of a note sets, and the version it makes.
const EDIT: &str = "SET updated_at = :now, changed_by = :by, changed_in = :request";
const NEXT_VERSION: &str = "ADD version :one";

async fn changed(update: UpdateItemFluentBuilder, edit: Edit<'_>) -> Result<Changed, Failure> {
    let error = match update.send().await {
        Ok(output) => return Ok(Changed::Done(Box::new(from_item(output.attributes.unwrap_or_default())?))),
        Err(error) => error,
    };
    let Some(UpdateItemError::ConditionalCheckFailedException(refusal)) = error.as_service_error() else {
        return Err(failure(&error));
    };
    let Some(item) = refusal.item() else { return Ok(Changed::Refused(None)) };
    let is_done = item.get("changed_in") == Some(&text(edit.request_id));
    let note = Box::new(from_item(item.clone())?);
    Ok(if is_done { Changed::Done(note) } else { Changed::Refused(Some(note)) })
}

pub(super) fn summary(listed: ListedNote) -> Summary {
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
