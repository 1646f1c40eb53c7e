//! One queue in memory: what is visible, what waits, and in which order.

use super::message::{Message, Receipt};
use super::settings::{Raw, Settings};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tokio::sync::watch;

/// How long a FIFO queue recognises a repeated message, in milliseconds.
pub(super) const DEDUPLICATION: i64 = 300_000;
/// In flight at once, as AWS has it.
const MOST_IN_FLIGHT: usize = 120_000;

pub(super) struct Queue {
    pub(super) name: String,
    pub(super) raw: Raw,
    pub(super) settings: Settings,
    pub(super) tags: BTreeMap<String, String>,
    /// Seconds since the epoch.
    pub(super) created: i64,
    pub(super) modified: i64,
    messages: BTreeMap<u64, Message>,
    /// Visible messages in order.
    ready: BTreeSet<u64>,
    /// Delayed and in-flight messages by when they become visible.
    waiting: BTreeSet<(i64, u64)>,
    /// All messages by age, for retention.
    ages: BTreeSet<(i64, u64)>,
    /// FIFO groups with messages in flight, and how many.
    locked_groups: HashMap<String, usize>,
    /// By deduplication id: until when, and the message it was given to.
    recent: HashMap<String, Recent>,
    /// Changes when a message becomes visible; long polls wait for it.
    arrivals: watch::Sender<u64>,
}

#[derive(Debug, Clone)]
pub(super) struct Recent {
    pub(super) until: i64,
    pub(super) message_id: String,
    pub(super) sequence: u64,
}

/// How many messages are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) visible: usize,
    pub(super) in_flight: usize,
    pub(super) delayed: usize,
}

/// What a receive finds: messages to hand out, and messages that have been received too often.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) received: Vec<u64>,
    pub(super) dead: Vec<u64>,
}

impl Queue {
    pub(super) fn new(
        name: String,
        raw: Raw,
        settings: Settings,
        tags: BTreeMap<String, String>,
        now: i64,
    ) -> Self {
        Self {
            name,
            raw,
            settings,
            tags,
            created: now / 1000,
            modified: now / 1000,
            messages: BTreeMap::new(),
            ready: BTreeSet::new(),
            waiting: BTreeSet::new(),
            ages: BTreeSet::new(),
            locked_groups: HashMap::new(),
            recent: HashMap::new(),
            arrivals: watch::Sender::new(0),
        }
    }

