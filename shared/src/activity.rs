//! What happened to notes: the entries that daily counters are counted from.

use crate::limits;
use crate::owner::Owner;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Created,
    Updated,
    Trashed,
    Restored,
    Purged,
    Attached,
    Detached,
}

/// One change. Stored under its day, its owner and the event that told of it: telling twice stores once, and a count of
/// entries is a count of events, in whatever order and however often they arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    pub owner: Owner,
    pub event_id: String,
    pub at: Timestamp,
    pub kind: Kind,
}

/// A partition of one day's activity, e.g. `ACTIVITY#2026-11-23#07`.
pub fn partition(date: chrono::NaiveDate, shard: u32) -> String {
    format!("ACTIVITY#{date}#{shard:02}")
}

impl Activity {
    pub fn partition(&self) -> String {
        partition(self.at.date(), self.owner.shard())
    }

    /// Orders a partition's entries by owner, and tells them apart by event.
    pub fn sort_key(&self) -> String {
        format!("{}#{}", self.owner.to_key_segment(), self.event_id)
    }

    /// When the entry may go.
    pub fn expires_at(&self) -> i64 {
        self.at.plus(limits::ACTIVITY_LIFE).seconds()
    }
}
