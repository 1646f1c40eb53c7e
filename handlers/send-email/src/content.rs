//! What an e-mail says: one folder of templates for each. Askama escapes what goes into the HTML ones.

use crate::chart::{Bar, bars};
use askama::Template;
use chrono::NaiveDate;
use shared::activity::Kind;
use shared::email::{Message, NoteChanged};
use shared::failure::Failure;
use shared::report::{Counts, OperatorReport};
use shared::timestamp::Timestamp;

/// A rendered e-mail.
#[derive(Debug)]
pub(crate) struct Content {
    /// One line.
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// Renders `message` for someone who can unsubscribe at `unsubscribe_url`.
pub(crate) fn render(message: &Message, unsubscribe_url: &str) -> Result<Content, Failure> {
    match message {
        Message::NoteChanged(note) => {
            let note = &NoteView::new(note);
            content(
                &NoteChangedSubject { note },
                &NoteChangedText { note, unsubscribe_url },
                &NoteChangedHtml { note, unsubscribe_url },
            )
        }
        Message::DailyReport(report) => {
            let day = &DayView::new(report.date, &report.counts, &report.hours);
            content(
                &DailyReportSubject { day },
                &DailyReportText { day, unsubscribe_url },
                &DailyReportHtml { day, unsubscribe_url },
            )
        }
        Message::OperatorReport(report) => {
            let day = &DayView::new(report.date, &report.counts, &report.hours);
            content(
                &OperatorReportSubject { day },
                &OperatorReportText { day, report, unsubscribe_url },
                &OperatorReportHtml { day, report, unsubscribe_url },
            )
        }
    }
}

fn content(subject: &impl Template, text: &impl Template, html: &impl Template) -> Result<Content, Failure> {
    let subject = subject.render().map_err(Failure::permanent)?;
    Ok(Content {
        // A line break would begin another header.
        subject: subject.split_whitespace().collect::<Vec<_>>().join(" "),
        text: text.render().map_err(Failure::permanent)?,
        html: html.render().map_err(Failure::permanent)?,
    })
}

#[derive(Template)]
#[template(path = "note_changed/subject.txt")]
struct NoteChangedSubject<'a> {
    note: &'a NoteView<'a>,
}

#[derive(Template)]
#[template(path = "note_changed/body.txt")]
struct NoteChangedText<'a> {
    note: &'a NoteView<'a>,
    unsubscribe_url: &'a str,
}

#[derive(Template)]
#[template(path = "note_changed/body.html")]
struct NoteChangedHtml<'a> {
    note: &'a NoteView<'a>,
    unsubscribe_url: &'a str,
}

#[derive(Template)]
#[template(path = "daily_report/subject.txt")]
struct DailyReportSubject<'a> {
    day: &'a DayView,
}

#[derive(Template)]
#[template(path = "daily_report/body.txt")]
struct DailyReportText<'a> {
    day: &'a DayView,
    unsubscribe_url: &'a str,
}

#[derive(Template)]
#[template(path = "daily_report/body.html")]
struct DailyReportHtml<'a> {
    day: &'a DayView,
    unsubscribe_url: &'a str,
}

#[derive(Template)]
#[template(path = "operator_report/subject.txt")]
struct OperatorReportSubject<'a> {
    day: &'a DayView,
}

#[derive(Template)]
#[template(path = "operator_report/body.txt")]
struct OperatorReportText<'a> {
    day: &'a DayView,
    report: &'a OperatorReport,
    unsubscribe_url: &'a str,
}

#[derive(Template)]
#[template(path = "operator_report/body.html")]
struct OperatorReportHtml<'a> {
    day: &'a DayView,
    report: &'a OperatorReport,
    unsubscribe_url: &'a str,
}

/// A changed note, in words.
struct NoteView<'a> {
    /// What was done to it, as a predicate: `was updated`.
    change: &'static str,
    title: String,
    excerpt: String,
    tags: String,
    changed_by: Option<&'a str>,
    at: String,
    version: u64,
}

impl<'a> NoteView<'a> {
    fn new(note: &'a NoteChanged) -> Self {
        Self {
            change: predicate(note.change),
            title: printable(&note.title),
            excerpt: printable(&note.excerpt),
            tags: printable(&note.tags.join(", ")),
            changed_by: note.changed_by.as_deref(),
            at: moment(note.at),
            version: note.version,
        }
    }
}

fn predicate(change: Kind) -> &'static str {
    match change {
        Kind::Created => "was created",
        Kind::Updated => "was updated",
        Kind::Trashed => "was moved to the trash",
        Kind::Restored => "was restored",
        Kind::Purged => "was purged",
        Kind::Attached => "was given a file",
        Kind::Detached => "lost a file",
    }
}

/// A day in numbers.
struct DayView {
    /// `Monday, 23 November 2026`.
    date: String,
    total: u64,
    rows: [(&'static str, u64); 7],
    bars: Vec<Bar>,
    most: u64,
}

impl DayView {
    fn new(date: NaiveDate, counts: &Counts, hours: &[u64]) -> Self {
        Self {
            date: date.format("%A, %-d %B %Y").to_string(),
            total: counts.total(),
            rows: counts.rows(),
            bars: bars(hours),
            most: hours.iter().copied().max().unwrap_or(0),
        }
    }
}

fn moment(at: Timestamp) -> String {
    // RFC 3339 down to the minute, which is what a reader wants to know.
    let text = at.to_string();
    let minute = text.get(..16).unwrap_or(&text);
    format!("{} UTC", minute.replace('T', " "))
}

/// Without control characters, which some mail programs act upon.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
