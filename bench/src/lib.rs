//! What several measurements share.
#![forbid(unsafe_code)]

pub mod invocations;
pub mod latencies;
pub mod progress;
