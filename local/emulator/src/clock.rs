//! The one clock of the laptop cloud. Every timer in the process reads it, so that moving it moves them all.

use chrono::{DateTime, TimeDelta, Utc};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Wall time plus an offset that people and tests may change. Clones share the offset.
#[derive(Clone, Debug)]
pub struct Clock {
    /// What the offset is added to when it is not the system's time.
    still: Option<DateTime<Utc>>,
    /// Milliseconds to add to the system's time. A watch, so that sleepers learn of a move at once.
    offset: Arc<watch::Sender<i64>>,
}

impl Default for Clock {
    fn default() -> Self {
        Self::with_offset(TimeDelta::zero())
    }
}

impl Clock {
    /// A clock that differs from the system's by `offset`.
    pub fn with_offset(offset: TimeDelta) -> Self {
        Self { still: None, offset: Arc::new(watch::Sender::new(offset.num_milliseconds())) }
    }

    /// A clock that stands at `at` until it is moved, so that what happens on it depends on nothing else.
    pub fn standing_at(at: DateTime<Utc>) -> Self {
        Self { still: Some(at), ..Self::default() }
    }

    fn base(&self) -> DateTime<Utc> {
        self.still.unwrap_or_else(Utc::now)
    }

    /// The present moment on this clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.base() + self.offset()
    }

    /// Milliseconds since the Unix epoch on this clock.
    pub fn now_millis(&self) -> i64 {
        self.now().timestamp_millis()
    }

    /// How far this clock is from the system's.
    pub fn offset(&self) -> TimeDelta {
        TimeDelta::milliseconds(*self.offset.borrow())
    }

    /// Moves the clock by `by` (backwards when negative) and wakes every sleeper to look again.
    pub fn advance(&self, by: TimeDelta) {
        self.offset.send_modify(|offset| *offset = offset.saturating_add(by.num_milliseconds()));
    }

    /// Sets the clock to `to`; it goes on running from there.
    pub fn set(&self, to: DateTime<Utc>) {
        let offset = (to - self.base()).num_milliseconds();
        self.offset.send_modify(|current| *current = offset);
    }

    /// A receiver that changes whenever the clock is moved.
    pub fn moves(&self) -> watch::Receiver<i64> {
        self.offset.subscribe()
    }

    /// Returns once this clock reads `deadline` or later.
    pub async fn sleep_until(&self, deadline: DateTime<Utc>) {
        // Long waits are cut, so that a suspended laptop notices that the wall clock jumped.
        const LONGEST: Duration = Duration::from_secs(30);
        let mut moves = self.moves();
        loop {
            let left = deadline - self.now();
            let Ok(left) = left.to_std() else { return };
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left.min(LONGEST)) => {}
                // The sender lives as long as `self`, so an error cannot happen; treat it as a move all the same.
                _ = moves.changed() => {}
            }
        }
    }

    /// Returns once `duration` has passed on this clock.
    pub async fn sleep(&self, duration: TimeDelta) {
        self.sleep_until(self.now() + duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_is_moved_past_its_deadline() {
        let clock = Clock::default();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(TimeDelta::days(31)).await }
        });
        tokio::task::yield_now().await;
        clock.advance(TimeDelta::days(32));
        tokio::time::timeout(Duration::from_secs(5), sleeper).await.expect("woken").expect("no panic");
    }

    #[tokio::test]
    async fn a_standing_clock_moves_only_when_it_is_moved() {
        let at = DateTime::from_timestamp(1_800_000_000, 0).expect("valid");
        let clock = Clock::standing_at(at);
        assert_eq!(clock.now(), at);
        clock.advance(TimeDelta::hours(1));
        clock.sleep_until(at + TimeDelta::hours(1)).await;
        assert_eq!(clock.now(), at + TimeDelta::hours(1));
        clock.set(at);
        assert_eq!(clock.now(), at);
    }

    #[test]
    fn a_set_clock_reads_what_it_was_set_to() {
        let clock = Clock::default();
        let to = DateTime::parse_from_rfc3339("2031-02-03T04:05:06Z").expect("valid").to_utc();
        clock.set(to);
        assert!((clock.now() - to).num_seconds().abs() <= 1);
    }
}
