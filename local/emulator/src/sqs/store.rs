//! The queues' SQLite file. Memory decides; this is written through, so that a restart finds everything again.

use super::message::{Content, Message};
use super::queue::{Queue, Recent};
use super::settings::{Raw, Settings};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS queues (
        name TEXT PRIMARY KEY, attributes TEXT NOT NULL, tags TEXT NOT NULL,
        created INTEGER NOT NULL, modified INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS messages (
        sequence INTEGER PRIMARY KEY, queue TEXT NOT NULL, content TEXT NOT NULL, due INTEGER NOT NULL,
        in_flight INTEGER NOT NULL, receive_count INTEGER NOT NULL, first_received INTEGER, receipt INTEGER NOT NULL
    );
    CREATE INDEX IF NOT EXISTS messages_by_queue ON messages (queue);
    CREATE TABLE IF NOT EXISTS recent (
        queue TEXT NOT NULL, key TEXT NOT NULL, until INTEGER NOT NULL, message_id TEXT NOT NULL,
        sequence INTEGER NOT NULL, PRIMARY KEY (queue, key)
    ) WITHOUT ROWID;";

type Result<T = ()> = rusqlite::Result<T>;

pub(super) struct Store(Connection);

impl Store {
    pub(super) fn open(directory: &Path) -> Result<Self> {
        crate::sql::open(directory, "sqs.sqlite", SCHEMA).map(Self)
    }

    /// Runs `write` so that all of it is kept, or nothing.
    pub(super) fn together<T>(&self, write: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let transaction = self.0.unchecked_transaction()?;
        let written = write(self)?;
        transaction.commit()?;
        Ok(written)
    }

    pub(super) fn insert(&self, queue: &str, message: &Message) -> Result {
        let content = to_json(&*message.content)?;
        let sql = "INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        self.0.prepare_cached(sql)?.execute(params![
            message.sequence.cast_signed(),
            queue,
            content,
            message.due,
            message.in_flight,
            message.receive_count,
            message.first_received,
            message.receipt.cast_signed(),
        ])?;
        Ok(())
    }

    /// Writes what changes when a message is received or rescheduled.
    pub(super) fn update(&self, message: &Message) -> Result {
        let sql = "UPDATE messages SET due = ?2, in_flight = ?3, receive_count = ?4, first_received = ?5, receipt = ?6 \
                   WHERE sequence = ?1";
        self.0.prepare_cached(sql)?.execute(params![
            message.sequence.cast_signed(),
            message.due,
            message.in_flight,
            message.receive_count,
            message.first_received,
            message.receipt.cast_signed(),
        ])?;
        Ok(())
    }

    pub(super) fn delete(&self, sequence: u64) -> Result {
        self.0
            .prepare_cached("DELETE FROM messages WHERE sequence = ?1")?
            .execute([sequence.cast_signed()])?;
        Ok(())
    }

    pub(super) fn clear(&self, queue: &str) -> Result {
        self.0.execute("DELETE FROM messages WHERE queue = ?1", [queue])?;
        Ok(())
    }

    pub(super) fn save_queue(&self, queue: &Queue) -> Result {
        let values =
            params![queue.name, to_json(&queue.raw)?, to_json(&queue.tags)?, queue.created, queue.modified];
        self.0.execute("INSERT OR REPLACE INTO queues VALUES (?1, ?2, ?3, ?4, ?5)", values)?;
        Ok(())
    }

    pub(super) fn delete_queue(&self, name: &str) -> Result {
        self.together(|store| {
            store.clear(name)?;
            store.0.execute("DELETE FROM recent WHERE queue = ?1", [name])?;
            store.0.execute("DELETE FROM queues WHERE name = ?1", [name])?;
            Ok(())
        })
    }

    pub(super) fn remember(&self, queue: &str, key: &str, recent: &Recent) -> Result {
        let values = params![queue, key, recent.until, recent.message_id, recent.sequence.cast_signed()];
        self.0
            .prepare_cached("INSERT OR REPLACE INTO recent VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(values)?;
        Ok(())
    }

    /// Deletes the deduplication ids that are outdated.
    pub(super) fn forget(&self, queue: &str, now: i64) -> Result {
        self.0.execute("DELETE FROM recent WHERE queue = ?1 AND until <= ?2", params![queue, now])?;
        Ok(())
    }

    /// Everything that was saved, and the highest sequence number in use.
    pub(super) fn load(&self, now: i64) -> Result<(BTreeMap<String, Queue>, u64)> {
        let mut queues = self.load_queues()?;
        let highest = self.load_messages(&mut queues, now)?;
        self.load_recent(&mut queues, now)?;
        Ok((queues, highest))
    }

    fn load_queues(&self) -> Result<BTreeMap<String, Queue>> {
        let mut statement = self.0.prepare("SELECT name, attributes, tags, created, modified FROM queues")?;
        let rows = statement.query_map([], |row| {
            let (name, raw): (String, Raw) = (row.get(0)?, from_json(row.get_ref(1)?.as_str()?)?);
            let settings =
                Settings::parse(&raw).map_err(|e| rusqlite::Error::UserFunctionError(Box::new(e)))?;
            let mut queue = Queue::new(name.clone(), raw, settings, from_json(row.get_ref(2)?.as_str()?)?, 0);
            queue.created = row.get(3)?;
            queue.modified = row.get(4)?;
            Ok((name, queue))
        })?;
        rows.collect()
    }

    fn load_messages(&self, queues: &mut BTreeMap<String, Queue>, now: i64) -> Result<u64> {
        let mut highest = 0;
        let mut statement = self.0.prepare("SELECT * FROM messages ORDER BY sequence")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let content: Content = from_json(row.get_ref(2)?.as_str()?)?;
            let message = Message {
                sequence: row.get::<_, i64>(0)?.cast_unsigned(),
                content: Arc::new(content),
                due: row.get(3)?,
                in_flight: row.get(4)?,
                receive_count: row.get(5)?,
                first_received: row.get(6)?,
                receipt: row.get::<_, i64>(7)?.cast_unsigned(),
            };
            highest = highest.max(message.sequence);
            if let Some(queue) = queues.get_mut(row.get_ref(1)?.as_str()?) {
                queue.insert(message, now);
            }
        }
        Ok(highest)
    }

    fn load_recent(&self, queues: &mut BTreeMap<String, Queue>, now: i64) -> Result {
        self.0.execute("DELETE FROM recent WHERE until <= ?1", [now])?;
        let mut statement = self.0.prepare("SELECT queue, key, until, message_id, sequence FROM recent")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let sequence = row.get::<_, i64>(4)?.cast_unsigned();
            let recent = Recent { until: row.get(2)?, message_id: row.get(3)?, sequence };
            if let Some(queue) = queues.get_mut(row.get_ref(0)?.as_str()?) {
                queue.remember(row.get(1)?, recent, now);
            }
        }
        Ok(())
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}
