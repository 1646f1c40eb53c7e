"""samconfig.toml: what each environment is deployed with."""
import os
import tomllib

from .reading import many
from .registry import check

CONFIGURATION = os.path.join(os.path.dirname(__file__), "..", "..", "samconfig.toml")


@check("environments")
def environments(template):
    """What an environment sets is a parameter of the template, to a value that it takes."""
    with open(CONFIGURATION, "rb") as file:
        configuration = tomllib.load(file)
    for name, commands in configuration.items():
        overrides = commands.get("deploy", {}).get("parameters", {}).get("parameter_overrides", []) if name != "version" else []
        for override in many(overrides):
            key, _, value = override.partition("=")
            definition = template.parameters.get(key)
            if definition is None:
                yield f"{name} sets {key}, which is no parameter"
            elif value not in map(str, definition.get("AllowedValues", [value])):
                yield f"{name} sets {key} to {value}, which it does not take"
