//! What is measured: each function of `handlers/` with the sample event of its name.

use crate::Error;
use bytes::Bytes;
use std::path::{Path, PathBuf};

/// A program that serves a function's events.
pub(crate) struct Program {
    /// As in the table.
    pub(crate) name: String,
    /// Whose event it gets, and whose AWS it talks to.
    pub(crate) function: String,
    pub(crate) command: Vec<PathBuf>,
    pub(crate) event: Bytes,
}

/// What the template sets. Each gets all of it; what it does not read costs next to nothing.
pub(crate) const VARIABLES: [(&str, &str); 13] = [
    ("NOTES_TABLE", "notes"),
    ("LEDGER_TABLE", "ledger"),
    ("UPLOADS_BUCKET", "notes-uploads-123456789012-eu-west-1"),
    ("THUMBNAILS_BUCKET", "notes-thumbnails-123456789012-eu-west-1"),
    ("EMAIL_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/EmailQueue"),
    ("REPLAYS_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/ReplaysQueue"),
    ("PARKING_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/ParkingQueue"),
    ("SIGNING_KEYS", "a-key-that-is-not-one"),
    ("API_URL", "https://api.example.com"),
    ("SENDER_ADDRESS", "notes@example.com"),
    ("OPERATOR_ADDRESS", "operator@example.com"),
    ("CONFIGURATION_SET", "mail"),
    ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=1000"),
];

/// Why a function costs more than twice what `save-note` does, of those that do.
pub(crate) fn reason(function: &str) -> Option<&'static str> {
    Some(match function {
        "attachments" => "signs URLs of S3 besides, in a transaction of two items",
        "daily-report" => "asks each of 16 shards who wants a report and what happened, and counts it",
        "email-feedback" => "takes a batch of notifications, each with its own write",
        "nightly-cleanup" => "asks each of 16 shards for notes and uploads that are due",
        "note-events" => "writes the search index, history, activity and e-mail jobs of a batch of changes",
        "retry" => "sends to SQS and deletes there, over a connection that the first event opens",
        "send-email" => "renders an e-mail, and asks and tells DynamoDB and SES about it",
        "settings" => "writes the settings, and takes the address off the list of those that are not mailed",
        "thumbnails" => "fetches a picture from S3, decodes it, and stores its thumbnails",
        _ => return None,
    })
}

/// The functions' names, as their folders have them.
pub(crate) fn names(workspace: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(workspace.join("handlers"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The sample event. A note is created without an `Idempotency-Key`, as most are: with one condition and no transaction.
pub(crate) fn event(workspace: &Path, function: &str) -> Result<Bytes, Error> {
    let path = workspace.join("events").join(function).with_extension("json");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut event: serde_json::Value = serde_json::from_str(&text)?;
    if let Some(headers) = event["headers"].as_object_mut() {
        headers.remove("idempotency-key");
    }
    Ok(serde_json::to_vec(&event)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allocator_is_tuned_as_the_template_does() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");
        let template = std::fs::read_to_string(path).unwrap();
        let (name, value) = VARIABLES.iter().find(|(name, _)| *name == "GLIBC_TUNABLES").unwrap();
        assert!(template.contains(&format!("{name}: {value}\n")));
    }
}
