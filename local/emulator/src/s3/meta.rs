//! What is known of buckets and objects, in SQLite. The bytes themselves are blobs beside it.

use super::notify::{self, Change, Rule};
use crate::Shared;
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use s3s::{S3Error, S3Result, s3_error};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, created INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS bucket_settings (
        bucket TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (bucket, kind)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS objects (
        bucket TEXT NOT NULL, key TEXT NOT NULL, blob TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
        modified INTEGER NOT NULL, sequencer INTEGER NOT NULL, info TEXT NOT NULL, PRIMARY KEY (bucket, key)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, queue TEXT NOT NULL, body TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS mark (id INTEGER PRIMARY KEY CHECK (id = 1), sequencer INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS uploads (
        id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL, info TEXT NOT NULL, created INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS parts (
        upload TEXT NOT NULL, number INTEGER NOT NULL, blob TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
        PRIMARY KEY (upload, number)
    ) WITHOUT ROWID;";

pub(super) fn internal(error: rusqlite::Error) -> S3Error {
    tracing::error!(%error, "the S3 store failed");
    s3_error!(InternalError)
}

/// What an uploader says of an object.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct Info {
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    /// Base64 by algorithm (`sha256`, `crc32`, …).
    pub(super) checksums: BTreeMap<String, String>,
}

/// An object as it lies there.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) key: String,
    pub(super) blob: String,
    pub(super) size: u64,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) modified: DateTime<Utc>,
    pub(super) info: Info,
}

/// An object to be, or nothing for a removal.
pub(super) struct Commit<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    /// Such as `ObjectCreated:Put`.
    pub(super) event: &'static str,
    pub(super) object: Option<NewObject<'a>>,
    /// Only when there is no object, or (`Some(etag)`) only over that one.
    pub(super) only_if: Condition<'a>,
}

pub(super) struct NewObject<'a> {
    pub(super) blob: &'a str,
    pub(super) size: u64,
    pub(super) etag: &'a str,
    pub(super) info: &'a Info,
}

#[derive(Clone, Copy)]
pub(super) enum Condition<'a> {
    Always,
    Absent,
    Etag(&'a str),
    Present,
}

/// A commit's leftovers.
#[derive(Default, Debug)]
pub(super) struct Committed {
    /// Blobs that nothing refers to any more.
    pub(super) orphans: Vec<String>,
    /// Notifications to deliver.
    pub(super) notices: Vec<Notice>,
}

#[derive(Debug)]
pub(super) struct Notice {
    pub(super) id: i64,
    pub(super) queue: String,
    pub(super) body: String,
}

pub(super) struct Part {
    pub(super) number: i32,
    pub(super) blob: String,
    pub(super) size: u64,
    pub(super) etag: String,
}

pub(super) struct Meta {
    connection: Connection,
    /// The last sequencer given out.
    sequencer: u64,
}

impl Meta {
    pub(super) fn open(directory: &Path) -> rusqlite::Result<Self> {
        let connection = crate::sql::open(directory, "s3.sqlite", SCHEMA)?;
        let sql = "SELECT MAX(COALESCE((SELECT MAX(sequencer) FROM objects), 0), COALESCE((SELECT sequencer FROM mark), 0))";
        let last: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        Ok(Self { connection, sequencer: last.cast_unsigned() })
    }

    /// # Errors
    /// `NoSuchBucket`.
    pub(super) fn require_bucket(&self, bucket: &str) -> S3Result {
        let sql = "SELECT 1 FROM buckets WHERE name = ?1";
        let found =
            self.connection.prepare_cached(sql).and_then(|mut s| s.exists([bucket])).map_err(internal)?;
        if found { Ok(()) } else { Err(s3_error!(NoSuchBucket, "The specified bucket does not exist")) }
    }

    /// Whether the bucket is new.
    pub(super) fn create_bucket(&self, bucket: &str, now: i64) -> S3Result<bool> {
        let sql = "INSERT OR IGNORE INTO buckets VALUES (?1, ?2)";
        Ok(self.connection.execute(sql, params![bucket, now]).map_err(internal)? > 0)
    }

    /// # Errors
    /// `NoSuchBucket`, `BucketNotEmpty`.
    pub(super) fn delete_bucket(&self, bucket: &str) -> S3Result {
        self.require_bucket(bucket)?;
        let used = self
            .connection
            .prepare_cached("SELECT 1 FROM objects WHERE bucket = ?1 LIMIT 1")
            .and_then(|mut s| s.exists([bucket]))
            .map_err(internal)?;
        if used {
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty"));
        }
        let delete = || {
            let transaction = self.connection.unchecked_transaction()?;
            transaction.execute("DELETE FROM bucket_settings WHERE bucket = ?1", [bucket])?;
            transaction.execute("DELETE FROM buckets WHERE name = ?1", [bucket])?;
            transaction.commit()
        };
        delete().map_err(internal)
    }

