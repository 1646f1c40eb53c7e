//! `AWS::Serverless::Function`, apart from its events.

use super::catalog::without_effect;
use super::fields::Fields;
use super::resources::Named;
use crate::app::{Asynchronous, Build, Function};
use emulator::access::Statement;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Takes everything from `fields` but `Events` and what `policies` come from, which the caller takes first.
pub(super) fn function(
    named: Named,
    mut fields: Fields<'_>,
    metadata: Fields<'_>,
    directory: &Path,
    policies: Vec<Statement>,
) -> Function {
    let environment = environment(&mut fields);
    let timeout = fields.count("Timeout", 1..=900).unwrap_or(3);
    let memory_megabytes = fields.count("MemorySize", 128..=10_240).unwrap_or(128);
    let mut asynchronous = asynchronous(&mut fields);
    asynchronous.dead_letter_queue = dead_letter_queue(&mut fields);
    runtime(&mut fields);
    let handler = fields.text("Handler").unwrap_or_else(|| "bootstrap".to_owned());
    let build = build(&mut fields, metadata, directory);
    fields.unsupported(&[
        ("DurableConfig", "functions run in one go"),
        ("FileSystemConfigs", "there are no network file systems"),
        ("FunctionUrlConfig", "use an HttpApi event"),
        ("ImageConfig", "functions are native binaries, not images"),
        ("ImageUri", "functions are native binaries, not images"),
        ("InlineCode", "functions are native binaries"),
        ("Layers", "functions are native binaries: link what they need"),
        ("SnapStart", "native binaries start fast as they are"),
        ("SourceKMSKeyArn", "code is not encrypted"),
        ("VersionDeletionPolicy", "there is one version"),
        ("CapacityProviderConfig", "there are no managed instances"),
    ]);
    fields.without_effect(&without_effect::FUNCTION);
    fields.finish();
    Function {
        name: named.name,
        arn: named.arn,
        handler,
        memory_megabytes,
        timeout: Duration::from_secs(timeout.into()),
        environment,
        build,
        asynchronous,
        policies,
    }
}

fn environment(fields: &mut Fields<'_>) -> BTreeMap<String, String> {
    let Some(mut environment) = fields.object("Environment") else {
        return BTreeMap::new();
    };
    let place = environment.place.key("Variables");
    let mut variables = BTreeMap::new();
    for (name, value) in environment.entries("Variables") {
        let valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !valid {
            let message = "a variable's name is a letter and then letters, digits and underscores";
            environment.wrong_at(&place.key(&name), message);
        } else if value.is_object() || value.is_array() {
            environment.wrong_at(&place.key(&name), "it must be text");
        } else {
            variables.insert(name, super::parameters::text(&value));
        }
    }
    environment.finish();
    variables
}

fn runtime(fields: &mut Fields<'_>) {
    fields.choice("PackageType", &["Zip"]);
    let runtime = fields.required_text("Runtime");
    if let Some(runtime) = runtime.filter(|runtime| !runtime.starts_with("provided")) {
        let message = "the laptop cloud runs native binaries (provided.al2023)";
        fields.wrong::<()>("Runtime", format_args!("{runtime} is not supported: {message}"));
    }
}

fn build(fields: &mut Fields<'_>, mut metadata: Fields<'_>, directory: &Path) -> Build {
    let code = fields.required_text("CodeUri").unwrap_or_else(|| ".".to_owned());
    if code.starts_with("s3://") {
        fields.wrong::<()>("CodeUri", "code is taken from a directory, not from a bucket");
    }
    let code = normalized(&directory.join(code));
    match metadata.text("BuildMethod") {
        None => Build::Prebuilt { bootstrap: code.join("bootstrap") },
        Some(method) if method == "rust-cargolambda" => cargo(code, metadata),
        Some(method) if method == "makefile" => Build::Make { directory: code },
        Some(method) => {
            let message = "is not supported by the laptop cloud: use rust-cargolambda or makefile, or build it yourself";
            metadata.wrong::<()>("BuildMethod", format_args!("{method} {message}"));
            Build::Prebuilt { bootstrap: code.join("bootstrap") }
        }
    }
}

fn cargo(workspace: PathBuf, mut metadata: Fields<'_>) -> Build {
    metadata.require("BuildProperties");
    let binary =
        metadata.object("BuildProperties").and_then(|mut properties| properties.required_text("Binary"));
    Build::Cargo { workspace, binary: binary.unwrap_or_default() }
}

/// Without `.`, so that functions of one workspace are seen to be of one.
fn normalized(path: &Path) -> PathBuf {
    let normalized: PathBuf = path.components().filter(|part| part.as_os_str() != ".").collect();
    if normalized.as_os_str().is_empty() { PathBuf::from(".") } else { normalized }
}

fn asynchronous(fields: &mut Fields<'_>) -> Asynchronous {
    let defaults = Asynchronous::default();
    let Some(mut config) = fields.object("EventInvokeConfig") else {
        return defaults;
    };
    let attempts = config.count("MaximumRetryAttempts", 0..=2).unwrap_or(defaults.maximum_retry_attempts);
    let age = config.count("MaximumEventAgeInSeconds", 60..=21_600);
    let on_failure = config.object("DestinationConfig").and_then(|mut destinations| {
        destinations.unsupported(&[("OnSuccess", "only failures have a destination")]);
        let on_failure = destinations.object("OnFailure").and_then(on_failure);
        destinations.finish();
        on_failure
    });
    config.finish();
    Asynchronous {
        maximum_retry_attempts: attempts,
        maximum_event_age: age.map_or(defaults.maximum_event_age, |age| Duration::from_secs(age.into())),
        on_failure,
        ..defaults
    }
}

/// `DeadLetterQueue`: where asynchronous invocations go that fail for good.
fn dead_letter_queue(fields: &mut Fields<'_>) -> Option<String> {
    let mut config = fields.object("DeadLetterQueue")?;
    config.require("Type");
    only_queues(&mut config);
    let target = config.required_text("TargetArn");
    config.finish();
    target
}

fn only_queues(fields: &mut Fields<'_>) {
    if let Some(kind) = fields.text("Type").filter(|kind| kind != "SQS") {
        let message = "is not supported by the laptop cloud: send failures to a queue (SQS) and give its ARN";
        fields.wrong::<()>("Type", format_args!("{kind} {message}"));
    }
}

/// The ARN of an `OnFailure` destination.
pub(super) fn on_failure(mut fields: Fields<'_>) -> Option<String> {
    only_queues(&mut fields);
    // SAM would make a queue of its own, which nobody could name.
    fields.require("Destination");
    let destination = fields.text("Destination");
    fields.finish();
    destination
}
