//! The search index in the ledger, written by the stream handler: an entry for each note and prefix of its words.
//!
//! Entries of one prefix are a partition, in the order in which notes are listed. So a search reads nothing of notes that
//! have no word of this beginning, its pages are those of a listing, and cursors mean the same.

use super::attempts::{ATTEMPTS, pause_before};
use super::ledger::{delete_request, put_request};
use super::notes::{ListedNote, summary};
use super::{Item, ItemKey, Listing, Page, Store, failure, from_item, note_key, owner_key, text};
use crate::failure::Failure;
use crate::limits;
use crate::note::{Id, Place};
use crate::owner::Owner;
use crate::search::{Query, finds};
use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures_util::future::try_join_all;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Entries that each word's query reads at most, round by round: few where the first notes fit, many where hardly any do.
const WINDOWS: [i32; limits::PAGE_QUERIES] = [100, 400, 1_600, 1_600];
/// Keys of one `BatchGetItem`.
const BATCH_KEYS: usize = 100;

/// A note is found from now on at some place by some words, or not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexChange<'a> {
    pub owner: &'a Owner,
    pub note: Id,
    pub place: Place,
    /// What all these words begin with.
    pub prefix: &'a str,
    pub words: Option<&'a BTreeSet<String>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    pk: String,
    sk: String,
    words: &'a BTreeSet<String>,
}

/// What the index holds of one word, newest first, as far as it was read.
struct Window {
    positions: Vec<String>,
    /// The last position that was looked at; `None` when all were.
    end: Option<String>,
}

impl Window {
    /// Whether a note at this position lacks the word.
    fn excludes(&self, position: &String) -> bool {
        let is_seen = self.end.as_ref().is_none_or(|end| position >= end);
        is_seen && self.positions.binary_search_by(|other| position.cmp(other)).is_err()
    }
}

impl Store {
    /// Writes to the search index. No entry may stand there twice. Doing it again changes nothing.
    pub async fn write_index(&self, changes: &[IndexChange<'_>]) -> Result<(), Failure> {
        let request = |change: &IndexChange<'_>| {
            let is_trash = change.place != Place::Live;
            let pk = words_key(change.owner, is_trash, change.prefix);
            let sk = change.place.position(change.note);
            match change.words {
                Some(words) => put_request(&Entry { pk, sk, words }),
                None => delete_request(&pk, &sk),
            }
        };
        self.write(changes.iter().map(request).collect::<Result<_, _>>()?).await
    }

    /// The versions of some notes as they are now, of those that are there.
    pub async fn note_versions(&self, notes: &[(Owner, Id)]) -> Result<BTreeMap<(Owner, Id), u64>, Failure> {
        let mut found = BTreeMap::new();
        for batch in notes.chunks(BATCH_KEYS) {
            let keys = batch.iter().map(|(owner, id)| key_of_note(owner, *id)).collect();
            for item in self.notes_with_keys(keys, Some("pk, sk, version")).await? {
                let get = |name: &str| Some(item.get(name)?.as_s().ok()?.as_str());
                let key = get("pk").zip(get("sk")).and_then(|(pk, sk)| ItemKey::parse(pk, sk));
                let version = item.get("version").and_then(|version| version.as_n().ok()?.parse().ok());
                if let (Some(ItemKey::Note { owner, id }), Some(version)) = (key, version) {
                    found.insert((owner, id), version);
                }
            }
        }
        Ok(found)
    }

    /// A page of the notes that hold every word of `query`, in the order of the listing. At most
    /// `limits::PAGE_QUERIES` rounds of a query for each word that is asked for and one read of notes, whatever is stored:
    /// a page may hold fewer than asked for and still have a next. The index may lag behind, so that notes are judged as
    /// they are.
    pub(super) async fn search_notes(
        &self,
        owner: &Owner,
        listing: &Listing,
        query: &Query,
    ) -> Result<Page, Failure> {
        let mut page = Page { items: Vec::new(), next: listing.after.clone() };
        if query.words().is_empty() {
            return Ok(Page::default());
        }
        for window in WINDOWS {
            let candidates = self.candidates(owner, listing, query, page.next.as_deref(), window).await?;
            let wanted = (listing.limit - page.items.len()).max(limits::PAGE_DEFAULT);
            let (looked_at, rest) = candidates.positions.split_at(wanted.min(candidates.positions.len()));
            let mut notes = self.notes_at(owner, listing, looked_at).await?;
            page.next = if rest.is_empty() { candidates.end.clone() } else { looked_at.last().cloned() };
            for (index, position) in looked_at.iter().enumerate() {
                page.items.extend(notes.remove(position).map(summary));
                if page.items.len() == listing.limit {
                    let is_last = index + 1 == candidates.positions.len() && candidates.end.is_none();
                    page.next = (!is_last).then(|| position.clone());
                    return Ok(page);
                }
            }
            if page.next.is_none() {
                break;
            }
        }
        Ok(page)
    }

