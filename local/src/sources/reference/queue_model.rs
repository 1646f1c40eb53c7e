//! The reference model of an SQS queue with its event source mapping, by the developer guides: Lambda's "Using Lambda with
//! Amazon SQS", "Handling errors for an SQS event source", "Configuring scaling behavior"; SQS's "Visibility timeout",
//! "Using dead-letter queues", "FIFO queue delivery logic".
//!
//! It watches what is sent, received, invoked, answered, deleted and given back, message by message. Where the guides give no
//! figure (the tries of a throttled batch, how long its messages wait then) it allows a range.

use super::answers::Meaning;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::collections::{BTreeMap, BTreeSet};

type Checked = Result<(), TestCaseError>;

/// Invocations of a batch that is throttled every time.
const TRIES_WHEN_THROTTLED: u32 = 5;
/// The longest wait between two of them.
const LONGEST_PAUSE: TimeDelta = TimeDelta::seconds(1);
/// The longest that messages of a throttled batch are kept from the next receive.
const LONGEST_REST: u32 = 30;

/// What the queue and its mapping say.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) fifo: bool,
    pub(super) visibility: TimeDelta,
    pub(super) receives: u32,
    pub(super) batch_size: usize,
    pub(super) window: TimeDelta,
    pub(super) concurrency: usize,
}

/// Where a message lies, and how often it was received there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Queue(u32),
    DeadLetters,
    Nowhere,
}

/// A message as a receive gives it.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) number: usize,
    pub(super) receipt: String,
    pub(super) receives: u32,
}

#[derive(Clone, Debug)]
struct Message {
    group: Option<usize>,
    /// Its mapping's filters want it.
    wanted: bool,
    /// No receive gives it before this.
    visible: DateTime<Utc>,
    /// Received, and not visible again since.
    in_flight: bool,
    receives: u32,
    /// Of the last receive.
    receipt: String,
    /// The host has it and has not invoked with it: since when, and by which receipt.
    held: Option<(DateTime<Utc>, String)>,
    /// It came again while it was held: when, and by which receipt it was held before.
    held_before: Option<(DateTime<Utc>, String)>,
    place: Place,
}

impl Message {
    fn queued(&self) -> bool {
        matches!(self.place, Place::Queue(_))
    }

    fn is_hidden(&self, now: DateTime<Utc>) -> bool {
        self.queued() && now < self.visible
    }

    /// Whether it keeps others of its group from being received.
    fn locks(&self, now: DateTime<Utc>) -> bool {
        self.in_flight && self.is_hidden(now)
    }

    /// Whether the next receive finds that it was received too often.
    fn is_spent(&self, most: u32, now: DateTime<Utc>) -> bool {
        self.queued() && self.receives >= most && now >= self.visible
    }
}

/// Messages invoked together, until the host is through with them.
#[derive(Clone, Debug)]
struct Batch {
    members: Vec<(usize, String)>,
    tries: u32,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running(usize),
    /// Since then it waits to be tried again.
    Throttled(DateTime<Utc>),
}

pub(super) struct Model {
    rules: Rules,
    messages: Vec<Message>,
    numbers: BTreeMap<String, usize>,
    batches: Vec<Batch>,
    /// Receipts of messages that must be deleted before all is quiet, and of throttled ones that must be given back.
    to_delete: BTreeSet<String>,
    to_give_back: BTreeSet<String>,
    /// Message groups whose last batch failed, or was not deleted whole.
    failed: BTreeSet<usize>,
    formed: Option<DateTime<Utc>>,
    stopping: bool,
}

