"""Functions, their logs, and how new versions of them come in."""
from .reading import named, references
from .registry import check

# An HTTP API gives up after 30 s: a longer function works for nobody.
LONGEST_REQUEST = 29


def functions(template):
    return template.of_type("AWS::Lambda::Function").items()


@check("log-retention")
def log_retention(template):
    """Logs are kept for a time that somebody chose; the group that Lambda would make keeps them for ever."""
    for name, group in template.of_type("AWS::Logs::LogGroup").items():
        if not template.value(group.get("RetentionInDays")):
            yield f"{name}: no RetentionInDays"
    for name, function in functions(template):
        group = named(function.get("LoggingConfig", {}).get("LogGroup"))
        if template.kind(group) != "AWS::Logs::LogGroup":
            yield f"{name} logs to no group of this template"


@check("json-logs")
def json_logs(template):
    """Logs are JSON, which searches and alarms can read."""
    for name, function in functions(template):
        if function.get("LoggingConfig", {}).get("LogFormat") != "JSON":
            yield f"{name}: LogFormat is not JSON"


@check("tracing")
def tracing(template):
    """Every function sends traces."""
    for name, function in functions(template):
        if function.get("TracingConfig", {}).get("Mode") != "Active":
            yield f"{name}: Tracing is not Active"


@check("architecture")
def architecture(template):
    """Arm is the cheaper by a fifth."""
    for name, function in functions(template):
        if [template.value(item) for item in function.get("Architectures", [])] != ["arm64"]:
            yield f"{name} is not built for arm64 by default"


@check("request-timeout")
def request_timeout(template):
    """A function behind the API ends before the API gives up."""
    behind = {template.function(p["FunctionName"]) for p in template.of_type("AWS::Lambda::Permission").values()
              if p["Principal"] == "apigateway.amazonaws.com"}
    for name in sorted(behind):
        if template.properties(name).get("Timeout", 3) > LONGEST_REQUEST:
            yield f"{name}: Timeout is more than the {LONGEST_REQUEST} s that the API waits"


@check("gradual-deployment")
def gradual_deployment(template):
    """A new version takes over by its alias, bit by bit, and goes back when the function's own alarm goes off."""
    aliases = {named(a["FunctionName"]): name for name, a in template.of_type("AWS::Lambda::Alias").items()}
    for name, _ in functions(template):
        update = template.resources.get(aliases.get(name), {}).get("UpdatePolicy", {}).get("CodeDeployLambdaAliasUpdate")
        if not update:
            yield f"{name}: no alias with a gradual deployment"
            continue
        group = template.properties(named(update["DeploymentGroupName"]))
        alarms = group.get("AlarmConfiguration", {}).get("Alarms", [])
        watched = {r for alarm in alarms for r in references(template.properties(named(alarm["Name"])).get("Dimensions", []))}
        if name not in watched:
            yield f"{name}: its deployment watches no alarm of its own"
        if "DEPLOYMENT_STOP_ON_ALARM" not in group.get("AutoRollbackConfiguration", {}).get("Events", []):
            yield f"{name}: its deployment does not go back on an alarm"


@check("concurrency-parameters")
def concurrency_parameters(template):
    """Concurrency set aside is a parameter that may be none: accounts with a low quota refuse any."""
    for name, function in functions(template):
        if isinstance(function.get("ReservedConcurrentExecutions"), (int, str)):
            yield f"{name}: ReservedConcurrentExecutions is fixed"
    for name, alias in template.of_type("AWS::Lambda::Alias").items():
        if "Fn::If" not in alias.get("ProvisionedConcurrencyConfig", {"Fn::If": []}):
            yield f"{name}: ProvisionedConcurrencyConfig is fixed"
