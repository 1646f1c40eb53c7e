//! Turns every resource of a template into its part of the plan.

use super::fields::Fields;
use super::problem::{Place, suggestion};
use super::scope::Scope;
use super::source::Resource;
use super::{catalog, checks, data, events, functions, http_api, mail, notifications, roles, secret};
use crate::app::{App, EventDestination};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A resource's physical name and, where its type has one, ARN.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) arn: String,
}

/// Parts of a function that SAM makes resources of their own, which nothing refers to: what they refer to closes no
/// circle through the function.
const LEAVES: [&str; 3] = ["DeploymentPreference", "EventInvokeConfig", "Events"];

/// Gathers what can only be put together when every resource was seen.
pub(super) struct Planner<'s> {
    scope: &'s Scope<'s>,
    directory: &'s Path,
    app: App,
    default_authorizer: Option<String>,
    routes: Vec<http_api::PlannedRoute<'s>>,
    destinations: Vec<(Place, String, EventDestination)>,
    /// Buckets that call functions.
    calls: Vec<notifications::Call>,
    roles: roles::Roles,
    /// Logical ids of buckets, by name.
    buckets: BTreeMap<String, String>,
    /// Resource → the resources that must be there before it.
    dependencies: BTreeMap<String, BTreeSet<String>>,
}

/// Resolves and plans everything in the scope's template.
pub(super) fn plan<'s>(scope: &'s Scope<'s>, directory: &'s Path) -> App {
    let mut planner = Planner {
        scope,
        directory,
        app: App::default(),
        default_authorizer: None,
        routes: Vec::new(),
        destinations: Vec::new(),
        calls: Vec::new(),
        roles: roles::Roles::default(),
        buckets: BTreeMap::new(),
        dependencies: BTreeMap::new(),
    };
    // Functions last: what they may do is said by roles.
    let is_function = |resource: &Resource| resource.kind == "AWS::Serverless::Function";
    let (functions, others): (Vec<_>, Vec<_>) =
        scope.template.resources.iter().partition(|(_, resource)| is_function(resource));
    for (id, resource) in others.into_iter().chain(functions) {
        if scope.exists(resource) {
            planner.resource(id, resource);
        }
    }
    planner.finish()
}

impl<'s> Planner<'s> {
    fn resource(&mut self, id: &str, resource: &'s Resource) {
        let place = resource.place(id);
        let properties = self.resolved(id, resource, &place);
        if catalog::reason_without_effect(&resource.kind).is_some() {
            return;
        }
        if !catalog::TYPES.contains(&resource.kind.as_str()) {
            let hint = suggestion(&resource.kind, catalog::TYPES);
            let message = format!("the laptop cloud does not know resources of type {}{hint}", resource.kind);
            self.scope.problems.add(place, message);
            return;
        }
        let Some(name) = self.scope.physical_name(id, resource) else {
            return;
        };
        match resource.kind.as_str() {
            "AWS::IAM::ManagedPolicy" => {
                let fields = Fields::new(place, properties, self.scope.problems);
                return self.roles.managed_policy(name, fields);
            }
            "AWS::IAM::Role" => {
                let arn = self.scope.attribute_of(id, resource, "Arn", &place).unwrap_or_default();
                let fields = Fields::new(place, properties, self.scope.problems);
                return self.roles.role(arn, fields);
            }
            _ => {}
        }
        let arn = self.scope.arn_of(&resource.kind, &name).unwrap_or_default();
        let fields = Fields::new(place, properties, self.scope.problems);
        self.known(id, resource, Named { name, arn }, fields);
    }

    fn known(&mut self, id: &str, resource: &'s Resource, named: Named, fields: Fields<'s>) {
        match resource.kind.as_str() {
            "AWS::DynamoDB::Table" => self.app.tables.push(data::table(named, fields)),
            "AWS::Serverless::SimpleTable" => self.app.tables.push(data::simple_table(named, fields)),
            "AWS::SQS::Queue" => {
                let url = self.scope.settings.queue_url(&named.name);
                self.app.queues.push(data::queue(named, url, fields));
            }
            "AWS::S3::Bucket" => {
                self.buckets.insert(named.name.clone(), id.to_owned());
                let (bucket, calls) = data::bucket(named, fields);
                self.app.buckets.push(bucket);
                self.calls.extend(calls);
            }
            "AWS::SNS::Topic" => {
                let (topic, subscriptions) = mail::topic(named, fields);
                self.app.topics.push(topic);
                self.app.subscriptions.extend(subscriptions);
            }
            "AWS::SNS::Subscription" => self.app.subscriptions.extend(mail::subscription(fields)),
            "AWS::SES::EmailIdentity" => self.app.identities.extend(mail::identity(fields)),
            "AWS::SES::ConfigurationSet" => {
                mail::configuration_set(fields);
                let set = crate::app::ConfigurationSet { name: named.name, destinations: Vec::new() };
                self.app.configuration_sets.push(set);
            }
            "AWS::SES::ConfigurationSetEventDestination" => {
                let place = fields.place.clone();
                let destination = mail::event_destination(id, fields);
                self.destinations.extend(destination.map(|(set, destination)| (place, set, destination)));
            }
            "AWS::SecretsManager::Secret" => {
                secret::specification(fields);
            }
            "AWS::Serverless::HttpApi" => self.api(named, fields),
            _ => self.function(id, resource, named, fields),
        }
    }

