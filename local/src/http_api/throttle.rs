//! The API's throttle: a token bucket on monotonic time, which nobody can set.

use crate::app::Throttle;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(super) struct Bucket {
    throttle: Throttle,
    level: Mutex<Level>,
}

struct Level {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(throttle: Throttle) -> Self {
        let level = Level { tokens: f64::from(throttle.burst), at: Instant::now() };
        Self { throttle, level: Mutex::new(level) }
    }

    /// Takes one token, if there is one.
    pub(super) fn take(&self) -> bool {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.checked_duration_since(level.at).unwrap_or(Duration::ZERO);
        let filled = level.tokens + passed.as_secs_f64() * self.throttle.rate;
        level.tokens = filled.min(f64::from(self.throttle.burst));
        level.at = level.at.max(now);
        if level.tokens < 1.0 {
            return false;
        }
        level.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_empties_the_bucket_and_time_fills_it_to_the_brim() {
        let bucket = Bucket::new(Throttle { rate: 10.0, burst: 3 });
        let start = Instant::now();
        let take = |millis: u64| bucket.take_at(start + Duration::from_millis(millis));
        assert_eq!([take(0), take(0), take(0), take(0)], [true, true, true, false]);
        assert!(take(101));
        assert!(!take(102));
        assert_eq!([take(9000), take(9000), take(9000), take(9000)], [true, true, true, false]);
    }
}
