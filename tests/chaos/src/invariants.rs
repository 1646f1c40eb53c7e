//! What must hold after a run, each rule a function that tells what breaks it.

use crate::evidence::{Evidence, Mail};
use crate::model::{Attachment, Model, State, Told};
use crate::outcome::{Outcome, Violation};
use crate::person::Person;
use crate::poison::marks_in;
use crate::workload::{Worker, differences};
use chrono::NaiveDate;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Thumbnails of a picture.
const SIZES: [u32; 3] = [160, 480, 1280];

/// Every acknowledged write can be read as it was last acknowledged, and lists show exactly what is live.
pub(crate) async fn every_acknowledged_write_is_readable(worker: &mut Worker) -> Vec<Violation> {
    let mut wrong = Vec::new();
    let mut live = BTreeSet::new();
    for (id, note) in &worker.model.notes {
        let answer = worker.person.get(&format!("/notes/{id}")).await;
        match (note.is, answer.status.as_u16()) {
            (State::Purged, 404) => {}
            (State::Live | State::Trashed, 200) => {
                let differences = differences(note, &answer.json());
                if !differences.is_empty() {
                    wrong.push(Violation::lost(format!("/notes/{id}: {differences}")));
                }
            }
            (State::Purged, status) => {
                wrong.push(Violation::wrong(format!("/notes/{id} is purged, and reading it gives {status}")));
            }
            (is, status) => {
                wrong.push(Violation::lost(format!("/notes/{id} is {is:?}, and reading it gives {status}")));
            }
        }
        if note.is == State::Live {
            live.insert(id.clone());
        }
    }
    let listed = listed(&mut worker.person).await;
    let missing = |id| Violation::lost(format!("note {id} is missing from the list"));
    wrong.extend(live.difference(&listed).map(missing));
    let unknown = |id| Violation::wrong(format!("note {id} is listed and was never acknowledged"));
    wrong.extend(listed.difference(&live).map(unknown));
    wrong
}

async fn listed(person: &mut Person) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut target = "/notes?limit=100".to_owned();
    loop {
        let page = person.get(&target).await.json();
        let items = page["items"].as_array().into_iter().flatten();
        ids.extend(items.filter_map(|item| Some(item["id"].as_str()?.to_owned())));
        let Some(cursor) = page["next_cursor"].as_str() else { return ids };
        target = format!("/notes?limit=100&cursor={cursor}");
    }
}

/// How notifications turned out.
#[derive(Default)]
pub(crate) struct Notifications {
    pub(crate) wrong: Vec<Violation>,
    /// Those that must be sent.
    pub(crate) expected: usize,
    /// Sent at least once.
    pub(crate) sent: usize,
    /// E-mails beyond the first of their job: in the window between SES's acceptance and the record of it.
    pub(crate) doubled_in_window: usize,
}

/// Every change was told to everyone it names, in one job each; and no job was sent again that was recorded as sent.
pub(crate) fn every_notification_was_sent_once(told: &BTreeSet<Told>, evidence: &Evidence) -> Notifications {
    let mut by_change: BTreeMap<Told, BTreeSet<&str>> = BTreeMap::new();
    let mut by_job: BTreeMap<&str, Vec<&Mail>> = BTreeMap::new();
    for mail in &evidence.mails {
        by_job.entry(&mail.message_id).or_default().push(mail);
        if let Some(change) = change_in(mail) {
            by_change.entry(change).or_default().insert(&mail.message_id);
        }
    }
    let mut result = Notifications { expected: told.len(), ..Notifications::default() };
    for change in told {
        match by_change.get(change).map_or(0, BTreeSet::len) {
            0 => result.wrong.push(Violation::lost(format!("nobody was told: {change:?}"))),
            1 => result.sent += 1,
            jobs => result.wrong.push(Violation::doubled(format!("{jobs} jobs for one change: {change:?}"))),
        }
    }
    let unexpected = by_change.keys().filter(|change| !told.contains(change));
    let unexpected = unexpected.map(|change| Violation::wrong(format!("told without reason: {change:?}")));
    result.wrong.extend(unexpected);
    for (job, mails) in by_job {
        let recorded = mails.iter().filter(|mail| evidence.recorded.contains(&mail.id)).count();
        if recorded > 1 {
            let what = format!("job {job} was sent again after it was recorded as sent");
            result.wrong.push(Violation::doubled(what));
        } else {
            result.doubled_in_window += mails.len() - 1;
        }
    }
    result
}

