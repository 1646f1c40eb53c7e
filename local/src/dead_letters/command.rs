//! `cargo run -- dead-letters …`.

use super::render::{self, Canvas, harmless, plural};
use super::{
    Action, Course, DeadLetter, DeadLetterError, DeadLetters, Listing, MOST_HELD, Outcome, Services, Which,
    find,
};
use crate::cli::{DeadLettersCommand, DeadLettersOptions, Selection};
use crate::clients::{self, ClientError, Clients};
use crate::credentials::Keys;
use crate::host::REGION;
use crate::ready::{NotRunning, Ready};
use futures_util::{StreamExt, TryStreamExt};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Queues that are looked at at once.
const AT_ONCE: usize = 4;
/// From how many messages on there is a progress bar.
const MANY: usize = 20;
/// Messages that stay which are told of one by one.
const TOLD: usize = 20;

/// Why the command did nothing, or not all.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    NotRunning(#[from] NotRunning),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    DeadLetters(#[from] DeadLetterError),
    #[error("no region: set AWS_REGION, or choose a profile that has one with AWS_PROFILE")]
    NoRegion,
    #[error("there is no message {0} in {1}")]
    NoMessage(String, String),
    #[error("there is nobody to ask: say --yes")]
    NobodyToAsk,
    #[error("it cannot be written: {0}")]
    Output(#[from] std::io::Error),
    #[error("it cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// How the command ends. The numbers are an interface, and in its help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Exit {
    Done = 0,
    Failed = 1,
    WrongCommandLine = 2,
    NotFound = 3,
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl CommandError {
    fn exit(&self) -> Exit {
        match self {
            Self::DeadLetters(DeadLetterError::NoQueue { .. }) | Self::NoMessage(..) => Exit::NotFound,
            Self::NobodyToAsk => Exit::WrongCommandLine,
            _ => Exit::Failed,
        }
    }
}

/// Carries the command out. All that it has to say, it says.
pub async fn run(options: DeadLettersOptions) -> ExitCode {
    let exit = carry_out(options).await.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        error.exit()
    });
    exit.into()
}

async fn carry_out(options: DeadLettersOptions) -> Result<Exit, CommandError> {
    let (services, known) = connect(&options).await?;
    let queues = find::queues(&services, &options.queue, &known).await?;
    if queues.is_empty() {
        eprintln!("No queue leaves its dead letters in another; name one with --queue.");
        return Ok(Exit::Done);
    }
    match options.command {
        DeadLettersCommand::List { json, limit } => list(&queues, limit, json).await,
        DeadLettersCommand::Show { id, json } => show(&queues, &id, json).await,
        DeadLettersCommand::Replay(selection) => act(&queues, Action::Replay, selection).await,
        DeadLettersCommand::Discard(selection) => act(&queues, Action::Discard, selection).await,
    }
}

/// Clients of the SQS that is meant and of the Lambda beside it, and the queues that are known there for dead letters.
async fn connect(options: &DeadLettersOptions) -> Result<(Services, Vec<String>), CommandError> {
    if options.aws {
        let config = clients::of_aws().await?;
        config.region().ok_or(CommandError::NoRegion)?;
        let sqs = aws_sdk_sqs::Client::new(&config);
        return Ok((Services { sqs, lambda: aws_sdk_lambda::Client::new(&config) }, Vec::new()));
    }
    if let Some(url) = &options.endpoint {
        let variable = |name| std::env::var(name).ok().filter(|region| !region.is_empty());
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        let region = region.as_deref().unwrap_or(REGION);
        let clients = Clients::new(url, region, Keys::from_environment().for_sdk())?;
        return Ok(((&clients).into(), Vec::new()));
    }
    let host = Ready::find(&options.data)?;
    let keys = if host.is_embedded { Keys::developer() } else { Keys::from_environment() };
    let clients = Clients::new(&host.endpoint, &host.region, keys.for_sdk())?;
    let clients = clients.with_functions_at(&host.functions);
    Ok(((&clients).into(), host.dead_letter_queues))
}

async fn list_all(queues: &[DeadLetters], limit: usize) -> Result<Vec<Listing>, CommandError> {
    let lists = futures_util::stream::iter(queues).map(|queue| queue.list(limit));
    Ok(lists.buffered(AT_ONCE).try_collect().await?)
}

async fn list(queues: &[DeadLetters], limit: usize, json: bool) -> Result<Exit, CommandError> {
    let listings = list_all(queues, limit.min(MOST_HELD)).await?;
    if json {
        let letters: Vec<&DeadLetter> = listings.iter().flat_map(|listing| &listing.letters).collect();
        say(&serde_json::to_string_pretty(&letters)?)?;
        return Ok(Exit::Done);
    }
    let table = render::table(&listings, Canvas::of_stdout());
    if table.is_empty() {
        eprintln!("No dead letters in {}.", names(queues));
    } else {
        say(table.trim_end())?;
    }
    Ok(Exit::Done)
}

