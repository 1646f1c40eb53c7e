//! Who may turn what is under `/_local/`: whoever is on this machine, and no web page that merely runs in a browser here.
//!
//! Such a page reaches loopback under a name of its own that it lets point here (DNS rebinding), and may post across
//! origins whatever it likes. Its requests say so in `Host` and `Origin`, which no page can change.

use super::Refusal;
use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

/// Lets requests through that are made to this machine by name or address, and not from another origin.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    if is_local(request.headers()) {
        return next.run(request).await;
    }
    Refusal::forbidden("these routes answer to loopback alone, and to no other origin").into_response()
}

fn is_local(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let Some(host) = text(HOST) else { return false };
    let is_same_origin = |origin: &str| origin.strip_prefix("http://") == Some(host);
    is_loopback(host) && text(ORIGIN).is_none_or(is_same_origin)
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_matches(['[', ']']);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        headers.extend(origin.map(|origin| (ORIGIN, origin.parse().unwrap())));
        is_local(&headers)
    }

    #[test]
    fn this_machine_is_known_by_its_loopback_names_and_the_page_by_its_origin() {
        for host in ["127.0.0.1:3000", "localhost:3000", "localhost", "[::1]:3000", "127.1.2.3"] {
            assert!(of(host, None), "{host}");
            assert!(of(host, Some(&format!("http://{host}"))), "{host}");
        }
    }

    #[test]
    fn a_page_from_elsewhere_is_known_by_what_it_cannot_change() {
        for host in [
            "evil.example:3000",
            "localhost.evil.example",
            "192.168.0.7:3000",
            "127.0.0.1.evil.example",
            "",
            "a b",
        ] {
            assert!(!of(host, None), "{host}");
        }
        for origin in ["https://evil.example", "null", "http://localhost:3001", "https://localhost:3000", ""]
        {
            assert!(!of("localhost:3000", Some(origin)), "{origin}");
        }
        assert!(!is_local(&HeaderMap::new()), "HTTP/1.0 without a host");
    }
}
