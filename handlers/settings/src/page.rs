//! The pages behind an unsubscribe link. They hold no input and no script, and load nothing.

use http::header;
use shared::http::Response;

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1.5rem;\
color:#1c1c28;background:#fff}h1{font-size:1.5rem}button{font:inherit;padding:.6rem 1.2rem;border:0;\
border-radius:.5rem;color:#fff;background:#2f5bd8;cursor:pointer}\
@media(prefers-color-scheme:dark){body{color:#e8e8f0;background:#16161d}}";

/// Allows the one style by its hash (a test keeps it true), and the form to come back here.
const POLICY: &str = "default-src 'none'; style-src 'sha256-CA7i6VV1yfx6kPrfCyV2/rFjfTdBkeavG/zV0aQOqrA='; \
form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Asks whether to stop mailing. The form has no action, so it is sent to the page's own address, token and all.
pub(crate) fn question() -> Response {
    page(
        200,
        "Unsubscribe",
        "<p>Shall we stop sending e-mail to this address?</p>\
         <form method=\"post\"><button type=\"submit\">Unsubscribe</button></form>",
    )
}

/// Says that it is done.
pub(crate) fn done() -> Response {
    page(
        200,
        "You are unsubscribed",
        "<p>You will not be mailed again. To change your mind, turn notifications on in your settings.</p>",
    )
}

/// Says that the link is none of ours.
pub(crate) fn broken_link() -> Response {
    page(
        400,
        "This link does not work",
        "<p>It may have been cut off on the way. Please open it from the e-mail again.</p>",
    )
}

fn page(status: u16, title: &str, content: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"robots\" content=\"noindex\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>{content}</body></html>"
    );
    Response::text(status, "text/html; charset=utf-8", html).with(header::CONTENT_SECURITY_POLICY, POLICY)
}
