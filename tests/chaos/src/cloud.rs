//! The host under test, over its restarts.

use crate::{Error, Plan, faults};
use aws_credential_types::Credentials;
use end_to_end::{Api, Host, Options};
use local::clients::Clients;
use local::credentials::DEVELOPER;
use local::host::REGION;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{RwLock, watch};

/// How long a restarted host is waited for.
const RESTART: Duration = Duration::from_secs(120);

/// One data directory, and the host that runs on it now.
pub(crate) struct Cloud {
    data: PathBuf,
    /// Goes with the run, unless its data is to stay.
    _temporary: Option<TempDir>,
    options: Options,
    host: RwLock<Option<Host>>,
    /// The running host's API; `None` while there is none.
    api: watch::Sender<Option<Running>>,
    lives: AtomicU64,
    /// Faults that fired, by service and kind, of hosts that are gone.
    fired: Mutex<BTreeMap<String, u64>>,
    faults: Mutex<Vec<Value>>,
}

/// One life of the host.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) api: Api,
    /// Counts the host's lives.
    pub(crate) life: u64,
}

impl Cloud {
    pub(crate) async fn start(plan: &Plan) -> Result<Self, Error> {
        let (data, temporary) = directory(plan.data.as_deref())?;
        let options = Options {
            data: Some(data.clone()),
            arguments: vec!["--seed".to_owned(), plan.seed.to_string()],
            // As this is built itself, so that there is one build.
            optimised: !cfg!(debug_assertions),
            schedules: true,
            ..Options::default()
        };
        let cloud = Self {
            data,
            _temporary: temporary,
            options,
            host: RwLock::new(None),
            api: watch::Sender::new(None),
            lives: AtomicU64::new(0),
            fired: Mutex::default(),
            faults: Mutex::default(),
        };
        cloud.start_host().await;
        Ok(cloud)
    }

    async fn start_host(&self) {
        let host = Host::start_with(self.options.clone()).await;
        let api = host.api.clone();
        *self.host.write().await = Some(host);
        // Before anybody calls: a restart is no time of calm.
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone();
        faults::inject(&api, &faults).await;
        let life = self.lives.fetch_add(1, Relaxed);
        self.api.send_replace(Some(Running { api, life }));
    }

    /// The host that runs, as soon as one does.
    pub(crate) async fn running(&self) -> Running {
        let mut lives = self.api.subscribe();
        let running = async {
            let running = lives.wait_for(Option::is_some).await;
            running.ok().and_then(|running| running.clone())
        };
        match tokio::time::timeout(RESTART, running).await {
            Ok(Some(running)) => running,
            _ => panic!("the host did not come back"),
        }
    }

    pub(crate) async fn api(&self) -> Api {
        self.running().await.api
    }

    /// Ends the host as a power cut would, and starts another on what it left.
    pub(crate) async fn kill_host(&self) {
        self.note_fired().await;
        let Some(host) = self.host.write().await.take() else { return };
        self.api.send_replace(None);
        host.kill();
        self.start_host().await;
    }

    /// Puts these faults in the place of those in force, now and after each restart.
    pub(crate) async fn set_faults(&self, faults: Vec<Value>) {
        self.note_fired().await;
        let api = self.api().await;
        api.send("DELETE", "/_local/faults", &[], "").await.expect(204);
        faults::inject(&api, &faults).await;
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// Adds what fired since the faults were set, which is to be forgotten with them.
    async fn note_fired(&self) {
        let fired = self.fired_so_far().await;
        *self.fired.lock().unwrap_or_else(PoisonError::into_inner) = fired;
    }

    /// Faults that fired, by kind, with those of the faults in force.
    pub(crate) async fn fired_so_far(&self) -> BTreeMap<String, u64> {
        let mut fired = self.fired();
        for (kind, count) in faults::fired(&self.api().await).await {
            *fired.entry(kind).or_default() += count;
        }
        fired
    }

    /// Faults that fired, by kind. Those of the last moments before a kill are not in it.
    pub(crate) fn fired(&self) -> BTreeMap<String, u64> {
        self.fired.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Clients of the data services, as anybody at this machine may have them.
    pub(crate) async fn clients(&self) -> Result<Clients, Error> {
        let host = self.host.read().await;
        let endpoint = host.as_ref().map(|host| host.endpoint.clone()).ok_or("there is no host")?;
        Ok(Clients::new(&endpoint, REGION, Credentials::from_keys(DEVELOPER, DEVELOPER, None))?)
    }

    /// The full name of the table whose name ends so.
    pub(crate) async fn table_name(&self, table: &str) -> Result<String, Error> {
        let names =
            self.clients().await?.dynamodb.list_tables().send().await?.table_names.unwrap_or_default();
        names
            .into_iter()
            .find(|name| name.ends_with(table))
            .ok_or_else(|| format!("there is no {table}").into())
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }
}

/// A new directory: of an earlier run nothing may be left that its successor would take for its own.
fn directory(wanted: Option<&Path>) -> Result<(PathBuf, Option<TempDir>), Error> {
    let Some(wanted) = wanted else {
        let temporary = tempfile::tempdir()?;
        return Ok((temporary.path().to_owned(), Some(temporary)));
    };
    let created =
        wanted.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::create_dir(wanted));
    created.map_err(|error| format!("{}: {error}", wanted.display()))?;
    Ok((std::path::absolute(wanted)?, None))
}
