//! Scripts for a stream mapping: writes, answers, crashes, restarts and time, shown to the model of `stream_model.rs`.

use super::super::testing::{MemoryShard, stream_source};
use super::super::{activity::lock, streams::Checkpoint};
use super::answers::{Answer, answers};
use super::host::Deed;
use super::stage::Stage;
use super::stream_model::{Model, Rules};
use super::{cases, told};
use crate::app::StreamSource;
use crate::lambda::Outcome;
use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::Duration;

type Checked = Result<(), TestCaseError>;

const KEYS: [char; 5] = ['a', 'b', 'c', 'd', 'e'];
const MOST_LANES: usize = 4;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Action {
    Write(Vec<char>),
    /// One of the running invocations ends (counted from the oldest, again and again).
    Answer(usize, Answer),
    Wait(TimeDelta),
    /// `kill -9`; the invocation has ended by then or not, but nobody noticed.
    Crash(Option<(usize, Answer)>),
    /// An orderly end, at which the running invocations end so.
    Stop(Answer),
    Start,
    /// The destination refuses messages from now on, or takes them again.
    Refuse(bool),
    /// The iterators handed out so far are refused.
    Expire,
    /// The newest shard is closed and gets a child.
    Split,
}

fn wait() -> impl Strategy<Value = TimeDelta> {
    prop_oneof![
        Just(TimeDelta::milliseconds(300)),
        (1i64..12).prop_map(TimeDelta::seconds),
        Just(TimeDelta::seconds(61)),
        (2i64..20).prop_map(TimeDelta::minutes),
        (1i64..30).prop_map(TimeDelta::hours),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => prop::collection::vec(prop::sample::select(&KEYS[..]), 1..6).prop_map(Action::Write),
        12 => (0usize..4, answers()).prop_map(|(which, answer)| Action::Answer(which, answer)),
        5 => wait().prop_map(Action::Wait),
        1 => prop::option::of((0usize..4, answers())).prop_map(Action::Crash),
        1 => answers().prop_map(Action::Stop),
        3 => Just(Action::Start),
        1 => any::<bool>().prop_map(Action::Refuse),
        1 => Just(Action::Expire),
        1 => Just(Action::Split),
    ]
}

fn source() -> impl Strategy<Value = StreamSource> {
    let window = prop_oneof![3 => Just(0u64), 1 => Just(5), 1 => Just(300)];
    let retries = prop_oneof![Just(None), (0u32..4).prop_map(Some)];
    let age = prop_oneof![2 => Just(None), 1 => (60u64..900).prop_map(Some)];
    let filters = prop::option::weighted(0.3, prop::sample::subsequence(&KEYS[..], 1..5));
    (1u32..7, window, retries, age, any::<bool>(), 1u32..=4, prop::bool::weighted(0.8), filters).prop_map(
        |(batch_size, window, retries, age, bisect, factor, report, wanted)| StreamSource {
            batch_size,
            window: Duration::from_secs(window),
            maximum_retry_attempts: retries,
            maximum_record_age: age.map(Duration::from_secs),
            bisect_on_error: bisect,
            parallelization_factor: factor,
            report_batch_item_failures: report,
            filters: wanted
                .map(|keys| json!({"dynamodb": {"Keys": {"pk": {"S": keys}}}}))
                .into_iter()
                .collect(),
            ..stream_source()
        },
    )
}

/// The model's reading of the settings.
fn rules(source: &StreamSource) -> Rules {
    let delta = |duration| TimeDelta::from_std(duration).expect("a short time");
    let wanted =
        |key: &char| source.filters.iter().all(|filter| filter.to_string().contains(&format!("\"{key}\"")));
    Rules {
        batch_size: source.batch_size as usize,
        window: delta(source.window),
        retries: source.maximum_retry_attempts,
        // Records leave a stream after a day.
        age: source.maximum_record_age.map_or(TimeDelta::hours(24), delta),
        bisect: source.bisect_on_error,
        wanted: KEYS.into_iter().filter(wanted).collect(),
    }
}

