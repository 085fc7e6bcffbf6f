"""Programs from outside that some tests run."""

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FETCHED = Path(__file__).parents[1] / ".tools" / "usr" / "bin"


def program(name: str) -> str:
    """Return the path of a program; where it is missing, skip the test in words."""
    found = shutil.which(name) or shutil.which(name, path=FETCHED)
    if found is None:
        pytest.skip(f"The program {name} is not here; .ci/tools fetches what it can with apt.")
    return found


@contextmanager
def running_prometheus(folder: Path, *options: str) -> Iterator[str]:
    """Run Prometheus in a folder with its configuration; yield its address, end it by its own process id."""
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        *options,
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder) as process:  # noqa: S603
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        try:
            yield listening_address(process)
        finally:
            process.terminate()
            process.communicate()
            watchdog.cancel()


def listening_address(process: "subprocess.Popen[str]") -> str:
    """Read the log until Prometheus is ready, and return the address it says it listens on."""
    assert process.stderr is not None
    log = []
    for line in process.stderr:
        log.append(line)
        if "Server is ready" in line:
            return next(found[1] for line in log if (found := re.search(r'"Listening on".*address=(\S+)', line)))
    pytest.fail(f"Prometheus ended: {''.join(log)}")
