"""What hosts wrote down while the end-to-end tests ran: which permissions functions have, and which of them a test used."""

import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# A file for each test, by its name.
RECORD = ROOT / "target/permissions/record"

# A function, an action, and a resource as the host's policies have it.
Right = tuple[str, str, str]
# What functions do beside the laptop cloud: the host takes what they print, and no traces. A check of `.ci/template` misses them.
ELSEWHERE = ("logs:", "xray:")


@dataclasses.dataclass
class Record:
    # In the order of the template's statements, for each function.
    has: list[Right]
    used: dict[str, set[Right]]

    def of(self, tests: set[str]) -> "Record":
        """Without the tests of other suites."""
        return Record(self.has, {test: rights for test, rights in self.used.items() if test in tests})

    def unused(self) -> set[Right]:
        used = set().union(*self.used.values())
        return {right for right in self.has if right not in used and not right[1].startswith(ELSEWHERE)}

    def tests_that_used(self, right: Right) -> list[str]:
        tests = [test for test, rights in self.used.items() if right in rights]
        return sorted(tests, key=lambda test: (len(self.used[test]), test))


def read() -> Record:
    has: dict[Right, None] = {}
    used: dict[str, set[Right]] = {}
    for path in sorted(RECORD.iterdir()):
        used[path.name] = set()
        for line in path.read_text(encoding="utf-8").splitlines():
            word, function, action, resource = line.split("\t")
            # A stream's ARN ends with the time that it began.
            right = (function, action, re.sub(r"/stream/[^*]+$", "/stream/…", resource))
            if word == "has":
                has[right] = None
            else:
                used[path.name].add(right)
    return Record(list(has), used)
