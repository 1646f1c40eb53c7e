//! The ledger: activity, reports, and the records that keep effects from being doubled.

use super::attempts::{ATTEMPTS, pause_before};
use super::{Item, Store, failure, from_item, held, is_condition_failure, number, text, to_item};
use crate::activity::{self, Activity};
use crate::email::{Suppression, address_hash};
use crate::failure::Failure;
use crate::limits;
use crate::owner::Owner;
use crate::report::{OperatorReport, Report};
use crate::timestamp::Timestamp;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{DeleteRequest, PutRequest, ReturnValuesOnConditionCheckFailure, WriteRequest};
use chrono::NaiveDate;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Items of one `BatchWriteItem`.
const BATCH_ITEMS: usize = 25;
/// Batches that are on their way at the same time.
const BATCHES_AT_ONCE: usize = 8;

/// A page of one partition of a day's activity, ordered by owner.
#[derive(Clone, Debug, Default)]
pub struct ActivityPage {
    pub entries: Vec<Activity>,
    /// Where to go on from.
    pub next: Option<String>,
}

/// Whether an e-mail may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is ours to send until then, on the machine's clock.
    Granted { until: Timestamp },
    /// It was sent, refused for good, or suppressed before.
    Settled,
    /// Another invocation has it in hand, or died with it in hand; its claim runs out then, on the machine's clock.
    Held { until: Timestamp },
}

/// What an e-mail record ends as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    Sent { message_id: String },
    Refused { reason: String },
    Suppressed,
}

/// How far the daily report of one day is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DailyProgress {
    /// Activity shards whose reports are stored.
    pub activity_shards: u32,
    /// Subscriber shards whose e-mails are on their way.
    pub subscriber_shards: u32,
    /// Where the shard in hand is to be gone on with.
    #[serde(default)]
    pub after: Option<String>,
    /// The report of the owner whose activity was being counted there.
    #[serde(default)]
    pub open: Option<(Owner, Report)>,
    /// Sums over what is done.
    pub totals: Option<OperatorReport>,
    pub is_complete: bool,
}

#[derive(Serialize, Deserialize)]
struct ReportRecord {
    pk: String,
    sk: String,
    report: Report,
    expires_at: i64,
}

#[derive(Serialize, Deserialize)]
struct ActivityRecord {
    pk: String,
    sk: String,
    #[serde(flatten)]
    activity: Activity,
    expires_at: i64,
}

impl Store {
    /// Stores activity entries. Storing one again changes nothing.
    pub async fn record_activity(&self, entries: impl Iterator<Item = &Activity>) -> Result<(), Failure> {
        let mut requests = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for activity in entries {
            // One batch must not name a key twice.
            if seen.insert((&activity.owner, &activity.event_id)) {
                requests.push(put_request(&ActivityRecord {
                    pk: activity.partition(),
                    sk: activity.sort_key(),
                    activity: activity.clone(),
                    expires_at: activity.expires_at(),
                })?);
            }
        }
        self.write(requests).await
    }

