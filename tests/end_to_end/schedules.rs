//! What runs by the clock: reports and cleanup.

use crate::functions;
use chrono::{Days, NaiveDate};
use end_to_end::{Host, Options, Target, needs};
use serde_json::{Value, json};

const DAY: u64 = 24 * 3600;

async fn run(host: &Host, function: &str) {
    host.api.send("POST", &format!("/_local/schedules/{function}/run"), &[], "").await.expect(202);
    host.api.idle().await;
}

#[tokio::test]
async fn the_daily_report_is_mailed_and_kept() {
    needs!(Clock);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    let settings = json!({ "email": "anna@example.com", "notifications": true, "daily_report": true });
    anna.send("PUT", "/settings", &[], settings.clone()).await.expect(200);
    assert_eq!(anna.get("/settings").await.expect(200), settings);
    let note = anna.create(json!({ "title": "One" })).await;
    anna.create(json!({ "title": "Two" })).await;
    let path = format!("/notes/{}", note["id"].as_str().unwrap());
    anna.send("PATCH", &path, &[], json!({ "title": "One more" })).await.expect(200);
    let date = note["created_at"].as_str().unwrap()[..10].to_owned();
    host.api.idle().await;

    host.api.advance(DAY).await;
    run(&host, "DailyReportFunction").await;
    run(&host, "DailyReportFunction").await;
    let mail = host.api.mail().await;
    let to_anna: Vec<&Value> = mail.iter().filter(|mail| mail["to"][0] == "anna@example.com").collect();
    assert_eq!(to_anna.len(), 1, "one report, however often it is run");
    let spelled = date.parse::<NaiveDate>().unwrap().format("%-d %B %Y").to_string();
    assert!(to_anna[0]["subject"].as_str().unwrap().contains(&spelled));
    assert_eq!(mail.iter().filter(|mail| mail["to"][0] == "operator@example.com").count(), 1);

    // A day on, the first token has run out.
    let report = host.api.caller("anna").await.get(&format!("/reports/{date}")).await.expect(200);
    assert_eq!((&report["counts"]["created"], &report["counts"]["updated"]), (&json!(2), &json!(1)));
    assert_eq!(host.api.caller("ben").await.get(&format!("/reports/{date}")).await.status, 404);
}

#[tokio::test]
async fn trash_is_purged_after_its_time_with_all_that_hangs_on_it_and_nothing_else() {
    needs!(Clock);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    let (old, kept) =
        (anna.create(json!({ "title": "Old" })).await, anna.create(json!({ "title": "Kept" })).await);
    let mut urls = Vec::new();
    for note in [&old, &kept] {
        let note = note["id"].as_str().unwrap();
        let created = anna.attach(note, "a.txt", "text/plain", b"text".to_vec()).await;
        host.api.idle().await;
        let id = created["id"].as_str().unwrap();
        let ready = anna.get(&format!("/notes/{note}/attachments/{id}")).await.expect(200);
        urls.push(ready["download_url"].as_str().unwrap().to_owned());
    }
    let path = format!("/notes/{}", old["id"].as_str().unwrap());
    assert_eq!(anna.send("DELETE", &path, &[], Value::Null).await.status, 204);

    host.api.advance(29 * DAY).await;
    run(&host, "NightlyCleanupFunction").await;
    let anna = host.api.caller("anna").await;
    assert_eq!(anna.get(&path).await.status, 200, "it is not due yet");

    host.api.advance(2 * DAY).await;
    run(&host, "NightlyCleanupFunction").await;
    let anna = host.api.caller("anna").await;
    assert_eq!(anna.get(&path).await.status, 404);
    // Whose URL it is may get objects and not list them: S3 does not tell that there is none.
    assert_eq!(host.api.get(&urls[0]).await.status, 403, "its object is gone");
    let kept = format!("/notes/{}", kept["id"].as_str().unwrap());
    assert_eq!(anna.get(&kept).await.expect(200)["attachments"], 1);
    assert_eq!(host.api.get(&urls[1]).await.status, 200, "the other's is not");
}

