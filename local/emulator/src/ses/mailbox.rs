//! Every e-mail that was accepted, for people and tests to read.

use crate::lock;
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Mails kept; beyond it the oldest go.
const MOST_MAILS: i64 = 10_000;

/// An accepted e-mail.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Mail {
    /// The message id that SES answered.
    pub id: String,
    /// When it was accepted, on the emulator's clock.
    pub sent_at: DateTime<Utc>,
    /// The sender's address as it was given.
    pub from: String,
    /// Every recipient: to, cc and bcc.
    pub to: Vec<String>,
    /// The decoded subject.
    pub subject: String,
    /// The plain-text part.
    pub text: Option<String>,
    /// The HTML part.
    pub html: Option<String>,
    /// The decoded headers by name; of a repeated one the last.
    pub headers: BTreeMap<String, String>,
    /// The whole message as sent.
    pub raw: String,
}

/// The accepted e-mails of one emulator, durable.
pub struct Mailbox(Arc<Mutex<Connection>>);

impl Mailbox {
    pub(super) fn new(store: Arc<Mutex<Connection>>) -> Self {
        Self(store)
    }

    /// The newest `limit` mails, newest first; of those that came before the mail with the id `before`, if given.
    pub fn list(&self, limit: usize, before: Option<&str>) -> Vec<Mail> {
        let store = lock(&self.0);
        let read = || {
            let sql = "SELECT mail FROM mails
                       WHERE ?2 IS NULL OR position < (SELECT position FROM mails WHERE id = ?2)
                       ORDER BY position DESC LIMIT ?1";
            let mut statement = store.prepare_cached(sql)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            statement.query_map(params![limit, before], mail)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().unwrap_or_else(|error| {
            tracing::error!(%error, "the mailbox could not be read");
            Vec::new()
        })
    }

    /// The mail with that message id.
    pub fn get(&self, id: &str) -> Option<Mail> {
        let store = lock(&self.0);
        let found = store.query_row("SELECT mail FROM mails WHERE id = ?1", [id], mail).optional();
        found.unwrap_or_else(|error| {
            tracing::error!(%error, "the mailbox could not be read");
            None
        })
    }

    /// Deletes every mail.
    pub fn clear(&self) {
        if let Err(error) = lock(&self.0).execute("DELETE FROM mails", []) {
            tracing::error!(%error, "the mailbox could not be cleared");
        }
    }

    pub(super) fn add(&self, mail: &Mail) -> rusqlite::Result<()> {
        let json =
            serde_json::to_string(mail).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
        let store = lock(&self.0);
        let sql = "INSERT INTO mails (id, sent_at, mail) VALUES (?1, ?2, ?3)";
        store.prepare_cached(sql)?.execute(params![mail.id, mail.sent_at.timestamp_millis(), json])?;
        let oldest = store.last_insert_rowid() - MOST_MAILS;
        store.prepare_cached("DELETE FROM mails WHERE position <= ?1")?.execute([oldest])?;
        Ok(())
    }

    /// How many were sent after `since`.
    pub(super) fn sent_since(&self, since: DateTime<Utc>) -> rusqlite::Result<u32> {
        let sql = "SELECT COUNT(*) FROM mails WHERE sent_at > ?1";
        lock(&self.0).query_row(sql, [since.timestamp_millis()], |row| row.get(0))
    }
}

fn mail(row: &Row<'_>) -> rusqlite::Result<Mail> {
    serde_json::from_str(row.get_ref(0)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}
