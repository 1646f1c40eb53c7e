//! Chaos: people write notes and upload pictures while handlers and the host are killed, every data service throttles,
//! fails and loses its answers, deliveries are repeated, late and out of order, poison lies in every queue, and the clock
//! goes on for days. Afterwards everything must be as if nothing of it had been.
//!
//! | module | is |
//! |---|---|
//! | [`Plan`] | how much of it, from which seed |
//! | `cloud` | the host under test, over its restarts |
//! | `person`, `workload`, `model`, `pictures` | clients that know what they were told, and what must come of it |
//! | `faults`, `killer`, `poison` | what goes wrong |
//! | `day` | the clock |
//! | `evidence` | what is there in the end |
//! | [`invariants`] | what must hold, each rule a function |
//! | [`Outcome`] | the figures |
//!
//! # What a seed fixes
//!
//! - What each person does, in which order, with which texts and files, as long as they are told the same.
//! - The poison, and where it lies.
//! - The pauses between kills of handlers, and the draws of whom they hit among those alive.
//! - The draws that decide which of the host's calls and deliveries suffer a fault, anew in each of its lives.
//!
//! Not which call comes to be the tenth, nor where a handler is when it is killed: that is between the machine's processes.
//! A seed replays a run's plan and not its every race, so that what one run of it found may take another several.
#![forbid(unsafe_code)]

mod cloud;
mod day;
mod evidence;
mod faults;
pub mod invariants;
mod killer;
mod model;
mod outcome;
mod person;
mod pictures;
mod plan;
mod poison;
mod run;
mod workload;

pub use outcome::{Kind, Outcome, Violation, table};
pub use plan::Plan;
pub use run::{Progress, run};

/// Why a run could not be carried out. What does not hold after a run is no error but a violation in its [`Outcome`].
pub type Error = Box<dyn std::error::Error + Send + Sync>;