/// The change that an e-mail tells of, if that is what it is about.
fn change_in(mail: &Mail) -> Option<Told> {
    let title = mail.subject.strip_prefix("Note ")?.split_once(": ")?.1.to_owned();
    let version = mail.text.split_once("(version ")?.1.split_once(')')?.0.parse().ok()?;
    Some(Told { to: mail.to.clone(), title, version })
}

/// E-mails go out twice only where the window was hit: an answer of SES was lost, or whoever sent it died.
pub(crate) fn doubles_have_a_cause(doubled: usize, causes: u64) -> Vec<Violation> {
    let is_explained = u64::try_from(doubled).is_ok_and(|doubled| doubled <= causes);
    let what = || format!("{doubled} e-mails doubled, by {causes} causes");
    if is_explained { Vec::new() } else { vec![Violation::doubled(what())] }
}

/// Every picture is ready with its thumbnails, whatever pretends to be one has failed for a reason, and the buckets hold
/// the objects of these and nothing else.
pub(crate) async fn every_picture_has_exactly_its_thumbnails(
    workers: &mut [Worker],
    evidence: &Evidence,
) -> Vec<Violation> {
    let mut wrong = Vec::new();
    let (mut uploads, mut thumbnails) = (BTreeSet::new(), BTreeSet::new());
    for worker in workers {
        for (note, id, expected) in attachments(&worker.model) {
            let answer = worker.person.get(&format!("/notes/{note}/attachments/{id}")).await;
            let shown = answer.json();
            if let Some(difference) = difference(expected, answer.status.as_u16(), &shown) {
                let what = format!("/notes/{note}/attachments/{id} ({expected:?}): {difference}");
                wrong.push(match expected {
                    Attachment::Picture | Attachment::File => Violation::lost(what),
                    _ => Violation::wrong(what),
                });
            }
            let place = format!("{}/{note}/{id}", segment(&worker.person.subject));
            if matches!(expected, Attachment::Picture | Attachment::Hostile | Attachment::File) {
                uploads.insert(format!("uploads/{place}"));
            }
            if expected == Attachment::Picture {
                thumbnails.extend(SIZES.map(|size| format!("thumbnails/{place}/{size}.webp")));
            }
        }
    }
    // One set of each: of two, the second's keys come out as the first's.
    let found: Vec<_> = evidence.thumbnails.iter().map(|key| without_set(key)).collect();
    let sets: BTreeSet<_> = found.iter().cloned().collect();
    if sets.len() < found.len() {
        wrong.push(Violation::wrong(format!("{} thumbnails are in a second set", found.len() - sets.len())));
    }
    for (expected, found) in [(&uploads, &evidence.uploads), (&thumbnails, &sets)] {
        let missing = |key| Violation::lost(format!("{key} is missing"));
        wrong.extend(expected.difference(found).map(missing));
        wrong.extend(found.difference(expected).map(|key| Violation::wrong(format!("{key} is an orphan"))));
    }
    wrong
}

/// A thumbnail's key without the folder of its set.
fn without_set(key: &str) -> String {
    let mut parts: Vec<_> = key.split('/').collect();
    if parts.len() > 2 {
        parts.remove(parts.len() - 2);
    }
    parts.join("/")
}

fn attachments(model: &Model) -> Vec<(String, String, Attachment)> {
    let of_note = |(id, note): (&String, &crate::model::Note)| {
        let id = id.clone();
        let all = note.attachments.clone().into_iter();
        all.map(move |(attachment, is)| (id.clone(), attachment, is)).collect::<Vec<_>>()
    };
    model.notes.iter().flat_map(of_note).collect()
}

fn difference(expected: Attachment, status: u16, shown: &Value) -> Option<String> {
    let thumbnails = shown["thumbnails"].as_array().map_or(0, Vec::len);
    let is_right = match expected {
        Attachment::Picture => shown["status"] == "ready" && thumbnails == SIZES.len(),
        Attachment::File => shown["status"] == "ready" && thumbnails == 0,
        Attachment::Hostile => {
            shown["status"] == "failed" && shown["reason"].as_str().is_some_and(|reason| !reason.is_empty())
        }
        // The days that passed were enough for the nightly cleanup.
        Attachment::Pending | Attachment::Deleted => status == 404,
    };
    (!is_right).then(|| format!("{status} {shown}"))
}

