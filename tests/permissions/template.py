"""The permissions that a template gives, and the template without one of them."""

import copy
import dataclasses
import json
import pathlib

from record import ELSEWHERE, Record, Right
from template_checks.reading import Template as Checked
from template_checks.reading import many, named, read
from template_checks.registry import CHECKS

IDENTITY, ATTACHED = ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"), "(attached)"
OF_RESOURCES = ("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy")


@dataclasses.dataclass
class Permission:
    """An action on a resource in a statement of a role or policy, or a policy that a role has."""

    holder: str
    action: str
    resource: object
    # Where its statement is: the policy among the role's, and the statement in it.
    place: tuple[int, int] | None
    # How the host has it, where a function has it by this.
    right: Right | None = None

    @property
    def line(self) -> str:
        resource = self.resource
        while isinstance(resource, dict):
            resource = next(iter(resource.values()))
        text = ".".join(resource) if isinstance(resource, list) else resource
        return f"{self.holder} {self.action} {text}" + (f" #{self.place[1]}" if self.place else "")


class Template:
    def __init__(self, path: pathlib.Path):
        self.text = path.read_text(encoding="utf-8")
        self.written = read(path)
        self.all = [one for name, resource in self.written["Resources"].items() for one in permissions(name, resource)]

    def permissions(self) -> list[Permission]:
        return self.all

    def place(self, record: Record) -> None:
        """Finds how the host has each permission: it tells them in the order of the statements."""
        for function, resource in self.written["Resources"].items():
            role = named(resource.get("Properties", {}).get("Role"))
            if resource["Type"] != "AWS::Serverless::Function" or not role:
                continue
            own = [one for one in self.all if one.holder == role and one.place]
            has = [right for right in record.has if right[0] == function and not right[1].startswith(ELSEWHERE)]
            if [one.action for one in own] != [action for _, action, _ in has]:
                raise SystemExit(f"the record of {function} is of another template: run with --anew")
            for one, right in zip(own, has):
                one.right = right

    def without(self, permission: Permission, code: pathlib.Path | None = None) -> dict:
        """The template without it; to be run from elsewhere, with the place of the code."""
        template = copy.deepcopy(self.written)
        properties = template["Resources"][permission.holder]["Properties"]
        if code:
            template["Globals"]["Function"]["CodeUri"] = str(code)
        if permission.place is None:
            properties["ManagedPolicyArns"].remove(permission.resource)
            return template
        policy, index = permission.place
        statements = documents(properties)[policy]["Statement"]
        statements[index : index + 1] = split(statements[index], permission)
        return template

    def problems(self, permission: Permission) -> list[str]:
        """What the checks of `.ci/template` say of the template without it."""
        template = Checked(self.without(permission))
        return [name for name, check in CHECKS.items() if any(True for _ in check(template))]


def documents(properties: dict) -> list[dict]:
    own = [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
    return own + [policy["PolicyDocument"] for policy in properties.get("Policies", [])]


def permissions(name: str, resource: dict):
    if resource["Type"] not in IDENTITY + OF_RESOURCES:
        return
    properties = resource["Properties"]
    for policy, document in enumerate(documents(properties)):
        for index, statement in enumerate(document["Statement"]):
            for action in many(statement["Action"]):
                for target in many(statement["Resource"]):
                    yield Permission(name, action, target, (policy, index))
    for arn in properties.get("ManagedPolicyArns", []):
        yield Permission(name, ATTACHED, arn, None)


def split(statement: dict, permission: Permission) -> list[dict]:
    """The statement without one action on one resource, in up to two parts."""
    actions, resources = many(statement["Action"]), many(statement["Resource"])
    parts = [
        (actions, [one for one in resources if json.dumps(one) != json.dumps(permission.resource)]),
        ([one for one in actions if one != permission.action], [permission.resource]),
    ]
    return [{**statement, "Action": left, "Resource": of} for left, of in parts if left and of]
