//! Attachments in the notes table.

use super::transaction::Transacted;
use super::{
    Item, Store, Work, WorkEntry, attachment_key, failure, from_item, is_condition_failure, note_key, number,
    owner_key, text, to_item,
};
use crate::attachment::{Attachment, ObjectKey, Sequencer, Shown};
use crate::failure::Failure;
use crate::limits;
use crate::note::Id;
use crate::owner::Owner;
use crate::timestamp::Timestamp;
use aws_sdk_dynamodb::types::builders::DeleteBuilder;
use aws_sdk_dynamodb::types::{Delete, Put, ReturnValue, TransactWriteItem, Update};

/// How a change to a note's attachments ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachmentChange {
    Done,
    /// No such live note, or it has all the attachments it may have.
    NoteCannotTakeIt,
    /// No such attachment.
    NotFound,
}

/// An attachment whose upload came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    pub attachment: Attachment,
    /// The latest upload that was dealt with.
    pub latest: Option<Sequencer>,
    /// The request that announced the upload.
    pub correlation_id: Option<String>,
}

/// How the outcome of an upload was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    First,
    /// There was an outcome of an earlier upload.
    InPlaceOfAnother,
    /// Not at all: the attachment is gone, or this upload or a later one was dealt with before.
    TooLate,
}

impl Store {
    /// Adds a pending attachment, and counts it on its note, in one transaction. `request_id` is that of the request.
    pub async fn create_attachment(
        &self,
        owner: &Owner,
        attachment: &Attachment,
        request_id: &str,
    ) -> Result<AttachmentChange, Failure> {
        let expires = attachment.created_at.plus(limits::PENDING_UPLOAD_LIFE);
        let mut item = to_item(attachment)?;
        item.extend(to_item(&WorkEntry::new(Work::Upload, owner, expires))?);
        item.insert("pk".into(), text(owner_key(owner)));
        item.insert("sk".into(), text(attachment_key(attachment.note_id, attachment.id)));
        item.insert("changed_in".into(), text(request_id));
        let count = self
            .count_update(owner, attachment.note_id, 1)
            .condition_expression(
                "attribute_exists(pk) AND attribute_not_exists(deleted_at) \
                 AND (attribute_not_exists(attachments) OR attachments < :maximum)",
            )
            .expression_attribute_values(":maximum", number(limits::ATTACHMENTS))
            .build()
            .map_err(Failure::permanent)?;
        let put = Put::builder()
            .table_name(&self.notes)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(Failure::permanent)?;
        let actions = vec![
            TransactWriteItem::builder().update(count).build(),
            TransactWriteItem::builder().put(put).build(),
        ];
        Ok(match self.transact(actions).await? {
            Transacted::Done => AttachmentChange::Done,
            Transacted::Refused(_) => AttachmentChange::NoteCannotTakeIt,
        })
    }

    /// Removes an attachment and its count. Its objects go by way of the stream.
    pub async fn delete_attachment(
        &self,
        owner: &Owner,
        note: Id,
        id: Id,
    ) -> Result<AttachmentChange, Failure> {
        let delete = Delete::builder().condition_expression("attribute_exists(pk)");
        self.delete_and_uncount(owner, note, id, delete).await
    }

    async fn delete_and_uncount(
        &self,
        owner: &Owner,
        note: Id,
        id: Id,
        delete: DeleteBuilder,
    ) -> Result<AttachmentChange, Failure> {
        let delete = delete
            .table_name(&self.notes)
            .key("pk", text(owner_key(owner)))
            .key("sk", text(attachment_key(note, id)))
            .build()
            .map_err(Failure::permanent)?;
        let count = self
            .count_update(owner, note, -1)
            .condition_expression("attribute_exists(pk)")
            .build()
            .map_err(Failure::permanent)?;
        let actions = vec![
            TransactWriteItem::builder().delete(delete).build(),
            TransactWriteItem::builder().update(count).build(),
        ];
        Ok(match self.transact(actions).await? {
            Transacted::Done => AttachmentChange::Done,
            Transacted::Refused(_) => AttachmentChange::NotFound,
        })
    }