/// An owner in an object's key: base64url without padding.
fn segment(subject: &str) -> String {
    use base64::Engine;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(subject)
}

/// Activity is what people did, and reports are a recount of it.
pub(crate) async fn counters_equal_a_recount(workers: &mut [Worker], evidence: &Evidence) -> Vec<Violation> {
    let mut wrong = Vec::new();
    let last_day = evidence.activity.keys().map(|(date, _)| *date).max();
    for worker in workers {
        let subject = worker.person.subject.clone();
        let days: Vec<_> = evidence.activity.iter().filter(|((_, owner), _)| *owner == subject).collect();
        let mut recount: BTreeMap<&str, u64> = BTreeMap::new();
        for ((date, _), counts) in days {
            for (kind, count) in counts {
                *recount.entry(kind).or_default() += count;
            }
            // Of the last day there is no report yet.
            if Some(*date) != last_day {
                wrong.extend(report_differs(&mut worker.person, *date, counts).await);
            }
        }
        let mut did = worker.model.counts.clone();
        did.retain(|_, count| *count > 0);
        // What the nightly cleanup took away is no one's deed.
        let expired = expired(&worker.model);
        if expired > 0 {
            *did.entry("detached").or_default() += expired;
        }
        for kind in did.keys().chain(recount.keys()).collect::<BTreeSet<_>>() {
            let [done, counted] =
                [&did, &recount].map(|counts| counts.get(kind).copied().unwrap_or_default());
            let what = || format!("{subject}: {kind} was done {done} times, and counted {counted} times");
            match counted.cmp(&done) {
                Ordering::Less => wrong.push(Violation::lost(what())),
                Ordering::Equal => {}
                Ordering::Greater => wrong.push(Violation::doubled(what())),
            }
        }
    }
    wrong
}

fn expired(model: &Model) -> u64 {
    attachments(model).iter().filter(|(_, _, is)| *is == Attachment::Pending).count() as u64
}

async fn report_differs(
    person: &mut Person,
    date: NaiveDate,
    counts: &BTreeMap<String, u64>,
) -> Option<Violation> {
    let report = person.get(&format!("/reports/{date}")).await.json();
    let shown = &report["counts"];
    let is_same = |(kind, count): (&String, &Value)| {
        count.as_u64().unwrap_or_default() == counts.get(kind).copied().unwrap_or_default()
    };
    let is_right = shown.as_object().is_some_and(|shown| shown.iter().all(is_same));
    let what = || format!("{}'s report of {date} says {report}, a recount {counts:?}", person.subject);
    (!is_right).then(|| Violation::wrong(what()))
}

/// Each subscriber had one e-mail for each day that was reported on, and the operator too.
pub(crate) fn every_daily_report_was_mailed(
    subjects: &[String],
    days: usize,
    evidence: &Evidence,
) -> Vec<Violation> {
    let mut wrong = Vec::new();
    let addresses = subjects.iter().map(|subject| format!("{subject}@example.com"));
    for address in addresses.chain(["operator@example.com".to_owned()]) {
        let mails = evidence.mails.iter().filter(|mail| mail.to == address && change_in(mail).is_none());
        let jobs = mails.map(|mail| &mail.message_id).collect::<BTreeSet<_>>().len();
        let what = || format!("{address} has {jobs} daily reports of {days}");
        match jobs.cmp(&days) {
            Ordering::Less => wrong.push(Violation::lost(what())),
            Ordering::Equal => {}
            Ordering::Greater => wrong.push(Violation::doubled(what())),
        }
    }
    wrong
}

/// What lies in the parking queue.
pub(crate) struct Parked {
    pub(crate) wrong: Vec<Violation>,
    pub(crate) given_up_runs: usize,
}

