"""A raw socket server that misbehaves as told: each request is answered by a list of steps.

A step is one of ``{"send": bytes}``, ``{"send_b64": text}``, ``{"send_template": text}``,
``{"sleep": seconds}``, ``{"rst": True}``, ``{"close": True}``, ``{"no_read": True}`` (first step only),
``{"close_on_next_byte": True}`` and ``{"repeat": {<one send>, "times": n, "every": seconds}}``.
No web server can send broken HTTP; a list of bytes can.
"""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Self

Step = Mapping[str, Any]
Steps = Sequence[Step]


@dataclass(frozen=True)
class Received:
    """One request as it came, and its place among all and on its connection (from 0)."""

    number: int
    number_on_connection: int
    head: bytes
    body: bytes


class Disconnected(Exception):
    """The other side, or a step, ended the connection."""


def answer(body: bytes, status: str = "200 OK", *headers: str) -> Step:
    """Return the step that sends a proper answer."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return {"send": "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body}


class FaultServer:
    """Listens on a loopback port; `plan` says what each request gets.

    Parameters
    ----------
    plan
        Steps for every request, or a function from `Received` to them.
    tls
        Server side context; plain if `None`.
    other_port
        What ``{other_port}`` in a template stands for.
    """

    def __init__(
        self, plan: Steps | Callable[[Received], Steps], *, tls: ssl.SSLContext | None = None, other_port: int = 0
    ) -> None:
        self._plan = plan if callable(plan) else lambda _: plan
        self._reads = callable(plan) or not (plan and "no_read" in plan[0])
        self._tls = tls
        self._other_port = other_port
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.received: list[Received] = []
        self.connections = 0
        self.went_away = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._begin(self._accept)

    @property
    def url(self) -> str:
        """Base URL."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with self._lock:
            for each in (self._listener, *self._sockets):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in list(self._threads):
            thread.join()

    def _begin(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                self._sockets.add(plain)
            self._begin(self._serve, plain)

    def _serve(self, plain: socket.socket) -> None:
        each = plain
        try:
            if self._tls is not None:
                each = self._tls.wrap_socket(plain, server_side=True)
                with self._lock:
                    self._sockets.add(each)
            self._converse(each)
        except (OSError, Disconnected):
            self.went_away.set()
        finally:
            with self._lock:
                self._sockets -= {plain, each}
            each.close()
            plain.close()

    def _converse(self, each: socket.socket) -> None:
        buffer, number = b"", 0
        while not self._over.is_set():
            if self._reads:
                head, body, buffer = _read_request(each, buffer)
            else:
                head, body = b"", b""
            with self._lock:
                received = Received(len(self.received), number, head, body)
                self.received.append(received)
            number += 1
            for step in self._plan(received):
                self._do(each, step)

    def _do(self, each: socket.socket, step: Step) -> None:
        if "repeat" in step:
            for _ in range(step["repeat"]["times"]):
                each.sendall(self._bytes(step["repeat"]))
                self._pause(step["repeat"].get("every", 0))
        elif "sleep" in step:
            self._pause(step["sleep"])
        elif "rst" in step:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Disconnected
        elif "close" in step:
            raise Disconnected
        elif "close_on_next_byte" in step:
            each.recv(1)
            raise Disconnected
        elif "no_read" not in step:
            each.sendall(self._bytes(step))

    def _pause(self, seconds: float) -> None:
        if seconds and self._over.wait(seconds):
            raise Disconnected

    def _bytes(self, step: Step) -> bytes:
        if "send" in step:
            return bytes(step["send"])
        if "send_b64" in step:
            return base64.b64decode(step["send_b64"])
        return self._filled(step["send_template"]).encode("latin-1")

    def _filled(self, template: str) -> str:
        text = template.replace("{other_port}", str(self._other_port))
        text = re.sub(r"\{now\+(\d+):imf-fixdate\}", lambda m: formatdate(time.time() + int(m[1]), usegmt=True), text)
        return text.replace("{{", "{").replace("}}", "}")


def _read_request(each: socket.socket, buffer: bytes) -> tuple[bytes, bytes, bytes]:
    while b"\r\n\r\n" not in buffer:
        buffer += _more(each)
    head, _, rest = buffer.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    size = int(length[1]) if length else 0
    while len(rest) < size:
        rest += _more(each)
    return head, rest[:size], rest[size:]


def _more(each: socket.socket) -> bytes:
    part = each.recv(65_536)
    if not part:
        raise Disconnected
    return part
