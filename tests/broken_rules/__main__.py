"""Breaks one rule of the code at a time and sees its named test fail.

usage: python3 tests/broken_rules [--check] [WORD]

Works on a copy of the tree under target/, so that nothing is left broken. `--check` only sees to it that every rule still
applies to the code. WORD: only the rules whose text has it. Ends with 1 when a rule was broken and its test passed.
"""

import pathlib
import shutil
import subprocess
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COPY = ROOT / "target" / "broken-rules"


def rules(word: str) -> list[dict]:
    with open(HERE / "rules.toml", "rb") as file:
        found = tomllib.load(file)["rule"]
    return [rule for rule in found if word in rule["says"]]


def problems(rule: dict) -> list[str]:
    """Why a rule cannot be tried: the code it breaks, or its test, is no longer there."""
    path = ROOT / rule["file"]
    times = path.read_text(encoding="utf-8").count(rule["before"]) if path.is_file() else 0
    said = [] if times == 1 else [f"`before` stands {times} times in {rule['file']}"]
    name = rule["test"].rsplit("::", 1)[-1]
    listed = subprocess.run(["git", "grep", "-qw", f"fn {name}"], cwd=ROOT, check=False)
    return said if listed.returncode == 0 else [*said, f"there is no test {name}"]


def copy_tree() -> None:
    """Brings the copy up to date, touching only what differs: its own build stays warm."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    for name in files:
        source, target = ROOT / name, COPY / name
        if source.is_file() and not (target.is_file() and source.read_bytes() == target.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def outcome(rule: dict) -> str:
    """`passed`, `failed`, or `did not run`."""
    command = ["cargo", "test", "--locked", "-p", rule["package"], rule["test"]]
    run = subprocess.run(command, cwd=COPY, check=False, capture_output=True, text=True)
    ran = f"test {rule['test']} ... "
    if ran not in run.stdout and f"test {rule['test']} - should panic" not in run.stdout:
        print(run.stdout[-2000:], run.stderr[-4000:], sep="\n", file=sys.stderr)
        return "did not run"
    return "passed" if run.returncode == 0 else "failed"


def broken(rule: dict) -> str:
    path = COPY / rule["file"]
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace(rule["before"], rule["after"]), encoding="utf-8")
    try:
        return outcome(rule)
    finally:
        path.write_text(whole, encoding="utf-8")


def main() -> int:
    arguments = sys.argv[1:]
    only_check = "--check" in arguments
    chosen = rules(next((word for word in arguments if not word.startswith("--")), ""))
    said = [f"{rule['says']}: {problem}" for rule in chosen for problem in problems(rule)]
    if said or not chosen:
        print("\n".join(said or ["no such rule"]))
        return 1
    if only_check:
        print(f"{len(chosen)} rules can be broken")
        return 0
    copy_tree()
    survived = 0
    for number, rule in enumerate(chosen, 1):
        seen = broken(rule)
        survived += seen != "failed"
        mark = "\033[32mcaught\033[0m" if seen == "failed" else f"\033[31mtest {seen}\033[0m"
        print(f"{number}/{len(chosen)} {mark}  {rule['says']}  ({rule['package']} {rule['test']})", flush=True)
    print(f"{len(chosen) - survived} of {len(chosen)} broken rules were caught by their test")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
