//! The search index follows the notes, in whatever order, how often and how much at once their changes are told.

use crate::in_sequence;
use crate::step::WORDS;
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::note::Place;
use shared::owner::Owner;
use shared::sample::HttpEvent;
use shared::search::{Indexed, Words};
use shared::timestamp::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;
use strangers::{Api, Caller, Way};

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    /// One of few notes gets these words, and is made if it is not there.
    Write {
        note: usize,
        words: Vec<&'static str>,
    },
    /// A note goes to the trash, and a trashed one comes back.
    Turn {
        note: usize,
    },
    Purge {
        note: usize,
    },
    /// Some of the records so far come, for the first time or again; two batches at once.
    Deliver {
        batches: [Vec<prop::sample::Index>; 2],
        way: Way,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let note = || 0usize..2;
    let batch = || prop::collection::vec(any::<prop::sample::Index>(), 1..4);
    let way = prop_oneof![Just(Way::Stream), Just(Way::Replays)];
    prop_oneof![
        4 => (note(), prop::collection::vec(prop::sample::select(WORDS.to_vec()), 1..4))
            .prop_map(|(note, words)| Event::Write { note, words }),
        2 => note().prop_map(|note| Event::Turn { note }),
        1 => note().prop_map(|note| Event::Purge { note }),
        4 => (batch(), batch(), way).prop_map(|(one, other, way)| Event::Deliver { batches: [one, other], way }),
    ]
}

struct Run<'a> {
    api: &'a Api,
    caller: Caller,
    requests: i64,
    notes: [Option<Value>; 2],
    records: Vec<Value>,
    /// The records that were not told yet.
    untold: Vec<Value>,
}

impl<'a> Run<'a> {
    fn new(api: &'a Api, sequence: u32) -> Self {
        let caller = Caller::new(&format!("ada-{sequence}"));
        Self { api, caller, requests: 0, notes: [None, None], records: Vec::new(), untold: Vec::new() }
    }

    async fn take(&mut self, event: &Event) {
        match event {
            Event::Write { note, words } => self.write(*note, &words.join(" ")).await,
            Event::Turn { note } => self.turn(*note).await,
            Event::Purge { note } => {
                let Some(stored) = self.notes[*note].take() else { return };
                let request = self.on("DELETE /notes/{id}", &stored).query("permanent=true");
                self.ask(request, 204).await;
            }
            Event::Deliver { batches, way } => {
                let [one, other] = batches.each_ref().map(|batch| self.some_records(batch));
                let stream = &self.api.stream;
                tokio::join!(stream.deliver(&one, *way), stream.deliver(&other, *way));
            }
        }
    }

    async fn write(&mut self, note: usize, title: &str) {
        let (request, status) = match &self.notes[note] {
            Some(stored) if stored["deleted_at"].is_string() => return,
            Some(stored) => (self.on("PATCH /notes/{id}", &stored.clone()), 200),
            None => (self.caller.request("POST /notes", &[]), 201),
        };
        let written = self.ask(request.json(&json!({ "title": title })), status).await;
        self.notes[note] = Some(written);
    }

    async fn turn(&mut self, note: usize) {
        let Some(stored) = self.notes[note].clone() else { return };
        if stored["deleted_at"].is_string() {
            let restored = self.ask(self.on("POST /notes/{id}/restore", &stored), 200).await;
            self.notes[note] = Some(restored);
        } else {
            self.ask(self.on("DELETE /notes/{id}", &stored), 204).await;
            let trashed = self.ask(self.on("GET /notes/{id}", &stored), 200).await;
            self.notes[note] = Some(trashed);
        }
    }

    fn on(&self, route: &str, note: &Value) -> HttpEvent {
        self.caller.request(route, &[("id", note["id"].as_str().unwrap())])
    }

    async fn ask(&mut self, request: HttpEvent, status: i64) -> Value {
        self.requests += 1;
        let now: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let now = now.plus(Duration::from_secs(self.requests.unsigned_abs()));
        let request = request.at(now, &format!("{}-{}", self.caller.subject, self.requests));
        let answered = self.api.answer(request).await;
        assert_eq!(answered.status, status, "{}", answered.body);
        let records = self.api.stream.new_records();
        self.untold.extend(records.clone());
        self.records.extend(records);
        answered.json()
    }

    fn some_records(&mut self, batch: &[prop::sample::Index]) -> Vec<Value> {
        if self.records.is_empty() {
            return Vec::new();
        }
        let records: Vec<_> = batch.iter().map(|index| index.get(&self.records).clone()).collect();
        self.untold.retain(|record| !records.contains(record));
        records
    }

    /// Tells what is left, in this order.
    async fn finish(&mut self, order: &[prop::sample::Index]) {
        for index in order {
            if self.untold.is_empty() {
                break;
            }
            let record = self.untold.remove(index.index(self.untold.len()));
            self.api.stream.deliver(&[record], Way::Stream).await;
        }
        let rest = std::mem::take(&mut self.untold);
        self.api.stream.deliver(&rest, Way::Stream).await;
    }

    /// What the index should hold of each partition, by note.
    fn expected(&self) -> BTreeMap<(bool, String), Words> {
        let mut expected = BTreeMap::<_, Words>::new();
        for note in self.notes.iter().flatten() {
            let deleted_at = note["deleted_at"].as_str().map(|at| at.parse().unwrap());
            let indexed = Indexed::new(deleted_at, note["title"].as_str().unwrap(), &[], "");
            let id = serde_json::from_value(note["id"].clone()).unwrap();
            for (prefix, words) in indexed.words {
                let partition = expected.entry((indexed.place != Place::Live, prefix)).or_default();
                partition.insert(indexed.place.position(id), words);
            }
        }
        expected
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_index_ends_as_the_notes_do_in_whatever_order_changes_are_told(
        events in prop::collection::vec(event(), 1..24),
        order in prop::collection::vec(any::<prop::sample::Index>(), 12),
    ) {
        in_sequence(async |api, sequence| {
            let mut run = Run::new(api, sequence);
            for event in &events {
                run.take(event).await;
            }
            run.finish(&order).await;
            let owner = Owner::new(&run.caller.subject).unwrap();
            let mut found = BTreeMap::new();
            for word in WORDS {
                for is_trash in [false, true] {
                    let prefix = shared::search::prefix(word);
                    let entries = api.index_entries(&owner, is_trash, prefix);
                    if !entries.is_empty() {
                        found.insert((is_trash, prefix.to_owned()), entries);
                    }
                }
            }
            assert_eq!(found, run.expected());
        });
    }
}
