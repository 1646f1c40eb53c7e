//! Searches: what they read of the index, and what they show of it.

use crate::tests::{answer, list};
use serde_json::{Value, json};
use shared::fake::{Answer, Call, FakeAws};
use shared::limits;
use shared::note::{Id, Place};
use shared::sample::item;
use shared::search::Indexed;
use shared::timestamp::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

/// A note's title, and whether it is in the trash.
type Stored = (String, bool);

/// The tables: notes, and the index of them, which may lag behind.
#[derive(Default)]
struct Tables {
    notes: HashMap<String, Value>,
    index: HashMap<String, BTreeMap<String, Value>>,
}

fn id(number: u64) -> Id {
    let text = format!("019ab0b8-{:04x}-7000-8000-{:012x}", number >> 16, number & 0xffff);
    Id::parse(&text).unwrap()
}

fn moment(number: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + i64::try_from(number).unwrap())
}

impl Tables {
    /// With notes of these titles, the oldest first, and an index that knows of them.
    fn with(notes: impl IntoIterator<Item = Stored>) -> Arc<Self> {
        let mut tables = Self::default();
        for (number, (title, is_trashed)) in (0..).zip(notes) {
            tables.put(number, &title, is_trashed);
            tables.index(number, &title, is_trashed);
        }
        Arc::new(tables)
    }

    fn put(&mut self, number: u64, title: &str, is_trashed: bool) {
        let mut note = json!({
            "pk": "OWNER#auth0|ada", "sk": format!("NOTE#{}", id(number)), "id": id(number), "title": title,
            "body": "", "excerpt": "", "tags": [], "notify": [], "version": 1, "attachments": 0,
            "created_at": moment(number), "updated_at": moment(number),
        });
        if is_trashed {
            note["deleted_at"] = json!(moment(number));
        }
        self.notes.insert(format!("NOTE#{}", id(number)), item(&note));
    }

    fn index(&mut self, number: u64, title: &str, is_trashed: bool) {
        let indexed = Indexed::new(is_trashed.then(|| moment(number)), title, &[], "");
        let kind = if indexed.place == Place::Live { "WORDS" } else { "TRASHED-WORDS" };
        for (prefix, words) in indexed.words {
            let sk = indexed.place.position(id(number));
            let entry = item(&json!({ "sk": sk, "words": words }));
            self.index.entry(format!("{kind}#auth0|ada#{prefix}")).or_default().insert(sk, entry);
        }
    }

    fn aws(self: &Arc<Self>) -> FakeAws {
        let tables = self.clone();
        FakeAws::answering(move |call| match call.operation.as_str() {
            "Query" => Some(Answer::json(tables.query(call))),
            "BatchGetItem" => Some(Answer::json(tables.get(call))),
            _ => None,
        })
    }

    fn query(&self, call: &Call) -> Value {
        let value = |name: &str| call.json["ExpressionAttributeValues"][name]["S"].as_str();
        let limit = usize::try_from(call.json["Limit"].as_u64().unwrap()).unwrap();
        let empty = BTreeMap::new();
        let entries = self.index.get(value(":prefix").unwrap()).unwrap_or(&empty);
        let before = value(":after").map_or(Bound::Unbounded, Bound::Excluded);
        let found: Vec<_> = entries.range::<str, _>((Bound::Unbounded, before)).rev().take(limit).collect();
        let last = found.get(limit - 1).map(|(sk, _)| item(&json!({ "pk": value(":prefix"), "sk": sk })));
        let found: Vec<_> = found.into_iter().map(|(_, entry)| entry).collect();
        json!({ "Items": found, "LastEvaluatedKey": last })
    }

    fn get(&self, call: &Call) -> Value {
        assert_eq!(call.json["RequestItems"]["notes"]["ConsistentRead"], true);
        let keys = call.json["RequestItems"]["notes"]["Keys"].as_array().unwrap();
        assert!(keys.iter().all(|key| key["pk"]["S"] == "OWNER#auth0|ada"));
        let notes: Vec<_> =
            keys.iter().filter_map(|key| self.notes.get(key["sk"]["S"].as_str().unwrap())).collect();
        json!({ "Responses": { "notes": notes } })
    }
}

fn titles(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap()).collect()
}

/// The titles on all pages of a listing, and how many pages there were. No page costs more than it may.
async fn walk(tables: &Arc<Tables>, query: &str, words: usize) -> (Vec<String>, usize) {
    let (mut found, mut target) = (Vec::new(), query.to_owned());
    for pages in 1..100 {
        let aws = tables.aws();
        let answered = answer(&aws, list(&target)).await;
        assert_eq!(answered.status, 200, "{}", answered.body);
        assert!(aws.sent("Query").len() <= limits::PAGE_QUERIES * words);
        assert!(aws.sent("BatchGetItem").len() <= limits::PAGE_QUERIES);
        let page = answered.json();
        found.extend(titles(&page).into_iter().map(ToOwned::to_owned));
        let Some(cursor) = page["next_cursor"].as_str() else { return (found, pages) };
        target = format!("{query}&cursor={cursor}");
    }
    panic!("a search without an end");
}