    fn count_update(
        &self,
        owner: &Owner,
        note: Id,
        by: i32,
    ) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        Update::builder()
            .table_name(&self.notes)
            .key("pk", text(owner_key(owner)))
            .key("sk", text(note_key(note)))
            .update_expression("ADD attachments :by")
            .expression_attribute_values(":by", number(by))
    }

    /// One attachment.
    pub async fn attachment(&self, owner: &Owner, note: Id, id: Id) -> Result<Option<Attachment>, Failure> {
        self.attachment_item(owner, note, id).await?.map(from_item).transpose()
    }

    /// What is known of an attachment and its uploads; `None` when it is gone.
    pub async fn uploaded(&self, key: &ObjectKey) -> Result<Option<Uploaded>, Failure> {
        let item = self.attachment_item(&key.owner, key.note_id, key.attachment_id).await?;
        let Some(item) = item else { return Ok(None) };
        let latest = latest_upload(&item);
        let correlation_id = item.get("changed_in").and_then(|id| id.as_s().ok()).cloned();
        Ok(Some(Uploaded { attachment: from_item(item)?, latest, correlation_id }))
    }

    async fn attachment_item(&self, owner: &Owner, note: Id, id: Id) -> Result<Option<Item>, Failure> {
        let output = self
            .client
            .get_item()
            .table_name(&self.notes)
            .key("pk", text(owner_key(owner)))
            .key("sk", text(attachment_key(note, id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failure(&error))?;
        Ok(output.item)
    }

    /// A note's attachments, oldest first; there are at most `limits::ATTACHMENTS`, so this is one query.
    pub async fn attachments(&self, owner: &Owner, note: Id) -> Result<Vec<Attachment>, Failure> {
        let output = self
            .client
            .query()
            .table_name(&self.notes)
            .key_condition_expression("pk = :owner AND begins_with(sk, :prefix)")
            .expression_attribute_values(":owner", text(owner_key(owner)))
            .expression_attribute_values(":prefix", text(format!("ATTACHMENT#{note}#")))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failure(&error))?;
        output.items.unwrap_or_default().into_iter().map(from_item).collect()
    }

    /// Marks an attachment ready, with its picture where it is one.
    pub async fn mark_ready(
        &self,
        key: &ObjectKey,
        sequencer: &Sequencer,
        shown: Option<&Shown>,
        now: Timestamp,
    ) -> Result<Marked, Failure> {
        let mut values = Item::new();
        values.insert(":status".into(), text("ready"));
        let thumbnails = shown.map_or(&[][..], |shown| &shown.thumbnails);
        let thumbnails =
            serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(thumbnails).map_err(Failure::permanent)?;
        values.insert(":thumbnails".into(), thumbnails);
        let Some(shown) = shown else {
            let remove = format!("reason, {OF_A_PICTURE}");
            return self.mark(key, sequencer, now, "SET thumbnails = :thumbnails", &remove, values).await;
        };
        values.insert(":width".into(), number(shown.width));
        values.insert(":height".into(), number(shown.height));
        values.insert(":placeholder".into(), text(&shown.placeholder));
        let set = serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(&shown.set);
        values.insert(":set".into(), set.map_err(Failure::permanent)?);
        let set = "SET thumbnails = :thumbnails, width = :width, height = :height, placeholder = :placeholder, \
                   thumbnail_set = :set";
        self.mark(key, sequencer, now, set, "reason, ", values).await
    }

    /// Marks an attachment failed, for a reason that its owner reads.
    pub async fn mark_failed(
        &self,
        key: &ObjectKey,
        sequencer: &Sequencer,
        reason: &str,
        now: Timestamp,
    ) -> Result<Marked, Failure> {
        let mut values = Item::new();
        values.insert(":status".into(), text("failed"));
        values.insert(":reason".into(), text(reason));
        let remove = format!("thumbnails, {OF_A_PICTURE}");
        self.mark(key, sequencer, now, "SET reason = :reason", &remove, values).await
    }

    /// The common part of marking: events of one object may come late and twice, so that only a later one changes
    /// anything.
    async fn mark(
        &self,
        key: &ObjectKey,
        sequencer: &Sequencer,
        now: Timestamp,
        set: &str,
        remove: &str,
        values: Item,
    ) -> Result<Marked, Failure> {
        let result = self
            .client
            .update_item()
            .table_name(&self.notes)
            .key("pk", text(owner_key(&key.owner)))
            .key("sk", text(attachment_key(key.note_id, key.attachment_id)))
            .update_expression(format!(
                "{set}, #status = :status, sequencer = :sequencer, processed_at = :now \
                 REMOVE {remove}work_shard, work_order"
            ))
            .condition_expression(
                "attribute_exists(pk) AND (attribute_not_exists(sequencer) OR sequencer < :sequencer)",
            )
            .expression_attribute_names("#status", "status")
            .set_expression_attribute_values(Some(values))
            .expression_attribute_values(":sequencer", text(sequencer.padded()))
            .expression_attribute_values(":now", text(now))
            .return_values(ReturnValue::UpdatedOld)
            .send()
            .await;
        match result {
            Ok(output) => {
                let before = output.attributes.as_ref().and_then(latest_upload);
                Ok(if before.is_some() { Marked::InPlaceOfAnother } else { Marked::First })
            }
            Err(error) if is_condition_failure(&error) => Ok(Marked::TooLate),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Takes away an attachment whose upload never came. `false`: it came after all.
    pub async fn expire_attachment(&self, owner: &Owner, note: Id, id: Id) -> Result<bool, Failure> {
        // The condition and not a read before: the upload may be processed this very moment.
        let delete = Delete::builder()
            .condition_expression("#status = :pending")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":pending", text("pending"));
        Ok(self.delete_and_uncount(owner, note, id, delete).await? == AttachmentChange::Done)
    }
}

/// What only a picture has, in an update expression.
const OF_A_PICTURE: &str = "width, height, placeholder, thumbnail_set, ";

fn latest_upload(item: &Item) -> Option<Sequencer> {
    item.get("sequencer")?.as_s().ok().map(|text| Sequencer::new(text))
}
