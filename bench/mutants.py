"""Whether the isolation proof bites: a hole is made in the wall, one at a time, and the proof has to find it.

    PYTHONPATH=. .venv/bin/python bench/mutants.py [NAME..]

The holes are in `tests/tenancy/mutants.py`, each with the part of the proof that is to find it. It ends with 1 where
one is not found, or where that part is red without a hole.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.tenancy.mutants import MUTANTS, VARIABLE, Mutant

ROOT = Path(__file__).parents[1]
COUNT = re.compile(r"(\d+) (passed|failed|error)")


def main(names: list[str]) -> int:
    """Try each; 1 where one was not as it should be."""
    astray = []
    for name, mutant in MUTANTS.items():
        if names and name not in names:
            continue
        started = time.monotonic()
        is_green, counts = tried(name, mutant)
        verdict = "green" if is_green else "RED"
        seconds = time.monotonic() - started
        print(f"{name:26} {verdict:5} {counts:28} {seconds:5.0f} s  {mutant.says}", flush=True)
        if is_green is not mutant.survives:
            astray.append(name)
    print(f"not as they should be: {', '.join(astray)}" if astray else "each hole is found, and nothing else is")
    return 1 if astray else 0


def tried(name: str, mutant: Mutant) -> tuple[bool, str]:
    """Whether its tests pass with the hole, and how many did what. Raises SystemExit where none ran."""
    options = ["-o", "addopts=--import-mode=importlib", "--tb=no", "-p", "tests.tenancy.mutants"]
    command = [sys.executable, "-m", "pytest", *options, *mutant.tests]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, VARIABLE: name}, capture_output=True, text=True, check=False
    )
    counted = {what: int(number) for number, what in COUNT.findall(done.stdout)}
    if done.returncode not in (0, 1) or not counted.get("passed", 0) + counted.get("failed", 0):
        raise SystemExit(f"{name}: the tests did not run\n{done.stdout}{done.stderr}")
    return done.returncode == 0, ", ".join(f"{number} {what}" for what, number in counted.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
