//! The command line.

use crate::dead_letters::SHORT_ID;
use crate::lambda::MOST_CONCURRENCY;
use clap::{Args, Parser, Subcommand};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The laptop cloud: runs a SAM template and its native Lambda handlers in one process, without Docker or a network.
///
/// Builds the handlers that the template names, creates its tables, queues and buckets, and serves its HTTP API until
/// Ctrl-C. What it keeps, it keeps in one directory, and finds again at the next start.
#[derive(Clone, Debug, Parser)]
#[command(name = "local", version, max_term_width = 110, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    pub host: HostOptions,
}

/// What there is besides running the host.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Look at what failed, send it back to where it failed, or discard it
    ///
    /// Works on the running laptop cloud, on any other endpoint (--endpoint), or on AWS itself (--aws). SQS counts each
    /// look as a receive, and what is looked at is hidden from others for a moment.
    #[command(after_help = EXIT_CODES)]
    DeadLetters(DeadLettersOptions),
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 something failed, or stays where it is; 2 wrong command line; \
    3 no such queue or message; 130 interrupted";

/// Where dead letters are, and what to do with them.
#[derive(Clone, Debug, Args)]
pub struct DeadLettersOptions {
    #[command(subcommand)]
    pub command: DeadLettersCommand,

    /// Only this queue (or the one with this in its name); may be given many times. Otherwise every queue that a
    /// redrive policy names
    #[arg(long, value_name = "NAME", global = true)]
    pub queue: Vec<String>,

    /// The data directory of the running host to work on
    #[arg(long, value_name = "DIR", default_value = ".local", global = true)]
    pub data: PathBuf,

    /// Work on this AWS endpoint; credentials and region from the environment, or else those of every laptop cloud
    #[arg(long, value_name = "URL", value_parser = endpoint, global = true, conflicts_with = "aws")]
    pub endpoint: Option<String>,

    /// Work on AWS, with the profile, region and credentials that its own command line would use
    #[arg(long, global = true)]
    pub aws: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// What failed, where, when and why; nothing of what the messages say
    #[command(after_help = EXIT_CODES)]
    List {
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
        /// Messages of each queue, at most
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
    },
    /// One message whole: its payload may hold anything that people wrote
    #[command(after_help = EXIT_CODES)]
    Show {
        /// The message's id, or its beginning
        #[arg(value_parser = message_id)]
        id: String,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Send messages back to the queues they failed in
    ///
    /// Each is sent first and removed then, so that none is lost if this is interrupted. One that is sent twice does no
    /// harm where effects have keys, as every delivery of SQS may be repeated.
    #[command(after_help = EXIT_CODES)]
    Replay(Selection),
    /// Remove messages for good
    #[command(after_help = EXIT_CODES)]
    Discard(Selection),
}

/// Which messages to act on.
#[derive(Clone, Debug, Args)]
pub struct Selection {
    /// The messages' ids, or their beginnings
    #[arg(value_name = "ID", value_parser = message_id, required_unless_present = "all", conflicts_with = "all")]
    pub ids: Vec<String>,

    /// All messages
    #[arg(long)]
    pub all: bool,

    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// How to run the host.
#[derive(Clone, Debug, Args)]
pub struct HostOptions {
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

    /// Write {"api","endpoint","region","pid",…} as JSON to this file when ready
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<PathBuf>,

    /// The Cargo profile that the handlers are built with
    #[arg(long, value_name = "NAME", default_value = "dev")]
    pub handler_profile: String,

    /// Value of a template parameter, over its default; may be given many times
    #[arg(long = "parameter", value_name = "KEY=VALUE", value_parser = parameter)]
    pub parameter: Vec<(String, String)>,

    /// Invocations that one environment of a function works on at a time, as on Lambda Managed Instances
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = concurrency)]
    pub concurrency: usize,

    /// The SAM template to run; the code is looked for beside it
    #[arg(long, value_name = "PATH", default_value = "template.yaml")]
    pub template: PathBuf,

    /// Append to this file which rights the functions' roles give, and which of them are used
    #[arg(long, value_name = "PATH", conflicts_with = "endpoint")]
    pub record_rights: Option<PathBuf>,

    /// Seed of everything random (jitter, injected faults), so that a run can be repeated
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

impl HostOptions {
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

/// Long enough to name one message, as lists show it.
fn message_id(text: &str) -> Result<String, String> {
    match text.len() {
        SHORT_ID.. => Ok(text.to_owned()),
        _ => Err(format!("write at least {SHORT_ID} characters of it")),
    }
}

/// At least one, and no more than an environment can be given here.
fn concurrency(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=MOST_CONCURRENCY) => Ok(number),
        _ => Err(format!("write a number from 1 to {MOST_CONCURRENCY}")),
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

    fn command_line(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["local"], arguments].concat())
    }

    fn parse(arguments: &[&str]) -> Result<HostOptions, clap::Error> {
        command_line(arguments).map(|cli| cli.host)
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
            "--handler-profile=release",
            "--seed=7",
        ])
        .unwrap();
        assert_eq!(arguments.endpoint.as_deref(), Some("http://localhost:4566"));
        let parameters = arguments.parameters();
        assert_eq!((parameters["A"].as_str(), parameters["D"].as_str()), ("b=c", ""));
        assert_eq!(arguments.handler_profile, "release");
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

    fn dead_letters(arguments: &[&str]) -> Result<DeadLettersOptions, clap::Error> {
        let cli = command_line(&[&["dead-letters"], arguments].concat())?;
        let Some(Command::DeadLetters(options)) = cli.command else { panic!("{cli:?}") };
        Ok(options)
    }

    #[test]
    fn without_a_command_it_is_the_host() {
        assert!(command_line(&["--seed", "1"]).unwrap().command.is_none());
        assert!(command_line(&["--seed", "1", "dead-letters", "list"]).is_err());
    }

    #[test]
    fn dead_letters_are_worked_with_wherever_they_are() {
        let options =
            dead_letters(&["list", "--queue", "a", "--queue", "b", "--endpoint=http://h:1/"]).unwrap();
        assert_eq!((options.queue.len(), options.endpoint.as_deref()), (2, Some("http://h:1")));
        assert_eq!(options.data, PathBuf::from(".local"));
        assert!(dead_letters(&["--aws", "show", "0190c3aa"]).unwrap().aws);
    }

    #[test]
    fn messages_are_named_or_all_of_them_meant() {
        let options = dead_letters(&["replay", "0190c3aa", "0190c3ab", "--yes"]).unwrap();
        let DeadLettersCommand::Replay(selection) = options.command else { panic!("{options:?}") };
        assert_eq!((selection.ids.len(), selection.all, selection.yes), (2, false, true));
        for wrong in [
            &["discard"][..],
            &["discard", "0190c3aa", "--all"],
            &["show"],
            &["show", "01"],
            &["list", "--aws", "--endpoint=http://h"],
        ] {
            assert_eq!(dead_letters(wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
    }
}
