//! What is there in the end: read from outside, as anybody could.

use crate::{Error, cloud::Cloud};
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::NaiveDate;
use end_to_end::Api;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Mails of one page.
const PAGE: usize = 1_000;

/// Everything that the invariants look at.
#[derive(Default)]
pub(crate) struct Evidence {
    pub(crate) mails: Vec<Mail>,
    /// SES's ids of the e-mails that their function recorded as sent.
    pub(crate) recorded: BTreeSet<String>,
    /// Between SES's answer and the record of it, in microseconds, for each e-mail sent.
    pub(crate) unrecorded_us: Vec<u64>,
    /// How e-mail jobs ended, by state.
    pub(crate) jobs: BTreeMap<String, u64>,
    /// Entries of activity by day, owner and kind.
    pub(crate) activity: BTreeMap<(NaiveDate, String), BTreeMap<String, u64>>,
    /// Keys of objects, by what the bucket is for.
    pub(crate) uploads: BTreeSet<String>,
    pub(crate) thumbnails: BTreeSet<String>,
    /// Messages in each queue, in whatever state.
    pub(crate) queues: BTreeMap<String, u64>,
    /// Bodies of parked messages.
    pub(crate) parked: Vec<String>,
    /// Sources that are not as they should be at rest.
    pub(crate) troubled_sources: Vec<String>,
}

/// An e-mail that SES accepted.
pub(crate) struct Mail {
    pub(crate) id: String,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    /// Made of the job's key.
    pub(crate) message_id: String,
}

impl Evidence {
    pub(crate) async fn gather(cloud: &Cloud) -> Result<Self, Error> {
        let api = cloud.api().await;
        let mut evidence = Self { mails: mails(&api).await, ..Self::default() };
        evidence.read_logs(cloud.data());
        evidence.read_ledger(cloud).await?;
        evidence.read_buckets(cloud).await?;
        evidence.read_queues(&api).await;
        evidence.read_sources(&api).await;
        Ok(evidence)
    }

    /// What `send-email` says of e-mails that it sent.
    fn read_logs(&mut self, data: &Path) {
        for name in ["SendEmailFunction.log.1", "SendEmailFunction.log"] {
            let text = std::fs::read(data.join("logs").join(name)).unwrap_or_default();
            for line in String::from_utf8_lossy(&text).lines() {
                let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
                if line["message"] == "sent" {
                    self.recorded.extend(line["message_id"].as_str().map(ToOwned::to_owned));
                    self.unrecorded_us.extend(line["unrecorded_us"].as_u64());
                }
            }
        }
    }

    async fn read_ledger(&mut self, cloud: &Cloud) -> Result<(), Error> {
        let client = cloud.clients().await?.dynamodb;
        let table = cloud.table_name("LedgerTable").await?;
        let mut from = None;
        loop {
            let page = client.scan().table_name(&table).set_exclusive_start_key(from);
            let page = page.send().await?;
            page.items().iter().for_each(|item| self.read_item(item));
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(());
            }
        }
    }

    fn read_item(&mut self, item: &HashMap<String, AttributeValue>) {
        let text =
            |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        let pk = text("pk");
        if pk.starts_with("EMAIL#") {
            *self.jobs.entry(text("state")).or_default() += 1;
            self.recorded.insert(text("detail"));
        } else if let Some(date) = pk.strip_prefix("ACTIVITY#").and_then(|rest| rest.get(..10)) {
            let Ok(date) = date.parse() else { return };
            let counts = self.activity.entry((date, text("owner"))).or_default();
            *counts.entry(text("kind")).or_default() += 1;
        }
    }

    async fn read_buckets(&mut self, cloud: &Cloud) -> Result<(), Error> {
        let client = cloud.clients().await?.s3;
        let buckets = client.list_buckets().send().await?;
        for bucket in buckets.buckets().iter().filter_map(|bucket| bucket.name()) {
            let keys = match bucket {
                _ if bucket.contains("-uploads-") => &mut self.uploads,
                _ if bucket.contains("-thumbnails-") => &mut self.thumbnails,
                _ => continue,
            };
            let mut from = None;
            loop {
                let page = client.list_objects_v2().bucket(bucket).set_continuation_token(from);
                let page = page.send().await?;
                keys.extend(page.contents().iter().filter_map(|object| object.key.clone()));
                from = page.next_continuation_token;
                if from.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn read_queues(&mut self, api: &Api) {
        for queue in api.get("/_local/queues").await.expect(200).as_array().into_iter().flatten() {
            let count = |name: &str| queue[name].as_u64().unwrap_or_default();
            let name = queue["name"].as_str().unwrap_or_default().to_owned();
            self.queues.insert(name, count("visible") + count("in_flight") + count("delayed"));
        }
        let parked = api.messages("ParkingQueue").await;
        self.parked =
            parked.iter().filter_map(|message| Some(message["body"].as_str()?.to_owned())).collect();
    }

    async fn read_sources(&mut self, api: &Api) {
        for source in api.get("/_local/sources").await.expect(200).as_array().into_iter().flatten() {
            if source["lag"] != 0 || source["next_due"].is_string() {
                self.troubled_sources.push(source.to_string());
            }
        }
    }
}

async fn mails(api: &Api) -> Vec<Mail> {
    let mut all: Vec<Mail> = Vec::new();
    loop {
        let before = all.last().map(|mail| format!("&before={}", mail.id)).unwrap_or_default();
        let page = api.get(&format!("/_local/mail?limit={PAGE}{before}")).await.expect(200);
        let page = page.as_array().cloned().unwrap_or_default();
        all.extend(page.iter().map(mail));
        if page.len() < PAGE {
            return all;
        }
    }
}

fn mail(mail: &Value) -> Mail {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Mail {
        id: text(&mail["id"]),
        to: text(&mail["to"][0]),
        subject: text(&mail["subject"]),
        text: text(&mail["text"]),
        message_id: text(&mail["headers"]["Message-ID"]),
    }
}
