"""A loopback server that answers as told: what the real servers of this world say, without one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

KEY = "CANARY-KEY-0123456789abcdef"


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """Last part of the path, such as ``get-features``."""
        return self.path.rpartition("/")[2]

    @property
    def params(self) -> dict[str, Any]:
        """What stands under ``params``."""
        return json.loads(self.body)["params"]

    @property
    def join_keys(self) -> dict[str, Any]:
        """The join key map."""
        return self.params.get("joinKeyMap", {})


@dataclass(frozen=True)
class Reply:
    """What to answer: bytes as they are, anything else as JSON."""

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None

    def content(self) -> bytes:
        """Return the body's bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class CannedServer:
    """Answers every request with what `plan` returns for it; remembers what was asked."""

    def __init__(self, plan: Callable[[Asked], Reply]) -> None:
        self.plan = plan
        self.asked: list[Asked] = []
        self.over = threading.Event()
        self._http = _Listener(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def silence(self) -> Reply:
        """Wait until the server is closed: for answers that never come."""
        self.over.wait(30)
        return Reply(status=500)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    owner: CannedServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body go out in two writes; without this the second one may wait for 40 ms.
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        owner = self.server.owner
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        owner.asked.append(asked)
        reply = owner.plan(asked)
        content = reply.content()
        # A reply's own date stands alone.
        begin = self.send_response_only if "Date" in reply.headers else self.send_response
        begin(reply.status, reply.reason)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = _answer  # noqa: N815  # the names http.server looks for
    do_GET = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def typed(name: str, data_type: str | Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return a metadata item."""
    stated = {"type": data_type} if isinstance(data_type, str) else data_type
    return {"name": name, "dataType": stated, **more}


def vector(values: list[Any], *items: Mapping[str, Any], **metadata: Any) -> dict[str, Any]:
    """Return the body of a get-features answer."""
    return {"result": {"features": values}, "metadata": {"features": list(items), **metadata}}


ARRAY = {"type": "array", "elementType": {"type": "float64"}}
INT_ARRAY = {"type": "array", "elementType": {"type": "int64"}}
MAP = {"type": "map", "keyType": {"type": "string"}, "valueType": {"type": "float64"}}
INT_MAP = {"type": "map", "keyType": {"type": "int64"}, "valueType": {"type": "int64"}}
STRUCT = {"type": "struct", "fields": [typed("n", "int64"), typed("x", "float64")]}
