//! Queues themselves: making, describing, purging, tagging, and moving dead letters back.

use super::queue::Queue;
use super::request::invalid;
use super::settings::{self, Raw, Settings};
use super::{Result, Sqs, find, settle, transfer};
use crate::wire::ServiceError;
use std::collections::BTreeMap;

/// Finished move tasks remembered.
const MOST_MOVE_TASKS: usize = 100;

/// A move of dead letters. It is carried out at once, so it is over when it is first seen.
#[derive(Debug, Clone)]
pub(super) struct MoveTask {
    pub(super) source: String,
    pub(super) destination: Option<String>,
    pub(super) moved: usize,
    pub(super) to_move: usize,
    /// Milliseconds since the epoch.
    pub(super) started: i64,
}

impl Sqs {
    /// Makes a queue, or does nothing when it exists with the same attributes.
    ///
    /// # Errors
    /// When a name or an attribute is invalid, or the queue exists with another value of one.
    pub(super) fn create_queue(&self, name: &str, raw: Raw, tags: BTreeMap<String, String>) -> Result {
        let settings = Settings::parse(&raw)?;
        check_name(name, settings.fifo)?;
        let now = self.shared.clock.now_millis();
        let state = &mut *self.state();
        if let Some(queue) = state.queues.get(name) {
            let current = settings::with_defaults(&queue.raw);
            return match raw.iter().find(|(attribute, value)| current.get(*attribute) != Some(value)) {
                None => Ok(()),
                Some((attribute, _)) => Err(ServiceError::sender(
                    "QueueNameExists",
                    format!(
                        "A queue already exists with the same name and a different value for attribute {attribute}"
                    ),
                )),
            };
        }
        check_redrive(&state.queues, &settings, &self.shared.arn("sqs", name))?;
        let queue = Queue::new(name.to_owned(), raw, settings, tags, now);
        state.store.save_queue(&queue)?;
        state.queues.insert(name.to_owned(), queue);
        self.shared.changed();
        Ok(())
    }

    /// Sets attributes; an empty policy removes it.
    ///
    /// # Errors
    /// When the queue does not exist or an attribute is invalid.
    pub(super) fn set_attributes(&self, name: &str, changes: Raw) -> Result {
        let now = self.shared.clock.now_millis();
        let state = &mut *self.state();
        let mut raw = find(&mut state.queues, name)?.raw.clone();
        let redrives = changes.contains_key("RedrivePolicy");
        raw.extend(changes);
        let settings = Settings::parse(&raw)?;
        // An allowance that was taken back later leaves the sources that are there alone.
        if redrives {
            check_redrive(&state.queues, &settings, &self.shared.arn("sqs", name))?;
        }
        let queue = find(&mut state.queues, name)?;
        if settings.fifo != queue.settings.fifo {
            return Err(ServiceError::sender("InvalidAttributeName", "FifoQueue cannot be changed."));
        }
        queue.raw = raw;
        queue.settings = settings;
        queue.modified = now / 1000;
        state.store.save_queue(queue)?;
        Ok(())
    }

