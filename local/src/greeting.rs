//! What the host says at a terminal, and to whoever waits for it.

use crate::control::Control;
use crate::credentials::DEVELOPER;
use console::style;
use std::path::Path;

/// Tells where to look.
pub fn print(control: &Control, data: &Path, is_ephemeral: bool) {
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
    eprintln!("{}", style(format!("ready: {} functions", control.app.functions.len())).for_stderr().bold());
    for (name, value) in lines {
        eprintln!("  {} {value}", style(format!("{name:<7}")).for_stderr().green());
    }
    eprintln!("{}", style("  Ctrl-C ends it.").for_stderr().dim());
}

/// Tells what the endpoint at `--endpoint` cannot do.
pub fn warn_of_lacking(lacking: &[String]) {
    for what in lacking {
        let warning = style("warning:").for_stderr().yellow();
        eprintln!("{warning} the endpoint is not all that the template wants: {what}");
    }
}

/// Tells that the end has begun.
pub fn stopping() {
    eprintln!("{}", style("finishing what runs…").for_stderr().dim());
}