    /// Where notes may be that hold every word: what the rarest word finds, without what another is known not to.
    async fn candidates(
        &self,
        owner: &Owner,
        listing: &Listing,
        query: &Query,
        after: Option<&str>,
        size: i32,
    ) -> Result<Window, Failure> {
        let words = query.asked();
        let windows = words.iter().map(|word| self.window(owner, listing.trash, word, after, size));
        let mut windows = try_join_all(windows).await?;
        // The rarest reaches furthest back, best of all to the end, and `None` is less than any position.
        let rarest = (0..windows.len()).min_by(|one, other| windows[*one].end.cmp(&windows[*other].end));
        let mut rarest = windows.swap_remove(rarest.unwrap_or_default());
        rarest.positions.retain(|position| !windows.iter().any(|other| other.excludes(position)));
        Ok(rarest)
    }

    async fn window(
        &self,
        owner: &Owner,
        is_trash: bool,
        word: &str,
        after: Option<&str>,
        size: i32,
    ) -> Result<Window, Failure> {
        let mut query = self
            .client
            .query()
            .table_name(&self.ledger)
            .key_condition_expression("pk = :prefix")
            .expression_attribute_values(
                ":prefix",
                text(words_key(owner, is_trash, crate::search::prefix(word))),
            )
            .projection_expression("sk, words")
            .scan_index_forward(false)
            .limit(size);
        if let Some(after) = after {
            query = query
                .key_condition_expression("pk = :prefix AND sk < :after")
                .expression_attribute_values(":after", text(after));
        }
        let output = query.send().await.map_err(|error| failure(&error))?;
        let fits = |item: &&Item| {
            let words = item.get("words").and_then(|words| words.as_l().ok());
            words.is_some_and(|words| {
                words.iter().any(|other| other.as_s().is_ok_and(|other| finds(word, other)))
            })
        };
        let end = output.last_evaluated_key.as_ref().and_then(position_of);
        let positions = output.items().iter().filter(fits).filter_map(position_of).collect();
        Ok(Window { positions, end })
    }

    /// The notes that are at these positions and fit the listing, as they are now.
    async fn notes_at(
        &self,
        owner: &Owner,
        listing: &Listing,
        positions: &[String],
    ) -> Result<HashMap<String, ListedNote>, Failure> {
        let id = |position: &String| Id::parse(position.rsplit(' ').next()?);
        let keys = positions.iter().filter_map(id).map(|id| key_of_note(owner, id)).collect();
        let mut found = HashMap::new();
        for item in self.notes_with_keys(keys, None).await? {
            let listed: ListedNote = from_item(item)?;
            if listing.holds(&listed.note) {
                found.insert(Place::of(listed.note.deleted_at).position(listed.note.id), listed);
            }
        }
        Ok(found)
    }

    /// Items of the notes table, those that are there, in any order. At most [`BATCH_KEYS`].
    async fn notes_with_keys(
        &self,
        mut keys: Vec<Item>,
        projection: Option<&str>,
    ) -> Result<Vec<Item>, Failure> {
        let mut found = Vec::new();
        for attempt in 1..=ATTEMPTS {
            if keys.is_empty() {
                return Ok(found);
            }
            pause_before(attempt).await;
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(std::mem::take(&mut keys)))
                .consistent_read(true)
                .set_projection_expression(projection.map(ToOwned::to_owned))
                .build()
                .map_err(Failure::permanent)?;
            let request = self.client.batch_get_item().request_items(&self.notes, wanted);
            let output = request.send().await.map_err(|error| failure(&error))?;
            found.extend(output.responses.unwrap_or_default().remove(&self.notes).unwrap_or_default());
            let left = output.unprocessed_keys.unwrap_or_default().remove(&self.notes);
            keys = left.map(|left| left.keys).unwrap_or_default();
        }
        if keys.is_empty() { Ok(found) } else { Err(Failure::passing("DynamoDB left keys unprocessed")) }
    }
}

/// A prefix holds letters and digits only, so that it begins at the last `#`.
fn words_key(owner: &Owner, is_trash: bool, prefix: &str) -> String {
    let kind = if is_trash { "TRASHED-WORDS" } else { "WORDS" };
    format!("{kind}#{}#{prefix}", owner.as_str())
}

fn key_of_note(owner: &Owner, id: Id) -> Item {
    HashMap::from([("pk".to_owned(), text(owner_key(owner))), ("sk".to_owned(), text(note_key(id)))])
}

fn position_of(item: &Item) -> Option<String> {
    item.get("sk")?.as_s().ok().cloned()
}
