"""The template as ministack takes it: what it lacks is left out or written in another way, and nothing else is touched.

Each function here is one difference between ministack and AWS, and says which.
"""
import re

from routes import with_routes

ADDRESS = re.compile(r"https://(\$\{\w+\})\.execute-api\.\$\{AWS::Region\}\.\$\{AWS::URLSuffix\}")

# What end-to-end tests ask for and ministack does not have, by its name in `tests/src/target.rs`.
LACKS = {
    "bounces": "ministack's SES has no mailbox that bounces",
    "cors": "ministack answers browsers of every origin",
}


def emulated(template, api_url):
    """The template for a ministack where the HTTP API with the resource's name answers at `api_url(name)`."""
    for change in CHANGES:
        template = change(template)
    return with_addresses(template, api_url)


def with_addresses(value, api_url):
    """Its APIs have no host names of their own."""
    if isinstance(value, dict):
        return {key: with_addresses(each, api_url) for key, each in value.items()}
    if isinstance(value, list):
        return [with_addresses(each, api_url) for each in value]
    if isinstance(value, str):
        return ADDRESS.sub(lambda found: api_url(found[1]), value)
    return value


def without_code_deploy(template):
    """It has no CodeDeploy: aliases move to new versions at once."""
    template["Globals"]["Function"].pop("DeploymentPreference")
    for function in of_kind(template, "AWS::Serverless::Function").values():
        function["Properties"].pop("DeploymentPreference", None)
    return template


def without_metric_math(template):
    """It has no alarms over several metrics."""
    alarms = of_kind(template, "AWS::CloudWatch::Alarm")
    unknown = {name for name, alarm in alarms.items() if "Metrics" in alarm["Properties"]}
    kept = {name: resource for name, resource in template["Resources"].items() if name not in unknown}
    return {**template, "Resources": kept}


def without_tls(template):
    """It is spoken to without TLS, on loopback, which the buckets' policies forbid."""
    policies = of_kind(template, "AWS::S3::BucketPolicy")
    for policy in policies.values():
        document = policy["Properties"]["PolicyDocument"]
        document["Statement"] = [each for each in document["Statement"] if each["Sid"] != "OnlyOverTls"]
    empty = {name for name, policy in policies.items() if not policy["Properties"]["PolicyDocument"]["Statement"]}
    kept = {name: resource for name, resource in template["Resources"].items() if name not in empty}
    return {**template, "Resources": kept}


def with_batch_permissions(template):
    """It wants a permission of their own for SQS's batch operations, which AWS allows to who may do the same singly."""
    for statement in statements_of_roles(template):
        statement["Action"] = with_batches(statement["Action"])
    return template


def with_mail_from_anywhere(template):
    """It knows neither the resources nor the conditions of sending e-mail."""
    for statement in statements_of_roles(template):
        if statement["Action"] == "ses:SendRawEmail":
            statement["Resource"] = "*"
            statement.pop("Condition", None)
    return template


def statements_of_roles(template):
    for role in of_kind(template, "AWS::IAM::Role").values():
        for policy in role["Properties"].get("Policies", []):
            yield from policy["PolicyDocument"]["Statement"]


def with_batches(actions):
    actions = [actions] if isinstance(actions, str) else actions
    singly = ("sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
    return [*actions, *(f"{action}Batch" for action in actions if action in singly)]


def of_kind(template, kind):
    return {name: resource for name, resource in template["Resources"].items() if resource["Type"] == kind}


# Batches last: before, an action may be a text.
CHANGES = (
    with_routes,
    without_code_deploy,
    without_metric_math,
    without_tls,
    with_mail_from_anywhere,
    with_batch_permissions,
)
