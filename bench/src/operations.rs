//! Every operation once, on a host of its own, with what it cost.

use crate::cost::Cost;
use bench::invocations::Reader;
use end_to_end::{Answer, Caller, Host};
use serde_json::{Value, json};

/// An operation, what it costs, and how often each user is taken to do it in a month.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) monthly: f64,
    pub(crate) cost: Cost,
}

/// What a day costs whatever happens: both schedules with nothing to do.
pub(crate) struct Operations {
    pub(crate) all: Vec<Operation>,
    pub(crate) empty_day: Cost,
}

/// Noon: far from where a day ends.
const NOON: &str = "2030-01-01T12:00:00Z";
const DAY: u64 = 86_400;
/// Notes that the owner has whose lists and searches are measured.
const NOTES: usize = 200;
/// Owners of a measured day, and notes of a measured purge: costs of one are the average.
const MANY: usize = 20;

struct Recorder<'h> {
    host: &'h Host,
    reader: Reader,
    operations: Vec<Operation>,
    bytes_out: usize,
}

pub(crate) async fn measure(host: &Host, photograph: &[u8]) -> Operations {
    host.api.set_clock(NOON).await;
    let mut recorder = Recorder { host, reader: Reader::default(), operations: Vec::new(), bytes_out: 0 };
    recorder.forget().await;
    let empty_day = recorder.empty_day().await;
    let anna = host.api.caller("anna").await;
    recorder.fill(&anna).await;
    recorder.notes(&anna).await;
    recorder.versions(&anna).await;
    recorder.attachments(&anna, photograph).await;
    recorder.preferences(&anna).await;
    recorder.nights().await;
    Operations { all: recorder.operations, empty_day }
}

fn note(title: &str) -> Value {
    let body =
        "A note of ordinary length, as people write them: a line or two, now and then a list. ".repeat(4);
    json!({ "title": title, "body": body, "tags": ["plans"] })
}

fn path(note: &Value) -> String {
    format!("/notes/{}", note["id"].as_str().unwrap_or_default())
}

