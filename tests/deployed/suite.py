"""Runs the end-to-end suite against a target, and counts what it did: a skipped test is not a passed one, though Rust's
test harness has no other word for it."""
import os
import re
import subprocess
import tempfile

OUTCOME = re.compile(r"test (\S+) \.\.\. (ok|FAILED|ignored)")
SKIPPED = re.compile(r"skipped (\S+): (.+)")
TOTAL = re.compile(r"running (\d+) tests?")


class Outcome:
    def __init__(self):
        self.total = 0
        self.ended = {}
        self.skipped = {}
        self.lines = []
        self.code = None
        # What functions logged of being denied access.
        self.refusals = []

    def take(self, line):
        self.lines.append(line)
        if found := TOTAL.match(line):
            self.total = int(found[1])
        elif found := SKIPPED.match(line):
            self.skipped[found[1]] = found[2]
        elif found := OUTCOME.match(line):
            self.ended[found[1]] = found[2]

    def of(self, outcome):
        return sorted(test for test, ended in self.ended.items() if ended == outcome and test not in self.skipped)

    def holds(self):
        is_whole = len(self.ended) == self.total and bool(self.of("ok"))
        return self.code == 0 and is_whole and not self.refusals

    def table(self):
        """What was skipped, by reason; then what failed, and the count."""
        lines = []
        for reason in sorted(set(self.skipped.values())):
            lines += [f"skipped: {reason}"]
            lines += [f"    {test}" for test in sorted(self.skipped) if self.skipped[test] == reason]
        lines += [f"FAILED: {test}" for test in self.of("FAILED")]
        lines += [f"a function was refused something: {line}" for line in self.refusals]
        passed, failed = len(self.of("ok")), len(self.of("FAILED"))
        return "\n".join([*lines, f"{passed} passed, {failed} failed, {len(self.skipped)} skipped"])


def run(root, target, arguments, progress):
    """Runs the suite against what a file describes; progress takes a short note."""
    command = ["cargo", "test", "--locked", "--test", "end_to_end", "--", *arguments]
    environment = {**os.environ, "NOTES_TARGET": str(target), "CARGO_TERM_COLOR": "never"}
    outcome = Outcome()
    # Apart: in one stream, what is told on one side would fall into lines of the other.
    with tempfile.TemporaryFile("w+") as told:
        streams = {"stdout": subprocess.PIPE, "stderr": told, "text": True, "bufsize": 1}
        with subprocess.Popen(command, cwd=root, env=environment, **streams) as process:
            for line in process.stdout:
                outcome.take(line.rstrip("\n"))
                progress(f"{len(outcome.ended)} of {outcome.total or '?'} tests")
        told.seek(0)
        for line in told:
            outcome.take(line.rstrip("\n"))
    outcome.code = process.returncode
    return outcome
