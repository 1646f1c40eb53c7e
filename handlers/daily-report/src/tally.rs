//! Counting: entries become reports, reports become totals.

use chrono::NaiveDate;
use shared::activity::Activity;
use shared::dynamodb::DailyProgress;
use shared::owner::Owner;
use shared::report::{Counts, OperatorReport, Report};

/// Counts a page of entries, ordered by owner, on top of the report that was open before it. Returns the reports that
/// no later page can add to; the last owner's stays open.
pub(crate) fn tally(
    date: NaiveDate,
    entries: &[Activity],
    open: &mut Option<(Owner, Report)>,
) -> Vec<(Owner, Report)> {
    let mut finished = Vec::new();
    for entry in entries {
        if open.as_ref().is_some_and(|(owner, _)| *owner != entry.owner) {
            finished.extend(open.take());
        }
        let (_, report) = open.get_or_insert_with(|| (entry.owner.clone(), Report::empty(date)));
        count(report, entry);
    }
    finished
}

fn count(report: &mut Report, entry: &Activity) {
    report.counts.add(entry.kind);
    let hour = usize::try_from(entry.at.seconds().rem_euclid(86_400) / 3_600).unwrap_or(0);
    if let Some(changes) = report.hours.get_mut(hour) {
        *changes += 1;
    }
}

/// The totals so far.
pub(crate) fn totals(date: NaiveDate, progress: &mut DailyProgress) -> &mut OperatorReport {
    progress.totals.get_or_insert_with(|| OperatorReport {
        date,
        counts: Counts::default(),
        hours: Report::empty(date).hours,
        active_owners: 0,
        subscribers: 0,
    })
}

/// Adds an owner's report to the totals.
pub(crate) fn add(totals: &mut OperatorReport, report: &Report) {
    totals.counts.merge(&report.counts);
    for (total, changes) in totals.hours.iter_mut().zip(&report.hours) {
        *total += changes;
    }
    totals.active_owners += 1;
}
