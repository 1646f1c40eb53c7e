//! What the end-to-end suites share: a host of their own or what is deployed elsewhere, and a client that speaks to it as
//! people do.
#![forbid(unsafe_code)]

mod api;
mod host;
mod target;

pub use api::{Answer, Api, Caller};
pub use host::{Host, Options, command, signal, try_signal, workspace};
pub use target::{Need, Place, Stack, Target, lacks};
