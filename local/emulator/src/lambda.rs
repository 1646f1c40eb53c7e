//! Lambda's `Invoke` for functions that whoever embeds the emulator runs: asynchronous invocations (`Event`) and no others.

use crate::wire::{self, ServiceError};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

/// The functions that can be invoked.
pub trait Functions: Send + Sync {
    /// Accepts an asynchronous invocation of a function, by its name: it is kept before this returns.
    ///
    /// # Errors
    /// When there is no such function, or it does not take the event.
    fn accept(&self, function: &str, event: &Bytes) -> Result<(), Refused>;
}

/// Why an invocation is not accepted, as Lambda says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    /// Such as `ResourceNotFoundException`.
    pub code: &'static str,
    pub message: String,
}

/// The one operation there is.
pub(crate) const OPERATION: &str = "Invoke";

/// The function that a request's path means to invoke: a name, or an ARN whole or in part.
pub(crate) fn invoked(method: &Method, path: &str) -> Option<String> {
    let function = path.strip_prefix("/2015-03-31/functions/")?.strip_suffix("/invocations")?;
    let function = percent_decode_str(function).decode_utf8().ok()?;
    (*method == Method::POST && !function.contains('/')).then(|| function.into_owned())
}

/// Answers `Invoke` of `function`: a name, or an ARN whole or in part. Its version or alias is not looked at: there is one.
pub fn invoke(functions: &dyn Functions, function: &str, headers: &HeaderMap, event: &Bytes) -> Response {
    let mode = headers.get("x-amz-invocation-type").and_then(|mode| mode.to_str().ok());
    let accepted = match mode.unwrap_or("RequestResponse") {
        "Event" => functions.accept(name(function), event).map_err(|refused| ServiceError {
            status: refused.status,
            code: refused.code.into(),
            message: refused.message,
        }),
        other => {
            let message =
                format!("invocations of the type {other} are not served here, only of the type Event");
            Err(ServiceError::sender("InvalidParameterValueException", message))
        }
    };
    match accepted {
        Ok(()) => wire::respond(202, "application/json", Bytes::new()),
        Err(error) => wire::rest_json_error(&error),
    }
}

/// The name in `name:version`, `account:function:name:version` and `arn:aws:lambda:…:function:name:version`.
fn name(function: &str) -> &str {
    let name = function.split_once("function:").map_or(function, |(_, name)| name);
    name.split(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Accepting(Mutex<Vec<(String, Bytes)>>);

    impl Functions for Accepting {
        fn accept(&self, function: &str, event: &Bytes) -> Result<(), Refused> {
            if function == "gone" {
                let (code, message) = ("ResourceNotFoundException", "gone".to_owned());
                return Err(Refused { status: 404, code, message });
            }
            self.0.lock().unwrap().push((function.to_owned(), event.clone()));
            Ok(())
        }
    }

    #[test]
    fn a_function_is_named_in_every_way_that_lambda_knows() {
        let arn = "arn%3Aaws%3Alambda%3Aeu-west-1%3A12%3Afunction%3Areport";
        for named in ["report", "report%3A%24LATEST", "12%3Afunction%3Areport", arn, &format!("{arn}%3Alive")]
        {
            let path = format!("/2015-03-31/functions/{named}/invocations");
            assert_eq!(name(&invoked(&Method::POST, &path).unwrap()), "report", "{named}");
        }
        for path in ["/2015-03-31/functions/report", "/2015-03-31/functions/a/b/invocations", "/"] {
            assert_eq!(invoked(&Method::POST, path), None, "{path}");
        }
        assert_eq!(invoked(&Method::GET, "/2015-03-31/functions/report/invocations"), None);
    }

    #[test]
    fn only_asynchronous_invocations_are_accepted() {
        let functions = Accepting::default();
        let of_type = |mode: &'static str| {
            HeaderMap::from_iter([("x-amz-invocation-type".parse().unwrap(), mode.parse().unwrap())])
        };
        let event = Bytes::from_static(b"{\"a\":1}");
        assert_eq!(invoke(&functions, "report:live", &of_type("Event"), &event).status(), 202);
        assert_eq!(*functions.0.lock().unwrap(), [("report".to_owned(), event.clone())]);
        for headers in [HeaderMap::new(), of_type("RequestResponse"), of_type("DryRun")] {
            assert_eq!(invoke(&functions, "report", &headers, &event).status(), 400);
        }
        let refused = invoke(&functions, "gone", &of_type("Event"), &event);
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["x-amzn-errortype"]),
            (404, &"ResourceNotFoundException".parse().unwrap())
        );
        assert_eq!(functions.0.lock().unwrap().len(), 1);
    }
}
