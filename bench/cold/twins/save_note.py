"""`POST /notes` with boto3: what save-note does with such a request, no more and no less, and the leanest loop around it."""
import datetime
import http.client
import json
import os
import secrets

import boto3
from botocore.config import Config

TABLE = os.environ["NOTES_TABLE"]
# One client for all requests, which is made before the first.
DYNAMODB = boto3.client("dynamodb", config=Config(retries={"max_attempts": 2}, connect_timeout=2, read_timeout=20))


def problem(status, title):
    headers = {"content-type": "application/problem+json"}
    return {"statusCode": status, "headers": headers, "body": json.dumps({"title": title})}


def uuid7(milliseconds):
    value = (milliseconds << 80) | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def is_valid(note):
    return (
        isinstance(note["title"], str) and 1 <= len(note["title"]) <= 200
        and isinstance(note["body"], str) and len(note["body"].encode()) <= 65536
        and isinstance(note["tags"], list) and len(note["tags"]) <= 20
        and isinstance(note["notify"], list) and len(note["notify"]) <= 10
        and all(isinstance(tag, str) and tag for tag in note["tags"])
        and all(isinstance(address, str) and "@" in address for address in note["notify"])
    )


def texts(values):
    return {"L": [{"S": value} for value in values]}


def handle(event):
    context = event["requestContext"]
    claims = context["authorizer"]["jwt"]["claims"]
    try:
        content = {"body": "", "tags": [], "notify": [], **json.loads(event["body"])}
    except ValueError:
        return problem(400, "the body is not JSON")
    if not is_valid(content):
        return problem(422, "the note is not valid")
    milliseconds = context["timeEpoch"]
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)
    now = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    note = {"id": uuid7(milliseconds), **content, "version": 1, "created_at": now, "updated_at": now, "attachments": 0}
    output = DYNAMODB.put_item(
        TableName=TABLE,
        ConditionExpression="attribute_not_exists(pk)",
        ReturnConsumedCapacity="TOTAL",
        Item={
            "pk": {"S": "OWNER#" + claims["sub"]},
            "sk": {"S": "NOTE#" + note["id"]},
            "id": {"S": note["id"]},
            "title": {"S": note["title"]},
            "body": {"S": note["body"]},
            "excerpt": {"S": note["body"][:200]},
            "tags": texts(note["tags"]),
            "notify": texts(note["notify"]),
            "version": {"N": "1"},
            "attachments": {"N": "0"},
            "created_at": {"S": now},
            "updated_at": {"S": now},
            "changed_by": {"S": claims["email"]},
            "changed_in": {"S": context["requestId"]},
        },
    )
    units = output.get("ConsumedCapacity", {}).get("CapacityUnits")
    print(json.dumps({"level": "INFO", "message": "request", "route": event["routeKey"], "status": 201, "units": units}))
    headers = {"content-type": "application/json", "location": "/notes/" + note["id"], "etag": '"1"'}
    return {"statusCode": 201, "headers": headers, "body": json.dumps(note), "isBase64Encoded": False}


def main():
    runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    invocations = "/2018-06-01/runtime/invocation/"
    while True:
        runtime.request("GET", invocations + "next")
        response = runtime.getresponse()
        request = response.headers["Lambda-Runtime-Aws-Request-Id"]
        answer = handle(json.loads(response.read()))
        runtime.request("POST", invocations + request + "/response", json.dumps(answer))
        runtime.getresponse().read()


main()