impl Model {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            messages: Vec::new(),
            numbers: BTreeMap::new(),
            batches: Vec::new(),
            to_delete: BTreeSet::new(),
            to_give_back: BTreeSet::new(),
            failed: BTreeSet::new(),
            formed: None,
            stopping: false,
        }
    }

    /// A message was sent, to be received from `visible` on.
    pub(super) fn sent(&mut self, group: Option<usize>, wanted: bool, visible: DateTime<Utc>) {
        self.messages.push(Message {
            group,
            wanted,
            visible,
            in_flight: false,
            receives: 0,
            receipt: String::new(),
            held: None,
            held_before: None,
            place: Place::Queue(0),
        });
    }

    /// How many were sent.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// One receive gave these.
    pub(super) fn received(&mut self, deliveries: &[Delivery], now: DateTime<Utc>) -> Checked {
        prop_assert!(!self.stopping, "a host that stops receives nothing");
        let numbers: BTreeSet<usize> = deliveries.iter().map(|delivery| delivery.number).collect();
        prop_assert_eq!(numbers.len(), deliveries.len(), "a message twice in a receive");
        for Delivery { number, receives, .. } in deliveries {
            let message = &self.messages[*number];
            prop_assert!(message.queued() && now >= message.visible, "{number} is not visible");
            prop_assert_eq!(message.receives + 1, *receives);
            prop_assert!(*receives <= self.rules.receives, "{number} is received too often");
            for (other, of_group) in
                self.of_group(message.group).filter(|(other, _)| !numbers.contains(other))
            {
                prop_assert!(!of_group.locks(now), "{other} of the group of {number} is in flight");
                let passed = !of_group.queued() || of_group.is_spent(self.rules.receives, now);
                prop_assert!(other > *number || passed, "{number} came before {other}");
            }
        }
        prop_assert!(!self.rules.fifo || deliveries.is_sorted_by_key(|delivery| delivery.number));
        for Delivery { number, receipt, receives } in deliveries {
            self.numbers.insert(receipt.clone(), *number);
            let message = &mut self.messages[*number];
            (message.in_flight, message.visible) = (true, now + self.rules.visibility);
            (message.receives, message.place) = (*receives, Place::Queue(*receives));
            message.receipt.clone_from(receipt);
            if message.wanted {
                let before = message.held.replace((now, receipt.clone()));
                if let Some((since, before)) = before {
                    message.held = Some((since, receipt.clone()));
                    message.held_before = Some((now, before));
                }
            } else {
                self.to_delete.insert(receipt.clone());
            }
        }
        Ok(())
    }

    fn of_group(&self, group: Option<usize>) -> impl Iterator<Item = (usize, &Message)> {
        let messages = self.messages.iter().enumerate();
        messages.filter(move |(_, message)| group.is_some() && message.group == group)
    }

    /// The function was invoked with these.
    pub(super) fn called(&mut self, call: usize, records: &[Delivery], now: DateTime<Utc>) -> Checked {
        let members: Vec<(usize, String)> =
            records.iter().map(|record| (record.number, record.receipt.clone())).collect();
        for batch in self.batches.iter_mut().filter(|batch| batch.members == members) {
            if let Stage::Throttled(since) = batch.stage {
                prop_assert!(since < now, "a throttled batch waits");
                batch.stage = Stage::Running(call);
                return Ok(());
            }
        }
        prop_assert!(!self.stopping, "a host that stops starts nothing");
        prop_assert!(self.batches.len() < self.rules.concurrency, "too many batches at once");
        prop_assert!((1..=self.rules.batch_size).contains(&records.len()), "a batch of {}", records.len());
        let since = self.messages.iter().filter_map(|message| Some(message.held.as_ref()?.0)).min();
        let full = records.len() == self.rules.batch_size;
        let ended = since.is_some_and(|since| now >= since + self.rules.window);
        prop_assert!(full || ended, "it did not wait for its window");
        for (place, record) in records.iter().enumerate() {
            self.joined(record, &members[..place], now)?;
        }
        self.formed = Some(now);
        self.batches.push(Batch { members, tries: 0, stage: Stage::Running(call) });
        Ok(())
    }

    /// A message is in a new batch, behind those `before`.
    fn joined(&mut self, record: &Delivery, before: &[(usize, String)], now: DateTime<Utc>) -> Checked {
        let number = record.number;
        let message = &self.messages[number];
        // One that died while it was held is invoked all the same: nobody tells the host.
        prop_assert!(message.place != Place::Nowhere, "{number} was deleted");
        prop_assert!(message.wanted, "no filter matches {number}");
        let is_before = |number: usize| before.iter().any(|(before, _)| *before == number);
        prop_assert!(!is_before(number), "{number} is in the batch twice");
        let held = message.held.as_ref().map(|(_, receipt)| receipt);
        // The batch may have been formed just before it came again: then it is held still.
        let overtaken = message.held_before == Some((now, record.receipt.clone()));
        prop_assert!(held == Some(&record.receipt) || overtaken, "{number} is not held so");
        for (other, of_group) in self.of_group(message.group).filter(|(other, _)| *other < number) {
            let passed = !of_group.queued() || of_group.is_spent(self.rules.receives, now);
            prop_assert!(passed || is_before(other), "{number} runs before {other}");
        }
        if let Some(group) = message.group {
            let busy = self.busy_groups().contains(&group);
            prop_assert!(!busy, "two batches of the group of {number} are in flight");
            self.failed.remove(&group);
        }
        if !overtaken {
            self.messages[number].held = None;
        }
        Ok(())
    }

    fn busy_groups(&self) -> BTreeSet<usize> {
        let members = self.batches.iter().flat_map(|batch| &batch.members);
        members.filter_map(|(number, _)| self.messages[*number].group).collect()
    }

    /// An invocation ended.
    pub(super) fn answered(&mut self, call: usize, meaning: &Meaning, now: DateTime<Utc>) {
        let running = |batch: &Batch| batch.stage == Stage::Running(call);
        let place = self.batches.iter().position(running).expect("a running call");
        let mut batch = self.batches.remove(place);
        let failed = |place: &usize| match meaning {
            Meaning::Done => false,
            Meaning::Items(places) => places.contains(place),
            Meaning::Whole { .. } | Meaning::Throttled => true,
        };
        batch.tries += 1;
        if *meaning == Meaning::Throttled && batch.tries < TRIES_WHEN_THROTTLED && !self.stopping {
            batch.stage = Stage::Throttled(now);
            self.batches.push(batch);
            return;
        }
        for (place, (number, receipt)) in batch.members.iter().enumerate() {
            if !failed(&place) {
                self.to_delete.insert(receipt.clone());
                continue;
            }
            self.failed.extend(self.messages[*number].group);
            if *meaning == Meaning::Throttled {
                self.to_give_back.insert(receipt.clone());
            }
        }
    }

    /// Whether the queue heeds a receipt.
    fn is_good(&self, receipt: &str, now: DateTime<Utc>) -> bool {
        let message = &self.messages[self.numbers[receipt]];
        message.queued() && message.receipt == receipt && (!self.rules.fifo || message.locks(now))
    }

    /// The queue was told to delete a message.
    pub(super) fn deleted(&mut self, receipt: &str, now: DateTime<Utc>) -> Checked {
        let number = self.numbers[receipt];
        prop_assert!(self.to_delete.remove(receipt), "{number} did not succeed");
        if self.is_good(receipt, now) {
            self.messages[number].place = Place::Nowhere;
        } else if self.messages[number].queued() {
            // A FIFO queue says that it did not, and there is no use in asking again.
            self.failed.extend(self.messages[number].group);
        }
        Ok(())
    }

    /// The queue was told to show a message again after `seconds`.
    pub(super) fn given_back(&mut self, receipt: &str, seconds: u32, now: DateTime<Utc>) -> Checked {
        let good = self.is_good(receipt, now);
        let message = &mut self.messages[self.numbers[receipt]];
        let held = message.held.take_if(|(_, held)| held == receipt).is_some();
        let behind = message.group.is_some_and(|group| self.failed.contains(&group));
        let throttled = self.to_give_back.remove(receipt);
        prop_assert!(throttled || (held && (self.stopping || behind)), "why is it given back?");
        let allowed = if throttled && !self.stopping { 1..=LONGEST_REST } else { 0..=0 };
        prop_assert!(allowed.contains(&seconds), "given back for {seconds} s");
        if good && message.locks(now) {
            message.visible = now + TimeDelta::seconds(i64::from(seconds));
        }
        Ok(())
    }

    /// Nothing can go on before something happens; the messages lie so.
    pub(super) fn quiet(&mut self, places: &[Place], runs: bool, now: DateTime<Utc>) -> Checked {
        self.lie(places, now)?;
        prop_assert!(self.to_give_back.is_empty(), "not given back: {:?}", self.to_give_back);
        for batch in &self.batches {
            let late = matches!(batch.stage, Stage::Throttled(since) if now > since + LONGEST_PAUSE);
            prop_assert!(!late, "nobody tries the throttled batch again");
        }
        prop_assert!(self.to_delete.is_empty(), "what succeeded stays: {:?}", self.to_delete);
        if runs && self.batches.len() < self.rules.concurrency { self.nothing_waits(now) } else { Ok(()) }
    }

    /// Every message is where it should be. Those that were received too often die unseen.
    fn lie(&mut self, places: &[Place], now: DateTime<Utc>) -> Checked {
        prop_assert_eq!(places.len(), self.messages.len());
        for (number, (message, place)) in self.messages.iter_mut().zip(places).enumerate() {
            if *place == Place::DeadLetters && message.is_spent(self.rules.receives, now) {
                message.place = Place::DeadLetters;
            }
            prop_assert_eq!(message.place, *place, "of {}", number);
        }
        Ok(())
    }

    /// With a batch to spare, all that could be received was, and all that could be invoked is.
    fn nothing_waits(&self, now: DateTime<Utc>) -> Checked {
        let busy = self.busy_groups();
        for (number, message) in self.messages.iter().enumerate() {
            let locked = self.of_group(message.group).any(|(_, of_group)| of_group.locks(now));
            let receivable = message.queued() && now >= message.visible && !locked;
            prop_assert!(!receivable, "nobody receives {number}");
        }
        let held = self.messages.iter().filter_map(|message| Some((message, message.held.as_ref()?.0)));
        let free =
            held.clone().filter(|(message, _)| message.group.is_none_or(|group| !busy.contains(&group)));
        let free = free.count();
        let since = held.map(|(_, since)| since).min().max(self.formed);
        let gathers = since.is_some_and(|since| now < since + self.rules.window);
        prop_assert!(
            free == 0 || (free < self.rules.batch_size && gathers),
            "nobody invokes with what is held"
        );
        Ok(())
    }

    /// From here on the host takes nothing new and lets go of what it holds.
    pub(super) fn stopping(&mut self) {
        self.stopping = true;
        for batch in self.batches.extract_if(.., |batch| matches!(batch.stage, Stage::Throttled(_))) {
            self.to_give_back.extend(batch.members.into_iter().map(|(_, receipt)| receipt));
        }
    }

    /// The host shut down in order.
    pub(super) fn stopped(&mut self, places: &[Place], now: DateTime<Utc>) -> Checked {
        let held: Vec<usize> =
            (0..self.messages.len()).filter(|number| self.messages[*number].held.is_some()).collect();
        prop_assert!(held.is_empty(), "{held:?} were not given back");
        self.quiet(places, false, now)?;
        self.crashed();
        Ok(())
    }

    /// The host died: what it had comes again when its visibility timeout ends.
    pub(super) fn crashed(&mut self) {
        self.messages.iter_mut().for_each(|message| message.held = None);
        self.batches.clear();
        self.to_delete.clear();
        self.to_give_back.clear();
        self.failed.clear();
        self.stopping = false;
    }

    /// Whether every message was deleted or is a dead letter.
    pub(super) fn all_over(&self) -> bool {
        self.messages.iter().all(|message| !message.queued())
    }
}
