use serde::Serialize;
use serde_json::json;
use shared::dynamodb::{Listing, Store};
use shared::http::{Request, Response};
use shared::limits;
use shared::note::Summary;
use shared::owner::Owner;
use shared::problem::Problem;
use shared::search::Query;
use shared::signing::SigningKeys;
use shared::validate::{self, Invalid};

/// Revalidated with its `ETag` at every use: a cache may spare the transfer, never the question.
const REVALIDATED: &str = "private, no-cache";

/// The handler and what it needs.
pub struct GetNotes {
    pub store: Store,
    pub(crate) keys: SigningKeys,
}

/// The body of `GET /notes`.
#[derive(Serialize)]
struct List {
    items: Vec<Summary>,
    next_cursor: Option<String>,
}

impl GetNotes {
    pub fn new(store: Store, keys: SigningKeys) -> Self {
        Self { store, keys }
    }

    pub async fn answer(&self, request: &Request) -> Result<Response, Problem> {
        match request.route.as_str() {
            "GET /notes" => self.list(request).await,
            "GET /notes/{id}" => self.get(request).await,
            "GET /notes/{id}/versions" => self.versions(request).await,
            "GET /notes/{id}/versions/{version}" => self.version(request).await,
            _ => Err(Problem::NotFound),
        }
    }

    async fn get(&self, request: &Request) -> Result<Response, Problem> {
        let id = request.id_in_path("id")?;
        let note = self.store.note(request.owner()?, id).await?.ok_or(Problem::NotFound)?;
        let etag = note.etag();
        let response =
            if request.has_current(&etag) { Response::empty(304) } else { Response::json(200, &note)? };
        Ok(response.with(http::header::ETAG, &etag).with(http::header::CACHE_CONTROL, REVALIDATED))
    }

    async fn list(&self, request: &Request) -> Result<Response, Problem> {
        let owner = request.owner()?;
        let listing = self.listing(owner, request)?;
        let page = self.store.list_notes(owner, &listing).await?;
        let purpose = purpose(owner, &listing);
        let next_cursor = page.next.map(|position| self.keys.sign(&purpose, &position));
        Response::json(200, &List { items: page.items, next_cursor })
    }

    /// What the query asks for; everything that is wrong with it is told at once.
    fn listing(&self, owner: &Owner, request: &Request) -> Result<Listing, Problem> {
        let mut wrong = Vec::new();
        let mut listing = Listing {
            trash: keep(request.flag("trash"), &mut wrong),
            limit: keep(limit(request.query("limit")), &mut wrong),
            tag: keep(request.query("tag").map(tag).transpose(), &mut wrong),
            query: keep(request.query("q").map(search).transpose(), &mut wrong),
            after: None,
        };
        if !wrong.is_empty() {
            return Err(wrong.into());
        }
        listing.after =
            request.query("cursor").map(|cursor| self.position(owner, &listing, cursor)).transpose()?;
        Ok(listing)
    }

    fn position(&self, owner: &Owner, listing: &Listing, cursor: &str) -> Result<String, Invalid> {
        self.keys
            .verify(&purpose(owner, listing), cursor)
            .ok_or_else(|| Invalid::new("cursor", "must be the next_cursor of this listing"))
    }
}

/// What a cursor is signed for: it continues this owner's listing with these filters, and no other. The page size may
/// change on the way.
fn purpose(owner: &Owner, listing: &Listing) -> String {
    let words = listing.query.as_ref().map(Query::words);
    json!(["notes", owner, listing.trash, listing.tag, words]).to_string()
}

fn keep<T: Default>(result: Result<T, Invalid>, wrong: &mut Vec<Invalid>) -> T {
    result.unwrap_or_else(|invalid| {
        wrong.push(invalid);
        T::default()
    })
}

pub(crate) fn limit(value: Option<&str>) -> Result<usize, Invalid> {
    let Some(text) = value else {
        return Ok(limits::PAGE_DEFAULT);
    };
    // `parse` takes a plus sign, which no other part of the API does.
    let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    number
        .filter(|limit| (1..=limits::PAGE_MAXIMUM).contains(limit))
        .ok_or_else(|| Invalid::new("limit", format!("must be a number from 1 to {}", limits::PAGE_MAXIMUM)))
}

fn tag(text: &str) -> Result<String, Invalid> {
    validate::line("tag", text, limits::TAG_CHARACTERS)
}

fn search(text: &str) -> Result<Query, Invalid> {
    Ok(Query::new(&validate::line("q", text, limits::SEARCH_CHARACTERS)?))
}
