//! What event sources need of Lambda, so that tests can put a script in its place.

use super::endpoint::Pending;
use crate::lambda::{Lambda, Outcome, Source};
use bytes::Bytes;

/// Invokes a function and waits for its outcome.
pub trait Invoke: Send + Sync {
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        payload: Bytes,
        source: Source,
        batch_size: usize,
    ) -> Pending<'a, Outcome>;
}

impl Invoke for Lambda {
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        payload: Bytes,
        source: Source,
        batch_size: usize,
    ) -> Pending<'a, Outcome> {
        // The inherent method, which is not this one.
        Box::pin(Self::invoke(self, function, payload, source, batch_size))
    }
}
