"""What is kept: tables, buckets, queues, secrets, people."""
import json

from .reading import many, named
from .registry import check

STATEFUL = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SecretsManager::Secret", "AWS::Cognito::UserPool")
NAMES = ("TableName", "QueueName", "BucketName", "TopicName", "LogGroupName", "DashboardName", "FunctionName", "RoleName", "AlarmName")


def tables(template):
    return template.of_type("AWS::DynamoDB::Table").items()


def buckets(template):
    return template.of_type("AWS::S3::Bucket").items()


@check("point-in-time-recovery")
def point_in_time_recovery(template):
    """A table can be put back to any second of the last weeks."""
    for name, table in tables(template):
        if not table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
            yield f"{name}: no point-in-time recovery"


@check("deletion-protection")
def deletion_protection(template):
    """Tables and user pool refuse to be deleted, unless a parameter says otherwise."""
    for name, table in tables(template):
        if str(template.value(table.get("DeletionProtectionEnabled"))).lower() != "true":
            yield f"{name}: no DeletionProtectionEnabled by default"
    for name, pool in template.of_type("AWS::Cognito::UserPool").items():
        if "ACTIVE" not in many(pool.get("DeletionProtection", {}).get("Fn::If", [])):
            yield f"{name}: no DeletionProtection by default"


@check("retained")
def retained(template):
    """What cannot be made again outlives its stack, and its own replacement."""
    for name, resource in template.resources.items():
        if resource["Type"] in STATEFUL:
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                if resource.get(policy) != "Retain":
                    yield f"{name}: {policy} is not Retain"


@check("encryption")
def encryption(template):
    """Everything kept is encrypted, and says so."""
    for name, table in tables(template):
        if not table.get("SSESpecification", {}).get("SSEEnabled"):
            yield f"{name}: no SSESpecification"
    for name, queue in template.of_type("AWS::SQS::Queue").items():
        if not queue.get("SqsManagedSseEnabled") and "KmsMasterKeyId" not in queue:
            yield f"{name}: not encrypted"
    for name, bucket in buckets(template):
        if not bucket.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration"):
            yield f"{name}: no BucketEncryption"


@check("on-demand")
def on_demand(template):
    """Tables cost what is used."""
    for name, table in tables(template):
        if table.get("BillingMode") != "PAY_PER_REQUEST":
            yield f"{name}: BillingMode is not PAY_PER_REQUEST"


@check("time-to-live")
def time_to_live(template):
    """Records that are for a time go away by themselves, and not from a table whose stream would tell of it."""
    aged = {name: table.get("TimeToLiveSpecification", {}).get("Enabled") for name, table in tables(template)}
    if not any(aged.values()):
        yield "no table has a TimeToLiveSpecification"
    for name, table in tables(template):
        if aged[name] and "StreamSpecification" in table:
            yield f"{name}: expiry would fill its stream"


@check("bucket-private")
def bucket_private(template):
    """Nothing in a bucket can be made public, and everything in it is its owner's."""
    for name, bucket in buckets(template):
        block = bucket.get("PublicAccessBlockConfiguration", {})
        for key in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"):
            if not block.get(key):
                yield f"{name}: {key} is off"
        rules = bucket.get("OwnershipControls", {}).get("Rules", [])
        if [rule.get("ObjectOwnership") for rule in rules] != ["BucketOwnerEnforced"]:
            yield f"{name}: ObjectOwnership is not BucketOwnerEnforced"


@check("bucket-tls")
def bucket_tls(template):
    """Buckets refuse what is not encrypted on its way, for the bucket and for its objects."""
    refused = {}
    for policy in template.of_type("AWS::S3::BucketPolicy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            insecure = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
            if statement["Effect"] == "Deny" and str(insecure).lower() == "false" and statement["Action"] == "s3:*":
                refused[named(policy["Bucket"])] = len(many(statement["Resource"]))
    for name, _ in buckets(template):
        if refused.get(name) != 2:
            yield f"{name}: its policy does not refuse plain HTTP for the bucket and its objects"


@check("bucket-lifecycle")
def bucket_lifecycle(template):
    """Parts of uploads that were given up do not stay for ever, where nobody sees them and they cost."""
    for name, bucket in buckets(template):
        rules = bucket.get("LifecycleConfiguration", {}).get("Rules", [])
        if not any("AbortIncompleteMultipartUpload" in rule and rule.get("Status") == "Enabled" for rule in rules):
            yield f"{name}: no rule that ends incomplete uploads"


@check("bucket-cors")
def bucket_cors(template):
    """The web page, and no other, may use the addresses that the API hands out."""
    for name, bucket in buckets(template):
        for rule in bucket.get("CorsConfiguration", {}).get("CorsRules", []):
            if "*" in [template.value(origin) for origin in many(rule["AllowedOrigins"])]:
                yield f"{name}: every page may use it"


@check("stack-names")
def stack_names(template):
    """A fixed name would keep a second stack, another environment, out of the account."""
    for name, resource in template.resources.items():
        for key in NAMES:
            given = resource.get("Properties", {}).get(key)
            own = resource["Type"] not in ("AWS::Lambda::Alias", "AWS::Lambda::Permission", "AWS::Lambda::Version",
                                           "AWS::Lambda::EventSourceMapping", "AWS::Lambda::EventInvokeConfig")
            if given is not None and own and "AWS::StackName" not in json.dumps(given):
                yield f"{name}: {key} is the same in every stack"
