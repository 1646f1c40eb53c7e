"""Alarms and the dashboard: that they look at something, and that everything is looked at."""
import json
import os
import re

from .reading import named, references
from .registry import check

# What the metrics of a namespace are about: dimension, and the type of resource that it names.
SUBJECTS = {
    "AWS/Lambda": ("FunctionName", "AWS::Lambda::Function"),
    "AWS/SQS": ("QueueName", "AWS::SQS::Queue"),
    "AWS/DynamoDB": ("TableName", "AWS::DynamoDB::Table"),
    "AWS/ApiGateway": ("ApiId", "AWS::ApiGatewayV2::Api"),
    # The account's own.
    "AWS/SES": (None, None),
    # What the functions count themselves, by stack.
    "Notes": ("Stack", "AWS::StackName"),
}
COUNTED = os.path.join(os.path.dirname(__file__), "..", "..", "shared", "src", "metrics.rs")
with open(COUNTED, encoding="utf-8") as file:
    OURS = set(re.findall(r'Self::\w+ => "(\w+)"', file.read()))
METRICS = {
    "AWS/Lambda": {"Errors", "Throttles", "Duration", "Invocations", "IteratorAge", "DestinationDeliveryFailures", "AsyncEventsDropped"},
    "AWS/SQS": {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"},
    "AWS/DynamoDB": {"ReadThrottleEvents", "WriteThrottleEvents"},
    "AWS/ApiGateway": {"4xx", "5xx", "Latency", "IntegrationLatency", "Count"},
    "AWS/SES": {"Reputation.BounceRate", "Reputation.ComplaintRate"},
    "Notes": OURS,
}

OPERATIONS = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "OPERATIONS.md")


def alarms(template):
    return template.of_type("AWS::CloudWatch::Alarm").items()


def metrics(alarm):
    """Every metric that an alarm looks at: namespace, metric, dimensions, id in its expression."""
    for item in alarm.get("Metrics", []):
        metric = item.get("MetricStat", {}).get("Metric")
        if metric:
            yield metric["Namespace"], metric["MetricName"], metric.get("Dimensions", []), item["Id"]
    if "MetricName" in alarm:
        yield alarm["Namespace"], alarm["MetricName"], alarm.get("Dimensions", []), None


def kind_of(template, subject):
    """What the subject of a metric is: a resource's type, or the stack itself."""
    return subject if subject == "AWS::StackName" else template.kind(subject)


def watched(template, namespace, metric):
    """The resources whose metric some alarm looks at."""
    return {
        named(dimension["Value"])
        for _, alarm in alarms(template)
        for space, name, dimensions, _ in metrics(alarm)
        if (space, name) == (namespace, metric)
        for dimension in dimensions
    }


@check("alarm-subject")
def alarm_subject(template):
    """An alarm on something that does not exist is never raised."""
    for name, alarm in alarms(template):
        for namespace, metric, dimensions, _ in metrics(alarm):
            key, kind = SUBJECTS.get(namespace, ("?", None))
            if metric not in METRICS.get(namespace, ()):
                yield f"{name}: {namespace} has no metric {metric}"
            elif [d["Name"] for d in dimensions] != ([key] if key else []):
                yield f"{name}: metrics of {namespace} are by {key}"
            elif key and kind_of(template, named(dimensions[0]["Value"])) != kind:
                yield f"{name}: {dimensions[0]['Value']} is no {kind} of this template"


@check("alarm-expression")
def alarm_expression(template):
    """An expression uses every metric of its alarm, and no other."""
    for name, alarm in alarms(template):
        ids = {id for _, _, _, id in metrics(alarm) if id}
        for item in alarm.get("Metrics", []):
            if "Expression" in item and set(re.findall(r"\bm\d+\b", item["Expression"])) != ids:
                yield f"{name}: its expression and its metrics differ"


@check("alarm-tells")
def alarm_tells(template):
    """An alarm reaches somebody, when it comes and when it goes, by a topic that takes it."""
    for name, alarm in alarms(template):
        for key in ("AlarmActions", "OKActions"):
            topics = list(references(alarm.get(key, [])))
            if not topics or any(template.kind(topic) != "AWS::SNS::Topic" for topic in topics):
                yield f"{name}: {key} names no topic"
            for topic in topics:
                if not template.service_may("AWS::SNS::TopicPolicy", topic, "cloudwatch.amazonaws.com", "sns:Publish"):
                    yield f"{name}: no policy of {topic} lets CloudWatch publish"


@check("alarm-missing-data")
def alarm_missing_data(template):
    """Serverless metrics are missing when nothing happens: an alarm says what that means."""
    for name, alarm in alarms(template):
        if alarm.get("TreatMissingData", "missing") == "missing":
            yield f"{name}: no TreatMissingData"


@check("alarm-window")
def alarm_window(template):
    """CloudWatch evaluates a day at most."""
    for name, alarm in alarms(template):
        periods = [alarm["Period"]] if "Period" in alarm else [i["MetricStat"]["Period"] for i in alarm["Metrics"] if "MetricStat" in i]
        if max(periods) * alarm["EvaluationPeriods"] > 86_400:
            yield f"{name} looks at more than a day"
        if alarm.get("DatapointsToAlarm", 1) > alarm["EvaluationPeriods"]:
            yield f"{name} needs more points than it looks at"