/// A mapping, everything around it, and the model that watches.
struct Case {
    stage: Stage,
    reports: bool,
    refusing: bool,
    shards: Vec<String>,
    /// Sequence numbers of the records of each running invocation.
    running: BTreeMap<usize, Vec<String>>,
    written: u64,
    model: Model,
}

impl Case {
    fn new(source: &StreamSource, lanes: BTreeMap<char, usize>) -> Self {
        Self {
            stage: Stage::new(|app| app.stream_sources.push(source.clone())),
            reports: source.report_batch_item_failures,
            refusing: false,
            shards: vec!["s1".to_owned()],
            running: BTreeMap::new(),
            written: 0,
            model: Model::new(rules(source), lanes),
        }
    }

    fn checkpoints(&self) -> Vec<Option<String>> {
        let kept: Vec<(String, Checkpoint)> = self.stage.state().list("stream-checkpoint").expect("a state");
        let of = |shard: &String| {
            let found = kept.iter().find(|(key, _)| key.rsplit(' ').next() == Some(shard));
            found.and_then(|(_, checkpoint)| checkpoint.sequence.clone())
        };
        self.shards.iter().map(of).collect()
    }

    fn act(&mut self, action: &Action) -> Checked {
        self.stage.note(action);
        match action {
            Action::Write(keys) => keys.iter().for_each(|key| self.write(*key)),
            Action::Answer(which, answer) => self.answer(*which, answer),
            Action::Wait(time) => self.stage.pass(*time),
            Action::Crash(unnoticed) => return self.crash(unnoticed.as_ref()),
            Action::Stop(answer) => return self.stop(answer),
            Action::Start if self.stage.runs() => {}
            Action::Start => self.stage.start(),
            Action::Refuse(refuse) => {
                self.refusing = *refuse;
                self.stage.outbox.refuse(*refuse);
                self.model.refuses(self.stage.now());
            }
            Action::Expire => self.expire(),
            Action::Split => self.split(),
        }
        self.look()
    }

    fn write(&mut self, key: char) {
        self.written += 1;
        let now = self.stage.now();
        let created = now.timestamp();
        let shard = self.shards.last().expect("a shard");
        self.stage.stream().write(shard, &key.to_string(), self.written, created);
        self.model.wrote(key, DateTime::from_timestamp(created, 0).expect("a moment"));
    }

    fn expire(&mut self) {
        *lock(&self.stage.stream().expire) = true;
        // One look to notice, the next one has a new iterator.
        self.stage.settle();
        *lock(&self.stage.stream().expire) = false;
    }

    fn split(&mut self) {
        let child = format!("s{}", self.shards.len() + 1);
        let mut shards = lock(&self.stage.stream().shards);
        let parent = shards.last_mut().expect("a shard");
        parent.closed = true;
        let parent = Some(parent.id.clone());
        shards.push(MemoryShard { id: child.clone(), parent, ..MemoryShard::default() });
        drop(shards);
        self.shards.push(child);
        self.model.split();
    }

    fn answer(&mut self, which: usize, answer: &Answer) {
        if self.running.is_empty() {
            return;
        }
        let call = *self.running.keys().nth(which % self.running.len()).expect("a running call");
        let (outcome, answered) = self.judge(call, answer);
        self.stage.function.end(call, outcome);
        self.model.answered(call, &answered, self.stage.now());
    }

    fn judge(&mut self, call: usize, answer: &Answer) -> (Outcome, super::answers::Meaning) {
        let records = self.running.remove(&call).expect("a running call");
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        answer.to(&records, self.reports)
    }

    fn crash(&mut self, unnoticed: Option<&(usize, Answer)>) -> Checked {
        if !self.stage.runs() {
            return Ok(());
        }
        if let Some((which, answer)) = unnoticed {
            self.answer(*which, answer);
        }
        self.stage.kill();
        self.running.clear();
        self.model.crashed(&self.checkpoints())
    }

