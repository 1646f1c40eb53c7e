//! What the host says at a terminal, and to whoever waits for it.

use crate::control::Control;
use crate::credentials::DEVELOPER;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::Path;

/// Tells where to look.
pub fn print(control: &Control, data: &Path, is_ephemeral: bool) {
    let paint = Paint::for_stderr();
    let api = &control.api_url;
    let kept = if is_ephemeral { "kept nowhere".to_owned() } else { format!("kept in {}", data.display()) };
    let aws = match &control.emulator {
        Some(_) => format!("{}  (access key and secret: {DEVELOPER})", control.endpoint_url),
        None => format!("{}  (another's: tables, queues, objects and mail are there)", control.endpoint_url),
    };
    let lines = [
        ("page", format!("{api}/_local/")),
        ("api", api.clone()),
        ("token", format!("curl '{api}/_local/token?sub=me&email=me@example.com'")),
        ("mail", format!("{api}/_local/mail")),
        ("events", format!("curl -N {api}/_local/events")),
        ("aws", aws),
        ("data", kept),
    ];
    eprintln!("{}", paint.bold(&format!("ready: {} functions", control.app.functions.len())));
    for (name, value) in lines {
        eprintln!("  {} {value}", paint.green(&format!("{name:<7}")));
    }
    eprintln!("{}", paint.dim("  Ctrl-C ends it."));
}

/// Tells that the end has begun.
pub fn stopping() {
    eprintln!("{}", Paint::for_stderr().dim("finishing what runs…"));
}

/// Writes the ready file: whole or not at all, so that a reader never sees half of it.
pub fn write_ready_file(path: &Path, api: &str, endpoint: &str, region: &str) -> std::io::Result<()> {
    let text =
        json!({ "api": api, "endpoint": endpoint, "region": region, "pid": std::process::id() }).to_string();
    let unfinished = path.with_extension("unfinished");
    let mut file = std::fs::File::create(&unfinished)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(unfinished, path)
}

/// Colour where there is someone to see it.
struct Paint(bool);

impl Paint {
    fn for_stderr() -> Self {
        Self(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn green(&self, text: &str) -> String {
        self.paint("32", text)
    }

    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }
}