    /// Names and creation times, in milliseconds.
    pub(super) fn buckets(&self) -> S3Result<Vec<(String, i64)>> {
        let read = || {
            let mut statement =
                self.connection.prepare_cached("SELECT name, created FROM buckets ORDER BY name")?;
            statement
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(internal)
    }

    pub(super) fn setting(&self, bucket: &str, kind: &str) -> S3Result<Option<String>> {
        self.setting_of(bucket, kind).map_err(internal)
    }

    fn setting_of(&self, bucket: &str, kind: &str) -> rusqlite::Result<Option<String>> {
        let sql = "SELECT value FROM bucket_settings WHERE bucket = ?1 AND kind = ?2";
        self.connection.prepare_cached(sql)?.query_row([bucket, kind], |row| row.get(0)).optional()
    }

    /// Sets or (`None`) removes a setting.
    pub(super) fn set(&self, bucket: &str, kind: &str, value: Option<&str>) -> S3Result {
        self.require_bucket(bucket)?;
        let done = match value {
            Some(value) => self
                .connection
                .execute("INSERT OR REPLACE INTO bucket_settings VALUES (?1, ?2, ?3)", [bucket, kind, value]),
            None => {
                let sql = "DELETE FROM bucket_settings WHERE bucket = ?1 AND kind = ?2";
                self.connection.execute(sql, [bucket, kind])
            }
        };
        done.map(drop).map_err(internal)
    }

    pub(super) fn object(&self, bucket: &str, key: &str) -> S3Result<Option<Object>> {
        let sql = "SELECT key, blob, size, etag, modified, info FROM objects WHERE bucket = ?1 AND key = ?2";
        let read = || self.connection.prepare_cached(sql)?.query_row([bucket, key], object).optional();
        read().map_err(internal)
    }

    /// The first object whose key is above `after` and not below `from`.
    pub(super) fn next_object(&self, bucket: &str, from: &str, after: &str) -> S3Result<Option<Object>> {
        let sql = "SELECT key, blob, size, etag, modified, info FROM objects \
                   WHERE bucket = ?1 AND key >= ?2 AND key > ?3 ORDER BY key LIMIT 1";
        let read =
            || self.connection.prepare_cached(sql)?.query_row([bucket, from, after], object).optional();
        read().map_err(internal)
    }

    /// Puts or removes an object and writes down whom to notify of it, all or nothing.
    ///
    /// # Errors
    /// `NoSuchBucket`; `PreconditionFailed` when the condition does not hold, `NoSuchKey` when it needs an object.
    pub(super) fn commit(&mut self, commit: &Commit<'_>, shared: &Shared) -> S3Result<Committed> {
        self.require_bucket(commit.bucket)?;
        let current = self.object(commit.bucket, commit.key)?;
        check(commit.only_if, current.as_ref())?;
        // As AWS does, a removal of nothing is no event.
        if commit.object.is_none() && current.is_none() {
            return Ok(Committed::default());
        }
        let now = shared.clock.now();
        let rules = self.rules(commit.bucket)?;
        let micros = u64::try_from(now.timestamp_micros()).unwrap_or_default();
        self.sequencer = (self.sequencer + 1).max(micros);
        let change = Change {
            bucket: commit.bucket,
            key: commit.key,
            event: commit.event,
            sequencer: self.sequencer,
            object: commit.object.as_ref().map(|object| (object.size, object.etag)),
            at: now,
        };
        let write = |sequencer: u64| {
            let transaction = self.connection.unchecked_transaction()?;
            write_object(&transaction, commit, now, sequencer)?;
            let notices = write_notices(&transaction, &notify::notices(&rules, &change, shared))?;
            transaction.commit()?;
            Ok(notices)
        };
        let notices = write(self.sequencer).map_err(internal)?;
        let orphans = current.map(|object| object.blob).into_iter().collect();
        Ok(Committed { orphans, notices })
    }

    fn rules(&self, bucket: &str) -> S3Result<Vec<Rule>> {
        let Some(rules) = self.setting(bucket, notify::RULES)? else {
            return Ok(Vec::new());
        };
        serde_json::from_str(&rules).map_err(|_| s3_error!(InternalError, "damaged notification rules"))
    }

    /// Notifications not delivered yet.
    pub(super) fn undelivered(&self) -> rusqlite::Result<Vec<Notice>> {
        let mut statement = self.connection.prepare("SELECT id, queue, body FROM outbox ORDER BY id")?;
        let rows = statement
            .query_map([], |row| Ok(Notice { id: row.get(0)?, queue: row.get(1)?, body: row.get(2)? }))?;
        rows.collect()
    }

    pub(super) fn delivered(&self, id: i64) -> S3Result {
        let delete = || self.connection.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([id]);
        delete().map(drop).map_err(internal)
    }

    /// Every blob that something refers to.
    pub(super) fn blobs(&self) -> rusqlite::Result<BTreeSet<String>> {
        let mut statement =
            self.connection.prepare("SELECT blob FROM objects UNION ALL SELECT blob FROM parts")?;
        statement.query_map([], |row| row.get(0))?.collect()
    }

    pub(super) fn create_upload(&self, id: &str, bucket: &str, key: &str, info: &Info, now: i64) -> S3Result {
        self.require_bucket(bucket)?;
        let sql = "INSERT INTO uploads VALUES (?1, ?2, ?3, ?4, ?5)";
        let insert = || self.connection.execute(sql, params![id, bucket, key, json(info)?, now]);
        insert().map(drop).map_err(internal)
    }

    /// What the upload is to become.
    ///
    /// # Errors
    /// `NoSuchUpload`.
    pub(super) fn upload(&self, id: &str, bucket: &str, key: &str) -> S3Result<Info> {
        let sql = "SELECT info FROM uploads WHERE id = ?1 AND bucket = ?2 AND key = ?3";
        let read = || self.connection.query_row(sql, [id, bucket, key], |row| from_json(row, 0)).optional();
        read()
            .map_err(internal)?
            .ok_or_else(|| s3_error!(NoSuchUpload, "The specified upload does not exist."))
    }

    /// Adds a part; the blob it replaces.
    pub(super) fn save_part(&self, upload: &str, part: &Part) -> S3Result<Option<String>> {
        let write = || {
            let sql = "SELECT blob FROM parts WHERE upload = ?1 AND number = ?2";
            let old =
                self.connection.query_row(sql, params![upload, part.number], |row| row.get(0)).optional()?;
            let values = params![upload, part.number, part.blob, part.size.cast_signed(), part.etag];
            self.connection.execute("INSERT OR REPLACE INTO parts VALUES (?1, ?2, ?3, ?4, ?5)", values)?;
            Ok(old)
        };
        write().map_err(internal)
    }

    pub(super) fn parts(&self, upload: &str) -> S3Result<Vec<Part>> {
        let read = || {
            let sql = "SELECT number, blob, size, etag FROM parts WHERE upload = ?1 ORDER BY number";
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map([upload], |row| {
                let size = row.get::<_, i64>(2)?.cast_unsigned();
                Ok(Part { number: row.get(0)?, blob: row.get(1)?, size, etag: row.get(3)? })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(internal)
    }

    pub(super) fn delete_upload(&self, id: &str) -> S3Result {
        let delete = || {
            let transaction = self.connection.unchecked_transaction()?;
            transaction.execute("DELETE FROM parts WHERE upload = ?1", [id])?;
            transaction.execute("DELETE FROM uploads WHERE id = ?1", [id])?;
            transaction.commit()
        };
        delete().map_err(internal)
    }
}

fn check(condition: Condition<'_>, current: Option<&Object>) -> S3Result {
    let failed =
        || s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold");
    match (condition, current) {
        (Condition::Absent, Some(_)) => Err(failed()),
        (Condition::Etag(_) | Condition::Present, None) => Err(no_such_key()),
        (Condition::Etag(etag), Some(object)) if object.etag != etag => Err(failed()),
        _ => Ok(()),
    }
}

pub(super) fn no_such_key() -> S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

fn write_object(
    transaction: &Transaction<'_>,
    commit: &Commit<'_>,
    now: DateTime<Utc>,
    sequencer: u64,
) -> rusqlite::Result<()> {
    let Some(new) = &commit.object else {
        let sql = "DELETE FROM objects WHERE bucket = ?1 AND key = ?2";
        transaction.prepare_cached(sql)?.execute([commit.bucket, commit.key])?;
        // Whoever removed the highest must not make it be given out again.
        let sql = "INSERT OR REPLACE INTO mark VALUES (1, ?1)";
        transaction.prepare_cached(sql)?.execute([sequencer.cast_signed()])?;
        return Ok(());
    };
    let sql = "INSERT OR REPLACE INTO objects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    transaction.prepare_cached(sql)?.execute(params![
        commit.bucket,
        commit.key,
        new.blob,
        new.size.cast_signed(),
        new.etag,
        now.timestamp_millis(),
        sequencer.cast_signed(),
        json(new.info)?,
    ])?;
    Ok(())
}

fn write_notices(
    transaction: &Transaction<'_>,
    notices: &[(String, String)],
) -> rusqlite::Result<Vec<Notice>> {
    let mut written = Vec::with_capacity(notices.len());
    for (queue, body) in notices {
        let mut statement = transaction.prepare_cached("INSERT INTO outbox (queue, body) VALUES (?1, ?2)")?;
        let id = statement.insert([queue, body])?;
        written.push(Notice { id, queue: queue.clone(), body: body.clone() });
    }
    Ok(written)
}

fn object(row: &Row<'_>) -> rusqlite::Result<Object> {
    Ok(Object {
        key: row.get(0)?,
        blob: row.get(1)?,
        size: row.get::<_, i64>(2)?.cast_unsigned(),
        etag: row.get(3)?,
        modified: DateTime::from_timestamp_millis(row.get(4)?).unwrap_or_default(),
        info: from_json(row, 5)?,
    })
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}
