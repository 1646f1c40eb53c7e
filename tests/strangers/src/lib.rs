//! The whole API in one process: the handlers' own code over the embedded tables, without HTTP, processes or a network, so
//! that a thousand requests take a second. Tests decide what time it is.
#![forbid(unsafe_code)]

mod api;
mod stream;
mod tables;

pub use api::{Api, Caller};
pub use stream::{Stream, Way};
