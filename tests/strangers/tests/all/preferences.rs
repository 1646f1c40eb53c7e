//! Settings, and what the morning leaves: reports.

use crate::run::{Run, owner};
use chrono::{Days, NaiveDate};
use serde_json::{Value, json};
use shared::report::Report;

impl Run<'_> {
    pub(crate) async fn write_settings(&mut self, who: usize, settings: &Value) {
        let event = self.request(who, "PUT /settings", &[]).json(settings);
        let answered = self.ask(who, event).await;
        let or = |name: &str, default: Value| settings.get(name).cloned().unwrap_or(default);
        let stored = json!({
            "email": or("email", Value::Null),
            "notifications": or("notifications", json!(true)),
            "daily_report": or("daily_report", json!(false)),
        });
        if stored["daily_report"] == json!(true) && stored["email"].is_null() {
            return assert_eq!((answered.status, answered.wrong_fields()), (422, vec!["email".to_owned()]));
        }
        assert_eq!((answered.status, &answered.json()), (200, &stored));
        self.people[who].settings = Some(stored);
    }

    pub(crate) async fn read_settings(&mut self, who: usize) {
        let event = self.request(who, "GET /settings", &[]);
        let answered = self.ask(who, event).await;
        let person = &self.people[who];
        let default = json!({ "email": person.caller.email, "notifications": true, "daily_report": false });
        assert_eq!((answered.status, &answered.json()), (200, person.settings.as_ref().unwrap_or(&default)));
    }

    pub(crate) async fn store_report(&mut self, who: usize, day: u32, created: u64) {
        let mut report = Report::empty(date(day));
        report.counts.created = created;
        self.api.store.put_reports(&[(owner(&self.people[who]), report.clone())]).await.unwrap();
        self.people[who].reports.insert(day, serde_json::to_value(report).unwrap());
    }

    pub(crate) async fn read_report(&mut self, who: usize, day: u32) {
        let event = self.request(who, "GET /reports/{date}", &[("date", &date(day).to_string())]);
        let answered = self.ask(who, event).await;
        match self.people[who].reports.get(&day) {
            Some(report) => assert_eq!((answered.status, &answered.json()), (200, report)),
            None => assert_eq!(answered.status, 404),
        }
    }
}

fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 20).unwrap() + Days::new(u64::from(day))
}
