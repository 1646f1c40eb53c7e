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
//! The seed decides what is done and what goes wrong; which of it meets which is up to the machine, so that a seed
//! replays a run's plan and not its every race.
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
