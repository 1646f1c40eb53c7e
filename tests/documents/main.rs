//! Documents that say what the code does are read here and held against it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod inventory;
mod semantics;
