"""Translates a SAM template to plain CloudFormation, as the deployment does, without an account.

usage: translate.py TEMPLATE > JSON
"""
import json
import os
import sys

# The translator asks boto3 for a region; no call is made.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        template = yaml_parse(file)
    # `sam build` puts the built package here; the translator only wants an address of that shape.
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    template.get("Globals", {}).get("Function", {}).pop("CodeUri", None)
    translated = Translator({}, Parser()).translate(template, {"JwtIssuer": "https://issuer.example.com"})
    json.dump(translated, sys.stdout, indent=1, default=str)


if __name__ == "__main__":
    main()
