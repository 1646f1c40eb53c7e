"""The HTTP API and the e-mail."""
import json

from .reading import named
from .registry import check

# What may be called without a token, and why it may: the smoke test, the contract, links in e-mails, and what is no route.
OPEN = {
    ("get", "/hello"),
    ("get", "/openapi.json"),
    ("get", "/unsubscribe"),
    ("post", "/unsubscribe"),
    ("x-amazon-apigateway-any-method", "$default"),
}


def written_apis(template):
    for name, resource in template.written["Resources"].items():
        if resource["Type"] == "AWS::Serverless::HttpApi":
            yield name, resource["Properties"]


@check("cors-origins")
def cors_origins(template):
    """Origins are a list with an item for each: an intrinsic in its place makes SAM drop the whole block."""
    for name, api in written_apis(template):
        origins = api.get("CorsConfiguration", {}).get("AllowOrigins")
        if not isinstance(origins, list):
            yield f"{name}: AllowOrigins is not written as a list"
        elif "*" in [template.value(origin) for origin in origins]:
            yield f"{name}: AllowOrigins lets every page in"
        deployed = template.properties(name).get("Body", {}).get("x-amazon-apigateway-cors", {})
        if isinstance(origins, list) and deployed.get("allowOrigins") != [template.value(origin) for origin in origins]:
            yield f"{name}: the deployed API has no such origins"


@check("cors-headers")
def cors_headers(template):
    """A browser may send the headers of the contract, and read those of the answers."""
    for name, api in written_apis(template):
        cors = api.get("CorsConfiguration", {})
        for key, needed in (
            ("AllowHeaders", {"authorization", "content-type", "idempotency-key", "if-match", "if-none-match"}),
            ("ExposeHeaders", {"accept", "allow", "etag", "location", "retry-after"}),
        ):
            missing = needed - set(cors.get(key, []))
            if missing:
                yield f"{name}: {key} lacks {', '.join(sorted(missing))}"


@check("route-authorizer")
def route_authorizer(template):
    """Every route asks who calls, but for those that are open on purpose."""
    for name, api in template.of_type("AWS::ApiGatewayV2::Api").items():
        for path, methods in api["Body"]["paths"].items():
            for method, operation in methods.items():
                schemes = [scheme for security in operation.get("security", []) for scheme in security]
                is_open = not schemes or schemes == ["NONE"]
                if is_open and method != "options" and (method, path) not in OPEN:
                    yield f"{name}: {method.upper()} {path} has no authorizer"


@check("throttling")
def throttling(template):
    """The API lets a bounded number of requests through."""
    for name, stage in template.of_type("AWS::ApiGatewayV2::Stage").items():
        settings = stage.get("DefaultRouteSettings", {})
        for key in ("ThrottlingBurstLimit", "ThrottlingRateLimit"):
            if not template.value(settings.get(key)):
                yield f"{name}: no {key}"


@check("access-log")
def access_log(template):
    """Requests are logged as JSON, without what tells of people."""
    for name, stage in template.of_type("AWS::ApiGatewayV2::Stage").items():
        settings = stage.get("AccessLogSettings", {})
        if template.kind(named(settings.get("DestinationArn"))) != "AWS::Logs::LogGroup":
            yield f"{name}: no log group as AccessLogSettings.DestinationArn"
        try:
            fields = json.loads(settings.get("Format", "")).values()
        except ValueError as error:
            yield f"{name}: its log's Format is not JSON: {error}"
            continue
        private = [f for f in fields if "identity" in f or f in ("$context.path", "$context.authorizer.claims.email")]
        if private:
            yield f"{name}: its log shows {', '.join(private)}"


@check("email-feedback")
def email_feedback(template):
    """Bounces and complaints come back: an account that does not hear them is closed."""
    for name, _ in template.of_type("AWS::SES::ConfigurationSet").items():
        told = [
            d["EventDestination"] for d in template.of_type("AWS::SES::ConfigurationSetEventDestination").values()
            if named(d["ConfigurationSetName"]) == name and d["EventDestination"].get("Enabled")
        ]
        topics = {named(d.get("SnsDestination", {}).get("TopicARN")) for d in told}
        heard = {event.lower() for d in told for event in d["MatchingEventTypes"]}
        if not {"bounce", "complaint"} <= heard:
            yield f"{name}: nobody hears of bounces and complaints"
        for topic in topics - {None}:
            if not template.service_may("AWS::SNS::TopicPolicy", topic, "ses.amazonaws.com", "sns:Publish"):
                yield f"{name}: no policy of {topic} lets SES publish"


@check("email-transport")
def email_transport(template):
    """E-mail is handed over encrypted, is counted, and never goes to who refused it."""
    for name, properties in template.of_type("AWS::SES::ConfigurationSet").items():
        if properties.get("DeliveryOptions", {}).get("TlsPolicy") != "REQUIRE":
            yield f"{name}: TlsPolicy is not REQUIRE"
        if not properties.get("ReputationOptions", {}).get("ReputationMetricsEnabled"):
            yield f"{name}: no ReputationMetricsEnabled, so the alarms on rates see nothing"
        if set(properties.get("SuppressionOptions", {}).get("SuppressedReasons", [])) != {"BOUNCE", "COMPLAINT"}:
            yield f"{name}: it does not suppress BOUNCE and COMPLAINT"
