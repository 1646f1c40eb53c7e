//! The loads: open loop, closed loop, note to mail, upload to thumbnails.

use crate::client::{Connection, Error};
use crate::measure::Outcome;
use bench::latencies::{histogram, record};
use bench::progress::bar;
use end_to_end::Host;
use indicatif::ProgressBar;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

/// What the command line asks for.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) clients: usize,
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
    pub(crate) photograph: Vec<u8>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Phase {
    Open,
    Closed,
    Mail,
    Upload,
}

/// Notes whose mail is waited for, and photographs.
const MAILS: u64 = 200;
const UPLOADS: u64 = 20;

impl Phase {
    pub(crate) const ALL: [Self; 4] = [Self::Open, Self::Closed, Self::Mail, Self::Upload];

    pub(crate) fn title(self, plan: &Plan) -> String {
        match self {
            Self::Open => format!("open loop: {} clients, a note a second each", plan.clients),
            Self::Closed => format!("closed loop: {} connections", plan.connections),
            Self::Mail => "note created → e-mail sent, one after the other".to_owned(),
            Self::Upload => "12 MP photograph uploaded → ready, one after the other".to_owned(),
        }
    }

    /// Starts every function that the phase will use: cold starts are another bench's business.
    pub(crate) async fn warm_up(self, host: &Host) -> Result<(), Error> {
        let caller = host.api.caller("warm").await;
        for _ in 0..5 {
            caller.create(json!({ "title": "warm", "notify": ["warm@example.com"] })).await;
        }
        host.api.idle().await;
        Ok(())
    }

    pub(crate) async fn run(self, host: &Host, plan: &Plan) -> Result<Outcome, Error> {
        match self {
            Self::Open => open_loop(host, plan).await,
            Self::Closed => closed_loop(host, plan).await,
            Self::Mail => mail(host).await,
            Self::Upload => upload(host, plan).await,
        }
    }
}

fn note(number: u64) -> String {
    let body =
        "A note of ordinary length, as people write them: a line or two, now and then a list. ".repeat(4);
    json!({ "title": format!("Note {number}"), "body": body, "tags": ["bench"] }).to_string()
}

/// Gathers latencies from many tasks; a failed request has none.
async fn gather(
    mut results: mpsc::UnboundedReceiver<Option<Duration>>,
    host: &Host,
    started: Instant,
    bar: ProgressBar,
) -> Outcome {
    let mut latencies = histogram();
    let mut outcome = Outcome::default();
    while let Some(result) = results.recv().await {
        bar.inc(1);
        match result {
            Some(latency) => {
                outcome.done += 1;
                record(&mut latencies, latency);
            }
            None => outcome.errors += 1,
        }
        outcome.elapsed = started.elapsed();
    }
    bar.finish_and_clear();
    host.api.idle().await;
    outcome.drain = started.elapsed() - outcome.elapsed;
    outcome.latencies = Some(latencies);
    outcome
}

/// Every client sends on its own second, whether or not the host keeps up: latency counts from when a request was due.
async fn open_loop(host: &Host, plan: &Plan) -> Result<Outcome, Error> {
    let seconds = plan.duration.as_secs();
    let mut connections = Vec::with_capacity(plan.clients);
    for client in 0..plan.clients {
        let token = host.api.caller(&format!("client-{client}")).await.token;
        connections.push(Connection::open(&host.api.url, &token).await?);
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    let started = Instant::now();
    for (client, mut connection) in connections.into_iter().enumerate() {
        let sender = sender.clone();
        let offset = Duration::from_secs_f64(client as f64 / plan.clients as f64);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval_at(started + offset, Duration::from_secs(1));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for number in 0..seconds {
                let due = ticks.tick().await;
                let result = connection.create_note(note(number)).await;
                let is_created = result.is_ok_and(|status| status == 201);
                if sender.send(is_created.then(|| due.elapsed())).is_err() {
                    return;
                }
            }
        });
    }
    drop(sender);
    Ok(gather(receiver, host, started, bar(plan.clients as u64 * seconds, "notes")).await)
}

/// Every connection sends as soon as it has its answer.
async fn closed_loop(host: &Host, plan: &Plan) -> Result<Outcome, Error> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let started = Instant::now();
    let end = started + plan.duration;
    let numbers = Arc::new(AtomicU64::new(0));
    for client in 0..plan.connections {
        let token = host.api.caller(&format!("client-{client}")).await.token;
        let mut connection = Connection::open(&host.api.url, &token).await?;
        let (sender, numbers) = (sender.clone(), numbers.clone());
        tokio::spawn(async move {
            while Instant::now() < end {
                let sent = Instant::now();
                let result = connection.create_note(note(numbers.fetch_add(1, Ordering::Relaxed))).await;
                let is_created = result.is_ok_and(|status| status == 201);
                if sender.send(is_created.then(|| sent.elapsed())).is_err() {
                    return;
                }
            }
        });
    }
    drop(sender);
    Ok(gather(receiver, host, started, ProgressBar::new_spinner()).await)
}

/// From sending the request to the e-mail's own time in the mailbox would need one clock; so the wait is observed: the
/// host is asked until the mail is there.
async fn mail(host: &Host) -> Result<Outcome, Error> {
    let caller = host.api.caller("mail").await;
    let (sender, receiver) = mpsc::unbounded_channel();
    let started = Instant::now();
    let bar = bar(MAILS, "e-mails");
    for number in 0..MAILS {
        let title = format!("Mail {number:04}");
        let sent = Instant::now();
        caller.create(json!({ "title": title, "notify": ["reader@example.com"] })).await;
        let arrived = wait_for_mail(host, &title, sent).await;
        bar.inc(1);
        sender.send(arrived.then(|| sent.elapsed()))?;
    }
    drop(sender);
    Ok(gather(receiver, host, started, bar).await)
}

async fn wait_for_mail(host: &Host, title: &str, since: Instant) -> bool {
    while since.elapsed() < Duration::from_secs(30) {
        let newest = host.api.get("/_local/mail?limit=1").await.expect(200);
        if newest[0]["subject"].as_str().is_some_and(|subject| subject.contains(title)) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    false
}

async fn upload(host: &Host, plan: &Plan) -> Result<Outcome, Error> {
    let caller = host.api.caller("upload").await;
    let note = caller.create(json!({ "title": "Album" })).await;
    let note = note["id"].as_str().ok_or("a note has an id")?.to_owned();
    let (sender, receiver) = mpsc::unbounded_channel();
    let started = Instant::now();
    let bar = bar(UPLOADS, "photographs");
    for _ in 0..UPLOADS {
        let sent = Instant::now();
        let created = caller.attach(&note, "photo.jpg", "image/jpeg", plan.photograph.clone()).await;
        let path = format!("/notes/{note}/attachments/{}", created["id"].as_str().unwrap_or_default());
        let is_ready = loop {
            match caller.get(&path).await.expect(200)["status"].as_str() {
                Some("ready") => break true,
                Some("failed") => break false,
                _ if sent.elapsed() > Duration::from_secs(60) => break false,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        bar.inc(1);
        sender.send(is_ready.then(|| sent.elapsed()))?;
    }
    drop(sender);
    Ok(gather(receiver, host, started, bar).await)
}
