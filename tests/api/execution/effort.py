"""How many documents are tried: a bounded number in the suite, as many as one likes by `bench/differential.py`."""

import os
from typing import Any

from hypothesis import HealthCheck, settings

TIMES_VARIABLE = "TALLYGATE_TESTS_TIMES"
TIMES = int(os.environ.get(TIMES_VARIABLE, "1"))


def examples(usual: int) -> Any:
    """So many examples, the same ones each time; where more are wanted, so many times more, and others each time."""
    return settings(
        max_examples=usual * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
