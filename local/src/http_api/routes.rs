//! Which route takes a request: exact segments before `{parameter}` before `{greedy+}` before `$default`.

use super::GatewayError;
use http::Method;
use percent_encoding::percent_decode_str;
use std::collections::HashSet;

/// Routes in the order of precedence. An API has few enough of them to look at one after the other.
pub(super) struct Routes<T>(Vec<Route<T>>);

struct Route<T> {
    /// `None`: any method.
    method: Option<Method>,
    /// `None`: `$default`.
    segments: Option<Vec<Segment>>,
    target: T,
}

/// The order is that of precedence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Parameter(String),
    Greedy(String),
}

/// The route for a request, and its path parameters, percent-decoded.
pub(super) struct Match<'a, T> {
    pub(super) target: &'a T,
    pub(super) parameters: Vec<(&'a str, String)>,
}

impl<T> Routes<T> {
    /// From method, path and target of each.
    pub(super) fn new(routes: Vec<(String, String, T)>) -> Result<Self, GatewayError> {
        let mut seen = HashSet::new();
        let mut parsed = Vec::with_capacity(routes.len());
        for (method, path, target) in routes {
            if !seen.insert((method.clone(), shape(&path))) {
                return Err(GatewayError::Duplicate(format!("{method} {path}")));
            }
            parsed.push(Route {
                method: parse_method(&method, &path)?,
                segments: parse_path(&path)?,
                target,
            });
        }
        parsed.sort_by_cached_key(|route| {
            let kinds = route.segments.as_ref().map(|segments| segments.iter().map(kind).collect::<Vec<_>>());
            (route.segments.is_none(), kinds, route.method.is_none())
        });
        Ok(Self(parsed))
    }

    /// The route that takes `method` and `path` (as it came, percent-encoded).
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Match<'_, T>> {
        self.0.iter().filter(|route| route.method.as_ref().is_none_or(|wanted| wanted == method)).find_map(
            |route| {
                let parameters = match &route.segments {
                    Some(segments) => capture(segments, path)?,
                    None => Vec::new(),
                };
                Some(Match { target: &route.target, parameters })
            },
        )
    }
}

fn kind(segment: &Segment) -> u8 {
    match segment {
        Segment::Literal(_) => 0,
        Segment::Parameter(_) => 1,
        Segment::Greedy(_) => 2,
    }
}

fn parse_method(method: &str, path: &str) -> Result<Option<Method>, GatewayError> {
    if method == "ANY" || method == "X-AMAZON-APIGATEWAY-ANY-METHOD" || path == "$default" {
        return Ok(None);
    }
    Method::from_bytes(method.as_bytes())
        .map(Some)
        .map_err(|_| GatewayError::Path(format!("{method} {path}")))
}

fn parse_path(path: &str) -> Result<Option<Vec<Segment>>, GatewayError> {
    if path == "$default" {
        return Ok(None);
    }
    let invalid = || GatewayError::Path(path.to_owned());
    let segments: Option<Vec<_>> =
        path.strip_prefix('/').ok_or_else(invalid)?.split('/').map(parse_segment).collect();
    let segments = segments.ok_or_else(invalid)?;
    let greedy = segments.iter().position(|segment| matches!(segment, Segment::Greedy(_)));
    if greedy.is_some_and(|at| at + 1 != segments.len()) {
        return Err(invalid());
    }
    Ok(Some(segments))
}

fn parse_segment(text: &str) -> Option<Segment> {
    let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
        return (!text.contains(['{', '}'])).then(|| Segment::Literal(text.to_owned()));
    };
    let (name, is_greedy) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
    if name.is_empty() || name.contains(['{', '}']) {
        return None;
    }
    let name = name.to_owned();
    Some(if is_greedy { Segment::Greedy(name) } else { Segment::Parameter(name) })
}

