"""Checks a template; then checks the checks: each must catch every mistake that is seeded for it.

usage: python -m template_checks TEMPLATE
"""
import json
import os
import sys
import tempfile

from managed_instances import managed

from .linters import DEPLOYED, WRITTEN
from .mistakes import MISTAKES
from .reading import Template, read, translate
from .registry import CHECKS

LINTERS = WRITTEN | DEPLOYED


def main():
    path = sys.argv[1]
    written = read(path)
    with tempfile.TemporaryDirectory() as directory:
        problems = check(written, path, directory) or check_managed(written, directory) or check_checks(written, directory)
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(f"{len(problems)} problems")
    print(f"{path}: {len(CHECKS) + len(LINTERS)} checks hold, and caught {len(MISTAKES)} seeded mistakes")


def check(written, path, directory):
    """What is wrong with the template, by the name of the check; later checks need what earlier ones look at."""
    problems = found_by(WRITTEN, path)
    if problems:
        return problems
    template = Template(written)
    problems = [f"{name}: {problem}" for name, found in CHECKS.items() for problem in found(template)]
    return problems + found_by(DEPLOYED, write(directory, "deployed.json", translate(written)))


def check_managed(written, directory):
    """What the linters find in the template with functions on Managed Instances, which `packaging` makes of it."""
    moved = managed(written)
    found = found_by(WRITTEN, write(directory, "managed.json", moved))
    return found or found_by(DEPLOYED, write(directory, "managed-deployed.json", translate(moved)))


def found_by(linters, path):
    return [f"{name}: {problem}" for name, linter in linters.items() for problem in linter([path])[path]]


def check_checks(written, directory):
    """Checks that missed a mistake, and checks that nobody tried."""
    names = {*CHECKS, *LINTERS}
    tried = {name for name, _, _ in MISTAKES}
    problems = [f"{name}: no mistake shows that it works" for name in sorted(names - tried)]
    problems += [f"{name}: a mistake is seeded for it, and it does not exist" for name in sorted(tried - names)]
    missed = [(name, mistake) for name, mistake, caught in seeded(written, directory) if not caught]
    return problems + [f"{name}: it missed: {mistake}" for name, mistake in missed]


def seeded(written, directory):
    """Makes every mistake, one at a time: its check, what it is, and whether the check caught it."""
    for_linters = {name: {} for name in LINTERS}
    for index, (name, mistake, change) in enumerate(MISTAKES):
        wrong = json.loads(json.dumps(written))
        change(wrong)
        if name in CHECKS:
            yield name, mistake, any(True for _ in CHECKS[name](Template(wrong)))
        elif name in LINTERS:
            subject = wrong if name in WRITTEN else translate(wrong)
            for_linters[name][write(directory, f"mistake-{index}.json", subject)] = mistake
    for name, subjects in for_linters.items():
        found = LINTERS[name](list(subjects))
        yield from ((name, mistake, bool(found[path])) for path, mistake in subjects.items())


def write(directory, name, template):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(template, file, indent=1)
    return path


if __name__ == "__main__":
    main()
