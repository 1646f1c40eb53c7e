//! `AWS::Serverless::HttpApi`, and the `HttpApi` events that are its routes.

use super::catalog::without_effect;
use super::fields::Fields;
use crate::app::{Cors, HttpApi, JwtAuthorizer, Route, Throttle};
use serde_json::Value;
use std::collections::BTreeMap;

/// The API as a resource: everything but its routes, and its default authorizer.
pub(super) fn api(id: String, mut fields: Fields<'_>) -> (HttpApi, Option<String>) {
    let (authorizers, default_authorizer) = fields.object("Auth").map(auth).unwrap_or_default();
    let cors = cors(&mut fields);
    let throttle = fields.object("DefaultRouteSettings").and_then(throttle);
    if let Some(stage) = fields.text("StageName").filter(|stage| stage != "$default") {
        fields
            .wrong::<()>("StageName", format_args!("stage {stage} is not supported: there is only $default"));
    }
    fields.unsupported(&[
        ("DefinitionBody", "write routes as HttpApi events of functions"),
        ("DefinitionUri", "write routes as HttpApi events of functions"),
        ("Domain", "the API answers on a loopback port"),
        ("FailOnWarnings", "nothing is imported"),
        ("RouteSettings", "DefaultRouteSettings is for all routes"),
        ("StageVariables", "there is only the stage $default"),
    ]);
    fields.without_effect(&without_effect::HTTP_API);
    fields.finish();
    (HttpApi { id, routes: Vec::new(), authorizers, cors, throttle }, default_authorizer)
}

fn auth(mut fields: Fields<'_>) -> (BTreeMap<String, JwtAuthorizer>, Option<String>) {
    let default = fields.text("DefaultAuthorizer");
    let mut authorizers = BTreeMap::new();
    for (name, authorizer) in fields.named_objects("Authorizers") {
        authorizers.extend(jwt_authorizer(authorizer).map(|authorizer| (name, authorizer)));
    }
    if let Some(name) = default.as_ref().filter(|name| !authorizers.contains_key(*name)) {
        fields.wrong::<()>("DefaultAuthorizer", format_args!("{name:?} is no JWT authorizer of this API"));
    }
    if fields.flag("EnableIamAuthorizer") == Some(true) {
        fields.wrong::<()>("EnableIamAuthorizer", "not supported by the laptop cloud: use a JWT authorizer");
    }
    fields.finish();
    (authorizers, default)
}

fn jwt_authorizer(mut fields: Fields<'_>) -> Option<JwtAuthorizer> {
    let hint = "use a JWT authorizer (JwtConfiguration)";
    fields.unsupported(&[
        ("AuthorizerPayloadFormatVersion", hint),
        ("AuthorizerResultTtlInSeconds", hint),
        ("EnableFunctionDefaultPermissions", hint),
        ("EnableSimpleResponses", hint),
        ("FunctionArn", hint),
        ("FunctionInvokeRole", hint),
        ("Identity", hint),
    ]);
    let identity_source =
        fields.text("IdentitySource").unwrap_or_else(|| "$request.header.Authorization".to_owned());
    let scopes = fields.texts("AuthorizationScopes");
    fields.require("JwtConfiguration");
    let configuration = fields.object("JwtConfiguration");
    fields.finish();
    let mut configuration = configuration?;
    let issuer = configuration.required_text("issuer");
    configuration.require("audience");
    // SAM takes one audience as text, too.
    let audience = match configuration.take("audience") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    configuration.finish();
    Some(JwtAuthorizer { issuer: issuer?, audience, identity_source, scopes })
}

/// `CorsConfiguration`: a mapping, or `true` for every origin and method.
fn cors(fields: &mut Fields<'_>) -> Option<Cors> {
    let every = || vec!["*".to_owned()];
    match fields.take("CorsConfiguration")? {
        Value::Bool(false) => None,
        Value::Bool(true) => Some(Cors { allow_origins: every(), ..Cors::default() }),
        value => {
            let mut cors = fields.of("CorsConfiguration", value);
            let configuration = Cors {
                allow_origins: cors.texts("AllowOrigins"),
                allow_methods: cors.texts("AllowMethods"),
                allow_headers: cors.texts("AllowHeaders"),
                expose_headers: cors.texts("ExposeHeaders"),
                max_age: cors.count("MaxAge", 0..=86_400),
                allow_credentials: cors.flag("AllowCredentials").unwrap_or_default(),
            };
            if configuration.allow_credentials
                && configuration.allow_origins.iter().any(|origin| origin == "*")
            {
                cors.wrong::<()>("AllowCredentials", "API Gateway refuses it together with the origin *");
            }
            cors.finish();
            Some(configuration)
        }
    }
}

