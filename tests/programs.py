"""Programs from outside that some tests run."""

import shutil
from pathlib import Path

import pytest

FETCHED = Path(__file__).parents[1] / ".tools" / "usr" / "bin"


def program(name: str) -> str:
    """Return the path of a program; where it is missing, skip the test in words."""
    found = shutil.which(name) or shutil.which(name, path=FETCHED)
    if found is None:
        pytest.skip(f"The program {name} is not here; .ci/tools fetches what it can with apt.")
    return found
