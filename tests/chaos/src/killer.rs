//! `kill -9` of handlers.

use crate::cloud::Cloud;
use end_to_end::try_signal;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Kills by function.
pub(crate) type Kills = BTreeMap<String, u64>;

/// Kills a handler now and then until it is stopped.
pub(crate) struct Killer {
    stop: tokio::sync::watch::Sender<bool>,
    task: JoinHandle<Kills>,
}

impl Killer {
    pub(crate) fn start(cloud: Arc<Cloud>, mut chances: fastrand::Rng, every: Duration) -> Self {
        let (stop, mut stopped) = tokio::sync::watch::channel(false);
        let task = tokio::spawn(async move {
            let mut kills = Kills::new();
            loop {
                let pause = every.mul_f64(chances.f64() * 2.0);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = stopped.changed() => return kills,
                }
                if let Some(function) = kill_one(&cloud, &mut chances).await {
                    *kills.entry(function).or_default() += 1;
                }
            }
        });
        Self { stop, task }
    }

    pub(crate) async fn stop(self) -> Kills {
        self.stop.send_replace(true);
        self.task.await.unwrap_or_default()
    }
}

/// Kills one environment of one function: first the function is drawn, so that busy ones do not take all the kills.
async fn kill_one(cloud: &Cloud, chances: &mut fastrand::Rng) -> Option<String> {
    let answer = cloud.api().await.try_send("GET", "/_local/functions", &[], "").await.ok()?.json();
    let alive = answer.as_array()?.iter().filter(|f| f["pids"].as_array().is_some_and(|p| !p.is_empty()));
    let function = chances.choice(alive.collect::<Vec<_>>())?;
    let pid = chances.choice(function["pids"].as_array()?)?.as_u64()?;
    // It may have ended since; then nobody was killed.
    let is_killed = try_signal(u32::try_from(pid).ok()?, "KILL");
    is_killed.then(|| function["name"].as_str().unwrap_or_default().to_owned())
}
