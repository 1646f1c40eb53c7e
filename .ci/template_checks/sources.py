"""Streams, queues and their readers."""
import json

from .reading import many, named
from .registry import check

# AWS's own advice: a batch may be tried again while a throttled function makes the poller wait.
VISIBILITY_FACTOR = 6
# With fewer, a poller that is throttled sends good messages to the dead letters.
LEAST_RECEIVES = 5
# A stream keeps its records for a day: a record must be given up, and be looked up again, before.
LONGEST_RECORD_AGE = 12 * 3600
OPERATORS = {"prefix", "suffix", "anything-but", "numeric", "exists", "equals-ignore-case"}


@check("visibility-timeout")
def visibility_timeout(template):
    """A queue hides a message for six times its reader's timeout, and the batching window."""
    for name, queue, function, mapping in template.queue_sources():
        hidden = template.properties(queue).get("VisibilityTimeout", 30)
        least = VISIBILITY_FACTOR * template.properties(function).get("Timeout", 3)
        least += mapping.get("MaximumBatchingWindowInSeconds", 0)
        if hidden < least:
            yield f"{name}: {queue} hides messages for {hidden} s, which must be at least {least} s"


@check("partial-batch-response")
def partial_batch_response(template):
    """A handler of batches reports the items that failed: without it one bad item repeats, or loses, the others."""
    for name, mapping in template.of_type("AWS::Lambda::EventSourceMapping").items():
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name}: FunctionResponseTypes is not [ReportBatchItemFailures]"


@check("batch-window")
def batch_window(template):
    """More than ten messages at once need a window to gather them in."""
    for name, _, _, mapping in template.queue_sources():
        if mapping.get("BatchSize", 10) > 10 and not mapping.get("MaximumBatchingWindowInSeconds"):
            yield f"{name}: a BatchSize over 10 needs a MaximumBatchingWindowInSeconds"


@check("queue-concurrency")
def queue_concurrency(template):
    """A full queue must not take the concurrency of the whole account."""
    for name, _, _, mapping in template.queue_sources():
        if "MaximumConcurrency" not in mapping.get("ScalingConfig", {}):
            yield f"{name}: no ScalingConfig.MaximumConcurrency"