fn throttle(mut fields: Fields<'_>) -> Option<Throttle> {
    let burst = fields.count("ThrottlingBurstLimit", 0..=i64::from(u32::MAX));
    let rate = fields.number("ThrottlingRateLimit");
    fields.without_effect(&without_effect::ROUTE_SETTINGS);
    fields.finish();
    match (rate, burst) {
        (None, None) => None,
        // Either alone keeps the account's default for the other.
        (rate, burst) => Some(Throttle { rate: rate.unwrap_or(10_000.0), burst: burst.unwrap_or(5_000) }),
    }
}

const METHODS: [&str; 8] = ["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// A route before its API is known to be there.
pub(super) struct PlannedRoute<'a> {
    pub(super) api_id: Option<String>,
    pub(super) route: Route,
    /// What the event says of its authorizer; the API's default otherwise.
    pub(super) authorizer: Option<String>,
    pub(super) fields: Fields<'a>,
}

/// An `HttpApi` event. Neither `Path` nor `Method`: the API's `$default` route.
pub(super) fn route<'a>(function: &str, mut fields: Fields<'a>) -> Option<PlannedRoute<'a>> {
    let api_id = fields.text("ApiId");
    let catch_all = !fields.has("Path") && !fields.has("Method");
    let (path, method) = if catch_all {
        (Some("$default".to_owned()), Some("ANY".to_owned()))
    } else {
        (fields.required_text("Path"), fields.required_text("Method"))
    };
    let method = method.map(|method| match method.to_uppercase().as_str() {
        "*" | "X-AMAZON-APIGATEWAY-ANY-METHOD" => "ANY".to_owned(),
        method => method.to_owned(),
    });
    if let Some(method) = method.as_ref().filter(|method| !METHODS.contains(&method.as_str())) {
        fields.wrong::<()>("Method", format_args!("{method:?} is not one of: {}", METHODS.join(", ")));
    }
    if let Some(path) = path.as_ref().filter(|path| !path.starts_with('/') && *path != "$default") {
        fields.wrong::<()>("Path", format_args!("{path:?} does not begin with /"));
    }
    let authorizer = fields.object("Auth").and_then(|mut auth| {
        auth.unsupported(&[("AuthorizationScopes", "give them to the authorizer")]);
        let authorizer = auth.text("Authorizer");
        auth.finish();
        authorizer
    });
    if let Some(version) = fields.text("PayloadFormatVersion").filter(|version| version != "2.0") {
        fields.wrong::<()>("PayloadFormatVersion", format_args!("{version} is not supported: only 2.0 is"));
    }
    fields.unsupported(&[("RouteSettings", "the API's DefaultRouteSettings is for all routes")]);
    // The function's own timeout comes first: this one can only be shorter than the gateway's 30 s.
    fields.without_effect(&["TimeoutInMillis"]);
    let (path, method) = (path?, method?);
    let route = Route { method, path, function: function.to_owned(), authorizer: None };
    Some(PlannedRoute { api_id, route, authorizer, fields })
}

/// Puts routes into their API, telling what does not fit.
pub(super) fn attach(api: &mut HttpApi, default_authorizer: Option<&str>, routes: Vec<PlannedRoute<'_>>) {
    for PlannedRoute { api_id, mut route, authorizer, fields } in routes {
        if let Some(other) = api_id.filter(|id| *id != api.id) {
            fields.wrong::<()>("ApiId", format_args!("{other:?} is not the API of this template"));
        }
        route.authorizer = match authorizer.as_deref().or(default_authorizer) {
            None | Some("NONE") => None,
            Some(name) if !api.authorizers.contains_key(name) => {
                if authorizer.is_some() {
                    fields
                        .wrong::<()>("Auth.Authorizer", format_args!("{name:?} is no authorizer of the API"));
                }
                None
            }
            Some(name) => Some(name.to_owned()),
        };
        let Route { method, path, .. } = &route;
        let same = |other: &&Route| other.method == *method && shape(&other.path) == shape(path);
        match api.routes.iter().find(same) {
            Some(other) => {
                let message = format!("{method} {path} is a route of {} already", other.function);
                fields.wrong_at(&fields.place, message);
            }
            None => api.routes.push(route),
        }
        fields.finish();
    }
}

/// A path without the names of its parameters: `/a/{x}` and `/a/{y}` are one route.
fn shape(path: &str) -> String {
    let segment = |part: &str| match (part.starts_with('{'), part.ends_with("+}")) {
        (true, true) => "{+}".to_owned(),
        (true, false) => "{}".to_owned(),
        _ => part.to_owned(),
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}
