//! What is wrong with a caller's input, and the checks that several fields share.

use crate::limits;
use serde::Serialize;

/// One field that does not hold what it must.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{field} {message}")]
pub struct Invalid {
    /// The field's name as the caller wrote it, e.g. `tags[3]`.
    pub field: String,
    /// A predicate that follows the field's name, e.g. `must have at most 200 characters`.
    pub message: String,
}

impl Invalid {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Takes an e-mail address: `local@domain`, ASCII, no display name, no quoting, no comments.
///
/// Narrower than RFC 5321 on purpose: what SES takes from everyone, and nothing that could be read as a second
/// recipient or a header.
pub fn email_address(field: &str, text: &str) -> Result<String, Invalid> {
    let text = text.trim();
    let invalid = || Invalid::new(field, "must be an e-mail address like name@example.com");
    if text.len() > limits::ADDRESS_CHARACTERS {
        return Err(invalid());
    }
    let (local, domain) = text.rsplit_once('@').ok_or_else(invalid)?;
    let local_is_fine = (1..=64).contains(&local.len())
        && local.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c))
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    let label_is_fine = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let domain_is_fine = domain.contains('.') && domain.split('.').all(label_is_fine);
    if !local_is_fine || !domain_is_fine {
        return Err(invalid());
    }
    // Domains are case-insensitive; one spelling makes one recipient.
    Ok(format!("{local}@{}", domain.to_ascii_lowercase()))
}

/// Takes text of `1..=maximum` characters that is not spaces alone and holds no control characters, and trims it. It is
/// judged as it was sent, so that the contract's schemas say exactly what is taken.
pub fn line(field: &str, text: &str, maximum: usize) -> Result<String, Invalid> {
    let trimmed = text.trim();
    if trimmed.is_empty() || text.chars().count() > maximum {
        return Err(Invalid::new(field, format!("must have 1 to {maximum} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::new(field, "must not hold control characters"));
    }
    Ok(trimmed.to_owned())
}

/// Takes a query parameter that is `true` or `false`; absent it is `false`.
pub fn flag(field: &str, value: Option<&str>) -> Result<bool, Invalid> {
    match value {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Invalid::new(field, "must be true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_addresses_pass_and_tricks_do_not() {
        for good in ["a@b.co", "first.last+tag@Example.COM", "x_y-z@sub.example.org"] {
            assert!(email_address("email", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "a@b",
            "a b@c.de",
            "a@b..c",
            "\"a\"@b.co",
            "a@b.co,c@d.ef",
            "a@b.co\r\nBcc: x@y.zz",
            ".a@b.co",
            "a@-b.co",
            "<a@b.co>",
        ] {
            assert!(email_address("email", bad).is_err(), "{bad}");
        }
        assert_eq!(email_address("email", "A@EXAMPLE.com").unwrap(), "A@example.com");
    }

    proptest! {
        #[test]
        fn no_accepted_address_can_break_out_of_a_header(text in "\\PC{0,40}|[a-z@.,<>\r\n \"]{0,40}") {
            if let Ok(address) = email_address("email", &text) {
                prop_assert!(address.is_ascii() && !address.contains(['\r', '\n', ' ', ',', '<', '>', '"', ';']));
            }
        }
    }
}
