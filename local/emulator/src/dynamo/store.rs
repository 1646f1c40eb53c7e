//! The engine's SQLite file, with what it lacks: the right durability for a laptop, an index for stream records, no
//! records of writes that change nothing, sequence numbers that never go back, and trimming.

use crate::{Clock, OpenError};
use chrono::{DateTime, TimeDelta, Utc};
use dynoxide::storage::{Storage, TableMetadata};
use dynoxide::{DynoxideError, actions};
use rusqlite::OptionalExtension;
use rusqlite::functions::FunctionFlags;
use rusqlite::hooks::Action;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// How long a stream keeps its records.
const RETENTION: TimeDelta = TimeDelta::hours(24);

/// The engine computes the next sequence number and reads a shard by this expression; without the index both scan
/// every record of every stream.
const INDEX: &str = "CREATE INDEX IF NOT EXISTS emulator_stream_position \
     ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";

/// DynamoDB makes no record of a write that leaves the item as it was. Temporary, because the function it calls
/// exists on this connection alone.
const SKIP_UNCHANGED: &str = "CREATE TEMP TRIGGER emulator_skip_unchanged BEFORE INSERT ON main._stream_records \
     WHEN NEW.event_name = 'MODIFY' AND NEW.old_image IS NOT NULL AND NEW.new_image IS NOT NULL \
     AND emulator_same_item(NEW.old_image, NEW.new_image) \
     BEGIN SELECT RAISE(IGNORE); END";

/// A record says when it was DynamoDB itself that removed an item. Temporary for the same reason.
const NAME_THE_REMOVER: &str = "CREATE TEMP TRIGGER emulator_name_the_remover AFTER INSERT ON main._stream_records \
     WHEN NEW.event_name = 'REMOVE' AND emulator_is_expiring() \
     BEGIN UPDATE _stream_records SET user_identity = \
     '{\"type\":\"Service\",\"principalId\":\"dynamodb.amazonaws.com\"}' WHERE rowid = NEW.rowid; END";

/// The highest sequence number ever trimmed: the engine alone would start over from the clock, which may have been
/// set back, and readers would not see records below their checkpoint.
const MARK: &str =
    "CREATE TABLE IF NOT EXISTS emulator_mark (id INTEGER PRIMARY KEY CHECK (id = 1), high INTEGER NOT NULL)";

const HIGHEST: &str = "SELECT MAX(COALESCE((SELECT MAX(CAST(sequence_number AS INTEGER)) FROM _stream_records), 0), \
     COALESCE((SELECT high FROM emulator_mark), 0))";

/// The engine and its file.
pub(super) struct Store {
    engine: Storage,
    /// Whether an item is being removed because it expired.
    is_expiring: Arc<AtomicBool>,
}

impl Store {
    /// `on_record` is called for every stream record, before its transaction ends: whoever hears of it has to wait for
    /// the store as everyone does.
    pub(super) fn open(
        path: &Path,
        clock: &Clock,
        on_record: impl Fn() + Send + 'static,
    ) -> Result<Self, OpenError> {
        let highest = Arc::new(AtomicI64::new(0));
        let clock = EngineClock { clock: clock.clone(), highest: highest.clone() };
        let tables = |error: dynoxide::DynoxideError| OpenError::Tables(error.to_string());
        let engine = Storage::new(&path.to_string_lossy()).map_err(tables)?.with_clock(Arc::new(clock));
        // synchronous = OFF: a commit is safe with the operating system, so `kill -9` loses nothing and a power cut
        // may. A laptop's development state is worth the tenfold speed.
        engine.enable_bulk_loading().map_err(tables)?;
        let connection = engine.conn();
        // This process alone has the file, so that no request need ask for locks.
        connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE;")?;
        connection.execute_batch(INDEX)?;
        connection.execute_batch(MARK)?;
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        connection.create_scalar_function("emulator_same_item", 2, flags, |context| {
            let (old, new) = (context.get_raw(0).as_str()?, context.get_raw(1).as_str()?);
            Ok(same_item(old, new))
        })?;
        connection.execute_batch(SKIP_UNCHANGED)?;
        let is_expiring = Arc::new(AtomicBool::new(false));
        let asked = is_expiring.clone();
        connection.create_scalar_function(
            "emulator_is_expiring",
            0,
            FunctionFlags::SQLITE_UTF8,
            move |_| Ok(asked.load(Ordering::Relaxed)),
        )?;
        connection.execute_batch(NAME_THE_REMOVER)?;
        connection.update_hook(Some(move |action, _: &str, table: &str, _| {
            if action == Action::SQLITE_INSERT && table == "_stream_records" {
                on_record();
            }
        }));
        highest.store(connection.query_row(HIGHEST, [], |row| row.get(0))?, Ordering::Relaxed);
        Ok(Self { engine, is_expiring })
    }

    pub(super) fn engine(&self) -> &Storage {
        &self.engine
    }

    /// Removes one item whose time to live has passed at `now`; `false` when there is none. The engine's own sweep reads
    /// every item of every table for that, while all requests wait.
    pub(super) fn remove_expired(&self, now: DateTime<Utc>) -> Result<bool, DynoxideError> {
        for table in self.engine.list_ttl_enabled_tables()? {
            let Some(key) = self.expired_key(&table, now)? else { continue };
            let request = serde_json::from_value(json!({ "TableName": table.table_name, "Key": key }));
            let request = request.map_err(|error| DynoxideError::InternalServerError(error.to_string()))?;
            self.is_expiring.store(true, Ordering::Relaxed);
            let removed = pollster::block_on(actions::delete_item::execute(&self.engine, request));
            self.is_expiring.store(false, Ordering::Relaxed);
            return removed.map(|_| true);
        }
        Ok(false)
    }