/// No message is left anywhere but in the parking queue, and that holds exactly the poison; and runs of schedules that were
/// killed at each of their attempts, whose work the next run has done, or it would be missing elsewhere.
pub(crate) fn only_poison_is_left(poison: &BTreeSet<String>, evidence: &Evidence) -> Parked {
    let mut given_up_runs = 0;
    let mut wrong = Vec::new();
    for (queue, count) in &evidence.queues {
        if *count > 0 && !queue.ends_with("ParkingQueue") {
            wrong.push(Violation::wrong(format!("{count} messages are left in {queue}")));
        }
    }
    let mut parked = BTreeSet::new();
    for body in &evidence.parked {
        let marks: Vec<&str> = marks_in(body).collect();
        if marks.is_empty() && is_given_up_run(body) {
            given_up_runs += 1;
        } else if marks.is_empty() {
            wrong.push(Violation::wrong(format!("parked, and no poison: {body}")));
        }
        parked.extend(marks.into_iter().map(ToOwned::to_owned));
    }
    let unparked = |mark| Violation::lost(format!("{mark} is not parked"));
    wrong.extend(poison.difference(&parked).map(unparked));
    Parked { wrong, given_up_runs }
}

/// Whether this is what Lambda tells of a schedule's invocation that it gave up after its last attempt.
fn is_given_up_run(body: &str) -> bool {
    let told: Value = serde_json::from_str(body).unwrap_or_default();
    told["requestContext"]["condition"] == "RetriesExhausted"
        && told["requestPayload"]["schedule"].is_string()
}

/// Every source is at rest.
pub(crate) fn sources_rest(evidence: &Evidence) -> Vec<Violation> {
    let troubled = |source| Violation::wrong(format!("a source is not at rest: {source}"));
    evidence.troubled_sources.iter().map(troubled).collect()
}

/// With nothing going wrong any more, no function fails.
pub(crate) fn no_function_fails_in_calm(before: &Value, after: &Value) -> Vec<Violation> {
    let errors = |functions: &Value| -> BTreeMap<String, u64> {
        let name = |function: &Value| function["name"].as_str().unwrap_or_default().to_owned();
        let bad = |function: &Value| {
            let count = |name: &str| function[name].as_u64().unwrap_or_default();
            count("errors") + count("timeouts") + count("throttles")
        };
        functions.as_array().into_iter().flatten().map(|f| (name(f), bad(f))).collect()
    };
    let before = errors(before);
    let failed = |(name, count): (String, u64)| {
        let more = count - before.get(&name).copied().unwrap_or_default().min(count);
        (more > 0).then(|| Violation::wrong(format!("{name} failed {more} times in calm")))
    };
    errors(after).into_iter().filter_map(failed).collect()
}

/// Everything that can go wrong did: what never happened proves nothing of how it is survived.
pub(crate) fn everything_went_wrong(outcome: &Outcome) -> Vec<Violation> {
    let faults = outcome.faults.iter().map(|(kind, count)| (kind.as_str(), *count));
    let kills =
        [("a handler killed", outcome.handler_kills.values().sum()), ("the host killed", outcome.host_kills)];
    let never = faults.chain(kills).filter(|(_, count)| *count == 0);
    never.map(|(kind, _)| Violation::wrong(format!("it never came to this: {kind}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plan;

    #[test]
    fn only_poison_and_runs_that_were_given_up_may_be_parked() {
        let run = r#"{"requestContext":{"condition":"RetriesExhausted"},"requestPayload":{"schedule":"daily-report"}}"#;
        let aged = run.replace("RetriesExhausted", "EventAgeExceeded");
        let parked = [run.to_owned(), aged, "an e-mail job".to_owned()].to_vec();
        let found = only_poison_is_left(&BTreeSet::new(), &Evidence { parked, ..Evidence::default() });
        assert_eq!((found.given_up_runs, found.wrong.len()), (1, 2));
    }

    #[test]
    fn what_never_went_wrong_is_told() {
        let mut outcome = Outcome::new(&Plan::short(1));
        let kinds = outcome.faults.len();
        assert_eq!(everything_went_wrong(&outcome).len(), kinds + 2);
        outcome.faults.values_mut().skip(1).for_each(|count| *count = 1);
        outcome.host_kills = 1;
        outcome.handler_kills.insert("SendEmailFunction".to_owned(), 1);
        assert_eq!(everything_went_wrong(&outcome).len(), 1);
    }
}
