"""A real Prometheus for tests, on a free port of 127.0.0.1."""

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from programs import program


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run Prometheus on a free port of 127.0.0.1; yield its address, end it by its own process id."""
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
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


def eventually(probe: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return what a probe of another process returns once it is true, or at last."""
    deadline = time.monotonic() + seconds
    while not (found := probe()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found
