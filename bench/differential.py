"""Sends random documents down both roads, by plans and by graphql-core alone, until their answers part."""

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TESTS = ("test_differential", "test_brittle")


class Report:
    """Says at the end how the documents were answered."""

    def pytest_sessionfinish(self) -> None:
        """Print a line for each kind of document."""
        for name in TESTS:
            found = vars(sys.modules[f"tests.api.execution.{name}"])
            for kind, plannings in found.items():
                if isinstance(plannings, Counter):
                    told = ", ".join(f"{count:,} {how or 'refused'}" for how, count in plannings.most_common())
                    print(f"\n{name} {kind.lower()}: {plannings.total():,} answers: {told}")


def main() -> int:
    """Run the suite's own tests with more documents, and other ones each time; end with 1 where answers differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--times", type=int, default=5, help="2,000 documents over the schema, and 1,900 that break, so many times"
    )
    os.environ["TALLYGATE_TESTS_TIMES"] = str(max(2, parser.parse_args().times))
    started = time.monotonic()
    files: list[Any] = [str(ROOT / "tests" / "api" / "execution" / f"{name}.py") for name in TESTS]
    code = pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", *files], plugins=[Report()])
    print(f"{time.monotonic() - started:,.0f} s")
    return int(code)


if __name__ == "__main__":
    os.chdir(ROOT)
    raise SystemExit(main())