/// Runs a schedule's function as of so many days after a date. It goes by the time that the schedule tells, and by no other.
async fn run_as_of(target: &Target, function: &str, schedule: &str, date: &str, days: u64) {
    let day = date.parse::<NaiveDate>().unwrap() + Days::new(days);
    let event = json!({ "schedule": schedule, "scheduled_time": format!("{day}T06:00:00Z") });
    functions::invoke(target, function, &event).await;
}

#[tokio::test]
async fn what_is_due_on_another_day_is_done_by_that_days_runs() {
    needs!(LaterRuns);
    let target = Target::start_alone().await;
    let anna = target.caller("anna").await;
    let note = anna.create(json!({ "title": "Old" })).await;
    let (id, date) = (note["id"].as_str().unwrap(), &note["created_at"].as_str().unwrap()[..10]);
    let (path, kept) = (format!("/notes/{id}"), anna.create(json!({ "title": "Kept" })).await);
    let created = anna.attach(id, "a.txt", "text/plain", b"text".to_vec()).await;
    let attachment = format!("{path}/attachments/{}", created["id"].as_str().unwrap());
    target.comes_to("ready", async || anna.get(&attachment).await.expect(200)["status"].clone()).await;
    let ready = anna.get(&attachment).await.expect(200);
    let url = ready["download_url"].as_str().unwrap();
    assert_eq!(target.api.get(url).await.status, 200);
    assert_eq!(anna.send("DELETE", &path, &[], Value::Null).await.status, 204);

    let report = async || anna.get(&format!("/reports/{date}")).await;
    run_as_of(&target, "DailyReportFunction", "daily-report", date, 1).await;
    target.comes_to(200, async || report().await.status.as_u16()).await;
    assert_eq!(report().await.expect(200)["counts"]["created"], 2);

    run_as_of(&target, "NightlyCleanupFunction", "nightly-cleanup", date, 31).await;
    target.comes_to(404, async || anna.get(&path).await.status.as_u16()).await;
    target.comes_to(true, async || target.api.get(url).await.status.is_client_error()).await;
    anna.get(&format!("/notes/{}", kept["id"].as_str().unwrap())).await.expect(200);
}

#[tokio::test]
async fn an_upload_that_never_comes_expires() {
    needs!(Clock);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    let note = anna.create(json!({ "title": "Waiting" })).await;
    let path = format!("/notes/{}/attachments", note["id"].as_str().unwrap());
    anna.post(&path, json!({ "filename": "a", "content_type": "text/plain", "size": 1 })).await.expect(201);
    host.api.advance(2 * DAY).await;
    run(&host, "NightlyCleanupFunction").await;
    let anna = host.api.caller("anna").await;
    assert_eq!(anna.get(&path).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_schedule_fires_by_the_clock_alone() {
    needs!(Clock);
    let host = Host::start_with(Options { schedules: true, ..Options::default() }).await;
    let next_run = async || {
        let schedules = host.api.get("/_local/schedules").await.expect(200);
        let is_meant = |one: &&Value| one["function"] == "NightlyCleanupFunction";
        let found = schedules.as_array().unwrap().iter().find(is_meant);
        found.unwrap()["next_run"].as_str().expect("a next run").to_owned()
    };
    let set_clock = async |to: &str| {
        host.api.set_clock(to).await;
        host.api.idle().await;
    };
    let cleanups = async || functions::invocations(&host, "NightlyCleanupFunction").await.0;
    // Noon: no run is due by the machine's own time meanwhile.
    set_clock(&format!("{}T12:00:00Z", &next_run().await[..10])).await;
    let before = cleanups().await;

    set_clock(&next_run().await).await;
    assert_eq!(cleanups().await, before + 1);
}
