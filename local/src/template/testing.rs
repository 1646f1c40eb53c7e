//! What the tests of this module share.

use super::problem::Problems;
use super::source::{self, Template};
use super::{SecretError, SecretSpec, Settings, TemplateErrors, resolve};
use crate::app::App;
use std::collections::BTreeMap;
use std::path::Path;

fn generated(_: &str, specification: &SecretSpec) -> Result<String, SecretError> {
    specification.generate()
}

pub(crate) fn settings() -> Settings<'static> {
    Settings {
        region: "us-east-1".to_owned(),
        account: "000000000000".to_owned(),
        stack_name: "test".to_owned(),
        endpoint: "http://localhost:4566".to_owned(),
        local_issuer: "http://localhost:3000/_local".to_owned(),
        api_url: "http://localhost:3000".to_owned(),
        parameters: BTreeMap::new(),
        secret: &generated,
    }
}

/// The sections of a template that may be incomplete.
pub(super) fn template(text: &str) -> Template {
    source::parse(text, &Problems::default()).unwrap()
}

pub(super) fn load(text: &str) -> Result<App, TemplateErrors> {
    resolve(text, Path::new("app"), &settings())
}

pub(super) fn outputs(text: &str) -> BTreeMap<String, String> {
    load(text).unwrap().outputs
}

/// A function `F` as a line of `Resources`, with variables in flow style.
pub(super) fn function(variables: &str) -> String {
    format!(
        "\n  F: {{Type: AWS::Serverless::Function, Properties: {{CodeUri: f, Runtime: provided.al2023, \
         Environment: {{Variables: {{{variables}}}}}}}}}\n"
    )
}