async fn show(queues: &[DeadLetters], id: &str, json: bool) -> Result<Exit, CommandError> {
    let letters: Vec<DeadLetter> = list_all(queues, MOST_HELD)
        .await?
        .into_iter()
        .flat_map(|listing| listing.letters)
        .filter(|letter| letter.message_id.starts_with(id))
        .collect();
    match &letters[..] {
        [letter] if json => say(&serde_json::to_string_pretty(&render::message_json(letter))?)?,
        [letter] => say(render::message(letter, Canvas::of_stdout()).trim_end())?,
        [] => return Err(CommandError::NoMessage(id.to_owned(), names(queues))),
        _ => return Err(DeadLetterError::Ambiguous(id.to_owned()).into()),
    }
    Ok(Exit::Done)
}

async fn act(queues: &[DeadLetters], action: Action, selection: Selection) -> Result<Exit, CommandError> {
    let which = if selection.all { Which::All } else { Which::Only(selection.ids.into_iter().collect()) };
    let total = match &which {
        Which::Only(ids) => ids.len(),
        Which::All => {
            let counts = futures_util::stream::iter(queues).map(DeadLetters::count);
            counts.buffered(AT_ONCE).try_fold(0, |sum, count| async move { Ok(sum + count) }).await?
        }
    };
    if total == 0 {
        eprintln!("No dead letters in {}.", names(queues));
        return Ok(Exit::Done);
    }
    if !selection.yes && !is_confirmed(queues, action, &which, total).await? {
        eprintln!("Nothing was done.");
        return Ok(Exit::Failed);
    }
    let mut missing = match &which {
        Which::All => BTreeSet::new(),
        Which::Only(ids) => ids.clone(),
    };
    let course = Arc::new(Course::default());
    let interrupts = tokio::spawn(heed_interrupts(course.clone()));
    let mut exit = Exit::Done;
    for queue in queues {
        match with_progress(queue.act(action, &which, &course), &course, total).await {
            Ok(outcome) => {
                tell(queue, action, &outcome);
                missing.retain(|id| outcome.missing.contains(id));
                if !outcome.stayed.is_empty() {
                    exit = exit.max(Exit::Failed);
                }
            }
            Err(error) => {
                eprintln!("error: {error}");
                exit = exit.max(Exit::Failed);
            }
        }
        if course.is_stopped() {
            eprintln!("Interrupted; what was not dealt with stays.");
            exit = Exit::Interrupted;
            break;
        }
    }
    interrupts.abort();
    if exit == Exit::Done && !missing.is_empty() {
        let ids = missing.into_iter().collect::<Vec<_>>().join(", ");
        return Err(CommandError::NoMessage(ids, names(queues)));
    }
    Ok(exit)
}

async fn is_confirmed(
    queues: &[DeadLetters],
    action: Action,
    which: &Which,
    total: usize,
) -> Result<bool, CommandError> {
    if !std::io::stdin().is_terminal() {
        return Err(CommandError::NobodyToAsk);
    }
    let about = if matches!(which, Which::All) { "about " } else { "" };
    let (verb, ending) = match action {
        Action::Replay => ("Replay", ""),
        Action::Discard => ("Discard", " for good"),
    };
    eprint!("{verb} {about}{} of {}{ending}? [y/N] ", plural(total, "message"), names(queues));
    std::io::stderr().flush()?;
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = answer.await.map_err(std::io::Error::other)??;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// The first Ctrl-C ends the action after what it has in hand, the second one at once: nothing is lost by that either.
async fn heed_interrupts(course: Arc<Course>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        if course.is_stopped() {
            std::process::exit(Exit::Interrupted as i32);
        }
        course.stop();
    }
}

async fn with_progress<T>(work: impl Future<Output = T>, course: &Course, total: usize) -> T {
    if total < MANY || !std::io::stderr().is_terminal() {
        return work.await;
    }
    let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
    // A template that indicatif cannot read would be a typing error here; its own style does, too.
    if let Ok(style) = ProgressStyle::with_template("[{bar:40}] {pos}/{len} {elapsed}") {
        bar.set_style(style.progress_chars("=> "));
    }
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => {
                bar.finish_and_clear();
                return result;
            }
            _ = ticks.tick() => bar.set_position(course.done() as u64),
        }
    }
}

fn tell(queue: &DeadLetters, action: Action, outcome: &Outcome) {
    let verb = match action {
        Action::Replay => "Replayed",
        Action::Discard => "Discarded",
    };
    if outcome.done > 0 {
        eprintln!("{verb} {} of {}.", plural(outcome.done, "message"), queue.queue());
    }
    for (id, reason) in outcome.stayed.iter().take(TOLD) {
        eprintln!("error: message {id} stays in {}: {}", queue.queue(), harmless(reason));
    }
    if outcome.stayed.len() > TOLD {
        eprintln!("error: so do {} more", outcome.stayed.len() - TOLD);
    }
}

fn names(queues: &[DeadLetters]) -> String {
    queues.iter().map(DeadLetters::queue).collect::<Vec<_>>().join(", ")
}

/// Not a `println!`: whoever reads may have seen enough and be gone.
fn say(text: &str) -> std::io::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
