//! Reads a SAM template and resolves it into an [`App`]: parameters, conditions, intrinsic functions, `Globals`, and
//! every resource with its properties. What is unknown, dangling or out of range is an error; all are told at once.

mod catalog;
mod checks;
mod data;
mod events;
mod fields;
mod functions;
mod globals;
mod http_api;
mod intrinsics;
mod mail;
mod names;
mod notifications;
mod parameters;
mod problem;
mod resources;
mod roles;
mod scope;
mod secret;
mod source;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use checks::asked_by_lambda;
pub(crate) use names::stream_arn;
pub use problem::TemplateErrors;
pub use secret::{SecretError, SecretSpec};

use crate::app::App;
use problem::Problems;
use scope::Scope;
use std::collections::BTreeMap;
use std::path::Path;

/// Gives the value of the secret with a logical id: the same one each time.
pub type Secrets<'a> = dyn Fn(&str, &SecretSpec) -> Result<String, SecretError> + 'a;

/// What a template does not say of itself.
#[derive(Clone)]
pub struct Settings<'a> {
    /// For example `us-east-1`.
    pub region: String,
    /// The twelve-digit account number.
    pub account: String,
    /// Names of tables, queues and the like begin with it.
    pub stack_name: String,
    /// Where the AWS endpoint is, without a slash at the end: queue URLs begin with it.
    pub endpoint: String,
    /// The host's own OpenID issuer. A parameter that is left open and stands as a JWT authorizer's `issuer` gets it.
    pub local_issuer: String,
    /// Where the HTTP API answers, without a slash at the end. It takes the place of the `execute-api` address.
    pub api_url: String,
    /// Values of parameters, over their defaults.
    pub parameters: BTreeMap<String, String>,
    /// Where secrets come from; [`SecretSpec::persisted`] and [`SecretSpec::generate`] are the two ways.
    pub secret: &'a Secrets<'a>,
}

impl Settings<'_> {
    /// The URL that `Ref` of a queue comes to.
    fn queue_url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.endpoint, self.account)
    }

    fn partition(&self) -> &'static str {
        match &self.region {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    fn url_suffix(&self) -> &'static str {
        if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
    }
}

/// Reads and resolves the template at `path`. Code is looked for beside it.
///
/// # Errors
/// Everything that is wrong with the template, each naming the resource and property.
pub fn load(path: &Path, settings: &Settings<'_>) -> Result<App, TemplateErrors> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| TemplateErrors::one(format!("{} cannot be read: {error}", path.display())))?;
    resolve(&text, path.parent().unwrap_or(Path::new("")), settings)
}

/// Resolves the text of a template whose code is in `directory`.
///
/// # Errors
/// Like [`load`].
pub fn resolve(text: &str, directory: &Path, settings: &Settings<'_>) -> Result<App, TemplateErrors> {
    let problems = Problems::default();
    let template = source::parse(text, &problems)?;
    let scope = Scope::new(&template, settings, &problems);
    scope.check_conditions();
    let app = resources::plan(&scope, directory);
    drop(scope);
    problems.into_result(app)
}
