"""The template as ministack takes it: what it lacks is left out or written in another way, and nothing else is touched.

Each function here is one difference between ministack and AWS, and says which.
"""
from routes import with_routes

# What end-to-end tests ask for and ministack does not have, by its name in `tests/src/target.rs`.
LACKS = {
    "cors": "ministack answers browsers of every origin",
}


def emulated(template):
    for change in (with_routes, without_code_deploy, without_metric_math, without_tls, with_batch_permissions):
        template = change(template)
    return template


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
    for role in of_kind(template, "AWS::IAM::Role").values():
        for policy in role["Properties"].get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                statement["Action"] = with_batches(statement["Action"])
    return template


def with_batches(actions):
    actions = [actions] if isinstance(actions, str) else actions
    singly = ("sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
    return [*actions, *(f"{action}Batch" for action in actions if action in singly)]


def of_kind(template, kind):
    return {name: resource for name, resource in template["Resources"].items() if resource["Type"] == kind}