/// The path without the names of its parameters: two routes of one shape could not be told apart.
fn shape(path: &str) -> String {
    let segment = |text: &str| match parse_segment(text) {
        Some(Segment::Parameter(_)) => "{}".to_owned(),
        Some(Segment::Greedy(_)) => "{+}".to_owned(),
        _ => text.to_owned(),
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

fn capture<'a>(segments: &'a [Segment], path: &str) -> Option<Vec<(&'a str, String)>> {
    let mut rest = Some(path.strip_prefix('/')?);
    let mut parameters = Vec::new();
    for segment in segments {
        let text = rest?;
        let (first, others) = text.split_once('/').map_or((text, None), |(first, rest)| (first, Some(rest)));
        match segment {
            Segment::Literal(literal) if literal == first || *literal == decode(first) => {}
            Segment::Parameter(name) if !first.is_empty() => parameters.push((name.as_str(), decode(first))),
            Segment::Greedy(name) if !text.is_empty() => {
                parameters.push((name.as_str(), decode(text)));
                return Some(parameters);
            }
            _ => return None,
        }
        rest = others;
    }
    rest.is_none().then_some(parameters)
}

/// Percent-decodes `text`. What is not UTF-8 then cannot be carried in JSON, and is replaced.
pub(super) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn routes() -> Routes<&'static str> {
        let all = [
            "GET /notes",
            "POST /notes",
            "GET /notes/{id}",
            "ANY /notes/{id}",
            "GET /notes/new",
            "GET /notes/{id}/files/{file}",
            "GET /files/{path+}",
            "ANY /{proxy+}",
            "GET /",
            "GET /{a}/end",
            "GET /notes/{id}/end",
        ];
        let split = |key: &'static str| {
            let (method, path) = key.split_once(' ').unwrap();
            (method.to_owned(), path.to_owned(), key)
        };
        Routes::new(all.into_iter().map(split).collect()).unwrap()
    }

    fn found(method: &str, path: &str) -> Option<(&'static str, Vec<(String, String)>)> {
        let routes = routes();
        let found = routes.find(&Method::from_bytes(method.as_bytes()).unwrap(), path)?;
        let parameters = found.parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Some((found.target, parameters))
    }

    #[test]
    fn the_most_specific_route_takes_a_request() {
        for (method, path, key) in [
            ("GET", "/notes", "GET /notes"),
            ("POST", "/notes", "POST /notes"),
            ("GET", "/notes/new", "GET /notes/new"),
            ("GET", "/notes/1", "GET /notes/{id}"),
            ("PUT", "/notes/1", "ANY /notes/{id}"),
            ("PUT", "/notes/new", "ANY /notes/{id}"),
            ("GET", "/notes/1/end", "GET /notes/{id}/end"),
            ("GET", "/files/a/b", "GET /files/{path+}"),
            ("GET", "/elsewhere", "ANY /{proxy+}"),
            ("GET", "/notes/", "ANY /{proxy+}"),
            ("GET", "/", "GET /"),
        ] {
            assert_eq!(found(method, path).map(|(key, _)| key), Some(key), "{method} {path}");
        }
        assert_eq!(found("POST", "/"), None);
    }

    #[test]
    fn parameters_are_decoded_after_the_path_is_split() {
        let (_, parameters) = found("GET", "/notes/a%2Fb/files/caf%C3%A9").unwrap();
        assert_eq!(parameters, [("id".into(), "a/b".into()), ("file".into(), "café".into())]);
        let (_, parameters) = found("GET", "/files/a/b%20c").unwrap();
        assert_eq!(parameters, [("path".into(), "a/b c".into())]);
    }

    #[test]
    fn the_default_route_takes_what_no_other_does() {
        let routes = vec![("ANY".into(), "$default".into(), 1), ("GET".into(), "/{proxy+}".into(), 2)];
        let routes = Routes::new(routes).unwrap();
        assert_eq!(routes.find(&Method::GET, "/a").map(|found| *found.target), Some(2));
        assert_eq!(routes.find(&Method::POST, "/a").map(|found| *found.target), Some(1));
    }

    #[test]
    fn paths_that_cannot_be_routed_are_refused() {
        for path in ["notes", "/{}", "/{a+}/b", "/a{b}", "/{a", ""] {
            assert!(parse_path(path).is_err(), "{path}");
        }
        let twice = vec![("GET".into(), "/{a}".into(), ()), ("GET".into(), "/{b}".into(), ())];
        assert!(matches!(Routes::new(twice), Err(GatewayError::Duplicate(_))));
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "\\PC{0,40}|[/%a-f0-9{}]{0,40}") {
            let _ = routes().find(&Method::GET, &path);
        }
    }
}
