//! Daily reports: what an owner did on one day.

use crate::activity::Kind;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// Counts of one UTC day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub created: u64,
    pub updated: u64,
    pub trashed: u64,
    pub restored: u64,
    pub purged: u64,
    pub attached: u64,
    pub detached: u64,
}

impl Counts {
    pub fn add(&mut self, kind: Kind) {
        *self.of(kind) += 1;
    }

    fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Created => &mut self.created,
            Kind::Updated => &mut self.updated,
            Kind::Trashed => &mut self.trashed,
            Kind::Restored => &mut self.restored,
            Kind::Purged => &mut self.purged,
            Kind::Attached => &mut self.attached,
            Kind::Detached => &mut self.detached,
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.created += other.created;
        self.updated += other.updated;
        self.trashed += other.trashed;
        self.restored += other.restored;
        self.purged += other.purged;
        self.attached += other.attached;
        self.detached += other.detached;
    }

    pub fn total(&self) -> u64 {
        self.rows().iter().map(|(_, count)| count).sum()
    }

    /// Label and count, in the order reports show them.
    pub fn rows(&self) -> [(&'static str, u64); 7] {
        [
            ("Created", self.created),
            ("Updated", self.updated),
            ("Moved to trash", self.trashed),
            ("Restored", self.restored),
            ("Purged", self.purged),
            ("Files attached", self.attached),
            ("Files removed", self.detached),
        ]
    }
}

/// An owner's report of one day: the body of `GET /reports/{date}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub date: NaiveDate,
    pub counts: Counts,
    /// Changes by hour of the UTC day, 24 of them.
    pub hours: Vec<u64>,
}

impl Report {
    pub fn empty(date: NaiveDate) -> Self {
        Self { date, counts: Counts::default(), hours: vec![0; 24] }
    }
}

/// What the operator is told of one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorReport {
    pub date: NaiveDate,
    pub counts: Counts,
    pub hours: Vec<u64>,
    /// Owners who changed anything.
    pub active_owners: u64,
    /// Reports mailed to subscribers.
    pub subscribers: u64,
}