    fn stop(&mut self, answer: &Answer) -> Checked {
        let Some(host) = self.stage.leave() else { return Ok(()) };
        host.stop(|| {
            while !self.running.is_empty() {
                self.answer(0, answer);
            }
        });
        self.watch()?;
        prop_assert!(self.running.is_empty(), "a host that stops starts nothing");
        self.model.stopped(&self.checkpoints())
    }

    /// Lets the host do what it can and shows it to the model.
    fn look(&mut self) -> Checked {
        if !self.stage.runs() {
            return Ok(());
        }
        self.stage.settle();
        self.watch()?;
        self.model.quiet(&self.checkpoints(), self.refusing, self.stage.now())
    }

    fn watch(&mut self) -> Checked {
        let now = self.stage.now();
        for deed in self.stage.look() {
            match deed {
                Deed::Called { call, payload, .. } => {
                    let records = sequences(&payload);
                    let named: Vec<&str> = records.iter().map(String::as_str).collect();
                    self.model.called(call, &named, now)?;
                    self.running.insert(call, records);
                }
                Deed::Sent { body, .. } => self.model.told(&body, &self.shards, now)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// From here on all goes well: in the end every record is settled.
    fn finish(&mut self) -> Checked {
        self.act(&Action::Start)?;
        self.act(&Action::Refuse(false))?;
        for _ in 0..400 {
            if self.model.all_settled() {
                return Ok(());
            }
            let next = match self.running.is_empty() {
                true => Action::Wait(TimeDelta::seconds(301)),
                false => Action::Answer(0, Answer::Well(0)),
            };
            self.act(&next)?;
        }
        prop_assert!(false, "some records are never settled");
        Ok(())
    }
}

fn sequences(event: &Value) -> Vec<String> {
    let records = event["Records"].as_array().expect("records");
    let sequence =
        |record: &Value| record["dynamodb"]["SequenceNumber"].as_str().expect("a number").to_owned();
    records.iter().map(sequence).collect()
}

/// Which keys share a lane is Lambda's own affair, but always the same: seen from a batch of each.
fn lanes(factor: u32) -> BTreeMap<char, usize> {
    static SEEN: OnceLock<Vec<BTreeMap<char, usize>>> = OnceLock::new();
    let seen = SEEN.get_or_init(|| (0..=MOST_LANES).map(|factor| find_lanes(factor as u32)).collect());
    seen[factor as usize].clone()
}

fn find_lanes(factor: u32) -> BTreeMap<char, usize> {
    let source = StreamSource { parallelization_factor: factor, ..stream_source() };
    let mut case = Case::new(&source, KEYS.map(|key| (key, 0)).into());
    KEYS.into_iter().for_each(|key| case.write(key));
    case.stage.start();
    case.stage.settle();
    let mut found = BTreeMap::new();
    for (lane, deed) in case.stage.look().iter().enumerate() {
        let Deed::Called { payload, .. } = deed else { continue };
        let keys =
            sequences(payload).into_iter().map(|number| KEYS[number.parse::<usize>().expect("ours") - 1]);
        found.extend(keys.map(|key| (key, lane)));
    }
    found
}

#[test]
fn lanes_are_no_more_than_the_factor_and_used() {
    for factor in 1..=MOST_LANES {
        let found: BTreeSet<usize> = lanes(factor as u32).into_values().collect();
        assert!(found.len() <= factor && (factor == 1 || found.len() > 1), "{found:?}");
    }
}

proptest! {
    #![proptest_config(cases(1_500))]

    /// Every record succeeds last, is told to the destination, or is filtered; in order, in batches as they must be, tried
    /// as often as allowed, and again after a restart only from the checkpoint on.
    #[test]
    fn a_stream_mapping_does_what_its_model_says(
        source in source(),
        script in prop::collection::vec(action(), 0..40),
    ) {
        let mut case = Case::new(&source, lanes(source.parallelization_factor));
        let played = std::iter::once(&Action::Start).chain(&script).try_for_each(|action| case.act(action));
        told(played.and_then(|()| case.finish()), &case.stage.story)?;
    }
}
