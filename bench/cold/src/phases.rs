//! The three parts of an environment's life that cost differently.

/// How many requests a warm one is the mean of.
pub(crate) const WARM: u32 = 10;

/// A figure for each phase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phases<T> {
    /// From the start until it asks for the first event.
    pub(crate) init: T,
    pub(crate) first: T,
    /// Of one request after the first.
    pub(crate) warm: T,
}
