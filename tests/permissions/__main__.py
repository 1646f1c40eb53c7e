"""Takes each permission away from the template, one at a time, and sees a test fail for want of it.

usage: python3 tests/permissions [--used] [--anew] [--jobs N] [WORD…]

First the end-to-end tests run once on the template as it is, and write down which permission each test used (target/permissions;
`.ci/run` leaves that record too). Then each permission is removed: it must be missed by a check of `.ci/template`, or by one of
the tests that used it, which must have seen that very call refused. What was found stays there until the template changes, so that
a run that was interrupted goes on.

--used  only tells the permissions that no test used, from a record that is there
--anew  forgets what was found before
WORD    only the permissions whose line has it, such as SaveNoteRole or sqs:
Ends with 1 when a permission can be removed and nothing fails.
"""

import argparse
import concurrent.futures
import fnmatch
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

from record import ROOT, RECORD, Record, read

FOUND = ROOT / "target/permissions/found.json"
# A test that waits for what never comes says so by then.
PATIENCE = 240


def main() -> int:
    arguments = command_line()
    if arguments.used:
        return tell_unused(read())
    in_tools()
    from template import Template  # noqa: PLC0415: needs the tools

    template = Template(ROOT / "template.yaml")
    binary = built()
    if arguments.anew or not RECORD.is_dir():
        make_record(binary)
    record = read().of(listed(binary))
    permissions = [one for one in template.permissions() if all(word in one.line for word in arguments.words)]
    found = Found(template.text, arguments.anew)
    trial = Trial(template, record, binary, found)
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as workers:
        for _ in Progress(len(permissions)).over(workers.map(trial.of, permissions)):
            pass
    for one in permissions:
        print(f"{one.line:118} {found.of(one)['said']}")
    missed = [one for one in permissions if not found.of(one)["missed"]]
    print(f"{len(permissions)} permissions, {len(missed)} that nothing misses")
    return 1 if missed or not permissions else 0


def command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--used", action="store_true")
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args()


def tell_unused(record: Record) -> int:
    for function, action, resource in sorted(unused := record.unused()):
        print(f"{function}: no test needs {action} on {resource}")
    print(f"{len(record.has)} permissions of functions, {len(unused)} that no test used")
    return 1 if unused or not record.has else 0


def in_tools() -> None:
    """Goes on in the Python that `.ci/template` has its tools in."""
    tools = subprocess.run([ROOT / ".ci/python/install", "template"], check=True, capture_output=True, text=True).stdout.strip()
    if sys.prefix != tools:
        python = f"{tools}/bin/python"
        os.execv(python, [python, *sys.argv])
    sys.path.append(str(ROOT / ".ci"))


def built() -> str:
    """The suite's executable; all that it runs is built as it would build it itself, so that no test waits for that."""
    subprocess.run(["cargo", "build", "--workspace", "--bins"], cwd=ROOT, check=True)
    command = ["cargo", "test", "--locked", "--test", "end_to_end", "--no-run", "--message-format=json"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines if line.startswith("{")]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "end_to_end")


def listed(binary: str) -> set[str]:
    lines = subprocess.run([binary, "--list"], check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.removesuffix(": test") for line in lines if line.endswith(": test")}


def make_record(binary: str) -> None:
    shutil.rmtree(RECORD, ignore_errors=True)
    RECORD.mkdir(parents=True)
    subprocess.run([binary], cwd=ROOT, check=True, env={**os.environ, "TESTS_RECORD_RIGHTS": str(RECORD)})


class Found:
    """What was found of each permission, in a file that outlives the run."""

    def __init__(self, template: str, anew: bool):
        self.template = hashlib.sha256(template.encode()).hexdigest()
        kept = {} if anew or not FOUND.is_file() else json.loads(FOUND.read_text(encoding="utf-8"))
        self.all = kept["found"] if kept.get("template") == self.template else {}
        self.lock = threading.Lock()

    def of(self, permission) -> dict | None:
        return self.all.get(permission.line)

    def note(self, permission, missed: bool, said: str) -> None:
        with self.lock:
            self.all[permission.line] = {"missed": missed, "said": said}
            FOUND.parent.mkdir(parents=True, exist_ok=True)
            FOUND.write_text(json.dumps({"template": self.template, "found": self.all}, indent=1), encoding="utf-8")


class Trial:
    """Tries what happens without a permission."""

    def __init__(self, template, record: Record, binary: str, found: Found):
        self.template, self.record, self.binary, self.found = template, record, binary, found
        template.place(record)

    def of(self, permission) -> None:
        known = self.found.of(permission)
        if known and known["missed"]:
            return
        missed = self.by_check(permission) or self.by_test(permission)
        self.found.note(permission, bool(missed), missed or "NOTHING FAILED")

    def by_check(self, permission) -> str | None:
        problems = self.template.problems(permission)
        return f"check {problems[0]}" if problems else None

    def by_test(self, permission) -> str | None:
        """The first test that fails because the call was refused. Tests that need few permissions come first: they are short."""
        path = FOUND.parent / f"{hashlib.sha256(permission.line.encode()).hexdigest()[:16]}.json"
        path.write_text(json.dumps(self.template.without(permission, ROOT)), encoding="utf-8")
        try:
            for test in self.record.tests_that_used(permission.right):
                if said := self.refused(test, path, permission.right):
                    return said
        finally:
            path.unlink()
        return None

    def refused(self, test: str, template: pathlib.Path, right: tuple[str, str, str]) -> str | None:
        code, said = self.run(test, template)
        if code == 0:
            return None
        warnings = [json.loads(line) for line in said.splitlines() if line.startswith('{"timestamp"')]
        if any(is_of(right, warning) for warning in warnings):
            return f"test {test}"
        return None

    def run(self, test: str, template: pathlib.Path) -> tuple[int, str]:
        command = [self.binary, "--exact", test]
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        environment = {**os.environ, "TESTS_TEMPLATE": str(template)}
        # In a group of its own, so that its host ends with it.
        with subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, **pipe) as process:
            try:
                said, _ = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                said, _ = process.communicate()
        return process.returncode, said


def is_of(right: tuple[str, str, str], warning: dict) -> bool:
    function, action, resource = right
    told = (warning.get("function"), warning.get("action"))
    pattern = resource.replace("/stream/…", "/stream/*")
    return warning.get("message") == "refused" and told == (function, action) and fnmatch.fnmatchcase(warning["resource"], pattern)


class Progress:
    """One line on a terminal; nothing anywhere else."""

    def __init__(self, total: int):
        self.total, self.start = total, time.monotonic()

    def over(self, results):
        for done, result in enumerate(results, 1):
            if sys.stderr.isatty():
                self.show(done)
            yield result

    def show(self, done: int) -> None:
        width = 30
        bar = "━" * (width * done // self.total)
        left = (time.monotonic() - self.start) / done * (self.total - done)
        end = "\n" if done == self.total else ""
        print(f"\r\033[32m{bar:{width}}\033[0m {done}/{self.total}  {left / 60:3.0f} min left", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
