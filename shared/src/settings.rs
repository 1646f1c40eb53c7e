//! An owner's e-mail preferences.

use crate::validate::{self, Invalid};
use serde::{Deserialize, Serialize};

/// The body of `GET` and `PUT /settings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with settings")]
pub struct Settings {
    /// Where the owner's own e-mail goes.
    #[serde(default)]
    pub email: Option<String>,
    /// Whether this address wants to be told of changes to notes that name it.
    #[serde(default = "yes")]
    pub notifications: bool,
    /// Whether the daily report is mailed.
    #[serde(default)]
    pub daily_report: bool,
}

fn yes() -> bool {
    true
}

impl Default for Settings {
    fn default() -> Self {
        Self { email: None, notifications: true, daily_report: false }
    }
}

impl Settings {
    pub fn checked(mut self) -> Result<Self, Vec<Invalid>> {
        let mut wrong = Vec::new();
        if let Some(email) = &self.email {
            match validate::email_address("email", email) {
                Ok(address) => self.email = Some(address),
                Err(invalid) => wrong.push(invalid),
            }
        } else if self.daily_report {
            wrong.push(Invalid::new("email", "must be given for the daily report to be mailed"));
        }
        if wrong.is_empty() { Ok(self) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daily_report_needs_an_address() {
        let settings = Settings { daily_report: true, ..Settings::default() };
        assert_eq!(settings.checked().unwrap_err()[0].field, "email");
    }
}
