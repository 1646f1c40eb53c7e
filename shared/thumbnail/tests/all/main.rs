//! One binary for all tests from outside.
#![forbid(unsafe_code)]
// clippy.toml allows it in `#[test]` functions; here are helpers too.
#![allow(clippy::unwrap_used)]

mod avif;
mod common;
mod hostile;
mod mutations;
mod pictures;
