//! Waiting longer after every attempt, and never all at the same moment.

use std::time::Duration;

/// Doublings after which a delay has long reached any limit.
const DOUBLINGS: u32 = 20;

/// How long to wait after attempt number `attempt` (the first is 1): `first`, doubling to `longest`, between half and
/// all of it. `jitter` is from 0 to 1.
pub(crate) fn delay(first: Duration, longest: Duration, attempt: u32, jitter: f64) -> Duration {
    let full = first.saturating_mul(1 << attempt.saturating_sub(1).min(DOUBLINGS)).min(longest);
    full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

/// A number from 0 to 1 that differs from seed to seed, which is all that jitter must do.
pub(crate) fn jitter(seed: &str) -> f64 {
    let hash = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    f64::from(u32::try_from(hash >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_a_limit_and_keep_at_least_half() {
        let [first, longest] = [5, 900].map(Duration::from_secs);
        assert_eq!(delay(first, longest, 1, 1.0), first);
        assert_eq!(delay(first, longest, 3, 0.0), Duration::from_secs(10));
        assert_eq!(delay(first, longest, u32::MAX, 1.0), longest);
    }

    #[test]
    fn jitter_stays_in_bounds_and_differs() {
        let values: Vec<f64> = ["a", "b", "c"].into_iter().map(jitter).collect();
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
        assert!(values[0] != values[1] && values[1] != values[2]);
    }
}
