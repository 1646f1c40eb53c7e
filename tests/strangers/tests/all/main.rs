//! Several owners do anything at all, also with the ids, cursors, keys and names of others. A model of each, which knows
//! nothing of the others, says what everybody must be answered.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod attachments;
mod index;
mod lists;
mod model;
mod notes;
mod preferences;
mod run;
mod silence;
mod step;
mod versions;

use proptest::prelude::*;
use run::Run;
use std::cell::Cell;
use strangers::Api;

thread_local! {
    static API: Api = Api::open();
    static SEQUENCES: Cell<u32> = const { Cell::new(0) };
}

/// Carries out a sequence, by its number. All of a test go over the same tables: what earlier ones left is so much more that
/// nobody may see.
fn in_sequence(work: impl AsyncFnOnce(&Api, u32)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let sequence = SEQUENCES.replace(SEQUENCES.get() + 1);
    API.with(|api| runtime.block_on(work(api, sequence)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn nobody_sees_anothers_things_and_everybodys_own_are_right(steps in prop::collection::vec(step::steps(), 1..40)) {
        in_sequence(async |api, sequence| {
            let mut run = Run::new(api, sequence);
            for step in &steps {
                run.take(step).await;
            }
            run.finish().await;
        });
    }
}
