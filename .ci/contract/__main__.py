"""Tests the running API against its contract with schemathesis, all of its checks on.

Starts a host that keeps nothing, brings it into a state in which every operation has something to answer, and lets two
people call it who must not see one another's things. Takes one to two minutes.

usage: python3 .ci/contract [arguments of `schemathesis run`, over those in schemathesis.toml]
"""
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEOPLE = ["anna", "ben"]


@contextlib.contextmanager
def host(directory):
    """A host on a free port; yields the URL of its API."""
    # As `cargo run` builds it, so that nothing is compiled twice.
    subprocess.run(["cargo", "build", "--locked", "--quiet", "--bin", "local"], cwd=ROOT, check=True)
    ready = directory / "ready.json"
    arguments = ["target/debug/local", "--ephemeral", "--port", "0", "--ready-file", ready]
    with open(directory / "host.log", "w") as log:
        process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=log)
    try:
        deadline = time.monotonic() + 600
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the host did not start:\n{(directory / 'host.log').read_text()}")
            time.sleep(0.05)
        yield json.loads(ready.read_text())["api"]
    finally:
        process.terminate()
        process.wait()


def call(url, body=None, token=None, method=None):
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)) as answer:
        return answer.read().decode()


def tokens(api):
    return {name: call(f"{api}/_local/token?sub={name}&email={name}@example.com") for name in PEOPLE}


def prepare(api):
    """A report for the day that the contract has as its example, a link to unsubscribe by, and two notes of the first
    person's, one with an earlier version; returns what of these only their makers know, as environment variables."""
    call(f"{api}/_local/clock", {"set": "2026-11-22T12:00:00Z"})
    trip = {"title": "Harbour trip", "notify": ["grace@example.com"]}
    create = lambda token: json.loads(call(f"{api}/notes", trip, token))["id"]
    first, second = tokens(api).values()
    note, note_to_delete, _ = create(first), create(first), create(second)
    call(f"{api}/notes/{note}", {"body": "At nine."}, first, "PATCH")
    call(f"{api}/_local/idle?timeout=60")
    mail = json.loads(call(f"{api}/_local/mail"))
    call(f"{api}/_local/clock", {"set": "2026-11-23T07:00:00Z"})
    call(f"{api}/_local/idle?timeout=60")
    link = re.search(r"/unsubscribe\?token=([\w-]+)", json.dumps(mail))
    return {"UNSUBSCRIBE_TOKEN": link.group(1), "NOTE": note, "NOTE_TO_DELETE": note_to_delete}


def write_people(api, directory):
    fixed = lambda token: [{"name": "Authorization", "value": f"Bearer {token}"}]
    people = [{"name": name, "fixedHeaders": fixed(token)} for name, token in tokens(api).items()]
    (directory / "people.json").write_text(json.dumps({"auth": people}))


def unused_exceptions(directory):
    file = directory / "exceptions.json"
    uses = json.loads(file.read_text()) if file.exists() else {}
    return [name for name, count in uses.items() if count == 0]


def main(arguments):
    venv = subprocess.run([".ci/python/install", "schemathesis"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        with host(directory) as api:
            environment = {
                **os.environ,
                **prepare(api),
                "SCHEMATHESIS_HOOKS": str(HERE / "exceptions.py"),
            }
            write_people(api, directory)
            command = [f"{venv.stdout.strip()}/bin/schemathesis", f"--config-file={HERE / 'schemathesis.toml'}"]
            command += ["run", f"{api}/openapi.json", f"--url={api}", *arguments]
            ended = subprocess.run(command, cwd=directory, env=environment)
        if unused := unused_exceptions(directory):
            print(f"exceptions that this run did not need: {', '.join(unused)}")
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