fn live(titles: &[&str]) -> Arc<Tables> {
    Tables::with(titles.iter().map(|title| ((*title).to_owned(), false)))
}

#[tokio::test]
async fn a_search_finds_words_and_beginnings_whatever_their_case_and_accents_newest_first() {
    let tables = live(&["Harbour trip", "Été au port", "harbours of the west", "Hart"]);
    for (query, expected) in [
        ("q=HARBOUR", vec!["harbours of the west", "Harbour trip"]),
        ("q=har", vec!["Hart", "harbours of the west", "Harbour trip"]),
        ("q=ha", vec![]),
        ("q=au", vec!["Été au port"]),
        ("q=ete", vec!["Été au port"]),
        ("q=E%CC%81T%C3%89+po+port", vec![]),
        ("q=E%CC%81T%C3%89+port", vec!["Été au port"]),
        ("q=west+harbours", vec!["harbours of the west"]),
        ("q=west+harbours+nothing", vec![]),
        ("q=!", vec![]),
    ] {
        let page = answer(&tables.aws(), list(query)).await.json();
        assert_eq!(titles(&page), expected, "{query}");
    }
}

#[tokio::test]
async fn a_search_reads_the_index_and_the_notes_that_it_shows() {
    let tables = live(&["Harbour trip", "Packing"]);
    let aws = tables.aws();
    answer(&aws, list("q=harb+trip")).await;
    assert_eq!(aws.operations(), ["Query", "Query", "BatchGetItem"]);
    let asked: Vec<_> =
        aws.sent("Query").iter().map(|query| query["ExpressionAttributeValues"].clone()).collect();
    assert_eq!(
        asked,
        [
            json!({ ":prefix": { "S": "WORDS#auth0|ada#har" } }),
            json!({ ":prefix": { "S": "WORDS#auth0|ada#tri" } })
        ]
    );
    assert_eq!(aws.sent("BatchGetItem")[0]["RequestItems"]["notes"]["Keys"].as_array().unwrap().len(), 1);
    let nothing = tables.aws();
    answer(&nothing, list("q=%F0%9F%8E%89")).await;
    assert!(nothing.calls().is_empty(), "a text without words");
}

#[tokio::test]
async fn what_the_index_does_not_know_yet_is_never_shown_wrongly() {
    let mut stored = live(&["harbour one", "harbour two", "harbour three", "harbour four", "harbour five"]);
    let tables = Arc::get_mut(&mut stored).unwrap();
    tables.put(0, "changed", false);
    tables.put(1, "harbour two", true);
    tables.notes.remove(&format!("NOTE#{}", id(2)));
    tables.put(3, "harbour fourth", false);
    let page = answer(&stored.aws(), list("q=harbour")).await.json();
    assert_eq!(titles(&page), ["harbour five", "harbour fourth"]);
    assert_eq!(page["next_cursor"], Value::Null);
}

#[tokio::test]
async fn the_trash_is_searched_in_its_own_order() {
    let stored = ["one", "two", "three"].map(|title| (format!("harbour {title}"), title != "two"));
    let tables = Tables::with(stored);
    assert_eq!(walk(&tables, "q=harbour&trash=true&limit=1", 1).await.0, ["harbour three", "harbour one"]);
    assert_eq!(walk(&tables, "q=harbour&limit=1", 1).await.0, ["harbour two"]);
}

#[tokio::test]
async fn a_page_costs_the_same_whatever_is_stored() {
    let title = |number: usize| match number {
        // What begins so and is not meant; a rare word among the oldest; and one of both.
        5 | 2_000 => format!("common rare {number}"),
        6 => "rare".to_owned(),
        _ => format!("common command n{number}"),
    };
    let tables = Tables::with((0..6_000).map(|number| (title(number), false)));
    assert_eq!(
        walk(&tables, "q=common+rare", 2).await,
        (vec!["common rare 2000".into(), "common rare 5".into()], 1)
    );
    assert_eq!(walk(&tables, "q=rare+common+n17", 3).await, (Vec::new(), 1));
    assert_eq!(walk(&tables, "q=n5999&limit=1", 1).await.0, ["common command n5999"]);
    let (found, pages) = walk(&tables, "q=comma+common&limit=100", 2).await;
    assert_eq!((found.len(), pages), (5_997, 60));
    // Looked for through all that begins so, page by page.
    let (found, pages) = walk(&tables, "q=comet", 1).await;
    assert!(found.is_empty() && (2..5).contains(&pages), "{pages}");
}

#[tokio::test]
async fn pages_end_where_they_are_full() {
    let tables = live(&["harbour"; 7]);
    for (limit, pages) in [(1, 7), (3, 3), (7, 1), (100, 1)] {
        assert_eq!(
            walk(&tables, &format!("q=harbour&limit={limit}"), 1).await,
            (vec!["harbour".to_owned(); 7], pages)
        );
    }
}
