//! What every handler shares: the domain, which knows no AWS type, and one edge for each AWS service.
//!
//! | module | is |
//! |---|---|
//! | [`note`], [`search`], [`attachment`], [`settings`], [`email`], [`activity`], [`report`] | the domain |
//! | [`limits`] | every limit, once |
//! | [`failure`], [`problem`] | how things fail: for event sources, and for callers |
//! | [`http`] | the edge to API Gateway |
//! | [`json`] | objects from outside |
//! | [`dynamodb`], [`s3`], [`sqs`], [`ses`], [`streams`] | the edges to the data services |
//! | [`usage`] | what an invocation asks of them |
//! | [`dead_letter`] | what is given up, and the reason beside it |
//! | [`schedule`] | what the scheduler sends |
//! | [`runtime`] | what a handler's `main` wires |
#![forbid(unsafe_code)]

pub mod activity;
pub mod attachment;
mod backoff;
mod clients;
mod concurrent;
pub mod dead_letter;
pub mod dynamodb;
pub mod email;
pub mod failure;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
pub mod hex;
pub mod http;
pub mod json;
pub mod limits;
pub mod metrics;
pub mod note;
pub mod owner;
pub mod problem;
pub mod report;
pub mod runtime;
pub mod s3;
#[cfg(any(test, feature = "fake"))]
pub mod sample;
pub mod schedule;
pub mod search;
pub mod ses;
pub mod settings;
pub mod signing;
pub mod sqs;
pub mod streams;
pub mod timestamp;
mod trust;
pub mod usage;
pub mod validate;
