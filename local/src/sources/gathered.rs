//! Which of the messages received from a queue become a batch, and when: no I/O.
//!
//! Of a FIFO queue's message group one batch at most is in flight, and its messages stay in order (Lambda developer guide,
//! "Using Lambda with Amazon SQS"). The queue itself locks a group while messages of it are in flight. What it cannot know
//! is that one receive became two batches, because the payload limit cut it, or that a visibility timeout passed during an
//! invocation and the messages came again.

use super::activity::lock;
use super::lanes::{ENVELOPE, PAYLOAD_LIMIT};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A message with its record in the event.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: String,
    pub(super) receipt_handle: String,
    /// The message group; of FIFO queues only, because only there it means an order.
    pub(super) group: Option<String>,
    pub(super) json: String,
    /// When it was received, first if it comes again: its batch's window counts from here.
    pub(super) since: DateTime<Utc>,
}

/// Why no batch may be formed of a message group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    InFlight,
    /// Not all of its last batch was deleted: what follows is not for us to send before the queue gives those again.
    Failed,
}

type Groups = Arc<Mutex<BTreeMap<String, Closed>>>;

/// Messages that are invoked together. Their groups are closed until it is dropped, and those of which a message was not
/// deleted stay so until `Gathered::behind_failures` was asked.
#[derive(Debug)]
pub(super) struct Batch {
    messages: Vec<Held>,
    deleted: Vec<bool>,
    groups: Groups,
}

impl Batch {
    pub(super) fn messages(&self) -> &[Held] {
        &self.messages
    }

    /// Says which messages were deleted, by their places. Without this none was.
    pub(super) fn deleted<'a>(&mut self, places: impl IntoIterator<Item = &'a usize>) {
        for place in places {
            if let Some(deleted) = self.deleted.get_mut(*place) {
                *deleted = true;
            }
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let mut groups = lock(&self.groups);
        let of = |wanted: bool| {
            let messages = self.messages.iter().zip(&self.deleted);
            messages
                .filter(move |(_, deleted)| **deleted == wanted)
                .filter_map(|(held, _)| held.group.as_ref())
        };
        for group in of(true) {
            groups.remove(group);
        }
        for group in of(false) {
            groups.insert(group.clone(), Closed::Failed);
        }
    }
}

/// Messages received that wait for their batch to fill, for its window to end, or for their group.
#[derive(Debug)]
pub(super) struct Gathered {
    batch_size: usize,
    /// Bytes of an event at most.
    payload: usize,
    window: TimeDelta,
    held: Vec<Held>,
    /// When the last batch was formed: what it left begins its window then.
    formed: DateTime<Utc>,
    groups: Groups,
}

