"""Packages functions as `sam build` does, from binaries that Cargo's profile for development made: a minute instead of many.

They are linked with this machine's libraries and run on this machine only.
"""
import json
import pathlib
import shutil
import subprocess
import sys

import yaml
from samtranslator.yaml_helper import yaml_parse


def read(path):
    """A template in plain words: aliases resolved, intrinsic functions in their long form."""
    with open(path, encoding="utf-8") as file:
        return json.loads(json.dumps(yaml_parse(file)))


def write(path, template):
    path.write_text(yaml.safe_dump(template, sort_keys=False, width=1000))


def build(root, directory):
    """A directory such as `sam build` makes: the built template, and a directory for each function."""
    if subprocess.run(["cargo", "build", "--locked", "--quiet", "--workspace", "--bins"], cwd=root).returncode != 0:
        raise SystemExit("the functions do not build")
    shutil.rmtree(directory, ignore_errors=True)
    template = read(root / "template.yaml")
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            binary = root / "target/debug" / resource["Metadata"]["BuildProperties"]["Binary"]
            (directory / name).mkdir(parents=True)
            # What debuggers read is most of it.
            subprocess.run(["strip", "-o", directory / name / "bootstrap", binary], check=True)
            resource["Properties"]["CodeUri"] = name
    write(directory / "template.yaml", template)


def pack(root, directory):
    subprocess.run([sys.executable, root / "packaging/zip", directory], check=True, stdout=subprocess.DEVNULL)
    return pathlib.Path(directory) / "template.yaml"