    /// Every attribute of a queue, those it computes included.
    ///
    /// # Errors
    /// When the queue does not exist.
    pub(super) fn attributes(&self, name: &str) -> Result<Raw> {
        let now = self.shared.clock.now_millis();
        let state = &mut *self.state();
        let queue = find(&mut state.queues, name)?;
        settle(queue, &state.store, now)?;
        let counts = queue.counts();
        let mut all = settings::with_defaults(&queue.raw);
        let mut add = |name: &str, value: String| all.insert(name.to_owned(), value);
        add("QueueArn", self.shared.arn("sqs", &queue.name));
        add("ApproximateNumberOfMessages", counts.visible.to_string());
        add("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string());
        add("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string());
        add("CreatedTimestamp", queue.created.to_string());
        add("LastModifiedTimestamp", queue.modified.to_string());
        Ok(all)
    }

    /// # Errors
    /// When the queue does not exist.
    pub(super) fn delete_queue(&self, name: &str) -> Result {
        let state = &mut *self.state();
        find(&mut state.queues, name)?;
        state.store.delete_queue(name)?;
        // Whoever waits for it finds that it is gone.
        if let Some(queue) = state.queues.remove(name) {
            queue.announce();
        }
        Ok(())
    }

    /// # Errors
    /// When the queue does not exist.
    pub(super) fn purge(&self, name: &str) -> Result {
        let state = &mut *self.state();
        let queue = find(&mut state.queues, name)?;
        state.store.clear(name)?;
        queue.clear();
        Ok(())
    }

    /// The names of the queues that begin with `prefix`, after `after`.
    pub(super) fn names(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        let state = self.state();
        let names = state.queues.keys().filter(|name| name.starts_with(prefix));
        names.filter(|name| after.is_none_or(|after| name.as_str() > after)).take(limit).cloned().collect()
    }

    /// The names of the queues whose dead letters go to `name`.
    ///
    /// # Errors
    /// When the queue does not exist.
    pub(super) fn sources(&self, name: &str) -> Result<Vec<String>> {
        let state = &mut *self.state();
        find(&mut state.queues, name)?;
        Ok(sources(&state.queues, name))
    }

    /// Changes tags and returns them all.
    ///
    /// # Errors
    /// When the queue does not exist.
    pub(super) fn tag(&self, name: &str, add: BTreeMap<String, String>, remove: &[String]) -> Result<Raw> {
        let state = &mut *self.state();
        let queue = find(&mut state.queues, name)?;
        if !add.is_empty() || !remove.is_empty() {
            queue.tags.extend(add);
            queue.tags.retain(|tag, _| !remove.contains(tag));
            state.store.save_queue(queue)?;
        }
        Ok(queue.tags.clone())
    }

    /// Moves the visible messages of a dead-letter queue to `destination`, or each to where it came from.
    ///
    /// # Errors
    /// When a queue does not exist, or the source is nobody's dead-letter queue.
    pub(super) fn move_messages(&self, source_arn: &str, destination_arn: Option<&str>) -> Result {
        let now = self.shared.clock.now_millis();
        let state = &mut *self.state();
        let missing = || {
            ServiceError::sender(
                "ResourceNotFoundException",
                "The resource that you specified doesn't exist.",
            )
        };
        let source = settings::queue_of(source_arn);
        let queue = state.queues.get_mut(source).ok_or_else(missing)?;
        settle(queue, &state.store, now)?;
        let visible: Vec<u64> =
            queue.iter().filter(|m| !m.in_flight && m.due <= now).map(|m| m.sequence).collect();
        if sources(&state.queues, source).is_empty() {
            return Err(invalid("Source queue must be configured as a Dead Letter Queue."));
        }
        let destination = destination_arn.map(|arn| settings::queue_of(arn).to_owned());
        if destination.as_ref().is_some_and(|name| !state.queues.contains_key(name)) {
            return Err(missing());
        }
        let known: Vec<String> = state.queues.keys().cloned().collect();
        let moved = transfer(state, source, &visible, now, |content| {
            let origin = content.dead_letter_source.take();
            let to = destination.clone().or_else(|| Some(settings::queue_of(&origin?).to_owned()))?;
            // A redriven message is a new one, with a new id.
            content.id = uuid::Uuid::new_v4().to_string();
            content.sent_at = now;
            known.binary_search(&to).is_ok().then_some(to)
        })?;
        if state.moves.len() == MOST_MOVE_TASKS {
            state.moves.remove(0);
        }
        state.moves.push(MoveTask {
            source: source_arn.to_owned(),
            destination: destination_arn.map(str::to_owned),
            moved,
            to_move: visible.len(),
            started: now,
        });
        self.shared.changed();
        Ok(())
    }

    /// The last `limit` moves from a queue, newest first.
    pub(super) fn move_tasks(&self, source_arn: &str, limit: usize) -> Vec<MoveTask> {
        let state = self.state();
        state.moves.iter().rev().filter(|task| task.source == source_arn).take(limit).cloned().collect()
    }
}

fn sources(queues: &BTreeMap<String, Queue>, target: &str) -> Vec<String> {
    let feeds =
        |queue: &&Queue| queue.settings.redrive.as_ref().is_some_and(|redrive| redrive.target() == target);
    queues.values().filter(feeds).map(|queue| queue.name.clone()).collect()
}

fn check_name(name: &str, fifo: bool) -> Result {
    let stem = name.strip_suffix(".fifo");
    if fifo != stem.is_some() {
        return Err(invalid(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or \
             underscores, must end with .fifo suffix and be 1 to 80 in length.",
        ));
    }
    let stem = stem.unwrap_or(name);
    let valid = stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !valid || stem.is_empty() || name.len() > 80 {
        return Err(invalid(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        ));
    }
    Ok(())
}

fn check_redrive(queues: &BTreeMap<String, Queue>, settings: &Settings, source_arn: &str) -> Result {
    let Some(redrive) = &settings.redrive else {
        return Ok(());
    };
    match queues.get(redrive.target()) {
        None => Err(invalid(format!(
            "Value {} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.",
            redrive.target_arn
        ))),
        Some(target) if target.settings.fifo != settings.fifo => {
            Err(invalid("The dead-letter queue must be of the same type as its source."))
        }
        Some(target) if !target.settings.allow.lets(source_arn) => Err(invalid(format!(
            "Value {} for parameter RedrivePolicy is invalid. Reason: Queue does not allow this source to use it.",
            redrive.target_arn
        ))),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
impl Sqs {
    /// A standard queue with the default attributes.
    pub(crate) fn make_queue(&self, name: &str) {
        self.create_queue(name, Raw::new(), BTreeMap::new()).unwrap();
    }

    pub(crate) fn purge_for_tests(&self, name: &str) {
        self.purge(name).unwrap();
    }
}
