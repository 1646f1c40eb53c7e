//! What the end-to-end suites share: a host of their own, and a client that speaks to it as people do.
#![forbid(unsafe_code)]

mod api;
mod host;

pub use api::{Answer, Api, Caller};
pub use host::{Host, Options, command, signal, try_signal, workspace};
