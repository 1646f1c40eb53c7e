//! Which rights were used, so that those can be told that nothing needs.

use super::Roles;
use super::policy::{Asked, Statement, grants};
use crate::lock;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

/// A file to which several hosts may add lines of a word (`has` or `used`), a role, an action and a resource, as the
/// policies write them.
pub struct Record {
    file: File,
    /// What was written before.
    told: Mutex<BTreeSet<String>>,
}

impl Record {
    /// Begins with all that the roles allow.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn open(path: &Path, roles: &Roles) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let record = Self { file, told: Mutex::default() };
        for (role, statements) in roles {
            for (action, resource) in statements.iter().filter(|one| one.allows()).flat_map(Statement::pairs)
            {
                record.tell("has", role, action, resource);
            }
        }
        Ok(record)
    }

    /// That a right was needed, by whatever allows it.
    pub fn used(&self, role: &str, statements: &[Statement], asked: &Asked) {
        for (action, resource) in grants(statements, asked) {
            self.tell("used", role, action, resource);
        }
    }

    fn tell(&self, word: &str, role: &str, action: &str, resource: &str) {
        let line = format!("{word}\t{role}\t{action}\t{resource}\n");
        // In one write: other hosts append to the same file.
        if lock(&self.told).insert(line.clone())
            && let Err(error) = (&self.file).write_all(line.as_bytes())
        {
            tracing::error!(%error, "the record of rights cannot be written");
        }
    }
}
