//! Requests, answered by the handler that the route belongs to.

use crate::stream::Stream;
use crate::tables;
use attachments::Attachments;
use delete_note::DeleteNote;
use emulator::Emulator;
use get_notes::GetNotes;
use get_report::GetReport;
use save_note::SaveNote;
use serde_json::{Value, json};
use settings::SettingsHandler;
use shared::dynamodb::Store;
use shared::fake::FakeAws;
use shared::owner::Owner;
use shared::sample::{Answered, HttpEvent};
use shared::search::Words;
use shared::signing::SigningKeys;
use tempfile::TempDir;

/// The handlers and their tables.
pub struct Api {
    pub store: Store,
    pub stream: Stream,
    emulator: Emulator,
    attachments: Attachments,
    delete_note: DeleteNote,
    get_notes: GetNotes,
    get_report: GetReport,
    save_note: SaveNote,
    settings: SettingsHandler,
    _directory: TempDir,
}

/// Who calls: the claims of a token that the authorizer let in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    pub subject: String,
    pub email: String,
}

impl Caller {
    pub fn new(subject: &str) -> Self {
        Self { subject: subject.into(), email: format!("{subject}@example.com") }
    }

    /// A request of this caller without query, body and headers of its own.
    pub fn request(&self, route: &str, parameters: &[(&str, &str)]) -> HttpEvent {
        // Any sample will do: everything that a handler looks at is replaced.
        HttpEvent::of("get-report")
            .route(route, parameters)
            .query("")
            .claim("sub", &self.subject)
            .claim("email", &self.email)
    }
}

impl Api {
    /// Over empty tables.
    pub fn open() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let emulator = tables::open(directory.path());
        let store = || tables::store(&emulator);
        let keys = || SigningKeys::parse("a key of this test").expect("a key");
        Self {
            store: store(),
            stream: Stream::open(&emulator),
            attachments: Attachments::new(store(), FakeAws::default().objects()),
            delete_note: DeleteNote::new(store()),
            get_notes: GetNotes::new(store(), keys()),
            get_report: GetReport::new(store()),
            save_note: SaveNote::new(store()),
            settings: SettingsHandler::new(store(), keys()),
            emulator: emulator.clone(),
            _directory: directory,
        }
    }

    /// What the API answers to `event`.
    pub async fn answer(&self, event: HttpEvent) -> Answered {
        let route = event.route_key().to_owned();
        // Boxed: the compiler bounds how deep futures may lie in one another, and the handlers' lie deepest.
        Box::pin(event.answer(async |request| match route.as_str() {
            "POST /notes"
            | "PATCH /notes/{id}"
            | "POST /notes/{id}/restore"
            | "POST /notes/{id}/versions/{version}/restore" => self.save_note.answer(request).await,
            "GET /notes"
            | "GET /notes/{id}"
            | "GET /notes/{id}/versions"
            | "GET /notes/{id}/versions/{version}" => self.get_notes.answer(request).await,
            "DELETE /notes/{id}" => self.delete_note.answer(request).await,
            "GET /settings" | "PUT /settings" => self.settings.answer(request).await,
            "GET /reports/{date}" => self.get_report.answer(request).await,
            _ => self.attachments.answer(request).await,
        }))
        .await
    }

    /// What the search index holds of the words with this beginning: by where their notes are listed.
    pub fn index_entries(&self, owner: &Owner, is_trash: bool, prefix: &str) -> Words {
        let kind = if is_trash { "TRASHED-WORDS" } else { "WORDS" };
        let request = json!({
            "TableName": "LedgerTable", "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": { ":pk": { "S": format!("{kind}#{}#{prefix}", owner.as_str()) } },
        });
        let found = tables::call(&self.emulator, "Query", &request);
        let text = |value: &Value| value["S"].as_str().expect("a text").to_owned();
        let entry = |item: &Value| {
            (text(&item["sk"]), item["words"]["L"].as_array().expect("a list").iter().map(text).collect())
        };
        found["Items"].as_array().expect("a list").iter().map(entry).collect()
    }
}
