//! What faults do to messages on their way: they come twice, late and out of order, as standard queues may have it. FIFO
//! queues are spared.

use super::message::{Attributes, Message};
use super::queue::Queue;
use super::store::Store;
use super::{Outgoing, Result, Sqs, settings};
use crate::Delivery;

impl Sqs {
    /// Sends for a service of ours (`s3`, `sns`) to the queue of `arn`: at least once.
    ///
    /// # Errors
    /// When there is no such queue, or it cannot take the message.
    pub(crate) fn deliver(
        &self,
        service: &str,
        arn: &str,
        body: String,
        attributes: Attributes,
        group: Option<String>,
    ) -> Result {
        let queue = settings::queue_of(arn);
        let faults = &self.shared.faults;
        let disturb = |delivery| {
            // A group is a promise of order, and of once.
            if group.is_some() { None } else { faults.disturb(service, queue, delivery) }
        };
        let (late, again) = (disturb(Delivery::Late), disturb(Delivery::Twice));
        let deduplication = group.as_ref().map(|_| uuid::Uuid::new_v4().to_string());
        let late = late.unwrap_or_default();
        let once = Outgoing { body, attributes, group, deduplication, late, ..Outgoing::default() };
        let twice = again.map(|again| Outgoing { late: late + again, ..once.clone() });
        let all = [once].into_iter().chain(twice).collect();
        self.send(queue, all)?.into_iter().try_for_each(|sent| sent.map(drop))
    }

    /// By how much a message of this queue is disturbed so, in milliseconds.
    pub(super) fn disturb(&self, queue: &Queue, delivery: Delivery) -> Option<i64> {
        if queue.settings.fifo { None } else { self.shared.faults.disturb("sqs", &queue.name, delivery) }
    }

    /// The message with what a fault holds it back.
    pub(super) fn delayed(&self, queue: &Queue, outgoing: Outgoing) -> Outgoing {
        let late = self.disturb(queue, Delivery::Late).unwrap_or_default();
        Outgoing { late: outgoing.late + late, ..outgoing }
    }

    /// Leaves copies behind of messages that are about to be handed out for the first time: on AWS a server that did not
    /// hear of the receive. A copy is a message of its own with the same content, received once less often than counted.
    pub(super) fn leave_behind(
        &self,
        queue: &mut Queue,
        store: &Store,
        sequence: &mut u64,
        received: &[u64],
        now: i64,
    ) -> Result {
        let mut any = false;
        for original in received {
            let Some(message) = queue.get(*original).filter(|message| message.receive_count == 0).cloned()
            else {
                continue;
            };
            let Some(delay) = self.disturb(queue, Delivery::Twice) else { continue };
            *sequence += 1;
            // Counted as received, so that a copy leaves no copy of its own.
            let copy = Message { sequence: *sequence, due: now + delay, receive_count: 1, ..message };
            store.insert(&queue.name, &copy)?;
            queue.insert(copy, now);
            any = true;
        }
        if any {
            queue.announce();
            self.shared.changed();
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "disturb_tests.rs"]
mod tests;