    /// The properties without intrinsics; notes what they refer to.
    fn resolved(&mut self, id: &str, resource: &Resource, place: &Place) -> Value {
        let scope = self.scope;
        scope.take_references();
        let mut dependencies: BTreeSet<String> = resource.depends_on.iter().cloned().collect();
        for other in dependencies.iter().filter(|other| !scope.template.resources.contains_key(*other)) {
            let hint = suggestion(other, scope.template.resources.keys().map(String::as_str));
            scope.problems.add(place, format_args!("DependsOn: {other:?} is no resource{hint}"));
        }
        let is_function = resource.kind == "AWS::Serverless::Function";
        let mut properties = serde_json::Map::new();
        for (key, value) in &resource.properties {
            if let Some(value) = scope.resolve(value, &place.key(key)) {
                properties.insert(key.clone(), secret::with_secrets(scope, value, &place.key(key)));
            }
            let references = scope.take_references();
            if !(is_function && LEAVES.contains(&key.as_str())) {
                dependencies.extend(references);
            }
        }
        self.dependencies.entry(id.to_owned()).or_default().extend(dependencies);
        Value::Object(properties)
    }

    fn api(&mut self, named: Named, fields: Fields<'s>) {
        if self.app.http_api.is_some() {
            let message = "the laptop cloud runs one HttpApi, and this is the second";
            fields.wrong_at(&fields.place, message);
        }
        let (api, default_authorizer) = http_api::api(named.name, fields);
        self.app.http_api = Some(api);
        self.default_authorizer = default_authorizer;
    }

    fn function(&mut self, id: &str, resource: &'s Resource, named: Named, mut fields: Fields<'s>) {
        for (name, mut event) in fields.named_objects("Events") {
            event.require("Type");
            let kind = event.text("Type");
            let properties = event.take("Properties").unwrap_or_else(|| Value::Object(Default::default()));
            let properties = event.of("Properties", properties);
            match kind.as_deref() {
                None => {}
                Some("HttpApi") => self.routes.extend(http_api::route(id, properties)),
                Some(kind) => {
                    let settings = self.scope.settings;
                    let (region, account) = (&settings.region, &settings.account);
                    let source = events::Event { function: id, name: &name, region, account };
                    match kind {
                        "S3" => self.calls.extend(notifications::event(&source, properties)),
                        _ => events::event(&source, kind, &event, properties, &mut self.app),
                    }
                }
            }
            event.finish();
        }
        if fields.has("Role") {
            self.app.with_own_role.insert(named.name.clone());
        }
        let policies = self.roles.of_function(self.scope, &mut fields);
        let metadata = self.scope.resolve(&resource.metadata, &resource.place(id).key("Metadata"));
        let metadata = fields.of("Metadata", metadata.unwrap_or_default());
        self.app.functions.push(functions::function(named, fields, metadata, self.directory, policies));
    }

    fn finish(mut self) -> App {
        self.attach_routes();
        for (place, set, destination) in std::mem::take(&mut self.destinations) {
            match self.app.configuration_sets.iter_mut().find(|candidate| candidate.name == set) {
                Some(set) => set.destinations.push(destination),
                None => {
                    let message =
                        format!("ConfigurationSetName: {set:?} is no configuration set of this template");
                    self.scope.problems.add(place, message);
                }
            }
        }
        self.attach_calls();
        checks::circles(&self.dependencies, self.scope.problems);
        checks::targets(&self.app, self.scope.problems);
        checks::rights(&self.app, self.scope.problems);
        self.outputs();
        self.answer_here();
        self.app
    }

    fn attach_routes(&mut self) {
        let Some(api) = &mut self.app.http_api else { return };
        // The API's definition names the functions of its routes.
        let functions = self.routes.iter().map(|planned| planned.route.function.clone());
        for (id, resource) in &self.scope.template.resources {
            if resource.kind == "AWS::Serverless::HttpApi" {
                self.dependencies.entry(id.clone()).or_default().extend(functions.clone());
            }
        }
        http_api::attach(api, self.default_authorizer.as_deref(), std::mem::take(&mut self.routes));
    }

    /// A bucket that calls a function needs it to be there.
    fn attach_calls(&mut self) {
        let calls = std::mem::take(&mut self.calls);
        for call in &calls {
            if let Some(bucket) = self.buckets.get(&call.bucket) {
                self.dependencies.entry(bucket.clone()).or_default().insert(call.function.clone());
            }
        }
        notifications::attach(&mut self.app, self.scope, calls);
    }

    fn outputs(&mut self) {
        for (name, definition) in &self.scope.template.outputs {
            let place = Place::new(format!("output {name}"));
            let Value::Object(definition) = definition else {
                self.scope.problems.add(place, "it is not a mapping");
                continue;
            };
            let condition = definition.get("Condition").and_then(Value::as_str);
            if condition.is_some_and(|condition| self.scope.condition(condition, &place) == Some(false)) {
                continue;
            }
            let rest = definition.iter().filter(|(key, _)| *key != "Value");
            let rest = rest.map(|(key, value)| (key.clone(), value.clone())).collect();
            let mut fields = Fields::new(place.clone(), Value::Object(rest), self.scope.problems);
            fields.without_effect(&["Condition", "Description", "Export"]);
            fields.finish();
            match definition.get("Value") {
                None => self.scope.problems.add(place, "it has no Value"),
                Some(value) => {
                    let value = self.scope.resolve_text(value, &place.key("Value"));
                    self.app.outputs.extend(value.map(|value| (name.clone(), value)));
                }
            }
        }
    }

    /// The API answers at the host's own address, whatever it is called in the cloud.
    fn answer_here(&mut self) {
        let Some(api) = &self.app.http_api else { return };
        let settings = self.scope.settings;
        let suffix = settings.url_suffix();
        let deployed = format!("https://{}.execute-api.{}.{suffix}", api.id, settings.region);
        let environments =
            self.app.functions.iter_mut().flat_map(|function| function.environment.values_mut());
        for value in environments.chain(self.app.outputs.values_mut()) {
            if value.contains(&deployed) {
                *value = value.replace(&deployed, &settings.api_url);
            }
        }
    }
}