@check("stream-failure-destination")
def stream_failure_destination(template):
    """What a stream's reader gives up goes to a queue."""
    for name, _, _, mapping in template.stream_sources():
        target = named(mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"))
        if template.kind(target) != "AWS::SQS::Queue":
            yield f"{name}: no queue as OnFailure destination"


@check("stream-bounds")
def stream_bounds(template):
    """A poison record is tried a bounded number of times, and given up while it can still be looked up."""
    for name, _, _, mapping in template.stream_sources():
        if not 0 <= mapping.get("MaximumRetryAttempts", -1) <= 100:
            yield f"{name}: MaximumRetryAttempts is not bounded"
        if not 60 <= mapping.get("MaximumRecordAgeInSeconds", -1) <= LONGEST_RECORD_AGE:
            yield f"{name}: MaximumRecordAgeInSeconds must be within 60 and {LONGEST_RECORD_AGE}"


@check("stream-bisect")
def stream_bisect(template):
    """A batch that crashes its handler is halved until the poison record is alone."""
    for name, _, _, mapping in template.stream_sources():
        if not mapping.get("BisectBatchOnFunctionError"):
            yield f"{name}: no BisectBatchOnFunctionError"


@check("filter-pattern")
def filter_pattern(template):
    """A filter is JSON in the pattern language; Lambda takes other JSON too, and matches nothing."""
    for name, mapping in template.of_type("AWS::Lambda::EventSourceMapping").items():
        for item in mapping.get("FilterCriteria", {}).get("Filters", []):
            try:
                pattern = json.loads(item["Pattern"])
            except ValueError as error:
                yield f"{name}: the filter is not JSON: {error}"
                continue
            yield from (f"{name}: {problem}" for problem in wrong_in_pattern(pattern))


def wrong_in_pattern(pattern, path="the filter"):
    if not isinstance(pattern, dict) or not pattern:
        yield f"{path} is not a mapping with keys"
        return
    for key, value in pattern.items():
        if isinstance(value, dict):
            yield from wrong_in_pattern(value, f"{path}.{key}")
        elif not isinstance(value, list) or not value:
            yield f"{path}.{key} is not a list of alternatives"
        else:
            for operator in (set(item) for item in value if isinstance(item, dict)):
                if len(operator) != 1 or not operator <= OPERATORS:
                    yield f"{path}.{key}: {sorted(operator)} is no operator"


@check("queue-dead-letters")
def queue_dead_letters(template):
    """Every queue that something reads has somewhere for what will not pass, and no two point at each other."""
    readers = {queue for _, queue, _, _ in template.queue_sources()}
    queues = template.of_type("AWS::SQS::Queue")
    next_of = {name: named(queue.get("RedrivePolicy", {}).get("deadLetterTargetArn")) for name, queue in queues.items()}
    for name in queues:
        if name in readers and next_of[name] not in queues:
            yield f"{name} has no dead-letter queue"
        seen, at = set(), name
        while at and at not in seen:
            seen.add(at)
            at = next_of.get(at)
        if at:
            yield f"{name}: its dead letters go round in a circle"


@check("queue-receives")
def queue_receives(template):
    """A message is tried often enough that throttling alone makes no dead letter."""
    for name, queue in template.of_type("AWS::SQS::Queue").items():
        if int(queue.get("RedrivePolicy", {}).get("maxReceiveCount", LEAST_RECEIVES)) < LEAST_RECEIVES:
            yield f"{name}: maxReceiveCount is less than {LEAST_RECEIVES}"


@check("queue-retention")
def queue_retention(template):
    """Dead letters keep the age they came with: their queue keeps them at least as long as the one they come from."""
    queues = template.of_type("AWS::SQS::Queue")
    kept = {name: queue.get("MessageRetentionPeriod", 345_600) for name, queue in queues.items()}
    for name, queue in queues.items():
        target = named(queue.get("RedrivePolicy", {}).get("deadLetterTargetArn"))
        if target in kept and kept[target] < kept[name]:
            yield f"{target} keeps messages shorter than {name}, whose dead letters it takes"


@check("bucket-notification-access")
def bucket_notification_access(template):
    """A bucket may send to the queue it tells, by a policy that is there before the bucket."""
    for name, bucket in template.of_type("AWS::S3::Bucket").items():
        for told in bucket.get("NotificationConfiguration", {}).get("QueueConfigurations", []):
            queue = named(told["Queue"])
            if not template.service_may("AWS::SQS::QueuePolicy", queue, "s3.amazonaws.com", "sqs:SendMessage"):
                yield f"{name}: no policy of {queue} lets S3 send to it"
            depends = many(template.resources[name].get("DependsOn", []))
            if not any(template.kind(other) == "AWS::SQS::QueuePolicy" for other in depends):
                yield f"{name} may be made before the policy of {queue}: it needs DependsOn"


@check("bucket-loop")
def bucket_loop(template):
    """Nothing triggers itself: no reader of a bucket's notifications may write to that bucket."""
    for name, bucket in template.of_type("AWS::S3::Bucket").items():
        told = {named(c["Queue"]) for c in bucket.get("NotificationConfiguration", {}).get("QueueConfigurations", [])}
        for _, queue, function, _ in template.queue_sources():
            if queue not in told:
                continue
            for statement in template.statements(template.role(function)):
                writes = "s3:PutObject" in many(statement["Action"])
                if writes and any(same_bucket(r, name, bucket) for r in many(statement["Resource"])):
                    yield f"{function} reads {queue}, and may write to {name}, which feeds it"


def same_bucket(resource, name, bucket):
    """Whether a resource of a policy is in a bucket, by reference or by the bucket's spelt-out name."""
    own = bucket.get("BucketName", {})
    text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else resource
    return named(resource) == name or (isinstance(own, dict) and own.get("Fn::Sub", "\0") in text)


@check("subscription-access")
def subscription_access(template):
    """A topic may send to the queue that is subscribed to it."""
    for name, subscription in template.of_type("AWS::SNS::Subscription").items():
        queue = named(subscription["Endpoint"])
        if subscription["Protocol"] == "sqs" and not template.service_may(
            "AWS::SQS::QueuePolicy", queue, "sns.amazonaws.com", "sqs:SendMessage"
        ):
            yield f"{name}: no policy of {queue} lets SNS send to it"
