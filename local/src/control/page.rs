//! The page: notes to play with, and the pipeline to look at. The files are part of the binary.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

pub(super) async fn to_page() -> Redirect {
    Redirect::temporary("/_local/")
}

pub(super) async fn page() -> Response {
    html(include_str!("../../../web/index.html"))
}

fn html(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
}

pub(super) async fn file(Path(file): Path<String>) -> Response {
    let (content_type, text) = match file.as_str() {
        "style.css" => ("text/css; charset=utf-8", include_str!("../../../web/style.css")),
        "app.js" => ("text/javascript; charset=utf-8", include_str!("../../../web/app.js")),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}
