"""nginx with one constant answer for each endpoint: a server that is never what a client waits for."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "/api/v1/feature-service"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def is_installed() -> bool:
    """Whether nginx can be run."""
    return _program() is not None


@contextmanager
def constant_server(answers: Mapping[str, bytes], core: int | None = None) -> Iterator[str]:
    """Run nginx with one worker; yields its address.

    Parameters
    ----------
    answers
        Body by endpoint, such as ``get-features``.
    core
        Number of the processor core that the worker stays on; `None` leaves it free.
    """
    with tempfile.TemporaryDirectory(prefix="constant-server-") as directory:
        place, port = Path(directory), _free_port()
        for endpoint, body in answers.items():
            (place / f"{endpoint}.json").write_bytes(body)
        (place / "nginx.conf").write_text(_configuration(place, port, answers, core))
        command = [str(_program()), "-p", directory, "-c", str(place / "nginx.conf")]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603
        try:
            _await_port(process, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.communicate()


def _program() -> str | None:
    # Debian keeps it where only root's PATH looks.
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def _configuration(place: Path, port: int, endpoints: Mapping[str, bytes], core: int | None) -> str:
    affinity = "" if core is None else f"worker_cpu_affinity {1 << core:b};"
    temporary = "".join(f"{kind}_temp_path {place}/{kind};" for kind in _TEMPORARY)
    # A file answers no POST: 405 is turned into a 200 with the file, and the request's body is read and dropped.
    locations = "".join(
        f"location = {_PREFIX}/{name} {{ error_page 405 =200 /{name}.json; return 405; }}"
        f"location = /{name}.json {{ error_page 405 =200 /{name}.json; }}"
        for name in endpoints
    )
    # Started by root its worker would not be allowed to read the files.
    return (
        f"{'user root;' if place.owner() == 'root' else ''} worker_processes 1; {affinity} daemon off;"
        f"pid {place}/pid; error_log {place}/errors;"
        "events { worker_connections 1024; }"
        f"http {{ access_log off; open_file_cache max=10; keepalive_requests 100000000; {temporary}"
        f"default_type application/json; server {{ listen 127.0.0.1:{port}; root {place}; {locations} }} }}"
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _await_port(process: subprocess.Popen[str], port: int) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    process.terminate()
    raise SystemExit(f"nginx did not start: {process.communicate()[1]}")
