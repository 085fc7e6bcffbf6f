"""``make notebooks``: a notebook that takes more than a minute fails the run; nbval limits single cells only."""

from collections import Counter

import pytest

LIMIT_SECONDS = 60


class Clock:
    """Adds up what the cells of each notebook take, the start of its kernel included."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the time of one cell."""
        self.taken[report.nodeid.partition("::")[0]] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell the seconds of each notebook."""
        for path, seconds in sorted(self.taken.items()):
            words = f", more than {LIMIT_SECONDS}" if seconds > LIMIT_SECONDS else ""
            terminalreporter.write_line(f"{path}: {seconds:.1f} s{words}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run that is too slow."""
        if session.exitstatus == pytest.ExitCode.OK and max(self.taken.values(), default=0) > LIMIT_SECONDS:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_configure(config: pytest.Config) -> None:
    """Start the clock."""
    config.pluginmanager.register(Clock())
