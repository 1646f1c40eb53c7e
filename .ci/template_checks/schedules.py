"""Schedules."""
import json
import re

from .reading import named
from .registry import check


def schedules(template):
    return template.of_type("AWS::Scheduler::Schedule").items()


@check("schedule-name")
def schedule_name(template):
    """No fixed name: SAM would name it after its logical id, which all stacks of an account share."""
    for name, schedule in schedules(template):
        if "AWS::StackName" not in json.dumps(schedule.get("Name", {"Ref": "AWS::StackName"})):
            yield f"{name} is called {schedule['Name']!r} in every stack: add OmitName: true"


@check("schedule-expression")
def schedule_expression(template):
    """`cron` has six fields, and leaves out the day of the month or of the week."""
    for name, schedule in schedules(template):
        expression = schedule["ScheduleExpression"]
        cron = re.fullmatch(r"cron\((.*)\)", expression)
        if not cron and not re.fullmatch(r"rate\(\d+ (minute|hour|day)s?\)", expression):
            yield f"{name}: {expression} is neither cron(…) nor rate(…)"
        if cron:
            fields = cron.group(1).split(" ")
            if len(fields) != 6:
                yield f"{name}: {expression} has {len(fields)} fields, not 6"
            elif (fields[2] == "?") == (fields[4] == "?"):
                yield f"{name}: {expression} needs exactly one ? among its days"


@check("schedule-time-zone")
def schedule_time_zone(template):
    """What runs "at six" says whose six."""
    for name, schedule in schedules(template):
        if not template.value(schedule.get("ScheduleExpressionTimezone")):
            yield f"{name}: no ScheduleExpressionTimezone"


@check("schedule-input")
def schedule_input(template):
    """The input is JSON that carries when the run was due: a run that comes late still knows its day."""
    for name, schedule in schedules(template):
        try:
            if "<aws.scheduler.scheduled-time>" not in json.loads(schedule["Target"].get("Input", "{}")).values():
                yield f"{name}: its Input does not carry <aws.scheduler.scheduled-time>"
        except ValueError as error:
            yield f"{name}: its Input is not JSON: {error}"


@check("schedule-dead-letters")
def schedule_dead_letters(template):
    """A run that could not be started is seen: it goes to a queue that takes it, after a bounded time."""
    for name, schedule in schedules(template):
        target = schedule["Target"]
        queue = named(target.get("DeadLetterConfig", {}).get("Arn"))
        if template.kind(queue) != "AWS::SQS::Queue":
            yield f"{name}: no queue as DeadLetterConfig"
        elif not template.service_may("AWS::SQS::QueuePolicy", queue, "scheduler.amazonaws.com", "sqs:SendMessage"):
            yield f"{name}: no policy of {queue} lets Scheduler send to it"
        if not 60 <= target.get("RetryPolicy", {}).get("MaximumEventAgeInSeconds", 86_400) <= 21_600:
            yield f"{name}: its RetryPolicy does not bound MaximumEventAgeInSeconds to six hours"


@check("asynchronous-failure-destination")
def asynchronous_failure_destination(template):
    """What is invoked without anybody waiting has somewhere for its failures."""
    configured = {
        template.function(config["FunctionName"]): named(config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"))
        for config in template.of_type("AWS::Lambda::EventInvokeConfig").values()
    }
    for function in sorted(template.scheduled_functions()):
        if template.kind(configured.get(function)) != "AWS::SQS::Queue":
            yield f"{function}: no queue as EventInvokeConfig.DestinationConfig.OnFailure"
