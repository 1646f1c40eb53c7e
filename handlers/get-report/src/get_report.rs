use chrono::NaiveDate;
use shared::dynamodb::Store;
use shared::http::{Request, Response};
use shared::problem::Problem;
use shared::validate::Invalid;

/// The handler and what it needs.
pub struct GetReport {
    pub store: Store,
}

impl GetReport {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    pub async fn answer(&self, request: &Request) -> Result<Response, Problem> {
        match request.route.as_str() {
            "GET /reports/{date}" => self.get(request).await,
            _ => Err(Problem::NotFound),
        }
    }

    async fn get(&self, request: &Request) -> Result<Response, Problem> {
        let owner = request.owner()?;
        let date = date(request.path("date").unwrap_or_default())?;
        let report = self.store.report(owner, date).await?.ok_or(Problem::NotFound)?;
        Response::json(200, &report)
    }
}

/// Takes a calendar day in the one form that reports are stored under.
fn date(text: &str) -> Result<NaiveDate, Invalid> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        // `parse_from_str` also takes signs, and numbers without their leading zeros.
        .filter(|date| date.to_string() == text)
        .ok_or_else(|| Invalid::new("date", "must be a day like 2026-11-23"))
}
