"""Who may do what."""
from .reading import many, named
from .registry import check

# Actions that know no resources.
WITHOUT_RESOURCE = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}
# Whatever follows these is of one thing: objects of a bucket, streams of a table, log streams, SES identities.
ENDS = ("Bucket.Arn}/*", "/stream/*", ":identity/*", "-${AWS::AccountId}-${AWS::Region}/*")
READ_QUEUE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
READ_STREAM = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")
# Given by AWS for its own service, and narrow.
CODE_DEPLOY = "service-role/AWSCodeDeployRoleForLambdaLimited"


def roles(template):
    return template.of_type("AWS::IAM::Role").items()


def functions(template):
    return template.of_type("AWS::Lambda::Function").items()


@check("wildcard-action")
def wildcard_action(template):
    """Roles allow actions by name."""
    for name, _ in roles(template):
        for statement in template.statements(name):
            for action in many(statement.get("Action", "*")):
                if "*" in action:
                    yield f"{name} allows {action}"


@check("wildcard-resource")
def wildcard_resource(template):
    """Roles allow things by name, but for actions that know no things."""
    for name, _ in roles(template):
        for statement in template.statements(name):
            for resource in many(statement.get("Resource", "*")):
                text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else resource
                if text == "*" and set(many(statement["Action"])) <= WITHOUT_RESOURCE:
                    continue
                if "*" in text and not (text.endswith(ENDS) and text.count("*") == 1):
                    yield f"{name} allows {statement['Action']} on {text}"


@check("managed-policy")
def managed_policy(template):
    """No policy of AWS's own: those that go with functions are for every queue and table of the account."""
    for name, role in roles(template):
        for arn in role.get("ManagedPolicyArns", []):
            text = str(arn)
            if template.kind(named(arn)) != "AWS::IAM::ManagedPolicy" and CODE_DEPLOY not in text:
                yield f"{name} has {text}"


@check("role-per-function")
def role_per_function(template):
    """Each function has a role of its own."""
    owners = {}
    for name, _ in functions(template):
        role = template.role(name)
        if role in owners:
            yield f"{name} and {owners[role]} share {role}"
        owners[role] = name


@check("role-trust")
def role_trust(template):
    """A function's role can be taken by Lambda alone."""
    for name, _ in functions(template):
        document = template.properties(template.role(name)).get("AssumeRolePolicyDocument", {})
        for statement in document.get("Statement", []):
            if statement.get("Principal") != {"Service": "lambda.amazonaws.com"}:
                yield f"{template.role(name)} trusts {statement.get('Principal')}"


@check("polling-access")
def polling_access(template):
    """Lambda reads a source in the function's name: its role must allow it, or nothing ever comes."""
    for name, queue, function, _ in template.queue_sources():
        for action in READ_QUEUE:
            if not template.allows(template.role(function), action, queue):
                yield f"{name}: {template.role(function)} lacks {action} on {queue}"
    for name, table, function, _ in template.stream_sources():
        for action in READ_STREAM:
            if not template.allows(template.role(function), action, table):
                yield f"{name}: {template.role(function)} lacks {action} on the stream of {table}"


@check("destination-access")
def destination_access(template):
    """Failures are sent to their queue in the function's name."""
    destinations = [
        (function, mapping["DestinationConfig"]) for _, _, function, mapping in template.stream_sources() if "DestinationConfig" in mapping
    ] + [
        (template.function(config["FunctionName"]), config["DestinationConfig"])
        for config in template.of_type("AWS::Lambda::EventInvokeConfig").values() if "DestinationConfig" in config
    ]
    for function, config in destinations:
        queue = named(config.get("OnFailure", {}).get("Destination"))
        if queue and not template.allows(template.role(function), "sqs:SendMessage", queue):
            yield f"{function}: {template.role(function)} lacks sqs:SendMessage on {queue}"


@check("telemetry-access")
def telemetry_access(template):
    """A function that may not write its log is silent, and nothing else tells."""
    for name, function in functions(template):
        role = template.role(name)
        group = named(function.get("LoggingConfig", {}).get("LogGroup"))
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            if not template.allows(role, action, group):
                yield f"{name}: {role} lacks {action} on {group}"
        allowed = {action for statement in template.statements(role) for action in many(statement["Action"])}
        for action in sorted(WITHOUT_RESOURCE - allowed):
            yield f"{name}: {role} lacks {action}"


@check("deployment-access")
def deployment_access(template):
    """Traffic moves from version to version by CodeDeploy's own policy, and by it alone."""
    for name, group in template.of_type("AWS::CodeDeploy::DeploymentGroup").items():
        role = named(group.get("ServiceRoleArn"))
        if not any(CODE_DEPLOY in str(arn) for arn in template.properties(role).get("ManagedPolicyArns", [])):
            yield f"{name}: {role} lacks {CODE_DEPLOY}"


RESOURCE_POLICIES = ("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::S3::BucketPolicy")


@check("resource-policy")
def resource_policy(template):
    """Nothing is open to everybody, and a service may act for this account's things alone."""
    for kind in RESOURCE_POLICIES:
        for name, policy in template.of_type(kind).items():
            for statement in policy["PolicyDocument"]["Statement"]:
                if statement["Effect"] != "Allow":
                    continue
                if not isinstance(statement["Principal"], dict) or "*" in many(list(statement["Principal"].values())):
                    yield f"{name} allows everybody"
                keys = {key for test in statement.get("Condition", {}).values() for key in test}
                if not keys & {"aws:SourceArn", "aws:SourceAccount"}:
                    yield f"{name} does not say for whom {statement['Principal']} may act"
