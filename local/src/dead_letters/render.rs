//! What people see of dead letters at a terminal.

use super::{DeadLetter, Listing};
use aws_sdk_sqs::types::MessageAttributeValue;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use console::{Style, measure_text_width, pad_str, truncate_str};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// Characters of an id that are enough to name a message, and that are shown.
pub(crate) const SHORT_ID: usize = 8;
/// The narrowest that the last column gets.
const NARROWEST: usize = 20;
const HEADINGS: [&str; 6] = ["ID", "FAILED IN", "WHEN (UTC)", "REPLAYS", "KIND", "LAST ERROR"];

/// How to paint, and how wide lines may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canvas {
    pub(super) is_coloured: bool,
    /// Columns; `None` for as wide as it gets.
    pub(super) width: Option<usize>,
}

impl Canvas {
    /// The standard output's.
    pub(super) fn of_stdout() -> Self {
        let size = console::Term::stdout().size_checked();
        Self { is_coloured: console::colors_enabled(), width: size.map(|(_, columns)| usize::from(columns)) }
    }

    fn paint(self, style: Style, text: &str) -> String {
        style.force_styling(self.is_coloured).apply_to(text).to_string()
    }
}

/// A table for each queue that has messages.
pub(super) fn table(listings: &[Listing], canvas: Canvas) -> String {
    let mut text = String::new();
    for listing in listings {
        if listing.letters.is_empty() && listing.unseen == 0 {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        let heading = canvas.paint(Style::new().bold(), &listing.queue);
        let count = canvas.paint(Style::new().dim(), &count(listing));
        _ = writeln!(text, "{heading}  {count}");
        if !listing.letters.is_empty() {
            text.push_str(&rows(&listing.letters, canvas));
        }
    }
    text
}

fn count(listing: &Listing) -> String {
    let seen = plural(listing.letters.len(), "message");
    match (listing.letters.len(), listing.unseen) {
        (_, 0) => seen,
        (0, unseen) => format!("about {} that cannot be seen now", plural(unseen, "message")),
        (_, unseen) => format!("{seen}, and about {unseen} that cannot be seen now"),
    }
}

fn rows(letters: &[DeadLetter], canvas: Canvas) -> String {
    let cells: Vec<[String; 6]> = letters.iter().map(cells).collect();
    let width = |column: usize| {
        let texts = cells.iter().map(|row| row[column].as_str()).chain([HEADINGS[column]]);
        texts.map(measure_text_width).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let before_last: usize = widths[..HEADINGS.len() - 1].iter().map(|width| width + 2).sum();
    let last = canvas.width.map(|width| width.saturating_sub(before_last + 2).max(NARROWEST));
    let line = |row: [&str; 6], styles: [Style; 6]| {
        let mut line = String::new();
        for (column, (text, style)) in row.into_iter().zip(styles).enumerate() {
            line.push_str("  ");
            let cell = if column < HEADINGS.len() - 1 {
                pad_str(text, widths[column], console::Alignment::Left, None)
            } else {
                last.map_or(text.into(), |width| truncate_str(text, width, "…"))
            };
            line.push_str(&canvas.paint(style, &cell));
        }
        format!("{}\n", line.trim_end())
    };
    let mut text = line(HEADINGS, std::array::from_fn(|_| Style::new().dim()));
    for (row, letter) in cells.iter().zip(letters) {
        let error = if letter.is_permanent { Style::new().red() } else { Style::new() };
        let styles =
            [Style::new().yellow(), Style::new().cyan(), Style::new(), Style::new(), Style::new(), error];
        text.push_str(&line(row.each_ref().map(String::as_str), styles));
    }
    text
}

fn cells(letter: &DeadLetter) -> [String; 6] {
    [
        letter.message_id.chars().take(SHORT_ID).collect(),
        harmless(failed_in(letter)),
        letter.at.map_or_else(|| "?".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S").to_string()),
        letter.replays.to_string(),
        harmless(&letter.kind),
        harmless(error(letter)),
    ]
}

/// The queue or the function.
fn failed_in(letter: &DeadLetter) -> &str {
    letter.source_queue.as_deref().or(letter.function.as_deref()).unwrap_or("?")
}

/// A function that crashes or runs out of time tells nobody why.
fn error(letter: &DeadLetter) -> &str {
    letter.error.as_deref().unwrap_or("none was noted; see the log of what reads the queue")
}

/// One message whole.
pub(super) fn message(letter: &DeadLetter, canvas: Canvas) -> String {
    let mut text = String::new();
    let when = letter.at.map_or_else(|| "?".to_owned(), |at| at.to_rfc3339());
    let lines = [
        ("message", letter.message_id.clone()),
        ("in", letter.queue.clone()),
        ("failed in", failed_in(letter).to_owned()),
        ("when", when),
        ("replays", letter.replays.to_string()),
        ("kind", letter.kind.clone()),
        ("last error", error(letter).to_owned()),
    ];
    for (name, value) in lines {
        _ = writeln!(
            text,
            "{} {}",
            canvas.paint(Style::new().green(), &format!("{name:<10}")),
            harmless(&value)
        );
    }
    let mut section = |title: &str, lines: Vec<(String, String)>| {
        if !lines.is_empty() {
            _ = writeln!(text, "\n{}", canvas.paint(Style::new().bold(), title));
        }
        for (name, value) in lines {
            let name = canvas.paint(Style::new().dim(), &harmless(&name));
            _ = writeln!(text, "  {name} = {}", harmless(&value));
        }
    };
    section("Attributes", sorted(letter.attributes().map(|(name, found)| (name.clone(), value(found)))));
    let system = letter.system_attributes().map(|(name, value)| (name.to_owned(), value.to_owned()));
    section("Attributes of SQS", sorted(system));
    let title = canvas.paint(Style::new().bold(), &format!("Payload, {}", plural(letter.bytes, "byte")));
    _ = writeln!(text, "\n{title}\n{}", harmless_lines(&pretty(letter.body())));
    text
}

fn sorted(lines: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines
}

fn value(attribute: &MessageAttributeValue) -> String {
    match (attribute.string_value(), attribute.binary_value()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(blob)) => format!("{} (base64)", BASE64_STANDARD.encode(blob.as_ref())),
        (None, None) => String::new(),
    }
}

fn pretty(body: &str) -> String {
    let value: Result<Value, _> = serde_json::from_str(body);
    value.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| body.to_owned())
}

/// One message whole, for programs. A payload that is JSON is given as such.
pub(super) fn message_json(letter: &DeadLetter) -> Value {
    let attributes: Map<String, Value> = letter
        .attributes()
        .map(|(name, found)| {
            let key = if found.binary_value().is_some() { "base64" } else { "string" };
            let text = found.binary_value().map(|blob| BASE64_STANDARD.encode(blob.as_ref()));
            let text = text.or_else(|| found.string_value().map(ToOwned::to_owned));
            (name.clone(), json!({ "type": found.data_type(), key: text }))
        })
        .collect();
    let system: Map<String, Value> =
        letter.system_attributes().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let mut json = json!(letter);
    json["attributes"] = attributes.into();
    json["system_attributes"] = system.into();
    json["payload"] = serde_json::from_str(letter.body()).unwrap_or_else(|_| letter.body().into());
    json
}

/// Without characters that would steer the terminal: messages are anyone's.
pub(super) fn harmless(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn harmless_lines(text: &str) -> String {
    text.split('\n').map(harmless).collect::<Vec<_>>().join("\n")
}

/// `1 message`, `2 messages`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
