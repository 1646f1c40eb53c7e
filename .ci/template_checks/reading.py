"""The template as the checks see it: as written (SAM) and as deployed (the translation to plain CloudFormation)."""
import json
import logging
import os
import re

# The translator asks boto3 for a region; no call is made.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

# It warns of its own feature flags and metrics, once for each function.
logging.getLogger("samtranslator").setLevel(logging.CRITICAL)


def read(path):
    """The template as it is written, without aliases: a change in one place is a change in one place."""
    with open(path, encoding="utf-8") as file:
        return json.loads(json.dumps(yaml_parse(file)))


def translate(written):
    """Plain CloudFormation, as the deployment makes it, without an account."""
    template = json.loads(json.dumps(written))
    # `sam build` puts the built package here; the translator only wants an address of that shape.
    template.get("Globals", {}).get("Function", {}).pop("CodeUri", None)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    return json.loads(json.dumps(Translator({}, Parser()).translate(template, {}), default=str))


class Template:
    """Both forms, and the questions that several checks ask."""

    def __init__(self, written):
        self.written = written
        self.parameters = written.get("Parameters", {})
        self.resources = translate(written)["Resources"]

    def of_type(self, kind):
        """The properties of each resource of a type, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def properties(self, name):
        return self.resources.get(name, {}).get("Properties", {})

    def kind(self, name):
        return self.resources.get(name, {}).get("Type")

    def value(self, expression):
        """A parameter's default instead of a reference to it; everything else as it is."""
        if isinstance(expression, dict) and expression.get("Ref") in self.parameters:
            return self.parameters[expression["Ref"]].get("Default")
        return expression

    def function(self, expression):
        """The function behind a reference to it or to its alias."""
        name = named(expression)
        if self.kind(name) == "AWS::Lambda::Alias":
            name = named(self.properties(name)["FunctionName"])
        return name

    def role(self, function):
        return named(self.properties(function).get("Role"))

    def queue_sources(self):
        """Event source mappings that read a queue: name, queue, function, properties."""
        for name, mapping in self.of_type("AWS::Lambda::EventSourceMapping").items():
            source = named(mapping["EventSourceArn"])
            if self.kind(source) == "AWS::SQS::Queue":
                yield name, source, self.function(mapping["FunctionName"]), mapping

    def stream_sources(self):
        """Event source mappings that read a table's stream: name, table, function, properties."""
        for name, mapping in self.of_type("AWS::Lambda::EventSourceMapping").items():
            source = named(mapping["EventSourceArn"])
            if self.kind(source) == "AWS::DynamoDB::Table":
                yield name, source, self.function(mapping["FunctionName"]), mapping

    def scheduled_functions(self):
        return {self.function(schedule["Target"]["Arn"]) for schedule in self.of_type("AWS::Scheduler::Schedule").values()}

    def statements(self, role):
        """The `Allow` statements of a role, those of its managed policies in this template included."""
        properties = self.properties(role)
        documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        for arn in properties.get("ManagedPolicyArns", []):
            documents += [self.properties(named(arn)).get("PolicyDocument", {})]
        return [s for document in documents for s in document.get("Statement", []) if s["Effect"] == "Allow"]

    def allows(self, role, action, resource):
        """Whether a role may do `action` to the resource with this logical id."""
        return any(
            action in many(statement["Action"]) and any(resource == named(r) for r in many(statement["Resource"]))
            for statement in self.statements(role)
        )

    def service_may(self, kind, target, service, action):
        """Whether a resource policy of type `kind` lets an AWS service do `action` to `target`."""
        for policy in self.of_type(kind).values():
            for statement in policy["PolicyDocument"]["Statement"]:
                principal = statement.get("Principal")
                services = many(principal.get("Service", [])) if isinstance(principal, dict) else []
                if (
                    statement["Effect"] == "Allow"
                    and service in services
                    and action in many(statement["Action"])
                    and target in map(named, many(statement["Resource"]))
                ):
                    return True
        return False


def many(value):
    """A list, of one where there is one."""
    return value if isinstance(value, list) else [value]


def named(expression):
    """The first logical id that an expression refers to; `None` when it refers to nothing."""
    return next(iter(references(expression)), None)


def references(expression):
    """Every logical id that an expression refers to."""
    if isinstance(expression, list):
        for item in expression:
            yield from references(item)
    elif isinstance(expression, dict):
        for key, value in expression.items():
            if key == "Ref":
                yield value
            elif key == "Fn::GetAtt":
                yield value.split(".")[0] if isinstance(value, str) else value[0]
            elif key == "Fn::Sub":
                text = value if isinstance(value, str) else value[0]
                yield from (name.split(".")[0] for name in re.findall(r"\$\{([^!}][^}]*)\}", text))
            else:
                yield from references(value)