    pub(super) fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }

    pub(super) fn announce(&self) {
        self.arrivals.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn insert(&mut self, message: Message, now: i64) {
        let (sequence, due, sent_at) = (message.sequence, message.due, message.content.sent_at);
        let visible = due <= now;
        self.ages.insert((sent_at, sequence));
        let message = Message { in_flight: message.in_flight && !visible, ..message };
        if message.in_flight {
            self.lock_group(&message);
        }
        self.messages.insert(sequence, message);
        if visible {
            self.ready.insert(sequence);
        } else {
            self.waiting.insert((due, sequence));
        }
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Message> {
        self.messages.get(&sequence)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    pub(super) fn remove(&mut self, sequence: u64) -> Option<Message> {
        let message = self.messages.remove(&sequence)?;
        self.ready.remove(&sequence);
        self.waiting.remove(&(message.due, sequence));
        self.ages.remove(&(message.content.sent_at, sequence));
        if message.in_flight {
            self.unlock_group(&message);
        }
        Some(message)
    }

    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.ready.clear();
        self.waiting.clear();
        self.ages.clear();
        self.locked_groups.clear();
    }

    /// Makes visible what has come due; whether there was any.
    pub(super) fn promote(&mut self, now: i64) -> bool {
        let mut any = false;
        while let Some((due, sequence)) = self.waiting.first().copied()
            && due <= now
        {
            self.waiting.pop_first();
            self.ready.insert(sequence);
            any = true;
            if let Some(message) = self.messages.get_mut(&sequence)
                && std::mem::take(&mut message.in_flight)
            {
                let message = message.clone();
                self.unlock_group(&message);
            }
        }
        any
    }

    /// The messages that have been kept for as long as the queue keeps them.
    pub(super) fn expired(&self, now: i64) -> Vec<u64> {
        let before = now - self.settings.retention;
        self.ages
            .iter()
            .take_while(|(sent_at, _)| *sent_at <= before)
            .map(|(_, sequence)| *sequence)
            .collect()
    }

    /// Whether there is an order that visible messages could be out of.
    pub(super) fn has_several(&self) -> bool {
        self.ready.len() > 1
    }

    /// Chooses up to `limit` visible messages, the newest first if `backwards`, without changing anything.
    pub(super) fn choose(&self, limit: usize, backwards: bool) -> Taken {
        let mut taken = Taken::default();
        let room = MOST_IN_FLIGHT.saturating_sub(self.waiting.len());
        let (mut forwards, mut reversed) = (self.ready.iter(), self.ready.iter().rev());
        let mut next = || if backwards { reversed.next() } else { forwards.next() };
        while let Some(sequence) = next() {
            if taken.received.len() >= limit.min(room) {
                break;
            }
            let Some(message) = self.messages.get(sequence) else {
                continue;
            };
            if self.is_locked(message) {
                continue;
            }
            let most = self.settings.redrive.as_ref().map_or(u32::MAX, |redrive| redrive.most_receives);
            if message.receive_count >= most {
                taken.dead.push(*sequence);
            } else {
                taken.received.push(*sequence);
            }
        }
        taken
    }

    /// Takes a visible message in flight until `due`.
    pub(super) fn receive(&mut self, sequence: u64, now: i64, due: i64, receipt: u64) -> Option<Message> {
        let message = self.messages.get_mut(&sequence)?;
        self.ready.remove(&sequence);
        message.due = due;
        message.in_flight = true;
        message.receive_count = message.receive_count.saturating_add(1);
        message.first_received.get_or_insert(now);
        message.receipt = receipt;
        let message = message.clone();
        self.waiting.insert((due, sequence));
        self.lock_group(&message);
        Some(message)
    }

    /// Moves the moment an in-flight message becomes visible; the message as it then is.
    pub(super) fn reschedule(&mut self, sequence: u64, due: i64) -> Option<Message> {
        let message = self.messages.get_mut(&sequence)?;
        self.waiting.remove(&(message.due, sequence));
        message.due = due;
        self.waiting.insert((due, sequence));
        Some(message.clone())
    }

    /// The message of a receipt, if the receipt is that of its last receive.
    pub(super) fn held(&self, receipt: Receipt) -> Option<&Message> {
        self.messages.get(&receipt.sequence).filter(|message| message.receipt == receipt.receipt)
    }

    /// What waits for a message of its group counts as delayed: no receive would find it.
    pub(super) fn counts(&self) -> Counts {
        let found = |sequence: &u64| self.messages.get(sequence);
        let in_flight = self.waiting.iter().filter(|(_, s)| found(s).is_some_and(|m| m.in_flight)).count();
        // Nearly always nothing is locked, and queues may be long.
        let locked = match self.locked_groups.is_empty() {
            true => 0,
            false => self.ready.iter().filter(|s| found(s).is_some_and(|m| self.is_locked(m))).count(),
        };
        Counts {
            visible: self.ready.len() - locked,
            in_flight,
            delayed: self.waiting.len() - in_flight + locked,
        }
    }

    /// When the next waiting message becomes visible, in milliseconds since the epoch.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// The message that already took this deduplication id, within its five minutes.
    pub(super) fn duplicate(&self, key: &str, now: i64) -> Option<&Recent> {
        self.recent.get(key).filter(|recent| recent.until > now)
    }

    /// Remembers a deduplication id; whether outdated ones were forgotten on the way.
    pub(super) fn remember(&mut self, key: String, recent: Recent, now: i64) -> bool {
        // Now and then, so that it costs nothing per message and holds no more than twice what it needs.
        let sweep = self.recent.len() >= 1024 && self.recent.len().is_power_of_two();
        if sweep {
            self.recent.retain(|_, recent| recent.until > now);
        }
        self.recent.insert(key, recent);
        sweep
    }

    fn is_locked(&self, message: &Message) -> bool {
        self.settings.fifo
            && message.content.group.as_ref().is_some_and(|group| self.locked_groups.contains_key(group))
    }

    fn lock_group(&mut self, message: &Message) {
        if let (true, Some(group)) = (self.settings.fifo, &message.content.group) {
            *self.locked_groups.entry(group.clone()).or_default() += 1;
        }
    }

    fn unlock_group(&mut self, message: &Message) {
        let Some(group) = &message.content.group else {
            return;
        };
        if let Some(count) = self.locked_groups.get_mut(group) {
            *count -= 1;
            if *count == 0 {
                self.locked_groups.remove(group);
            }
        }
    }
}
