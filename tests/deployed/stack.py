"""A deployed stack as the end-to-end suite sees it, and people in it to test with."""
import contextlib
import json
import secrets

import boto3

# Each test meets one or two, and none that another met.
PEOPLE = 60


class Stack:
    def __init__(self, name):
        self.name = name
        cloudformation = boto3.client("cloudformation")
        described = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
        self.physical = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}
        self.kinds = {each["LogicalResourceId"]: each["ResourceType"] for each in resources}

    def of_kind(self, kind):
        """The names that AWS knows resources by, by those of the template."""
        return {name: self.physical[name] for name in self.physical if self.kinds[name] == kind}

    def target(self, people, lacks, mailbox=None):
        """What `tests/src/target.rs` reads."""
        return {
            "api": self.outputs["ApiUrl"],
            "tables": self.of_kind("AWS::DynamoDB::Table"),
            "functions": self.of_kind("AWS::Lambda::Function"),
            "people": people,
            "mailbox": mailbox,
            "lacks": lacks,
        }

    def refusals(self, since):
        """What functions logged of being denied access, after so many seconds of the epoch: permissions that roles lack."""
        logs = boto3.client("logs").get_paginator("filter_log_events")
        question = {"logGroupName": self.physical["FunctionLogs"], "filterPattern": "AccessDenied"}
        pages = logs.paginate(startTime=int(since * 1000), **question)
        return sorted({told(event["message"]) for page in pages for event in page["events"]})

    @contextlib.contextmanager
    def people(self):
        """Signs people up and in, and takes them out of the pool again."""
        if "UserPoolId" not in self.outputs:
            raise SystemExit(f"{self.name} has no user pool of its own: its people come from another issuer (JwtIssuer)")
        cognito, pool = boto3.client("cognito-idp"), self.outputs["UserPoolId"]
        run, names = secrets.token_hex(4), []
        try:
            for number in range(PEOPLE):
                names.append(f"test-{run}-{number}@example.com")
                sign_up(cognito, pool, names[-1])
            yield [sign_in(cognito, pool, self.outputs["UserPoolClientId"], name) for name in names]
        finally:
            for name in names:
                with contextlib.suppress(cognito.exceptions.UserNotFoundException):
                    cognito.admin_delete_user(UserPoolId=pool, Username=name)


def told(line):
    """What a line of a function's log tells of a failure, without what differs from one to the next."""
    try:
        line = json.loads(line)
    except ValueError:
        return line.strip()
    return ", ".join(str(line[name]) for name in ("message", "queue", "failure", "error") if name in line)


def sign_up(cognito, pool, name):
    attributes = [{"Name": "email", "Value": name}, {"Name": "email_verified", "Value": "true"}]
    # Nobody is written to.
    cognito.admin_create_user(UserPoolId=pool, Username=name, UserAttributes=attributes, MessageAction="SUPPRESS")


def sign_in(cognito, pool, client, name):
    """A person with a token, by a password that is used this once."""
    password = f"Aa1-{secrets.token_urlsafe(24)}"
    cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=password, Permanent=True)
    try:
        answer = cognito.admin_initiate_auth(
            UserPoolId=pool,
            ClientId=client,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": password},
        )
    except cognito.exceptions.InvalidParameterException as error:
        raise SystemExit(f"nobody can be signed in ({error}); was it deployed with SignInByOperators=true?") from None
    subject = cognito.admin_get_user(UserPoolId=pool, Username=name)["UserAttributes"]
    subject = next(attribute["Value"] for attribute in subject if attribute["Name"] == "sub")
    return {"subject": subject, "token": answer["AuthenticationResult"]["IdToken"]}
