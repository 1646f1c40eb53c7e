//! How background work fails. There are two ways, and every edge decides which.

/// Why an effect did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Trying again cannot help. It is recorded where the user sees it, or parked.
    #[error("permanent: {0}")]
    Permanent(String),
    /// A timeout, a fault of a service: worth another try.
    #[error("passing: {0}")]
    Passing(String),
    /// A service takes no more for now: worth another try too, only later.
    #[error("throttled: {0}")]
    Throttled(String),
}

impl Failure {
    pub fn permanent(reason: impl std::fmt::Display) -> Self {
        Self::Permanent(reason.to_string())
    }

    pub fn passing(reason: impl std::fmt::Display) -> Self {
        Self::Passing(reason.to_string())
    }

    pub fn is_passing(&self) -> bool {
        !matches!(self, Self::Permanent(_))
    }

    /// What happened, without the way of failing.
    pub fn reason(&self) -> &str {
        let (Self::Permanent(reason) | Self::Passing(reason) | Self::Throttled(reason)) = self;
        reason
    }
}