@check("function-alarms")
def function_alarms(template):
    """Every function is watched for errors and throttles, and for long runs unless it stops by itself in time."""
    functions = set(template.of_type("AWS::Lambda::Function"))
    for metric, expected in (
        ("Errors", functions), ("Throttles", functions), ("Duration", functions - template.scheduled_functions()),
        ("Invocations", template.scheduled_functions()),
        ("DestinationDeliveryFailures", template.scheduled_functions() | {f for _, _, f, _ in template.stream_sources()}),
        ("IteratorAge", {f for _, _, f, _ in template.stream_sources()}),
    ):
        for name in sorted(expected - watched(template, "AWS/Lambda", metric)):
            yield f"{name}: no alarm on {metric}"


@check("timeout-alarms")
def timeout_alarms(template):
    """An alarm on long runs divides by the function's own timeout: percent, from milliseconds and seconds."""
    for name, alarm in alarms(template):
        expression = "".join(item.get("Expression", "") for item in alarm.get("Metrics", []))
        for namespace, metric, dimensions, id in metrics(alarm):
            if (namespace, metric) == ("AWS/Lambda", "Duration"):
                function = named(dimensions[0]["Value"])
                divisor = re.search(rf"\b{id} / (\d+)\b", expression)
                if not divisor or int(divisor.group(1)) != 10 * template.properties(function).get("Timeout", 3):
                    yield f"{name}: {id} is not in percent of the Timeout of {function}"


@check("queue-alarms")
def queue_alarms(template):
    """Every queue is watched: by age where it is read, by number where only people read."""
    readers = {queue for _, queue, _, _ in template.queue_sources()}
    ages = watched(template, "AWS/SQS", "ApproximateAgeOfOldestMessage")
    numbers = watched(template, "AWS/SQS", "ApproximateNumberOfMessagesVisible")
    for name in template.of_type("AWS::SQS::Queue"):
        if name not in (ages if name in readers else numbers):
            yield f"{name}: no alarm on its {'age' if name in readers else 'messages'}"


@check("service-alarms")
def service_alarms(template):
    """The API is watched for failures and slowness, tables for refusals, e-mail for what SES judges accounts by."""
    for name in template.of_type("AWS::ApiGatewayV2::Api"):
        for metric in ("5xx", "Latency"):
            if name not in watched(template, "AWS/ApiGateway", metric):
                yield f"{name}: no alarm on {metric}"
    for name in template.of_type("AWS::DynamoDB::Table"):
        for metric in ("ReadThrottleEvents", "WriteThrottleEvents"):
            if name not in watched(template, "AWS/DynamoDB", metric):
                yield f"{name}: no alarm on {metric}"
    # SES: an account is under review at 5 % bounces and 0.1 % complaints.
    judged = {"Reputation.BounceRate": 0.05, "Reputation.ComplaintRate": 0.001}
    for metric, limit in judged.items():
        if not any(name == metric and alarm["Threshold"] < limit for _, alarm in alarms(template) for _, name, _, _ in metrics(alarm)):
            yield f"no alarm on {metric} below {limit}"


@check("dashboard")
def dashboard(template):
    """The dashboard is JSON and shows things of this template: every function, queue and table among them."""
    boards = template.of_type("AWS::CloudWatch::Dashboard")
    if len(boards) != 1:
        yield f"there are {len(boards)} dashboards, not one"
    for name, board in boards.items():
        try:
            widgets = json.loads(board["DashboardBody"]["Fn::Sub"])["widgets"]
        except ValueError as error:
            yield f"{name} is not JSON: {error}"
            continue
        shown, counted = set(), set()
        for widget in widgets:
            for metric in spelt_out(widget["properties"]["metrics"]):
                problem, subject = subject_of(template, metric)
                shown.add(subject)
                counted.update(metric[1:2] if metric[:1] == ["Notes"] else [])
                if problem:
                    yield f"{name}: {problem}"
        for metric in sorted(counted ^ OURS):
            yield f"{name} does not show {metric}" if metric in OURS else f"{name}: nothing counts {metric}"
        for _, kind in SUBJECTS.values():
            for missing in sorted(set(template.of_type(kind)) - shown):
                yield f"{name} does not show {missing}"


def spelt_out(metrics):
    """A widget's metrics without `...`, which stands for what the line before has in its place."""
    before = []
    for metric in metrics:
        words = [word for word in metric if not isinstance(word, dict)]
        if words[:1] == ["..."]:
            words = before[: len(before) - len(words) + 1] + words[1:]
        before = words
        yield words


def subject_of(template, metric):
    """What is wrong with a metric of a widget, and the resource that it is of."""
    key, kind = SUBJECTS.get(metric[0] if metric else None, ("?", None))
    if key is None:
        return None, None
    subject = named({"Fn::Sub": metric[3]}) if len(metric) > 3 else None
    wrong = len(metric) != 4 or metric[2] != key or kind_of(template, subject) != kind
    return (f"{metric} names no {kind or 'thing of this template'}" if wrong else None), subject


@check("operations-document")
def operations_document(template):
    """Whoever is told of an alarm finds what it means and what to type: each has one heading in docs/OPERATIONS.md."""
    with open(OPERATIONS, encoding="utf-8") as file:
        headings = [line for line in file if line.startswith("### ")]
    told = [name for heading in headings for name in re.findall(r"`(\w+)`", heading)]
    names = set(template.of_type("AWS::CloudWatch::Alarm"))
    for name in sorted(names.symmetric_difference(told)):
        yield f"{name} has no heading" if name in names else f"{name} has a heading, and is no alarm"
    for name in sorted({name for name in told if told.count(name) > 1}):
        yield f"{name} has more than one heading"
