//! Whether a request costs the same whoever else has notes in the tables: one owner's requests among few owners and among
//! many, in one run.
#![forbid(unsafe_code)]

mod section;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use shared::sample::HttpEvent;
use shared::usage::{Usage, measured};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use strangers::{Api, Caller};

/// `cargo run --profile optimised -p bench --bin bench-owners`
#[derive(Parser)]
struct Arguments {
    /// Owners in the larger tables.
    #[arg(long, default_value_t = 50_000)]
    owners: usize,
    /// Times that each request is made of each.
    #[arg(long, default_value_t = 300)]
    rounds: usize,
    /// Writes the table into this file, in place of the section of the same name.
    #[arg(long)]
    write: Option<PathBuf>,
}

/// Owners in the smaller tables.
const FEW: usize = 50;
/// Notes of the owner who asks: more than two pages.
const NOTES_OF_ANNA: usize = 50;
/// Owners between two looks at the stream, which holds records in memory.
const STEP: usize = 100;

/// Tables with some owners, and one among them who asks.
struct Tables {
    api: Api,
    anna: Caller,
    note: String,
    seen: Vec<Seen>,
}

/// What a request took, over all rounds.
#[derive(Clone, Default)]
struct Seen {
    times: Vec<Duration>,
    usage: Usage,
}

/// What Anna asks for: its name, and the event.
type Question = (&'static str, fn(&Tables) -> HttpEvent);

const QUESTIONS: [Question; 4] = [
    ("get a note", |tables| tables.anna.request("GET /notes/{id}", &[("id", &tables.note)])),
    ("list 20 notes", |tables| tables.anna.request("GET /notes", &[])),
    ("search for a word that everybody has", |tables| tables.search("q=harbour")),
    ("search for it and a rare one", |tables| tables.search("q=harbour+binoculars")),
];

impl Tables {
    /// Seeds as people do: by the API, and the stream that follows from it.
    async fn with_owners(owners: usize) -> Self {
        let api = Api::open();
        let anna = Caller::new("anna");
        let mut note = String::new();
        for number in 0..NOTES_OF_ANNA {
            note = create(&api, &anna, if number % 10 == 0 { "Harbour binoculars" } else { "Harbour" }).await;
        }
        let bar = bar(owners);
        for owner in 0..owners {
            let caller = Caller::new(&format!("owner-{owner}"));
            create(&api, &caller, "Harbour trip").await;
            if owner % STEP == 0 {
                api.stream.settle().await;
                bar.set_position(owner as u64);
            }
        }
        api.stream.settle().await;
        bar.finish_and_clear();
        Self { api, anna, note, seen: vec![Seen::default(); QUESTIONS.len()] }
    }

    fn search(&self, query: &str) -> HttpEvent {
        self.anna.request("GET /notes", &[]).query(query)
    }

    async fn ask(&mut self, question: usize) {
        let event = QUESTIONS[question].1(self);
        let started = Instant::now();
        let (answered, usage) = measured(self.api.answer(event)).await;
        self.seen[question].times.push(started.elapsed());
        self.seen[question].usage = usage;
        assert_eq!(answered.status, 200, "{}", answered.body);
        assert_ne!(answered.json()["items"], json!([]), "{} finds something", QUESTIONS[question].0);
    }
}

async fn create(api: &Api, caller: &Caller, title: &str) -> String {
    let event = caller.request("POST /notes", &[]).json(&json!({ "title": title, "tags": ["plans"] }));
    let answered = api.answer(event).await;
    assert_eq!(answered.status, 201, "{}", answered.body);
    answered.json()["id"].as_str().map(ToOwned::to_owned).unwrap_or_default()
}

fn bar(owners: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("  {bar:40} {pos}/{len} owners {elapsed}");
    ProgressBar::new(owners as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let mut both = [Tables::with_owners(FEW).await, Tables::with_owners(arguments.owners).await];
    for round in 0..arguments.rounds {
        for question in 0..QUESTIONS.len() {
            // Whoever is second finds warmer caches: in turns.
            for place in 0..both.len() {
                both[(place + round) % 2].ask(question).await;
            }
        }
    }
    let table = table(&mut both, arguments.owners);
    println!("{table}");
    arguments.write.map_or(Ok(()), |path| section::write(&path, "Owners", &table))
}

fn table(both: &mut [Tables; 2], owners: usize) -> String {
    let mut table = format!(
        "| request | DynamoDB requests: {FEW} owners | {owners} | read units: {FEW} | {owners} | p50 µs: {FEW} | \
         {owners} | p99 µs: {FEW} | {owners} | ratio of p50 |\n|---|---|---|---|---|---|---|---|---|---|\n"
    );
    for (question, (name, _)) in QUESTIONS.iter().enumerate() {
        let [few, many] = both.each_mut().map(|tables| &mut tables.seen[question]);
        few.times.sort_unstable();
        many.times.sort_unstable();
        let columns = [
            (few.usage.dynamodb_requests.to_string(), many.usage.dynamodb_requests.to_string()),
            (few.usage.read_units.to_string(), many.usage.read_units.to_string()),
            (micros(few.quantile(0.5)), micros(many.quantile(0.5))),
            (micros(few.quantile(0.99)), micros(many.quantile(0.99))),
        ];
        let cells: Vec<String> = columns.iter().map(|(few, many)| format!("{few} | {many}")).collect();
        let ratio = many.quantile(0.5).as_secs_f64() / few.quantile(0.5).as_secs_f64().max(1e-9);
        // Writing into a String cannot fail.
        let _infallible = writeln!(table, "| {name} | {} | {ratio:.2} |", cells.join(" | "));
    }
    table
}

fn micros(time: Duration) -> String {
    time.as_micros().to_string()
}

impl Seen {
    /// Of sorted times.
    fn quantile(&self, q: f64) -> Duration {
        let last = self.times.len().saturating_sub(1);
        self.times.get((last as f64 * q).round() as usize).copied().unwrap_or_default()
    }
}
