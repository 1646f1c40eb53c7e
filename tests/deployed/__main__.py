"""Deploys the system to an emulator that nobody here wrote, and runs the end-to-end suite against it; or against any stack
that is deployed already.

usage: tests/deployed/run [--sam-build] [ARGUMENT…]       ministack, started for this run, with authorization on
       tests/deployed/run --stack NAME [ARGUMENT…]        a stack in the AWS account in use, deployed with SignInByOperators=true

  --sam-build   packages what `sam build` builds, in release, instead of binaries for development; takes long
  ARGUMENT…     is passed on to the tests: words of their names, --nocapture, --exact

What a target cannot do is skipped, by name and with the reason. Ends with 1 when a test failed or none ran.
"""
import contextlib
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import package
import suite
from emulated import LACKS, emulated
from ministack import Ministack
from post import Mailbox
from progress import step
from stack import Stack

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "target/deployed"
# What the suite must not do to a stack that others use.
SPARED = {"later_runs": "a schedule's run of another day is for everybody's notes"}
# The environment of samconfig.toml that is deployed to the emulator.
REGION, NAME = "us-east-1", "notes-emulated"


def main(arguments):
    if arguments[:1] in (["-h"], ["--help"]) or arguments == ["--stack"]:
        print(__doc__)
        return 0 if arguments != ["--stack"] else 2
    if arguments[:1] == ["--stack"]:
        outcome = test_stack(arguments[1], arguments[2:])
    else:
        is_release = arguments[:1] == ["--sam-build"]
        outcome = test_emulated(is_release, arguments[is_release:])
    if not outcome.holds():
        print("\n".join(outcome.lines))
    print(outcome.table())
    return 0 if outcome.holds() else 1


def test_stack(name, arguments):
    """The suite against a stack of the account in use."""
    return test(Stack(name), {"lacks": SPARED}, arguments)


def test_emulated(is_release, arguments):
    """The suite against ministack, from nothing."""
    template = packaged(is_release)
    mailbox = Mailbox()
    with tempfile.TemporaryDirectory() as directory, mailbox.running():
        ministack = Ministack(directory, REGION, mailbox.smtp_address)
        with contextlib.ExitStack() as running:
            with step("start ministack"):
                running.enter_context(ministack.running())
            os.environ.update(ministack.access)
            with step("sam deploy"):
                deployed = template.with_name("emulated.yaml")
                package.write(deployed, emulated(package.read(template), ministack.api))
                sam("deploy", "--config-env", "emulated", "--template-file", deployed)
            outcome = test(Stack(NAME), {"lacks": LACKS, "mailbox": mailbox.url}, arguments)
            if not outcome.holds():
                print(ministack.log.read_text())
            return outcome


def packaged(is_release):
    """The path of a built template with packages beside it."""
    directory = BUILD / ("release" if is_release else "dev")
    with step("sam build" if is_release else "build binaries for development"):
        if is_release:
            # For this machine, which is to run them.
            architecture = {"aarch64": "arm64"}.get(platform.machine(), "x86_64")
            sam("build", "--build-dir", directory, "--parameter-overrides", f"Architecture={architecture}")
        else:
            package.build(ROOT, directory)
    with step("package"):
        return package.pack(ROOT, directory)


def sam(command, *arguments):
    """Runs SAM's command line of the pinned package; what it says is shown when it fails."""
    tools = subprocess.run([ROOT / ".ci/python/install", "deploy"], check=True, stdout=subprocess.PIPE, text=True)
    places = pathlib.Path(tools.stdout.strip()) / "bin"
    environment = {**os.environ, "PATH": f"{places}:{os.environ['PATH']}", "SAM_CLI_TELEMETRY": "0"}
    called = [places / "sam", command, "--config-file", ROOT / "samconfig.toml", *arguments]
    done = subprocess.run(called, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise SystemExit(f"sam {command} failed:\n{done.stdout}")


def test(stack, description, arguments):
    with contextlib.ExitStack() as until_tested, tempfile.TemporaryDirectory() as directory:
        with step("sign people up"):
            people = until_tested.enter_context(stack.people())
        target = pathlib.Path(directory) / "target.json"
        target.write_text(json.dumps(stack.target(people, **description)))
        target.chmod(0o600)
        with step("end-to-end suite") as running:
            began = time.time()
            outcome = suite.run(ROOT, target, arguments, lambda note: setattr(running, "note", note))
        outcome.refusals = stack.refusals(began)
        return outcome


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
