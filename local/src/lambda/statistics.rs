//! What is counted about a function, and how it is shown.

use super::job::Verdict;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

/// One function as the control routes show it.
#[derive(Clone, Debug, Serialize)]
pub struct FunctionStatus {
    pub name: String,
    pub environments: EnvironmentCounts,
    /// Process ids of the environments.
    pub pids: Vec<u32>,
    /// Invocations that wait for an environment.
    pub queued: usize,
    pub invocations: u64,
    pub errors: u64,
    pub timeouts: u64,
    pub throttles: u64,
    pub cold_starts: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// How many environments a function has, by what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EnvironmentCounts {
    pub idle: usize,
    pub busy: usize,
    pub starting: usize,
}

/// Counters since the host started.
pub(super) struct Statistics {
    pub(super) invocations: u64,
    pub(super) errors: u64,
    pub(super) timeouts: u64,
    pub(super) throttles: u64,
    pub(super) cold_starts: u64,
    /// Microseconds that an environment was busy with an invocation; `None` if it could not be made.
    durations: Option<Histogram<u64>>,
}

impl Statistics {
    /// For a function whose invocations take at most `timeout`.
    pub(super) fn new(timeout: Duration) -> Self {
        let longest = u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX).clamp(1_000, 3_600_000_000);
        // Two significant digits: half a percent of error, some 20 KB.
        let durations = Histogram::new_with_bounds(1, longest.saturating_mul(2), 2).ok();
        Self { invocations: 0, errors: 0, timeouts: 0, throttles: 0, cold_starts: 0, durations }
    }

    pub(super) fn record(&mut self, verdict: Verdict, duration: Duration, cold_start: bool) {
        if verdict == Verdict::Throttled {
            self.throttles += 1;
            return;
        }
        self.invocations += 1;
        self.cold_starts += u64::from(cold_start);
        match verdict {
            Verdict::Error => self.errors += 1,
            Verdict::Timeout => self.timeouts += 1,
            Verdict::Ok | Verdict::Partial | Verdict::Throttled => {}
        }
        if let Some(durations) = &mut self.durations {
            durations.saturating_record(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1));
        }
    }

    pub(super) fn percentile_ms(&self, percentile: f64) -> f64 {
        match &self.durations {
            Some(durations) if !durations.is_empty() => {
                durations.value_at_percentile(percentile) as f64 / 1e3
            }
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_ran() {
        let mut statistics = Statistics::new(Duration::from_secs(3));
        assert_eq!(statistics.percentile_ms(50.0), 0.0);
        for _ in 0..99 {
            statistics.record(Verdict::Ok, Duration::from_millis(10), false);
        }
        statistics.record(Verdict::Timeout, Duration::from_secs(3), true);
        statistics.record(Verdict::Throttled, Duration::ZERO, false);
        assert!((statistics.percentile_ms(50.0) - 10.0).abs() < 0.2);
        assert!(statistics.percentile_ms(100.0) > 2_900.0);
        assert_eq!((statistics.invocations, statistics.timeouts, statistics.throttles), (100, 1, 1));
    }
}
