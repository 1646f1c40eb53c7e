//! Earlier versions of notes, in the ledger, written by the stream handler.

use super::ledger::{delete_request, put_request};
use super::{Item, Store, failure, from_item, number, text};
use crate::failure::Failure;
use crate::limits;
use crate::note::{Id, Version, VersionSummary};
use crate::owner::Owner;
use crate::timestamp::Timestamp;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Queries that removing a note's versions makes at most: twice what the largest texts of all its versions fill.
const REMOVAL_QUERIES: usize = 8;

/// A version that was replaced, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub version: Version,
    pub replaced_at: Timestamp,
}

/// One version of a note is kept from now on, or not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryChange<'a> {
    pub owner: &'a Owner,
    pub note: Id,
    pub number: u64,
    pub kept: Option<&'a Kept>,
}

/// A page of a note's history, latest first.
#[derive(Clone, Debug, Default)]
pub struct VersionPage {
    pub items: Vec<VersionSummary>,
    /// The number after which the next page begins.
    pub next: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct VersionRecord {
    pk: String,
    sk: String,
    #[serde(flatten)]
    version: Version,
    expires_at: i64,
}

impl Store {
    /// Writes notes' histories. No version may stand there twice. Doing it again changes nothing.
    pub async fn write_history(&self, changes: &[HistoryChange<'_>]) -> Result<(), Failure> {
        let request = |change: &HistoryChange<'_>| {
            let (pk, sk) = (versions_key(change.owner), version_key(change.note, change.number));
            let Some(Kept { version, replaced_at }) = change.kept else { return delete_request(&pk, &sk) };
            let expires_at = replaced_at.plus(limits::VERSION_LIFE).seconds();
            put_request(&VersionRecord { pk, sk, version: version.clone(), expires_at })
        };
        self.write(changes.iter().map(request).collect::<Result<_, _>>()?).await
    }

    /// A page of a note's earlier versions, latest first, with numbers less than `before`. One query.
    pub async fn versions(
        &self,
        owner: &Owner,
        note: Id,
        before: Option<u64>,
        limit: usize,
        now: Timestamp,
    ) -> Result<VersionPage, Failure> {
        let start = before.map(|before| {
            HashMap::from([
                ("pk".to_owned(), text(versions_key(owner))),
                ("sk".to_owned(), text(version_key(note, before))),
            ])
        });
        let output = self
            .query_versions(owner, note)
            // Time to live deletes late.
            .filter_expression("expires_at > :now")
            .expression_attribute_values(":now", number(now.seconds()))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| failure(&error))?;
        let next = output.last_evaluated_key.as_ref().and_then(number_of);
        let summary = |item| Ok(from_item::<VersionRecord>(item)?.version.into_summary());
        let items =
            output.items.unwrap_or_default().into_iter().map(summary).collect::<Result<_, Failure>>()?;
        Ok(VersionPage { items, next })
    }

    /// One earlier version.
    pub async fn version(
        &self,
        owner: &Owner,
        note: Id,
        number: u64,
        now: Timestamp,
    ) -> Result<Option<Version>, Failure> {
        let item = self.ledger_item(&versions_key(owner), &version_key(note, number)).await?;
        let record = item.map(from_item::<VersionRecord>).transpose()?;
        Ok(record.filter(|record| record.expires_at > now.seconds()).map(|record| record.version))
    }

    /// Removes all versions of a note that is gone.
    ///
    /// # Errors
    /// Passing when there are more than one call removes.
    pub async fn remove_versions(&self, owner: &Owner, note: Id) -> Result<(), Failure> {
        let mut start = None;
        for _ in 0..REMOVAL_QUERIES {
            let query = self.query_versions(owner, note).projection_expression("pk, sk");
            let output =
                query.set_exclusive_start_key(start).send().await.map_err(|error| failure(&error))?;
            let requests = output.items().iter().filter_map(key_of).map(|(pk, sk)| delete_request(pk, sk));
            self.write(requests.collect::<Result<_, _>>()?).await?;
            start = output.last_evaluated_key;
            if start.is_none() {
                return Ok(());
            }
        }
        Err(Failure::passing("a note has more versions than are removed at once"))
    }

    fn query_versions(&self, owner: &Owner, note: Id) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.ledger)
            .key_condition_expression("pk = :owner AND begins_with(sk, :note)")
            .expression_attribute_values(":owner", text(versions_key(owner)))
            .expression_attribute_values(":note", text(format!("{note}#")))
    }
}

fn versions_key(owner: &Owner) -> String {
    format!("VERSIONS#{}", owner.as_str())
}

/// Of fixed width, so that texts sort as numbers do.
fn version_key(note: Id, number: u64) -> String {
    format!("{note}#{number:020}")
}

fn key_of(item: &Item) -> Option<(&str, &str)> {
    Some((item.get("pk")?.as_s().ok()?, item.get("sk")?.as_s().ok()?))
}

fn number_of(key: &Item) -> Option<u64> {
    key_of(key)?.1.rsplit_once('#')?.1.parse().ok()
}
