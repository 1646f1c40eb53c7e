//! The command line.

use clap::Parser;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The laptop cloud: runs a SAM template and its native Lambda handlers in one process, without Docker or a network.
///
/// Builds the handlers that the template names, creates its tables, queues and buckets, and serves its HTTP API until
/// Ctrl-C. What it keeps, it keeps in one directory, and finds again at the next start.
#[derive(Clone, Debug, Parser)]
#[command(name = "local", version, max_term_width = 110)]
pub struct Cli {
    /// Port of the HTTP API on 127.0.0.1; 0 picks a free one
    #[arg(long, value_name = "N", default_value_t = 3000)]
    pub port: u16,

    /// Keep nothing: begin empty, and leave nothing behind
    #[arg(long, conflicts_with = "data")]
    pub ephemeral: bool,

    /// Where tables, objects, messages, mail and keys are kept
    #[arg(long, value_name = "DIR", default_value = ".local")]
    pub data: PathBuf,

    /// Use the data services behind this AWS endpoint instead of the ones built in
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    pub endpoint: Option<String>,

    /// Write {"api","endpoint","region","pid"} as JSON to this file when ready
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<PathBuf>,

    /// Build and run the handlers optimised, as they are deployed
    #[arg(long)]
    pub release_handlers: bool,

    /// Value of a template parameter, over its default; may be given many times
    #[arg(long = "parameter", value_name = "KEY=VALUE", value_parser = parameter)]
    pub parameter: Vec<(String, String)>,

    /// The SAM template to run; the code is looked for beside it
    #[arg(long, value_name = "PATH", default_value = "template.yaml")]
    pub template: PathBuf,

    /// Seed of everything random (jitter, injected faults), so that a run can be repeated
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

impl Cli {
    /// The template's parameters by name; of one given twice, the last counts.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        self.parameter.iter().cloned().collect()
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

/// Without a slash at the end, so that paths can be put behind it.
fn endpoint(text: &str) -> Result<String, String> {
    let url: http::Uri = text.parse().map_err(|error| format!("it is not a URL: {error}"))?;
    if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
        return Err("write it as http://HOST:PORT or https://HOST".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["local"], arguments].concat())
    }

    #[test]
    fn the_definition_is_sound_and_has_defaults() {
        Cli::command().debug_assert();
        let arguments = parse(&[]).unwrap();
        assert_eq!((arguments.port, arguments.ephemeral), (3000, false));
        assert_eq!(arguments.data, PathBuf::from(".local"));
        assert_eq!(arguments.template, PathBuf::from("template.yaml"));
    }

    #[test]
    fn everything_can_be_given() {
        let arguments = parse(&[
            "--port=0",
            "--endpoint",
            "http://localhost:4566/",
            "--parameter",
            "A=b=c",
            "--parameter=D=",
            "--release-handlers",
            "--seed=7",
        ])
        .unwrap();
        assert_eq!(arguments.endpoint.as_deref(), Some("http://localhost:4566"));
        let parameters = arguments.parameters();
        assert_eq!((parameters["A"].as_str(), parameters["D"].as_str()), ("b=c", ""));
        assert!(arguments.release_handlers);
        assert_eq!(arguments.seed, 7);
    }

    #[test]
    fn errors_name_the_argument() {
        for (arguments, named) in [
            (vec!["--port", "x"], "--port"),
            (vec!["--parameter", "x"], "--parameter"),
            (vec!["--endpoint", "localhost"], "--endpoint"),
            (vec!["--ephemeral", "--data", "x"], "--data"),
        ] {
            let message = parse(&arguments).unwrap_err().to_string();
            assert!(message.contains(named), "{message}");
        }
    }
}
