//! What a running host tells other processes: whoever waits for it, and commands that work on what it runs.

use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;

/// The file in a host's data directory that it is written to.
pub const FILE: &str = "ready.json";
/// The file in a host's data directory that it holds a lock on.
pub const LOCK: &str = "lock";

/// Where a host is. The keys are an interface: scripts read them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// URL of the HTTP API.
    pub api: String,
    /// URL of the AWS endpoint that the data services are behind.
    pub endpoint: String,
    /// URL of the AWS endpoint that takes invocations of the functions (`Invoke`).
    pub functions: String,
    pub region: String,
    pub pid: u32,
    /// Whether the data services are the host's own.
    pub is_embedded: bool,
    /// Names of the queues in which the template lets failures end.
    pub dead_letter_queues: Vec<String>,
}

/// Why there is no host to work on.
#[derive(Debug, thiserror::Error)]
pub enum NotRunning {
    #[error(
        "no host runs on {0}: start one with `cargo run`, or say where to look (--data, --endpoint or --aws)"
    )]
    NoHost(String),
    #[error("the host on {0} is not ready yet")]
    NotYet(String),
    #[error("{path} cannot be read: {problem}")]
    Unreadable { path: String, problem: String },
}

impl Ready {
    /// Writes it to `path`: whole or not at all, so that a reader never sees half of it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let unfinished = path.with_extension("unfinished");
        let mut file = std::fs::File::create(&unfinished)?;
        file.write_all(serde_json::to_string(self)?.as_bytes())?;
        std::fs::rename(unfinished, path)
    }

    /// The host that runs on the directory `data`.
    ///
    /// # Errors
    /// When none does: its lock says so, whatever a host that was killed left behind.
    pub fn find(data: &Path) -> Result<Self, NotRunning> {
        let place = || data.display().to_string();
        let lock = std::fs::File::open(data.join(LOCK)).map_err(|_| NotRunning::NoHost(place()))?;
        if lock.try_lock_shared().is_ok() {
            return Err(NotRunning::NoHost(place()));
        }
        let path = data.join(FILE);
        let text = std::fs::read(&path).map_err(|_| NotRunning::NotYet(place()))?;
        serde_json::from_slice(&text).map_err(|error| NotRunning::Unreadable {
            path: path.display().to_string(),
            problem: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_while_it_holds_its_lock() {
        let data = tempfile::tempdir().unwrap();
        assert!(matches!(Ready::find(data.path()), Err(NotRunning::NoHost(_))));
        let lock = std::fs::File::create(data.path().join(LOCK)).unwrap();
        lock.lock().unwrap();
        assert!(matches!(Ready::find(data.path()), Err(NotRunning::NotYet(_))));
        let ready = Ready {
            api: "http://127.0.0.1:1".into(),
            endpoint: "http://127.0.0.1:2".into(),
            functions: "http://127.0.0.1:2".into(),
            region: "r".into(),
            pid: 1,
            is_embedded: true,
            dead_letter_queues: vec!["q".into()],
        };
        ready.write(&data.path().join(FILE)).unwrap();
        assert_eq!(Ready::find(data.path()).unwrap(), ready);
        drop(lock);
        assert!(matches!(Ready::find(data.path()), Err(NotRunning::NoHost(_))));
    }
}