    /// Stores owners' reports of one day. Storing one again replaces it by the same.
    pub async fn put_reports(&self, reports: &[(Owner, Report)]) -> Result<(), Failure> {
        let requests = reports
            .iter()
            .map(|(owner, report)| {
                put_request(&ReportRecord {
                    pk: report_key(owner),
                    sk: report.date.to_string(),
                    report: report.clone(),
                    expires_at: end_of(report.date).plus(limits::REPORT_LIFE).seconds(),
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.write(requests).await
    }

    /// Writes to the ledger in batches, several of them at once. No key may stand there twice.
    pub(super) async fn write(&self, mut requests: Vec<WriteRequest>) -> Result<(), Failure> {
        let mut batches = Vec::with_capacity(requests.len().div_ceil(BATCH_ITEMS));
        while !requests.is_empty() {
            batches.push(self.write_batch(requests.drain(..requests.len().min(BATCH_ITEMS)).collect()));
        }
        stream::iter(batches).buffer_unordered(BATCHES_AT_ONCE).try_collect().await
    }

    /// Writes one batch, going on with what DynamoDB left unprocessed.
    async fn write_batch(&self, mut requests: Vec<WriteRequest>) -> Result<(), Failure> {
        for attempt in 1..=ATTEMPTS {
            pause_before(attempt).await;
            let batch = self.client.batch_write_item().request_items(&self.ledger, requests);
            let output = batch.send().await.map_err(|error| failure(&error))?;
            requests = output.unprocessed_items.unwrap_or_default().remove(&self.ledger).unwrap_or_default();
            if requests.is_empty() {
                return Ok(());
            }
        }
        Err(Failure::passing("DynamoDB left items unprocessed"))
    }

    /// One page of a partition of a day's activity.
    pub async fn activity(
        &self,
        date: NaiveDate,
        shard: u32,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ActivityPage, Failure> {
        let partition = activity::partition(date, shard);
        let start = after.map(|after| {
            HashMap::from([("pk".to_owned(), text(&partition)), ("sk".to_owned(), text(after))])
        });
        let output = self
            .client
            .query()
            .table_name(&self.ledger)
            .key_condition_expression("pk = :partition")
            .expression_attribute_values(":partition", text(&partition))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| failure(&error))?;
        let next = output.last_evaluated_key.as_ref().and_then(|key| key.get("sk")?.as_s().ok().cloned());
        let entries = output
            .items
            .unwrap_or_default()
            .into_iter()
            .map(|item| Ok(from_item::<ActivityRecord>(item)?.activity))
            .collect::<Result<_, Failure>>()?;
        Ok(ActivityPage { entries, next })
    }

    /// An owner's report of one day.
    pub async fn report(&self, owner: &Owner, date: NaiveDate) -> Result<Option<Report>, Failure> {
        let item = self.ledger_item(&report_key(owner), &date.to_string()).await?;
        Ok(item.map(from_item::<ReportRecord>).transpose()?.map(|record| record.report))
    }

    /// How far the daily report of `date` is.
    pub async fn daily_progress(&self, date: NaiveDate) -> Result<DailyProgress, Failure> {
        let item = self.ledger_item(&format!("DAILY#{date}"), "PROGRESS").await?;
        Ok(item.map(from_item).transpose()?.unwrap_or_default())
    }

    /// Notes how far the daily report of `date` is.
    pub async fn put_daily_progress(&self, date: NaiveDate, progress: &DailyProgress) -> Result<(), Failure> {
        let mut item = to_item(progress)?;
        item.insert("pk".into(), text(format!("DAILY#{date}")));
        item.insert("sk".into(), text("PROGRESS"));
        item.insert("expires_at".into(), number(end_of(date).plus(limits::REPORT_LIFE).seconds()));
        self.put_ledger_item(item).await
    }

    /// Claims the e-mail with this key. `token` is the claim's own, so that an attempt whose answer was lost is known
    /// again. `now` is the machine's time: claims are about processes, and end by their time alone. That a message comes
    /// again says nothing about whoever had it before: SQS may deliver a message twice at the same time.
    ///
    /// `at` is when the job was sent; the record's life counts from the later of the two.
    pub async fn claim_email(
        &self,
        key: &str,
        token: &str,
        now: Timestamp,
        at: Timestamp,
    ) -> Result<Claim, Failure> {
        let until = now.plus(limits::EMAIL_CLAIM_LIFE);
        let result = self
            .client
            .put_item()
            .table_name(&self.ledger)
            .item("pk", text(format!("EMAIL#{key}")))
            .item("sk", text("SENT"))
            .item("state", text("claimed"))
            .item("token", text(token))
            .item("claimed_until", number(until.millis()))
            .item("expires_at", number(now.max(at).plus(limits::EMAIL_RECORD_LIFE).seconds()))
            .condition_expression(
                "attribute_not_exists(pk) OR (#state = :claimed AND (claimed_until < :now OR #token = :token))",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":claimed", text("claimed"))
            .expression_attribute_values(":token", text(token))
            .expression_attribute_values(":now", number(now.millis()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else { return Ok(Claim::Granted { until }) };
        if !is_condition_failure(&error) {
            return Err(failure(&error));
        }
        let held = match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(held)) => held.item(),
            _ => None,
        };
        Ok(held.and_then(held_until).map_or(Claim::Settled, |until| Claim::Held { until }))
    }

    /// Gives a claim back after a passing failure, so that the next attempt need not wait for it to run out. Does
    /// nothing where another claim has taken its place.
    pub async fn release_email(&self, key: &str, token: &str) -> Result<(), Failure> {
        let result = self
            .client
            .update_item()
            .table_name(&self.ledger)
            .key("pk", text(format!("EMAIL#{key}")))
            .key("sk", text("SENT"))
            .update_expression("SET claimed_until = :zero")
            .condition_expression("#state = :claimed AND #token = :token")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":claimed", text("claimed"))
            .expression_attribute_values(":token", text(token))
            .expression_attribute_values(":zero", number(0))
            .send()
            .await;
        held(result).map(drop)
    }

    /// Records how the e-mail with this key ended, whoever holds the claim: what was done is done.
    pub async fn settle_email(&self, key: &str, recorded: &Recorded) -> Result<(), Failure> {
        let (state, detail) = match recorded {
            Recorded::Sent { message_id } => ("sent", message_id.as_str()),
            Recorded::Refused { reason } => ("refused", reason.as_str()),
            Recorded::Suppressed => ("suppressed", ""),
        };
        self.client
            .update_item()
            .table_name(&self.ledger)
            .key("pk", text(format!("EMAIL#{key}")))
            .key("sk", text("SENT"))
            .update_expression("SET #state = :state, detail = :detail")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", text(state))
            .expression_attribute_values(":detail", text(detail))
            .send()
            .await
            .map_err(|error| failure(&error))?;
        Ok(())
    }

    /// Why this address is not mailed, if so.
    pub async fn suppression(&self, address: &str) -> Result<Option<Suppression>, Failure> {
        #[derive(Deserialize)]
        struct Record {
            reason: Suppression,
        }
        let item = self.ledger_item(&format!("ADDRESS#{}", address_hash(address)), "SUPPRESSION").await?;
        Ok(item.map(from_item::<Record>).transpose()?.map(|record| record.reason))
    }

    /// Notes that an address (by its hash) is not to be mailed. These records have no end. A recipient's wish does not
    /// take the place of a bounce or a complaint: the wish can be lifted, and those must not be.
    pub async fn suppress(&self, hash: &str, reason: Suppression, now: Timestamp) -> Result<(), Failure> {
        let mut put = self
            .client
            .put_item()
            .table_name(&self.ledger)
            .set_item(Some(to_item(&serde_json::json!({ "reason": reason, "since": now }))?))
            .item("pk", text(format!("ADDRESS#{hash}")))
            .item("sk", text("SUPPRESSION"));
        if reason.can_be_lifted() {
            put = put
                .condition_expression("attribute_not_exists(pk) OR reason IN (:unsubscribed, :muted)")
                .expression_attribute_values(":unsubscribed", text("unsubscribed"))
                .expression_attribute_values(":muted", text("muted"));
        }
        held(put.send().await).map(drop)
    }

    /// Lets an address be mailed again, unless the reason is one that only the mail provider can lift.
    pub async fn lift_suppression(&self, address: &str) -> Result<(), Failure> {
        let result = self
            .client
            .delete_item()
            .table_name(&self.ledger)
            .key("pk", text(format!("ADDRESS#{}", address_hash(address))))
            .key("sk", text("SUPPRESSION"))
            .condition_expression("attribute_not_exists(pk) OR reason IN (:unsubscribed, :muted)")
            .expression_attribute_values(":unsubscribed", text("unsubscribed"))
            .expression_attribute_values(":muted", text("muted"))
            .send()
            .await;
        held(result).map(drop)
    }

    pub(super) async fn ledger_item(&self, pk: &str, sk: &str) -> Result<Option<Item>, Failure> {
        let output = self
            .client
            .get_item()
            .table_name(&self.ledger)
            .key("pk", text(pk))
            .key("sk", text(sk))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failure(&error))?;
        Ok(output.item)
    }

    async fn put_ledger_item(&self, item: Item) -> Result<(), Failure> {
        self.client
            .put_item()
            .table_name(&self.ledger)
            .set_item(Some(item))
            .send()
            .await
            .map_err(|error| failure(&error))?;
        Ok(())
    }
}

/// When the claim of an e-mail record runs out; `None` of a settled one.
fn held_until(item: &Item) -> Option<Timestamp> {
    let is_claimed = item.get("state")?.as_s().is_ok_and(|state| state == "claimed");
    let until = item.get("claimed_until")?.as_n().ok()?.parse().ok()?;
    is_claimed.then(|| Timestamp::from_millis(until))
}

pub(super) fn put_request<T: Serialize>(record: &T) -> Result<WriteRequest, Failure> {
    let put = PutRequest::builder().set_item(Some(to_item(record)?)).build().map_err(Failure::permanent)?;
    Ok(WriteRequest::builder().put_request(put).build())
}

pub(super) fn delete_request(pk: &str, sk: &str) -> Result<WriteRequest, Failure> {
    let delete = DeleteRequest::builder().key("pk", text(pk)).key("sk", text(sk));
    let delete = delete.build().map_err(Failure::permanent)?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}

fn report_key(owner: &Owner) -> String {
    format!("REPORT#{}", owner.as_str())
}

fn end_of(date: NaiveDate) -> Timestamp {
    date.and_time(chrono::NaiveTime::MIN).and_utc().into()
}
