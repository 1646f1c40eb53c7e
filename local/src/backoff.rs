//! Waiting longer after every failure, with jitter that a seed repeats.

use chrono::TimeDelta;

/// Doubling delays between a first and a longest one, each shortened by up to half at random.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: TimeDelta,
    longest: TimeDelta,
    random: fastrand::Rng,
}

impl Backoff {
    pub(crate) fn new(first: TimeDelta, longest: TimeDelta, seed: u64) -> Self {
        Self { first, longest, random: fastrand::Rng::with_seed(seed) }
    }

    /// What Lambda does between attempts at a stream batch: half a second, doubling to a minute.
    pub(crate) fn of_streams(seed: u64) -> Self {
        Self::new(TimeDelta::milliseconds(500), TimeDelta::seconds(60), seed)
    }

    /// The delay after the `failures`-th failure in a row (the first is 1).
    pub(crate) fn delay(&mut self, failures: u32) -> TimeDelta {
        let doublings = failures.saturating_sub(1).min(30);
        let full = self.first.num_milliseconds().saturating_mul(1 << doublings);
        let full = full.min(self.longest.num_milliseconds()).max(1);
        TimeDelta::milliseconds(full - self.random.i64(0..=full / 2))
    }
}

/// A seed for one part of the host that follows from the host's seed and the part's name.
pub fn seed_for(seed: u64, name: &str) -> u64 {
    // FNV-1a: unlike the standard hasher it gives the same seed in every build.
    name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_longest_and_keep_at_least_half() {
        let mut backoff = Backoff::of_streams(7);
        for (failures, full) in [(1, 500), (2, 1000), (3, 2000), (8, 60_000), (u32::MAX, 60_000)] {
            let delay = backoff.delay(failures).num_milliseconds();
            assert!((full / 2..=full).contains(&delay), "{failures}: {delay}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_delays() {
        let delays = |seed| (1..9).map(move |n| Backoff::of_streams(seed).delay(n)).collect::<Vec<_>>();
        assert_eq!(delays(3), delays(3));
        assert_ne!(seed_for(1, "a"), seed_for(1, "b"));
    }
}
