//! Which methods each path takes, by the contract.

use serde_json::{Map, Value};

/// What may stand under a path of an OpenAPI document, of the methods that we use.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The contract's paths, each with what its `Allow` header lists.
pub(crate) struct Methods(Vec<(String, String)>);

impl Methods {
    /// Reads an OpenAPI document in JSON.
    pub(crate) fn of_contract(json: &str) -> Self {
        // The build made it from openapi.yaml, so that it can be read.
        let document: Value = serde_json::from_str(json).unwrap_or_default();
        let paths = document["paths"].as_object().into_iter().flatten();
        Self(paths.map(|(path, item)| (path.clone(), allowed(item.as_object()))).collect())
    }

    /// The methods of the path that `target` is one of, as `Allow` lists them.
    pub(crate) fn of(&self, target: &str) -> Option<String> {
        self.0.iter().find(|(path, _)| fits(path, target)).map(|(_, allowed)| allowed.clone())
    }
}

fn allowed(item: Option<&Map<String, Value>>) -> String {
    let takes = |method: &&str| item.is_some_and(|item| item.contains_key(*method));
    METHODS.into_iter().filter(takes).map(str::to_uppercase).collect::<Vec<_>>().join(", ")
}

/// Whether `target` is `path` with something in place of each `{parameter}`.
fn fits(path: &str, target: &str) -> bool {
    let (path, target): (Vec<_>, Vec<_>) = (path.split('/').collect(), target.split('/').collect());
    path.len() == target.len()
        && path.iter().zip(target).all(|(expected, text)| {
            if expected.starts_with('{') { !text.is_empty() } else { *expected == text }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONTRACT: &str =
        r#"{"paths":{"/a":{"post":{},"get":{},"parameters":[]},"/a/{id}/b":{"delete":{}}}}"#;

    #[test]
    fn a_path_has_the_methods_that_the_contract_gives_it() {
        let methods = Methods::of_contract(CONTRACT);
        assert_eq!(methods.of("/a").as_deref(), Some("GET, POST"));
        assert_eq!(methods.of("/a/1/b").as_deref(), Some("DELETE"));
        for none in ["", "/", "/a/", "/a/1", "/a//b", "/a/1/b/", "/A"] {
            assert_eq!(methods.of(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn no_target_panics(target in "\\PC{0,40}|[/a-z{}]{0,20}") {
            let _ = Methods::of_contract(CONTRACT).of(&target);
        }
    }
}