impl Gathered {
    pub(super) fn new(batch_size: usize, window: TimeDelta) -> Self {
        Self {
            batch_size,
            payload: PAYLOAD_LIMIT,
            window,
            held: Vec::new(),
            formed: DateTime::<Utc>::MIN_UTC,
            groups: Groups::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// How many more messages the next batch may take. Those that wait for their group take no place in it.
    pub(super) fn room(&self) -> usize {
        self.batch_size.saturating_sub(self.free().count())
    }

    /// When the window ends; `None` when nothing may go into a batch.
    pub(super) fn due(&self) -> Option<DateTime<Utc>> {
        self.free().next()?;
        let since = self.held.iter().map(|held| held.since).min()?;
        Some(since.max(self.formed) + self.window)
    }

    /// Takes a message in. One that is here already keeps its place, and only its new receipt is good: its visibility
    /// timeout passed while it waited for the window to end, or for its group.
    pub(super) fn hold(&mut self, message: Held) {
        match self.held.iter_mut().find(|held| held.id == message.id) {
            Some(held) => *held = Held { since: held.since, ..message },
            None => self.held.push(message),
        }
    }

    /// A batch, when the count or the payload limit is reached or the window has ended.
    pub(super) fn form(&mut self, now: DateTime<Utc>) -> Option<Batch> {
        let due = self.due()?;
        let (places, cut) = self.fitting();
        let full = places.len() >= self.batch_size || cut;
        if places.is_empty() || (!full && due > now) {
            return None;
        }
        let mut places = places.into_iter().peekable();
        let (mut messages, mut rest) = (Vec::new(), Vec::new());
        for (place, held) in std::mem::take(&mut self.held).into_iter().enumerate() {
            let to = if places.next_if_eq(&place).is_some() { &mut messages } else { &mut rest };
            to.push(held);
        }
        self.held = rest;
        self.formed = now;
        let closed = messages.iter().filter_map(|held| Some((held.group.clone()?, Closed::InFlight)));
        lock(&self.groups).extend(closed);
        Some(Batch { deleted: vec![false; messages.len()], messages, groups: self.groups.clone() })
    }

    /// The places of the messages that fit into the next batch, and whether the payload limit cut it.
    fn fitting(&self) -> (Vec<usize>, bool) {
        let mut bytes = ENVELOPE;
        let mut places = Vec::new();
        for (place, held) in self.free().take(self.batch_size) {
            bytes += held.json.len() + 1;
            if !places.is_empty() && bytes > self.payload {
                return (places, true);
            }
            places.push(place);
        }
        (places, false)
    }

    /// The messages whose group is not closed, with their places.
    fn free(&self) -> impl Iterator<Item = (usize, &Held)> {
        let groups = lock(&self.groups);
        let closed: Vec<String> = groups.keys().cloned().collect();
        drop(groups);
        let free =
            move |held: &Held| held.group.as_ref().is_none_or(|group| closed.binary_search(group).is_err());
        self.held.iter().enumerate().filter(move |(_, held)| free(held))
    }

    /// Opens the groups of which a batch failed, and gives the receipt handles of what was held behind it: these messages
    /// go back to the queue, which will give them after those that failed.
    pub(super) fn behind_failures(&mut self) -> Vec<String> {
        let mut groups = lock(&self.groups);
        let failed = |held: &mut Held| {
            held.group.as_ref().is_some_and(|group| groups.get(group) == Some(&Closed::Failed))
        };
        let behind: Vec<Held> = self.held.extract_if(.., failed).collect();
        groups.retain(|_, closed| *closed != Closed::Failed);
        drop(groups);
        behind.into_iter().map(|held| held.receipt_handle).collect()
    }

    /// Gives up everything: the receipt handles.
    pub(super) fn drain(&mut self) -> Vec<String> {
        self.held.drain(..).map(|held| held.receipt_handle).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    /// What can happen to a group's messages besides being received.
    #[derive(Clone, Copy, Debug)]
    enum Happening {
        Receive(usize),
        Form,
        /// The batch that began first ends; the message at this place and all after it of its group failed.
        End(Option<usize>),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            (1usize..=10).prop_map(Happening::Receive),
            Just(Happening::Form),
            prop::option::of(0usize..10).prop_map(Happening::End),
        ]
    }

    fn message(number: usize, groups: usize, bytes: usize) -> Held {
        let group = Some(format!("g{}", number % groups));
        let (id, json) = (number.to_string(), "x".repeat(bytes));
        Held { receipt_handle: id.clone(), id, group, json, since: DateTime::UNIX_EPOCH }
    }

    #[test]
    fn a_window_does_not_count_from_what_went_back() {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let of = |number, seconds| Held { since: at(seconds), ..message(number, 2, 1) };
        let mut gathered = Gathered::new(10, TimeDelta::seconds(5));
        gathered.hold(of(0, 0));
        let batch = gathered.form(at(5)).unwrap();
        gathered.hold(of(2, 6));
        gathered.hold(of(1, 9));
        drop(batch);
        assert_eq!(gathered.behind_failures(), ["2"]);
        assert_eq!(gathered.due(), Some(at(14)));
    }

    /// A FIFO queue that does not lock its groups, as if every visibility timeout passed at once, and what came of it.
    struct World {
        queue: VecDeque<usize>,
        gathered: Gathered,
        running: VecDeque<Batch>,
        succeeded: Vec<usize>,
        groups: usize,
        bytes: usize,
    }

    impl World {
        fn step(&mut self, happening: Happening) {
            match happening {
                Happening::Receive(most) => {
                    let behind = self.gathered.behind_failures();
                    self.put_back(behind.iter().map(|handle| handle.parse().unwrap()));
                    for _ in 0..most.min(self.gathered.room()) {
                        let Some(number) = self.queue.pop_front() else { break };
                        self.gathered.hold(message(number, self.groups, self.bytes));
                    }
                }
                Happening::Form => self.running.extend(self.gathered.form(DateTime::UNIX_EPOCH)),
                Happening::End(failed) => self.end(failed),
            }
        }

        fn end(&mut self, failed: Option<usize>) {
            let Some(mut batch) = self.running.pop_front() else { return };
            let first = failed.and_then(|place| batch.messages().get(place)).map(|held| held.group.clone());
            let fails = |place: usize, held: &Held| {
                failed.is_some_and(|failed| place >= failed) && first.as_ref() == Some(&held.group)
            };
            let number = |held: &Held| -> usize { held.id.parse().unwrap() };
            let messages = batch.messages().iter().enumerate();
            let (lost, done): (Vec<_>, Vec<_>) = messages.partition(|(place, held)| fails(*place, held));
            self.succeeded.extend(done.iter().map(|(_, held)| number(held)));
            let lost: Vec<usize> = lost.iter().map(|(_, held)| number(held)).collect();
            let places: Vec<usize> = done.iter().map(|(place, _)| *place).collect();
            batch.deleted(&places);
            drop(batch);
            self.put_back(lost.into_iter());
        }

        fn put_back(&mut self, numbers: impl Iterator<Item = usize>) {
            self.queue.extend(numbers);
            self.queue.make_contiguous().sort_unstable();
        }

        fn check(&self) {
            let in_flight = self.running.iter().map(|batch| {
                let groups = batch.messages().iter().filter_map(|held| held.group.clone());
                groups.collect::<std::collections::BTreeSet<_>>()
            });
            let all: Vec<String> = in_flight.flatten().collect();
            let mut distinct = all.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!(all.len(), distinct.len(), "two batches of one group: {all:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn of_a_group_one_batch_is_in_flight_and_its_messages_succeed_in_order(
            happenings in prop::collection::vec(happening(), 0..80),
            groups in 1usize..4,
            bytes in 0usize..30,
        ) {
            let gathered = Gathered { payload: 60, ..Gathered::new(10, TimeDelta::zero()) };
            let queue = (0..30).collect();
            let mut world =
                World { queue, gathered, running: VecDeque::new(), succeeded: Vec::new(), groups, bytes };
            for happening in happenings {
                world.step(happening);
                world.check();
            }
            // Whatever happened: when nothing fails any more all is done.
            for _ in 0..90 {
                for happening in [Happening::Receive(10), Happening::Form, Happening::End(None)] {
                    world.step(happening);
                    world.check();
                }
            }
            prop_assert_eq!(world.succeeded.len(), 30);
            for group in 0..groups {
                let of: Vec<usize> = world.succeeded.iter().copied().filter(|n| n % groups == group).collect();
                prop_assert!(of.is_sorted(), "group {}: {:?}", group, of);
            }
        }
    }
}
