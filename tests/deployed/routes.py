"""Writes out the routes of an HTTP API as resources of their own, for an emulator that does not read them from the OpenAPI
document which SAM makes of a function's events.

What is written is taken from those events: their methods, paths and authorizers.
"""


def with_routes(template):
    """The template with an authorizer for each of its HTTP APIs' own, and a route and an integration for each event."""
    resources = template["Resources"]
    added = {}
    for name, resource in resources.items():
        if resource["Type"] == "AWS::Serverless::HttpApi":
            added |= authorizers(name, resource["Properties"])
        if resource["Type"] == "AWS::Serverless::Function":
            added |= function_routes(name, resource["Properties"], resources)
    return {**template, "Resources": {**resources, **added}}


def authorizers(api, properties):
    """Each authorizer that the API names."""
    return {
        f"{api}{name}Authorizer": {
            "Type": "AWS::ApiGatewayV2::Authorizer",
            "Properties": {
                "ApiId": {"Ref": api},
                "AuthorizerType": "JWT",
                "Name": name,
                "IdentitySource": [written["IdentitySource"]],
                "JwtConfiguration": {key.capitalize(): value for key, value in written["JwtConfiguration"].items()},
            },
        }
        for name, written in properties.get("Auth", {}).get("Authorizers", {}).items()
    }


def function_routes(function, properties, resources):
    events = {name: event for name, event in properties.get("Events", {}).items() if event["Type"] == "HttpApi"}
    added = {}
    for name, event in events.items():
        api = event["Properties"]["ApiId"]["Ref"]
        integration = f"{function}{api}Integration"
        added[integration] = lambda_proxy(api, function)
        added[f"{function}{name}Route"] = route(api, integration, event["Properties"], resources[api]["Properties"])
    return added


def lambda_proxy(api, function):
    called = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function}/invocations"
    return {
        "Type": "AWS::ApiGatewayV2::Integration",
        "Properties": {
            "ApiId": {"Ref": api},
            "IntegrationType": "AWS_PROXY",
            "IntegrationUri": {"Fn::Sub": [called, {"Function": {"Ref": f"{function}.Alias"}}]},
            "PayloadFormatVersion": "2.0",
        },
    }


def route(api, integration, event, api_properties):
    key = f"{event['Method']} {event['Path']}" if "Path" in event else "$default"
    properties = {
        "ApiId": {"Ref": api},
        "RouteKey": key,
        "Target": {"Fn::Sub": ["integrations/${Id}", {"Id": {"Ref": integration}}]},
    }
    name = event.get("Auth", {}).get("Authorizer", api_properties.get("Auth", {}).get("DefaultAuthorizer", "NONE"))
    if name != "NONE":
        properties |= {"AuthorizationType": "JWT", "AuthorizerId": {"Ref": f"{api}{name}Authorizer"}}
    return {"Type": "AWS::ApiGatewayV2::Route", "Properties": properties}
