from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from canned import KEY
from fault_server import FaultProcess, FaultServer
from feature_plan import SERVICE

import tecton_nb as tnb

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1]


@pytest.fixture(scope="session")
def far_process() -> Iterator[FaultProcess]:
    """One fault server in a process of its own for the whole session: starting one costs more than most tests."""
    with FaultProcess() as server:
        yield server


@pytest.fixture
def far(far_process: FaultProcess) -> Callable[[Any], FaultProcess]:
    """Take the server in a process of its own, with a plan."""

    def start(plan: Any) -> FaultProcess:
        far_process.change(plan)
        far_process.forget()
        return far_process

    return start


@pytest.fixture
def take() -> Iterator[Callable[..., tnb.FeatureService]]:
    """Take the feature service of a fault server in hand; the server has counted nothing then."""
    with ExitStack() as stack:

        def start(server: FaultServer | FaultProcess, **options: Any) -> tnb.FeatureService:
            client = stack.enter_context(tnb.TectonClient(server.url, KEY, "prod", **options))
            service = client.feature_service(SERVICE)
            server.forget()
            return service

        yield start


class Program:
    """A Python program in a process of its own, every warning an error.

    Parameters
    ----------
    script
        Runs with ``tnb`` and the checks of `feature_plan` at hand.
    first
        Runs before anything is imported that may start threads.
    """

    def __init__(self, script: str, *flags: str, first: str = "", env: dict[str, str] | None = None) -> None:
        lines = [
            "import sys",
            f"sys.path[:0] = [{str(PACKAGE)!r}, {str(HERE)!r}]",
            first,
            "import tecton_nb as tnb",
            "from feature_plan import SERVICE, missing_rows, rows, wrong_rows",
            script,
        ]
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-W", "error", *flags, "-c", "\n".join(lines)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )

    def line(self) -> str:
        """Return the next line that it prints."""
        said = self.process.stdout.readline().rstrip("\n")
        return said or pytest.fail(self.process.communicate(timeout=60)[1])

    def over(self, seconds: float = 100) -> str:
        """Wait for its end, which is to be a clean one, and return what it printed."""
        said, complained = self.process.communicate(timeout=seconds)
        assert (complained, self.process.returncode) == ("", 0)
        return said


@pytest.fixture
def program() -> Iterator[Callable[..., Program]]:
    """Start a program, ``<name>`` in it replaced by a value; it is killed when the test ends before it."""
    started: list[Program] = []

    def start(script: str, *flags: str, first: str = "", env: Any = None, **values: Any) -> Program:
        filled = [re.sub(r"<(\w+)>", lambda match: repr(values[match[1]]), text) for text in (script, first)]
        started.append(Program(filled[0], *flags, first=filled[1], env=env))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()
