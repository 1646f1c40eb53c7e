"""The checks that others wrote: SAM's transform and cfn-lint over the template as written, cfn-lint and checkov over it
as deployed.

Each takes many files at once, because starting one costs more than its work.
"""
import json
import os
import subprocess
import sys

import yaml
from samtranslator.model.exceptions import InvalidDocumentException

from .reading import read, translate

SKIPS = os.path.join(os.path.dirname(__file__), "..", "policy-skips.yaml")
# `sam build` writes the template out without YAML's merge keys, and only the built one is deployed.
MERGE_KEYS = "W1100"
# The translation has put the values of some parameters where they are used.
UNUSED_PARAMETER = "W2001"


def transform(paths):
    """What SAM itself refuses, by path."""
    found = {}
    for path in paths:
        try:
            translate(read(path))
            found[path] = []
        except InvalidDocumentException as error:
            found[path] = [cause.message for cause in error.causes]
    return found


def lint_written(paths):
    """cfn-lint's findings in SAM templates, by path."""
    return cfn_lint(paths, [MERGE_KEYS])


def lint_deployed(paths):
    """cfn-lint's findings in translated templates, by path: dangling references, circles, misspelt permissions."""
    return cfn_lint(paths, [UNUSED_PARAMETER])


def cfn_lint(paths, ignored):
    command = [tool("cfn-lint"), "--regions", "us-east-1", "--format", "json", "--ignore-checks", *ignored, "--template", *paths]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    found = {path: [] for path in paths}
    for match in parsed(result):
        found[match["Filename"]].append(f"{match['Rule']['Id']} {match['Message']}")
    return found


def policy(paths):
    """checkov's findings in translated templates, by path, but for those with a reason to be skipped."""
    with open(SKIPS, encoding="utf-8") as file:
        skips = yaml.safe_load(file)
    command = [tool("checkov"), "--framework", "cloudformation", "--compact", "--quiet", "--output", "json"]
    result = subprocess.run(command + [word for path in paths for word in ("--file", path)], capture_output=True, text=True, check=False)
    found = {path: [] for path in paths}
    for failed in parsed(result)["results"]["failed_checks"]:
        if failed["check_id"] not in skips:
            path = next(path for path in paths if os.path.samefile(path, failed["file_abs_path"]))
            found[path].append(f"{failed['check_id']} {failed['check_name']} ({failed['resource']})")
    return found


def parsed(result):
    try:
        return json.loads(result.stdout)
    except ValueError:
        sys.exit(f"{result.args[0]} did not work:\n{result.stdout}\n{result.stderr}")


def tool(name):
    return os.path.join(os.path.dirname(sys.executable), name)


# Over the template as it is written, and as it is deployed.
WRITTEN = {"transform": transform, "lint-written": lint_written}
DEPLOYED = {"lint-deployed": lint_deployed, "policy": policy}
