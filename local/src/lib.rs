//! The laptop cloud: one process that runs a SAM template with the same handler binaries that are deployed.
#![forbid(unsafe_code)]

pub mod app;
pub mod backoff;
pub mod build;
pub mod cli;
pub mod clients;
pub mod control;
pub mod credentials;
pub mod dead_letters;
pub mod greeting;
pub mod host;
pub mod http_api;
pub mod identity;
pub mod lambda;
pub mod log;
pub mod provision;
pub mod ready;
#[cfg(test)]
mod rights_tests;
pub mod sources;
pub mod state;
pub mod template;
