//! A short run of chaos. Another one: `CHAOS_SEED=42 cargo test -p chaos`.

use chaos::Plan;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_is_doubled_whatever_fails() {
    let seed =
        std::env::var("CHAOS_SEED").ok().map_or(1, |seed| seed.parse().expect("CHAOS_SEED is a number"));
    eprintln!("seed {seed}");
    let outcome = chaos::run(&Plan::short(seed), Arc::new(())).await.expect("the run comes to its end");
    eprintln!("{}", outcome.table());
    assert!(outcome.violations.is_empty(), "seed {seed}:\n{}", outcome.violations.join("\n"));
    assert!(outcome.writes >= 300 && outcome.uploads >= 10 && outcome.host_kills == 1);
}
