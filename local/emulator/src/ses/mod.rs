//! SES: verified identities, sending into a mailbox, and the events of AWS's simulator addresses.

mod events;
pub(crate) mod mailbox;
mod message;
mod v1;
pub(crate) mod v2;

use crate::access::{self, Asked};
use crate::sns::{Notification, Sns};
use crate::wire::ServiceError;
use crate::{Shared, lock};
use mailbox::{Mail, Mailbox};
use message::Draft;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

pub(crate) const NAMESPACE: &str = "http://ses.amazonaws.com/doc/2010-12-01/";

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS identities (name TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS configuration_sets (name TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS event_destinations (
        configuration_set TEXT NOT NULL, name TEXT NOT NULL, enabled INTEGER NOT NULL, events TEXT NOT NULL,
        topic TEXT NOT NULL, PRIMARY KEY (configuration_set, name)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS mails (
        position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, sent_at INTEGER NOT NULL,
        mail TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS mails_by_time ON mails (sent_at);";

type Result<T = ()> = std::result::Result<T, ServiceError>;

/// The sending service of one account.
pub(crate) struct Ses {
    pub(crate) mailbox: Mailbox,
    store: Arc<Mutex<Connection>>,
    sns: Arc<Sns>,
    shared: Arc<Shared>,
}

/// Where the events of a configuration set go.
#[derive(Debug, Clone, PartialEq)]
struct Destination {
    name: String,
    enabled: bool,
    /// In lower case.
    events: Vec<String>,
    topic: String,
}

/// A MIME message to be sent.
#[derive(Debug, Default)]
struct Envelope<'a> {
    /// The sender, when it is not the message's own.
    source: Option<&'a str>,
    /// The recipients, when they are not the message's own.
    recipients: Vec<String>,
    configuration_set: Option<&'a str>,
    tags: BTreeMap<String, Vec<String>>,
}

impl Ses {
    pub(crate) fn open(directory: &Path, shared: Arc<Shared>, sns: Arc<Sns>) -> rusqlite::Result<Self> {
        let store = Arc::new(Mutex::new(crate::sql::open(directory, "ses.sqlite", SCHEMA)?));
        Ok(Self { mailbox: Mailbox::new(store.clone()), store, sns, shared })
    }

    /// Accepts a draft for sending; the message id.
    fn send_draft(&self, draft: &Draft, envelope: Envelope<'_>) -> Result<String> {
        let mime = draft.mime(self.shared.clock.now())?;
        self.send(mime.as_bytes(), Envelope { recipients: draft.recipients(), ..envelope })
    }

    /// Accepts a MIME message for sending; the message id.
    ///
    /// # Errors
    /// `MessageRejected` from an identity that is not verified, `InvalidParameterValue` for what is malformed.
    fn send(&self, raw: &[u8], envelope: Envelope<'_>) -> Result<String> {
        let (mail, headers) =
            message::read(raw, envelope.source, envelope.recipients, self.shared.clock.now())?;
        let sender = message::bare_address(&mail.from)?;
        message::check_recipients(&mail.to)?;
        if !self.is_verified(sender)? {
            let message = format!(
                "Email address is not verified. The following identities failed the check in region {}: {sender}",
                self.shared.region.to_uppercase()
            );
            return Err(ServiceError::sender("MessageRejected", message));
        }
        let set = envelope.configuration_set.map(str::to_owned);
        let set = set.or_else(|| message::header(&headers, "X-SES-CONFIGURATION-SET"));
        let destinations = set.as_deref().map(|set| self.destinations(set)).transpose()?.unwrap_or_default();
        let mut tags = envelope.tags;
        if let Some(header) = message::header(&headers, "X-SES-MESSAGE-TAGS") {
            tags.extend(events::read_tags(&header));
        }
        self.mailbox.add(&mail)?;
        self.publish(&mail, &headers, set.as_deref(), &destinations, tags);
        self.shared.changed();
        Ok(mail.id)
    }

    /// Publishes what became of an accepted mail. It is sent whether or not this works.
    fn publish(
        &self,
        mail: &Mail,
        headers: &[(String, String)],
        set: Option<&str>,
        destinations: &[Destination],
        tags: BTreeMap<String, Vec<String>>,
    ) {
        for event in events::of(mail, headers, set, tags, &self.shared) {
            let kind = event.kind.to_lowercase();
            let wanted = destinations.iter().filter(|to| to.enabled && to.events.contains(&kind));
            for destination in wanted {
                let text = event.json.to_string();
                let notification = Notification {
                    subject: Some("Amazon SES Email Event Notification"),
                    message: &text,
                    ..Notification::default()
                };
                if let Err(error) = self.sns.publish(&destination.topic, &notification) {
                    tracing::warn!(topic = destination.topic, %error, "an event could not be published");
                }
            }
        }
    }

    fn is_verified(&self, address: &str) -> Result<bool> {
        Ok(self.identity_of(address)?.is_some())
    }

    /// The verified identity that mail from this address is sent by.
    fn identity_of(&self, address: &str) -> Result<Option<String>> {
        let address = address.to_lowercase();
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        // A verified domain covers its subdomains.
        let parents =
            std::iter::successors(Some(domain), |domain| domain.split_once('.').map(|(_, parent)| parent));
        let store = lock(&self.store);
        let mut statement = store.prepare_cached("SELECT 1 FROM identities WHERE name = ?1")?;
        for name in std::iter::once(address.as_str()).chain(parents) {
            if statement.exists([name])? {
                return Ok(Some(name.to_owned()));
            }
        }
        Ok(None)
    }

    /// What sending needs; of a sender that is not verified its own identity, so that SES says what is wrong with it
    /// to those only who might use it.
    fn needed_to_send(&self, operation: &str, from: &str, configuration_set: Option<&str>) -> Vec<Asked> {
        let from = message::bare_address(from).unwrap_or(from);
        let identity = self.identity_of(from).ok().flatten().unwrap_or_else(|| from.to_owned());
        access::email(&self.shared, operation, from, &identity, configuration_set)
    }

    /// Verifies an address or domain at once: nobody is there to click a link.
    fn add_identity(&self, name: &str) -> Result<bool> {
        let added = lock(&self.store)
            .execute("INSERT OR IGNORE INTO identities VALUES (?1)", [name.to_lowercase()])?;
        Ok(added > 0)
    }

    fn remove_identity(&self, name: &str) -> Result {
        lock(&self.store).execute("DELETE FROM identities WHERE name = ?1", [name.to_lowercase()])?;
        Ok(())
    }

    fn has_identity(&self, name: &str) -> Result<bool> {
        let store = lock(&self.store);
        let found = store
            .prepare_cached("SELECT 1 FROM identities WHERE name = ?1")?
            .exists([name.to_lowercase()])?;
        Ok(found)
    }

    fn identities(&self) -> Result<Vec<String>> {
        let store = lock(&self.store);
        let mut statement = store.prepare_cached("SELECT name FROM identities ORDER BY name")?;
        let names = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(names)
    }

    /// Whether the set is new.
    fn add_configuration_set(&self, name: &str) -> Result<bool> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(valid) {
            return Err(ServiceError::sender(
                "InvalidConfigurationSet",
                format!("Invalid configuration set name {name}"),
            ));
        }
        Ok(lock(&self.store).execute("INSERT OR IGNORE INTO configuration_sets VALUES (?1)", [name])? > 0)
    }

    fn remove_configuration_set(&self, name: &str) -> Result {
        let store = lock(&self.store);
        store.execute("DELETE FROM event_destinations WHERE configuration_set = ?1", [name])?;
        store.execute("DELETE FROM configuration_sets WHERE name = ?1", [name])?;
        Ok(())
    }

    fn save_destination(&self, set: &str, destination: &Destination) -> Result {
        self.destinations(set)?;
        if !self.sns.exists(&destination.topic)? {
            let message = format!("SNS topic <{}> not found", destination.topic);
            return Err(ServiceError::sender("InvalidSNSDestination", message));
        }
        let Destination { name, enabled, events, topic } = destination;
        lock(&self.store).execute(
            "INSERT OR REPLACE INTO event_destinations VALUES (?1, ?2, ?3, ?4, ?5)",
            params![set, name, enabled, events.join(","), topic],
        )?;
        Ok(())
    }

    /// # Errors
    /// `ConfigurationSetDoesNotExist`.
    fn destinations(&self, set: &str) -> Result<Vec<Destination>> {
        let store = lock(&self.store);
        let known = store
            .query_row("SELECT 1 FROM configuration_sets WHERE name = ?1", [set], |_| Ok(()))
            .optional()?;
        if known.is_none() {
            let message = format!("Configuration set <{set}> does not exist.");
            return Err(ServiceError::sender("ConfigurationSetDoesNotExist", message));
        }
        let sql = "SELECT name, enabled, events, topic FROM event_destinations WHERE configuration_set = ?1";
        let mut statement = store.prepare_cached(sql)?;
        let rows = statement.query_map([set], |row| {
            let events = row.get_ref(2)?.as_str()?.split(',').map(str::to_owned).collect();
            Ok(Destination { name: row.get(0)?, enabled: row.get(1)?, events, topic: row.get(3)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

#[cfg(test)]
mod tests;
