"""What the imports of a first batch cost beyond pandas and httpx, which a notebook has anyway."""

from __future__ import annotations

import statistics
import subprocess
import sys

_TIMED = """
import time
started = time.process_time()
import pandas, httpx
{more}
print(time.process_time() - started)
"""
_FIRST_BATCH = """
import tecton_nb
tecton_nb.TectonClient
"""


def import_cost(repetitions: int) -> float:
    """Return the seconds of processor time, the median of differences measured in turns."""
    _seconds(_FIRST_BATCH)
    return statistics.median([_seconds(_FIRST_BATCH) - _seconds("") for _ in range(repetitions)])


def _seconds(more: str) -> float:
    command = [sys.executable, "-c", _TIMED.format(more=more)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)  # noqa: S603
