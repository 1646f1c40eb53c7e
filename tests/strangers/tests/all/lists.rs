//! Pages: what they must hold, and what a cursor leads to.

use crate::model::{Person, Place};
use crate::run::Run;
use crate::step::{Filter, Pick};
use serde_json::Value;

/// A cursor that somebody was given.
#[derive(Clone)]
pub(crate) struct Cursor {
    text: String,
    pub(crate) owner: usize,
    filter: Filter,
    /// The place of the last note that was shown until then; none when none was.
    after: Option<Place>,
    /// What there was to come at that time.
    to_come: Vec<Place>,
}

impl Filter {
    /// As a query, page size and cursor included. The filter's own part decides what a cursor is good for.
    fn query(&self, limit: usize, cursor: Option<&str>) -> String {
        let mut query = format!("limit={limit}");
        for (name, value) in [("tag", self.tag), ("q", self.word), ("cursor", cursor)] {
            if let Some(value) = value {
                query.push_str(&format!("&{name}={value}"));
            }
        }
        if self.trash {
            query.push_str("&trash=true");
        }
        query
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.tag, self.word, self.trash) == (other.tag, other.word, other.trash)
    }
}

impl Run<'_> {
    /// One page; returns the cursor to the next.
    pub(crate) async fn page(
        &mut self,
        who: usize,
        filter: &Filter,
        limit: usize,
        from: Option<&Cursor>,
    ) -> Option<Cursor> {
        if filter.word.is_some() {
            // What is searched for is found once the stream was told of it.
            self.api.stream.settle().await;
        }
        let query = filter.query(limit, from.map(|cursor| cursor.text.as_str()));
        let event = self.request(who, "GET /notes", &[]).query(&query);
        let answered = self.ask(who, event).await;
        assert_eq!(answered.status, 200, "{}", answered.body);
        let next = judge(&self.people[who], who, filter, limit, from, &answered.json());
        self.cursors.extend(next.clone());
        next
    }

    /// All pages are the whole listing: nothing twice, nothing left out, and an end.
    pub(crate) async fn walk(&mut self, who: usize, filter: &Filter, limit: usize) {
        let mut next = self.page(who, filter, limit, None).await;
        for _ in 0..1_000 {
            let Some(cursor) = next else { return };
            next = self.page(who, filter, limit, Some(&cursor)).await;
        }
        panic!("a listing without an end");
    }

    pub(crate) async fn go_on(&mut self, who: usize, pick: Pick, filter: Option<&Filter>, limit: usize) {
        let picked = Self::nth_from_the_end(&self.cursors, |cursor| cursor.owner, who, pick);
        let nonsense = "bm90IGEgY3Vyc29yIG9mIG91cnMsIGJ1dCBhcyBsb25nIGFzIG9uZQ";
        let Some(cursor) = picked else {
            return self.refused_cursor(who, &Filter::default(), nonsense).await;
        };
        let filter = filter.unwrap_or(&cursor.filter);
        if cursor.owner == who && filter.is_same(&cursor.filter) {
            self.page(who, filter, limit, Some(&cursor)).await;
        } else {
            self.refused_cursor(who, filter, &cursor.text).await;
        }
    }

    /// A cursor of another's, or of another listing, is no more than nonsense.
    pub(crate) async fn refused_cursor(&mut self, who: usize, filter: &Filter, cursor: &str) {
        let mut bodies = Vec::new();
        for text in [cursor, "nonsense"] {
            let event = self.request(who, "GET /notes", &[]).query(&filter.query(1, Some(text)));
            let answered = self.ask(who, event).await;
            assert_eq!((answered.status, answered.wrong_fields()), (422, vec!["cursor".to_owned()]));
            bodies.push(answered.body);
        }
        assert_eq!(bodies[0], bodies[1]);
    }
}

/// Judges one page of `person`'s listing that came `from` a cursor or the beginning; returns the cursor to its next.
///
/// A page may end before it is full. It never skips what was there when its cursor was given and still is, never shows
/// what does not belong, and never goes back.
fn judge(
    person: &Person,
    owner: usize,
    filter: &Filter,
    limit: usize,
    from: Option<&Cursor>,
    page: &Value,
) -> Option<Cursor> {
    let after = from.and_then(|cursor| cursor.after.clone());
    let mut candidates = person.listing(filter);
    candidates.retain(|(place, _)| after.as_ref().is_none_or(|after| place < after));
    let items = page["items"].as_array().expect("a page has items");
    assert!(items.len() <= limit, "{} items on a page of {limit}", items.len());

    let mut rest = candidates.as_slice();
    let is_due = |place: &Place| from.is_none_or(|cursor| cursor.to_come.contains(place));
    for item in items {
        let at = rest.iter().position(|(_, expected)| expected == item);
        let at = at.unwrap_or_else(|| panic!("{item} does not belong here; to come were {rest:?}"));
        let skipped = rest[..at].iter().find(|(place, _)| is_due(place));
        assert!(skipped.is_none(), "{skipped:?} was skipped");
        rest = &rest[at + 1..];
    }
    let Some(text) = page["next_cursor"].as_str() else {
        let forgotten = rest.iter().find(|(place, _)| is_due(place));
        assert!(forgotten.is_none(), "the last page is without {forgotten:?}");
        return None;
    };
    let shown = candidates[..candidates.len() - rest.len()].last().map(|(place, _)| place.clone());
    let to_come = rest.iter().map(|(place, _)| place.clone()).filter(|place| is_due(place)).collect();
    let (text, filter) = (text.to_owned(), filter.clone());
    Some(Cursor { text, owner, filter, after: shown.or(after), to_come })
}
