//! The page: notes to play with, and the pipeline to look at. The files are part of the binary.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, media type and content of everything that `index.html` loads.
static FILES: [(&str, &str, &str); 17] = [
    ("style.css", CSS, include_str!("../../../web/style.css")),
    ("account.js", JAVASCRIPT, include_str!("../../../web/account.js")),
    ("api.js", JAVASCRIPT, include_str!("../../../web/api.js")),
    ("app.js", JAVASCRIPT, include_str!("../../../web/app.js")),
    ("attachments.js", JAVASCRIPT, include_str!("../../../web/attachments.js")),
    ("dom.js", JAVASCRIPT, include_str!("../../../web/dom.js")),
    ("editor.js", JAVASCRIPT, include_str!("../../../web/editor.js")),
    ("faults.js", JAVASCRIPT, include_str!("../../../web/faults.js")),
    ("history.js", JAVASCRIPT, include_str!("../../../web/history.js")),
    ("log.js", JAVASCRIPT, include_str!("../../../web/log.js")),
    ("mail.js", JAVASCRIPT, include_str!("../../../web/mail.js")),
    ("notes.js", JAVASCRIPT, include_str!("../../../web/notes.js")),
    ("picture.js", JAVASCRIPT, include_str!("../../../web/picture.js")),
    ("pipeline.js", JAVASCRIPT, include_str!("../../../web/pipeline.js")),
    ("placeholder.js", JAVASCRIPT, include_str!("../../../web/placeholder.js")),
    ("plan.js", JAVASCRIPT, include_str!("../../../web/plan.js")),
    ("table.js", JAVASCRIPT, include_str!("../../../web/table.js")),
];

pub(super) async fn to_page() -> Redirect {
    Redirect::temporary("/_local/")
}

pub(super) async fn page() -> Response {
    answer(HTML, include_str!("../../../web/index.html"))
}

pub(super) async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, media_type, text)) => answer(media_type, text),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Asked for anew each time: the files of the next build have the same names.
fn answer(media_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}
