//! What the host itself must remember over a restart: checkpoints, schedules' last runs, asynchronous invocations that
//! are not done, generated secrets and keys. A small key-value store in SQLite.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Serialize, de::DeserializeOwned};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why the state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the host's state cannot be read or written: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("the host's state holds something it cannot read back: {0}")]
    Value(#[from] serde_json::Error),
}

/// Values by kind and key, as JSON. Clones share the connection.
#[derive(Clone)]
pub struct State(Arc<Mutex<Connection>>);

impl State {
    /// Opens or creates `host.db` in `directory`.
    pub fn open(directory: &Path) -> Result<Self, StateError> {
        let connection = Connection::open(directory.join("host.db"))?;
        // Without fsync a commit survives the death of this process (the promise here), not that of the machine.
        connection.execute_batch(
            "PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL;
             CREATE TABLE IF NOT EXISTS state (
                 kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;",
        )?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic while the lock was held leaves SQLite's own state whole: each call is one statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get<T: DeserializeOwned>(&self, kind: &str, key: &str) -> Result<Option<T>, StateError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT value FROM state WHERE kind = ?1 AND key = ?2")?;
        let text: Option<String> = statement.query_row(params![kind, key], |row| row.get(0)).optional()?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    pub fn put<T: Serialize + ?Sized>(&self, kind: &str, key: &str, value: &T) -> Result<(), StateError> {
        let text = serde_json::to_string(value)?;
        self.connection()
            .prepare_cached("INSERT OR REPLACE INTO state (kind, key, value) VALUES (?1, ?2, ?3)")?
            .execute(params![kind, key, text])?;
        Ok(())
    }

    pub fn delete(&self, kind: &str, key: &str) -> Result<(), StateError> {
        self.connection()
            .prepare_cached("DELETE FROM state WHERE kind = ?1 AND key = ?2")?
            .execute(params![kind, key])?;
        Ok(())
    }

    /// Everything of one kind, in the order of the keys.
    pub fn list<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<(String, T)>, StateError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT key, value FROM state WHERE kind = ?1 ORDER BY key")?;
        let rows = statement.query_map(params![kind], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (key, text) = row?;
            Ok((key, serde_json::from_str(&text)?))
        })
        .collect()
    }
}

#[cfg(test)]
impl State {
    /// Lets every write fail, as a full disk does, or no longer.
    pub(crate) fn refuse_writes(&self, refuse: bool) {
        self.connection().pragma_update(None, "query_only", refuse).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_there_after_reopening() {
        let directory = tempfile::tempdir().unwrap();
        State::open(directory.path()).unwrap().put("checkpoint", "shard", "17").unwrap();
        let reopened = State::open(directory.path()).unwrap();
        assert_eq!(reopened.get::<String>("checkpoint", "shard").unwrap().as_deref(), Some("17"));
        reopened.delete("checkpoint", "shard").unwrap();
        assert!(reopened.list::<String>("checkpoint").unwrap().is_empty());
    }
}