impl Recorder<'_> {
    /// Leaves what was done so far out of the account.
    async fn forget(&mut self) {
        self.reader.read(self.host).await;
        self.bytes_out = 0;
    }

    /// Remembers what an answer brought, with its headers as HTTP/1.1 writes them.
    fn took(&mut self, answer: Answer, status: u16) -> Value {
        let headers = answer.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
        self.bytes_out += answer.body.len() + headers.sum::<usize>();
        answer.expect(status)
    }

    /// What was done since the last one was this operation.
    async fn record(&mut self, name: &'static str, monthly: f64) {
        self.record_with(name, monthly, Cost::default()).await;
    }

    /// The same, with what is billed for and no handler sees.
    async fn record_with(&mut self, name: &'static str, monthly: f64, unseen: Cost) {
        let logged = self.reader.read(self.host).await;
        let cost = Cost { bytes_out: self.bytes_out as f64, ..Cost::of(&logged) } + unseen;
        self.bytes_out = 0;
        self.push(name, monthly, cost);
    }

    async fn send(&mut self, caller: &Caller, method: &str, target: &str, body: Value, status: u16) -> Value {
        let answer = caller.send(method, target, &[], body).await;
        self.took(answer, status)
    }

    async fn fill(&mut self, anna: &Caller) {
        for number in 0..NOTES {
            anna.create(note(&format!("Note {number}"))).await;
            if number % 50 == 0 {
                self.forget().await;
            }
        }
        self.forget().await;
    }

    async fn notes(&mut self, anna: &Caller) {
        let created = self.send(anna, "POST", "/notes", note("Picnic"), 201).await;
        self.record("create a note", 16.0).await;
        let answer = anna.send("POST", "/notes", &[("idempotency-key", "once")], note("Once")).await;
        self.took(answer, 201);
        self.record("… with an `Idempotency-Key`", 4.0).await;
        let mut told = note("Told");
        told["notify"] = json!(["ben@example.com"]);
        self.send(anna, "POST", "/notes", told, 201).await;
        self.record("… with somebody to be told of it", 4.0).await;
        self.send(anna, "GET", &path(&created), Value::Null, 200).await;
        self.record("get a note", 100.0).await;
        let answer = anna.send("GET", &path(&created), &[("if-none-match", "\"1\"")], Value::Null).await;
        self.took(answer, 304);
        self.record("… that did not change (304)", 50.0).await;
        self.send(anna, "GET", "/notes", Value::Null, 200).await;
        self.record("list 20 notes", 100.0).await;
        self.send(anna, "GET", "/notes?tag=plans", Value::Null, 200).await;
        self.record("list by tag, of 200 notes", 5.0).await;
        self.send(anna, "GET", "/notes?q=picnic", Value::Null, 200).await;
        self.record("search, of 200 notes", 10.0).await;
        self.send(anna, "PATCH", &path(&created), json!({ "title": "Picnic on Sunday" }), 200).await;
        self.record("change a note", 40.0).await;
        self.send(anna, "DELETE", &path(&created), Value::Null, 204).await;
        self.record("delete a note (to the trash)", 4.0).await;
        self.send(anna, "GET", "/notes?trash=true", Value::Null, 200).await;
        self.record("list the trash", 1.0).await;
        self.send(anna, "POST", &format!("{}/restore", path(&created)), Value::Null, 200).await;
        self.record("restore a note", 1.0).await;
        self.send(anna, "DELETE", &format!("{}?permanent=true", path(&created)), Value::Null, 204).await;
        self.record("delete a note for good", 0.2).await;
        let mut large = note("Large");
        large["body"] = "x".repeat(16 * 1024).into();
        let large = self.send(anna, "POST", "/notes", large, 201).await;
        self.record("create a note of 16 KB", 0.5).await;
        self.send(anna, "DELETE", &path(&large), Value::Null, 204).await;
        self.record("delete a note of 16 KB", 0.1).await;
        // It would be in the measured purge.
        anna.send("DELETE", &format!("{}?permanent=true", path(&large)), &[], Value::Null).await.expect(204);
        self.forget().await;
    }

    async fn versions(&mut self, anna: &Caller) {
        let kept = anna.create(note("Versions")).await;
        anna.send("PATCH", &path(&kept), &[], json!({ "title": "Versions, again" })).await.expect(200);
        self.forget().await;
        let versions = format!("{}/versions", path(&kept));
        self.send(anna, "GET", &versions, Value::Null, 200).await;
        self.record("list a note's versions", 2.0).await;
        self.send(anna, "GET", &format!("{versions}/1"), Value::Null, 200).await;
        self.record("get an earlier version", 1.0).await;
        self.send(anna, "POST", &format!("{versions}/1/restore"), Value::Null, 200).await;
        self.record("restore an earlier version", 0.2).await;
    }

    async fn attachments(&mut self, anna: &Caller, photograph: &[u8]) {
        let album = anna.create(note("Album")).await;
        self.forget().await;
        let attachments = format!("{}/attachments", path(&album));
        let wanted =
            json!({ "filename": "photo.jpg", "content_type": "image/jpeg", "size": photograph.len() });
        let created = self.send(anna, "POST", &attachments, wanted, 201).await;
        let answer = anna.upload(&created["upload"], photograph.to_vec()).await;
        self.took(answer, 200);
        // The browser's own PUT, and the message with which S3 tells of it.
        let uploaded = Cost { s3_writes: 1.0, sqs_requests: 1.0, ..Cost::default() };
        self.record_with("upload a photograph, with its thumbnails", 3.0, uploaded).await;
        let listed = self.send(anna, "GET", &attachments, Value::Null, 200).await;
        self.record("list a note's attachments", 10.0).await;
        let attachment = format!("{attachments}/{}", listed["items"][0]["id"].as_str().unwrap_or_default());
        self.send(anna, "GET", &attachment, Value::Null, 200).await;
        self.record("get an attachment's URLs", 5.0).await;
        self.bytes_out = photograph.len();
        self.record_with("… and look at it", 5.0, Cost { s3_reads: 1.0, ..Cost::default() }).await;
        self.send(anna, "DELETE", &attachment, Value::Null, 204).await;
        self.record("delete an attachment", 0.3).await;
    }

    async fn preferences(&mut self, anna: &Caller) {
        let wish = json!({ "email": "anna@example.com", "notifications": true, "daily_report": true });
        self.send(anna, "PUT", "/settings", wish.clone(), 200).await;
        self.record("change the settings", 0.2).await;
        self.send(anna, "GET", "/settings", Value::Null, 200).await;
        self.record("read the settings", 1.0).await;
        let mut quiet = wish;
        quiet["daily_report"] = false.into();
        anna.send("PUT", "/settings", &[], quiet).await.expect(200);
        self.forget().await;
    }

    /// Moves the clock by so many days and lets one night's schedules run; returns what they cost.
    async fn sleep(&mut self, days: u64) -> Nights {
        self.host.api.advance(days * DAY).await;
        self.forget().await;
        for function in ["DailyReportFunction", "NightlyCleanupFunction"] {
            let run = format!("/_local/schedules/{function}/run");
            let answer = self.host.api.send("POST", &run, &[], "").await;
            assert!(answer.status.is_success(), "{run}: {}", answer.status);
        }
        let logged = self.reader.read(self.host).await;
        assert!(!logged.of(&CLEANING).invocations.is_empty(), "a night has passed without its schedules");
        Nights { reports: Cost::of(&logged.of(&REPORTING)), cleanups: Cost::of(&logged.of(&CLEANING)) }
    }

    async fn empty_day(&mut self) -> Cost {
        let nights = self.sleep(1).await;
        nights.reports + nights.cleanups
    }

    /// Subscribers' reports and the purge of the trash, each less what a night costs anyway.
    async fn nights(&mut self) {
        // The first has a day's work of its own.
        self.sleep(1).await;
        let empty = self.sleep(1).await;
        for number in 0..MANY {
            let owner = self.host.api.caller(&format!("subscriber-{number}")).await;
            let wish = json!({ "email": format!("subscriber-{number}@example.com"), "notifications": true, "daily_report": true });
            owner.send("PUT", "/settings", &[], wish).await.expect(200);
            let kept = owner.create(note("Purged")).await;
            owner.send("DELETE", &path(&kept), &[], Value::Null).await.expect(204);
        }
        self.forget().await;
        let night = self.sleep(1).await;
        let report = (night.reports - empty.reports) * (1.0 / MANY as f64);
        self.push("daily report of a subscriber, by e-mail", 3.0, report);
        let subscriber = self.host.api.caller("subscriber-0").await;
        self.send(&subscriber, "GET", "/reports/2030-01-04", Value::Null, 200).await;
        self.record("read a report", 1.0).await;
        let nights = self.sleep(31).await;
        let purge = (nights.cleanups - empty.cleanups) * (1.0 / MANY as f64);
        self.push("purge of a note in the trash", 3.0, purge);
    }

    fn push(&mut self, name: &'static str, monthly: f64, cost: Cost) {
        self.operations.push(Operation { name, monthly, cost });
    }
}

/// What a night costs.
#[derive(Default)]
struct Nights {
    reports: Cost,
    cleanups: Cost,
}

/// The functions of the two schedules, and those that follow from what they do.
const REPORTING: [&str; 2] = ["DailyReportFunction", "SendEmailFunction"];
const CLEANING: [&str; 2] = ["NightlyCleanupFunction", "NoteEventsFunction"];
