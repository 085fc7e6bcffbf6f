"""Servers that read and write under one folder only and end with the test; notebooks for them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat

START_SECONDS = 90
STOP_SECONDS = 15
PACKAGE_ROOT = str(Path(__file__).parents[2])


def write_notebook(path: Path, *cells: str) -> Path:
    """Write a notebook of code cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(notebook, path)
    return path


@contextmanager
def serving(argv: list[str], home: Path, ready: str, **settings: dict[str, object]) -> Iterator[None]:
    """Run a server that reads and writes under `home` only, from the moment it answers at `ready`.

    `settings` are written for it as Jupyter's own files, such as ``voila`` or ``jupyter_server_config``.
    """
    home.mkdir(parents=True, exist_ok=True)
    environment = _private_environment(home)
    for name, content in settings.items():
        (home / "config" / f"{name}.json").write_text(json.dumps(content))
    log = home / "server.log"
    with log.open("wb") as lines:
        process = subprocess.Popen(  # noqa: S603
            argv, cwd=home, env=environment, stdout=lines, stderr=lines, start_new_session=True
        )
    try:
        _wait_until_ready(process, ready, log)
        yield
    finally:
        _stop(process)


def free_port() -> int:
    """Return a port that was free just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _private_environment(home: Path) -> dict[str, str]:
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("JUPYTER", "JPY", "IPYTHON", "MPL", "TECTON", "COV", "XDG"))
    }
    folders = {name: home / name for name in ("config", "data", "runtime", "ipython", "mpl")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    # The news prompt would cover a corner of the page.
    settings = folders["config"] / "labconfig"
    settings.mkdir(exist_ok=True)
    disabled = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (settings / "page_config.json").write_text(json.dumps(disabled))
    return kept | {
        "JUPYTER_CONFIG_DIR": str(folders["config"]),
        "JUPYTER_DATA_DIR": str(folders["data"]),
        "JUPYTER_RUNTIME_DIR": str(folders["runtime"]),
        "IPYTHONDIR": str(folders["ipython"]),
        "MPLCONFIGDIR": str(folders["mpl"]),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "HOME": str(home),
        "PYTHONPATH": PACKAGE_ROOT,
        "BROWSER": "true",  # the program of that name: it opens nothing
    }


def _wait_until_ready(process: subprocess.Popen[bytes], ready: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()[-2000:]
        with suppress(OSError), urllib.request.urlopen(ready, timeout=2) as answer:  # noqa: S310
            if answer.status == 200:
                return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    raise AssertionError(log.read_text()[-2000:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        # The group that was started here: the server and its kernels.
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
