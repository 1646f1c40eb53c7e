//! A short run of chaos. Another one: `CHAOS_SEED=42 cargo test -p chaos`.

use chaos::{Plan, Progress};
use std::sync::Arc;
use std::time::Instant;

/// Says what the run is at, and since when it has been at it.
struct Stages(Instant);

impl Progress for Stages {
    fn stage(&self, stage: &str) {
        eprintln!("{:6.1} s  {stage}", self.0.elapsed().as_secs_f64());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_is_doubled_whatever_fails() {
    let seed =
        std::env::var("CHAOS_SEED").ok().map_or(1, |seed| seed.parse().expect("CHAOS_SEED is a number"));
    eprintln!("seed {seed}");
    let stages = Arc::new(Stages(Instant::now()));
    let outcome = chaos::run(&Plan::short(seed), stages).await.expect("the run comes to its end");
    let outcome = &[outcome];
    eprintln!("{}", chaos::table(outcome));
    let [outcome] = outcome;
    let violations: Vec<_> = outcome.violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "seed {seed}:\n{}", violations.join("\n"));
    assert!(outcome.writes >= 300 && outcome.uploads >= 10 && outcome.host_kills == 1);
}
