//! End-to-end tests: a host for each, started as a person would, driven over HTTP. Nothing sleeps: tests wait for
//! `/_local/idle` and move the clock.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod dead_letters;
mod durability;
mod failures;
mod functions;
mod generic;
mod given_up;
mod history;
mod identity;
mod mail;
mod managed_instances;
mod notes;
mod pictures;
mod schedules;
mod search;
mod sockets;
mod tables;
mod tracing;
mod uploads;
