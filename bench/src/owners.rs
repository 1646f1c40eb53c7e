//! Whether a request costs the same whoever else has notes in the tables: one owner's requests among few owners and among
//! many, in one run.
#![forbid(unsafe_code)]

use bench::invocations::Reader;
use bench::{latencies, progress};
use clap::Parser;
use end_to_end::{Caller, Host, Options};
use futures_util::{StreamExt, stream};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use shared::usage::Usage;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// `cargo run --profile optimised --bin bench-owners`
#[derive(Parser)]
struct Arguments {
    /// Owners in the larger tables.
    #[arg(long, default_value_t = 50_000)]
    owners: usize,
    /// Times that each request is made of each, in hundreds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Measures unoptimised hosts: units and ratios are the same.
    #[arg(long)]
    dev: bool,
    /// Writes the table into this file, in place of the section of the same name.
    #[arg(long)]
    write: Option<PathBuf>,
}

/// Owners in the smaller tables.
const FEW: usize = 50;
/// Notes of the owner who asks: more than two pages.
const NOTES_OF_ANNA: usize = 50;
/// Requests of one kind between two looks at the log.
const ROUND: usize = 100;
/// Owners whose notes are created at the same time.
const AT_ONCE: usize = 16;
/// A median that is larger by this is no longer the same.
const SAME: f64 = 1.1;
/// Answers all requests that are measured, and nothing while the tables are filled.
const FUNCTION: &str = "GetNotesFunction";

/// A host whose tables have some owners, and one among them who asks.
struct Tables {
    host: Host,
    anna: Caller,
    note: String,
    reader: Reader,
    seen: Vec<Seen>,
}

/// What a request took, over all rounds.
struct Seen {
    latencies: Histogram<u64>,
    /// Of one request; the same for each of them.
    usage: Option<Usage>,
}

/// What Anna asks for.
struct Question {
    name: &'static str,
    target: fn(&Tables) -> String,
    /// Notes in its answer.
    found: usize,
}

const QUESTIONS: [Question; 6] = [
    Question { name: "get a note", target: |tables| format!("/notes/{}", tables.note), found: 1 },
    Question { name: "list 20 notes", target: |_| "/notes".into(), found: 20 },
    Question { name: "search: a word of all notes", target: |_| "/notes?q=harbour".into(), found: 20 },
    Question { name: "that and a rare word", target: |_| "/notes?q=harbour+binoculars".into(), found: 5 },
    Question {
        name: "a word of one note, and of all others'",
        target: |_| "/notes?q=ferry".into(),
        found: 1,
    },
    Question { name: "a word of others' notes only", target: |_| "/notes?q=lighthouse".into(), found: 0 },
];

impl Tables {
    /// Fills them as people do: by the API, and the events that follow from it.
    async fn with_owners(owners: usize, dev: bool) -> Self {
        let host = Host::start_with(Options { optimised: !dev, ..Options::default() }).await;
        let anna = host.api.caller("anna").await;
        let mut note = Value::Null;
        for number in 0..NOTES_OF_ANNA {
            note = anna.create(json!({ "title": title(number), "tags": ["plans"] })).await;
        }
        let bar = progress::bar(owners as u64, "owners");
        let others = stream::iter(0..owners).map(|owner| {
            let host = &host;
            async move {
                let caller = host.api.caller(&format!("owner-{owner}")).await;
                caller.create(json!({ "title": "Harbour lighthouse ferry", "tags": ["plans"] })).await;
            }
        });
        let mut others = others.buffer_unordered(AT_ONCE);
        while others.next().await.is_some() {
            bar.inc(1);
        }
        drop(others);
        bar.finish_and_clear();
        host.api.idle().await;
        let note = note["id"].as_str().unwrap_or_default().to_owned();
        let seen = QUESTIONS.map(|_| Seen { latencies: latencies::histogram(), usage: None });
        Self { host, anna, note, reader: Reader::of(FUNCTION), seen: seen.into() }
    }

    async fn ask(&mut self, question: usize) {
        let Question { name, target, found } = &QUESTIONS[question];
        let target = target(self);
        let sent = Instant::now();
        let answer = self.anna.get(&target).await;
        latencies::record(&mut self.seen[question].latencies, sent.elapsed());
        let answer = answer.expect(200);
        let notes = answer["items"].as_array().map_or(1, Vec::len);
        assert_eq!(notes, *found, "notes of: {name}");
    }

    /// What every request of this kind since the last look asked of DynamoDB.
    async fn look(&mut self, question: usize) {
        let logged = self.reader.read(&self.host).await;
        assert_eq!(logged.invocations.len(), ROUND, "an invocation for each request");
        for invocation in logged.invocations {
            let usage = *self.seen[question].usage.get_or_insert(invocation.usage);
            assert_eq!(invocation.usage, usage, "{} always costs the same", QUESTIONS[question].name);
        }
    }
}

fn title(number: usize) -> &'static str {
    match number {
        7 => "Harbour ferry",
        number if number.is_multiple_of(10) => "Harbour binoculars",
        _ => "Harbour",
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let many = Tables::with_owners(arguments.owners, arguments.dev).await;
    let mut both = [Tables::with_owners(FEW, arguments.dev).await, many];
    for question in 0..QUESTIONS.len() {
        for round in 0..arguments.rounds {
            for turn in 0..ROUND * both.len() {
                // Whoever is second finds warmer caches: in turns.
                both[(turn / 2 + turn + round) % 2].ask(question).await;
            }
            for tables in &mut both {
                tables.look(question).await;
            }
        }
    }
    let [few, many] = &both;
    let table = table(few, many, arguments.owners);
    println!("{table}");
    if let Some(path) = arguments.write {
        section::write(&path, "Owners", &table)?;
    }
    let is_same = (0..QUESTIONS.len()).all(|question| is_same(&few.seen[question], &many.seen[question]));
    Ok(if is_same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn table(few: &Tables, many: &Tables, owners: usize) -> String {
    let mut table = format!(
        "| request | DynamoDB requests: {FEW} owners | {owners} | read units: {FEW} | {owners} | p50 µs: {FEW} | \
         {owners} | p99 µs: {FEW} | {owners} | ratio of p50 | the same |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
    );
    for (question, Question { name, .. }) in QUESTIONS.iter().enumerate() {
        let (few, many) = (&few.seen[question], &many.seen[question]);
        let pair = |of: &dyn Fn(&Seen) -> String| format!("{} | {}", of(few), of(many));
        let columns = [
            pair(&|seen| seen.usage().dynamodb_requests.to_string()),
            pair(&|seen| seen.usage().read_units.to_string()),
            pair(&|seen| seen.latencies.value_at_quantile(0.5).to_string()),
            pair(&|seen| seen.latencies.value_at_quantile(0.99).to_string()),
        ];
        let verdict = if is_same(few, many) { "yes" } else { "**no**" };
        // Writing into a String cannot fail.
        let _infallible =
            writeln!(table, "| {name} | {} | {:.2} | {verdict} |", columns.join(" | "), ratio(few, many));
    }
    table
}

fn ratio(few: &Seen, many: &Seen) -> f64 {
    let median = |seen: &Seen| seen.latencies.value_at_quantile(0.5) as f64;
    median(many) / median(few).max(1.0)
}

fn is_same(few: &Seen, many: &Seen) -> bool {
    few.usage() == many.usage() && ratio(few, many) <= SAME
}

impl Seen {
    fn usage(&self) -> Usage {
        self.usage.unwrap_or_default()
    }
}
