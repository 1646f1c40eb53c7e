//! How much chaos.

use std::path::PathBuf;
use std::time::Duration;

/// A run's size and seed. The same plan does the same things in the same order for each person.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Changes to notes that must be acknowledged: creations, patches, deletions, restorations.
    pub writes: usize,
    /// Uploads that must be acknowledged.
    pub uploads: usize,
    /// People who write at the same time, each one thing after the other.
    pub people: usize,
    /// `kill -9` of the host, spread over the run.
    pub host_kills: usize,
    /// How often some handler is killed, on average.
    pub handler_kill_every: Duration,
    /// A new directory for the host's data, which stays; otherwise nothing does.
    pub data: Option<PathBuf>,
}

impl Plan {
    /// For the test command: about two minutes, unoptimised, on two cores.
    pub fn short(seed: u64) -> Self {
        Self {
            seed,
            writes: 300,
            uploads: 10,
            people: 4,
            host_kills: 1,
            handler_kill_every: Duration::from_millis(1_000),
            data: None,
        }
    }

    /// For a measurement.
    pub fn long(seed: u64) -> Self {
        Self {
            seed,
            writes: 10_000,
            uploads: 200,
            people: 16,
            host_kills: 8,
            handler_kill_every: Duration::from_millis(250),
            data: None,
        }
    }

    /// A sequence of chances for one part of the run, apart from every other part's.
    pub(crate) fn chances(&self, part: &str) -> fastrand::Rng {
        fastrand::Rng::with_seed(local::backoff::seed_for(self.seed, part))
    }
}