    /// The key of some expired item of a table, found by an index of when each expires.
    fn expired_key(&self, table: &TableMetadata, now: DateTime<Utc>) -> Result<Option<Value>, DynoxideError> {
        let Some(attribute) = &table.ttl_attribute else { return Ok(None) };
        let name = quoted(&table.table_name);
        let index = quoted(&format!("emulator_expiry {} {attribute}", table.table_name));
        let path = format!("$.{}.N", Value::from(attribute.as_str())).replace('\'', "''");
        // Whole seconds alone are a time to live: of `1E+20` a cast would make the first.
        let number = format!("json_extract(item_json, '{path}')");
        let expires = format!("CASE WHEN {number} NOT GLOB '*[^0-9]*' THEN CAST({number} AS INTEGER) END");
        let connection = self.engine.conn();
        connection.execute_batch(&format!("CREATE INDEX IF NOT EXISTS {index} ON {name} ({expires})"))?;
        let mut statement = connection
            .prepare_cached(&format!("SELECT item_json FROM {name} WHERE {expires} < ?1 LIMIT 1"))?;
        let item: Option<String> = statement.query_row([now.timestamp()], |row| row.get(0)).optional()?;
        Ok(item.and_then(|item| key_of(&item, &table.key_schema)))
    }

    /// Drops the records older than 24 hours at `now`. Their sequence numbers are microseconds since the epoch.
    pub(super) fn trim_streams(&self, now: DateTime<Utc>) -> rusqlite::Result<()> {
        let connection = self.engine.conn();
        let before = (now - RETENTION).timestamp_micros();
        let transaction = connection.unchecked_transaction()?;
        let highest: i64 = transaction.query_row(HIGHEST, [], |row| row.get(0))?;
        let dropped = transaction.execute(
            "DELETE FROM _stream_records WHERE table_name IN (SELECT table_name FROM _tables) \
             AND CAST(sequence_number AS INTEGER) < ?1",
            [before],
        )?;
        if dropped > 0 {
            transaction
                .execute("INSERT OR REPLACE INTO emulator_mark (id, high) VALUES (1, ?1)", [highest])?;
        }
        transaction.commit()
    }
}

/// A name as SQL takes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The key of an item, both in DynamoDB's JSON.
fn key_of(item: &str, key_schema: &str) -> Option<Value> {
    let item: Map<String, Value> = serde_json::from_str(item).ok()?;
    let schema: Value = serde_json::from_str(key_schema).ok()?;
    let names = schema.as_array()?.iter().map(|part| part["AttributeName"].as_str());
    let key = names.map(|name| Some((name?.to_owned(), item.get(name?)?.clone())));
    key.collect::<Option<Map<_, _>>>().map(Value::Object)
}

/// The clock as the engine reads it.
struct EngineClock {
    clock: Clock,
    /// Microseconds; the engine takes sequence numbers from the fractional clock, so that one never goes back.
    highest: Arc<AtomicI64>,
}

impl dynoxide::storage_backend::Clock for EngineClock {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(self.clock.now().timestamp()).unwrap_or_default()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        let now = self.clock.now().timestamp_micros();
        let highest = self.highest.fetch_max(now, Ordering::Relaxed);
        // One more than what was trimmed, which rounding through a float must not undo.
        #[allow(clippy::cast_precision_loss, reason = "microseconds of this millennium fit 53 bits")]
        let seconds = if now > highest { now as f64 / 1e6 } else { (highest + 2) as f64 / 1e6 };
        seconds
    }
}

/// Whether two items in DynamoDB's JSON are equal. Sets have no order.
fn same_item(old: &str, new: &str) -> bool {
    // Attributes are written in any order, but equal items are equally long.
    if old.len() != new.len() {
        return false;
    }
    match (serde_json::from_str::<Value>(old), serde_json::from_str::<Value>(new)) {
        (Ok(old), Ok(new)) => same_value(&old, &new),
        _ => false,
    }
}

fn same_value(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            old.len() == new.len()
                && old.iter().all(|(name, value)| {
                    new.get(name).is_some_and(|other| match name.as_str() {
                        "SS" | "NS" | "BS" => same_set(value, other),
                        _ => same_value(value, other),
                    })
                })
        }
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same_value(old, new))
        }
        (old, new) => old == new,
    }
}

fn same_set(old: &Value, new: &Value) -> bool {
    match (strings(old), strings(new)) {
        (Some(old), Some(new)) => old == new,
        // An attribute that is merely called "SS".
        _ => same_value(old, new),
    }
}

fn strings(value: &Value) -> Option<Vec<&str>> {
    let mut strings = value.as_array()?.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?;
    strings.sort_unstable();
    Some(strings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_equal_whatever_the_order_of_attributes_and_sets() {
        let old = r#"{"a":{"S":"x"},"t":{"SS":["p","q"]}}"#;
        assert!(same_item(old, r#"{"t":{"SS":["q","p"]},"a":{"S":"x"}}"#));
        assert!(!same_item(old, r#"{"t":{"SS":["q","r"]},"a":{"S":"x"}}"#));
        assert!(!same_item(r#"{"l":{"L":[{"N":"1"},{"N":"2"}]}}"#, r#"{"l":{"L":[{"N":"2"},{"N":"1"}]}}"#));
    }
}
