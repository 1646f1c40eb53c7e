//! Property tests of the event sources against reference models.
//!
//! The system under test is the real thing, `Sources` as the host starts it, over stand-ins for what is outside of it
//! (`host.rs`): a function that answers when and how the test says, streams and queues, and a clock that stands still
//! until it is moved. Queue mappings have the embedded emulator's own queues (`embedded.rs`). Each test makes up a script
//! of writes, answers, crashes, restarts and moves of the clock, plays it, and after each step shows a model what the
//! sources did. The models are written from AWS's documents, not from the code: they decide nothing, they only watch,
//! record by record, and object to what may not happen.
//!
//! - More cases: `PROPTEST_CASES=100000 cargo test -p local reference`.
//! - A run prints its seed when it fails; `PROPTEST_RNG_SEED=<seed>` with the same number of cases repeats it.
//!   `.ci/run` takes the seed from the tree that it checks.
//! - proptest shrinks the script and keeps the seed of the case in `proptest-regressions/`, where every later run tries it
//!   first. The message of a failure ends with everything that happened in the smallest case found.

mod answers;
mod asynchronous;
mod asynchronous_model;
mod embedded;
mod host;
mod queue_model;
mod queues;
mod schedule_model;
mod schedules;
mod stage;
mod stream_model;
mod streams;

use proptest::test_runner::{Config, RngSeed, TestCaseError};

/// How many cases a test runs, unless `PROPTEST_CASES` says otherwise, from a seed that is told.
fn cases(usual: u32) -> Config {
    let told = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { told.cases } else { usual };
    let seed = match told.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => fastrand::u64(..),
    };
    // Shown only when the test fails.
    println!("repeat with PROPTEST_RNG_SEED={seed} PROPTEST_CASES={cases}");
    Config { cases, rng_seed: RngSeed::Fixed(seed), max_shrink_iters: 20_000, ..told }
}

/// A failure with the story that led to it.
fn told(checked: Result<(), TestCaseError>, story: &[String]) -> Result<(), TestCaseError> {
    checked.map_err(|error| match error {
        TestCaseError::Fail(reason) => TestCaseError::fail(format!("{reason}\n{}", story.join("\n"))),
        rejected => rejected,
    })
}
