#!/usr/bin/env python3
"""Moves the functions that people wait for to Lambda Managed Instances, in a template that `sam build` built.

They are those whose concurrency can be provisioned, which Managed Instances take the place of. The template gets a parameter
CapacityProvider, the ARN of the instances they run on. It is not a parameter of `template.yaml` because SAM takes no condition
there, and a function can neither get a capacity provider later nor lose it: choose before the first deployment.

usage: PYTHON packaging/managed_instances.py [DIRECTORY]    .aws-sam/build unless told; PYTHON is one that has PyYAML
"""
import pathlib
import sys

# As little as there may be, for one vCPU: a handler's environment has one thread.
MEMORY_MEGABYTES = 2048
MEMORY_GIB_PER_VCPU = 2

PARAMETERS = {
    "CapacityProvider": {
        "Type": "String",
        "AllowedPattern": "arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:\\d{12}:capacity-provider:[a-zA-Z0-9-_]+",
        "Description": "ARN of the capacity provider whose instances run the functions that people wait for.",
    },
    "EnvironmentConcurrency": {
        "Type": "Number",
        "Default": 16,
        "MinValue": 2,
        "MaxValue": 1600,
        "Description": "Requests that one of their environments works on at a time. They wait for DynamoDB most of the time.",
    },
}


def managed(template):
    """The template with those functions on Managed Instances; it is left as it is."""
    parameters = {name: each for name, each in template["Parameters"].items() if name != "ProvisionedConcurrency"}
    conditions = {name: each for name, each in template["Conditions"].items() if name != "Provisions"}
    resources = {name: with_capacity(each) for name, each in template["Resources"].items()}
    if resources == template["Resources"]:
        sys.exit("the template has no function whose concurrency can be provisioned, or they are moved already")
    return {**template, "Parameters": {**parameters, **PARAMETERS}, "Conditions": conditions, "Resources": resources}


def with_capacity(resource):
    properties = dict(resource.get("Properties", {}))
    if properties.pop("ProvisionedConcurrencyConfig", None) is None:
        return resource
    properties["MemorySize"] = MEMORY_MEGABYTES
    properties["CapacityProviderConfig"] = {
        "Arn": {"Ref": "CapacityProvider"},
        "ExecutionEnvironmentMemoryGiBPerVCpu": MEMORY_GIB_PER_VCPU,
        "PerExecutionEnvironmentMaxConcurrency": {"Ref": "EnvironmentConcurrency"},
    }
    return {**resource, "Properties": properties}


def main(build):
    import yaml

    path = build / "template.yaml"
    template = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(managed(template), sort_keys=False, width=1000))


if __name__ == "__main__":
    if len(sys.argv) > 2 or sys.argv[1:2] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    main(pathlib.Path(*sys.argv[1:] or [".aws-sam/build"]))
