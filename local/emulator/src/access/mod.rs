//! Who may do what: an access key of a role may do what the role's policies say, and any other, as people and the host
//! itself have, everything.

mod needs;
mod policy;
mod record;

pub(crate) use needs::{dynamodb, email, invocation, notification, s3_copied, s3_deleted, s3_operation, sqs};
pub use policy::{Asked, Statement, Verdict, judge};
pub use record::Record;

use crate::wire::ServiceError;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The key of conditions on who an e-mail is from.
pub(crate) const FROM_ADDRESS: &str = "ses:fromaddress";

/// The statements of each role, by its name.
pub type Roles = BTreeMap<String, Vec<Statement>>;

/// Resolves an access key id; `None` for a key that does not exist.
pub type Credentials = Arc<dyn Fn(&str) -> Option<Key> + Send + Sync>;

/// What belongs to an access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub secret: String,
    /// What a temporary key must be shown with.
    pub session_token: Option<String>,
    /// The role that it is a key of; without one it may do everything.
    pub role: Option<String>,
}

impl Key {
    /// A lasting key to everything.
    pub fn to_everything(secret: impl Into<String>) -> Self {
        Self { secret: secret.into(), session_token: None, role: None }
    }
}

/// Judges every call.
pub(crate) struct Guard {
    credentials: Credentials,
    roles: OnceLock<Roles>,
    record: OnceLock<Record>,
}

impl Guard {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self { credentials, roles: OnceLock::new(), record: OnceLock::new() }
    }

    /// Says what roles may do; before, they may do nothing.
    pub(crate) fn enforce(&self, roles: Roles) {
        if self.roles.set(roles).is_err() {
            tracing::debug!("roles were given before");
        }
    }

    /// Writes down from now on which rights are used.
    pub(crate) fn record(&self, record: Record) {
        if self.record.set(record).is_err() {
            tracing::debug!("a record was given before");
        }
    }

    /// What belongs to an access key; `None` for one that does not exist.
    pub(crate) fn key(&self, key_id: &str) -> Option<Key> {
        (self.credentials)(key_id)
    }

    /// What is needed is looked at only where the verified key is of a role.
    ///
    /// # Errors
    /// The first of what is needed that the key's role does not have.
    pub(crate) fn check(
        &self,
        key_id: &str,
        needed: impl FnOnce() -> Vec<Asked>,
    ) -> Result<(), Box<Refused>> {
        let Some(role) = self.key(key_id).and_then(|key| key.role) else { return Ok(()) };
        let statements = self.roles.get().and_then(|roles| roles.get(&role)).map_or(&[][..], Vec::as_slice);
        for asked in needed() {
            match judge(statements, &asked) {
                Verdict::Allowed => {
                    if let Some(record) = self.record.get() {
                        record.used(&role, statements, &asked);
                    }
                }
                verdict => {
                    let key_id = key_id.to_owned();
                    return Err(Box::new(Refused { role, key_id, asked, verdict }));
                }
            }
        }
        Ok(())
    }
}

/// A call that a role does not have the right to.
#[derive(Debug)]
pub(crate) struct Refused {
    role: String,
    key_id: String,
    asked: Asked,
    verdict: Verdict,
}

impl Refused {
    /// As IAM words it.
    pub(crate) fn message(&self, account: &str) -> String {
        let Self { role, key_id, asked: Asked { action, resource, .. }, verdict } = self;
        // SQS alone writes actions in small letters.
        let action = if action.starts_with("sqs:") { &action.to_lowercase() } else { action };
        let why = match verdict {
            Verdict::Denied => "with an explicit deny in an identity-based policy".to_owned(),
            _ => format!("because no identity-based policy allows the {action} action"),
        };
        format!(
            "User: arn:aws:sts::{account}:assumed-role/{role}/{key_id} is not authorized to perform: {action} on \
             resource: {resource} {why}"
        )
    }

    pub(crate) fn error(&self, code: &'static str, status: u16, account: &str) -> ServiceError {
        let Asked { action, resource, .. } = &self.asked;
        tracing::warn!(function = self.role, action, resource, "refused");
        ServiceError { status, code: Cow::Borrowed(code), message: self.message(account) }
    }
}
