"""A server that misbehaves as told, and counts what it is asked: each request is answered by a list of steps.

A step is one of

- ``{"send": bytes}``, ``{"send_b64": text}``, ``{"send_template": text}``,
- ``{"repeat": {<one send>, "times": n, "every": seconds}}``,
- ``{"sleep": seconds}``,
- ``{"rst": True}`` and ``{"close": True}``: end the connection the hard or the proper way,
- ``{"close_on_next_byte": True}``: take a request in and end the connection,
- ``{"no_read": True}``: never read anything (first step of a plan that is a list),
- ``{"unasked": True}``: do not wait for a request (first step of a plan that is a list),
- ``{"gather": n}``: go on when n requests have come so far,
- ``{"hold": True}``: go on when `release` was called.

``"ends": True`` in a step says that its bytes complete the answer: from there on the request is in flight no
more. Otherwise it is until its steps are over or whoever asked goes away, which is noticed at once.
``"fault": name`` in a step is counted.

No web server can send broken HTTP; a list of bytes can. `FaultServer` runs on a thread of its own,
`FaultProcess` in a process of its own, where the client cannot starve it.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import multiprocessing
import re
import selectors
import socket
import ssl
import struct
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from multiprocessing.connection import Connection as Pipe
from typing import Any, Self

Step = Mapping[str, Any]
Steps = Sequence[Step]

# How often the server looks for arrivals at least; each is known to lie between two looks.
_LOOK_SECONDS = 0.002


@dataclass(frozen=True)
class Received:
    """One request as it came.

    Parameters
    ----------
    number, connection, number_on_connection
        Its place among all, the place of its connection among all, and its place on that one, from 0.
    in_flight
        How many requests the server has at that moment, this one among them.
    keys, attempts
        The first join key of each row asked for, as text, and how often it was asked for before.
    """

    number: int
    connection: int
    number_on_connection: int
    head: bytes
    body: bytes
    in_flight: int = 1
    keys: tuple[str, ...] = ()
    attempts: tuple[int, ...] = ()

    @property
    def operation(self) -> str:
        """Last part of the path, such as ``get-features``."""
        return self.head.partition(b"\r\n")[0].split(b" ")[1].rpartition(b"/")[2].decode()


def _keys(body: bytes) -> tuple[str, ...]:
    if b'"joinKeyMap"' not in body:
        return ()
    params = json.loads(body)["params"]
    return tuple(str(next(iter(row["joinKeyMap"].values()))) for row in params.get("requestData", [params]))


@dataclass
class Counts:
    """What a server has seen since it began, or was told to forget.

    Parameters
    ----------
    most_in_flight
        Requests at once at most; one whose client went away counts no longer.
    arrivals
        For each request when the server looked without finding it, some milliseconds before, and when it had it, in
        seconds. For clients that wait for an answer before they ask again.
    asked
        How often each key was asked for.
    faults
        How often each fault was made.
    answers
        For each complete answer when its request came, when it was sent, and whether it was a fault.
    """

    requests: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    connections: int = 0
    open_connections: int = 0
    most_open_connections: int = 0
    arrivals: list[tuple[float, float]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    answers: list[tuple[float, float, bool]] = field(default_factory=list)

    def most_within(self, seconds: float) -> int:
        """Return how many requests surely arrived within some stretch of so many seconds."""
        most = 0
        for end, (_, had) in enumerate(self.arrivals, start=1):
            # Whatever came between two looks may have come at the first.
            most = max(most, sum(had - missed < seconds for missed, _ in self.arrivals[:end]))
        return most


def answer(body: bytes, status: str = "200 OK", *headers: str) -> Step:
    """Return the step that sends a proper answer."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return {"send": "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body, "ends": True}


class Disconnected(Exception):
    """The other side, or a step, ended the connection."""


Plan = Callable[[Received], Steps]


class _Reader(asyncio.StreamReader):
    """Tells at once, not only to whoever reads, that nothing more will come."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__(limit=2**26)
        self._tell = tell

    def feed_eof(self) -> None:
        super().feed_eof()
        self._tell()

    def set_exception(self, exc: BaseException) -> None:
        super().set_exception(exc)
        self._tell()


class _Looks(selectors.DefaultSelector):
    """Remembers when it began to look for what has come.

    The clock of the loop does not tell: a server that did not get to run has its own work to do first, and
    then takes in what came meanwhile.
    """

    # A connection and its first bytes are found five looks apart here; one more missed both, and two are to spare.
    _KEPT = 8

    def __init__(self) -> None:
        super().__init__()
        self._began: deque[float] = deque(maxlen=self._KEPT)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._began.append(time.monotonic())
        return super().select(_LOOK_SECONDS if timeout is None else min(timeout, _LOOK_SECONDS))

    def missed(self, *, is_first: bool) -> float:
        """Return when it looked without finding what it has found now; `is_first` on a connection."""
        return self._began[0 if is_first else -2]


class _Talk(asyncio.StreamReaderProtocol):
    """One connection."""

    def __init__(self, server: _Server, number: int) -> None:
        self._server = server
        self._number = number
        self._gone = asyncio.get_running_loop().create_future()
        self._asked_at: float | None = None
        self._missed_at: float | None = None
        self._incoming = _Reader(self._left)
        self._outgoing: asyncio.StreamWriter
        super().__init__(self._incoming, self._serve)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._server.transports.add(transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._missed_at = self._server.looks.missed(is_first=self._missed_at is None)
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._server.counts.open_connections -= 1

    def _left(self) -> None:
        # Here and not where a task hears of it: the next request of whoever left may be read in the same round.
        self._end()
        if not self._gone.done():
            self._gone.set_result(None)

    def _begin(self) -> None:
        self._asked_at = time.monotonic()
        self._server.begin()

    def _end(self) -> None:
        if self._asked_at is not None:
            self._asked_at = None
            self._server.counts.in_flight -= 1

    async def _serve(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._outgoing = writer
        try:
            await self._converse()
        except (OSError, EOFError, Disconnected):
            self._server.went_away.set()
        finally:
            self._end()
            writer.close()

    async def _converse(self) -> None:
        number = 0
        while True:
            head, body = await self._request() if self._server.reads else (b"", b"")
            self._begin()
            received = self._server.receive((self._number, number), head, body, self._missed_at)
            number += 1
            for step in self._server.plan(received):
                await self._do(step)
            self._end()

    async def _request(self) -> tuple[bytes, bytes]:
        head = (await self._incoming.readuntil(b"\r\n\r\n"))[:-4]
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        return head, await self._incoming.readexactly(int(length[1])) if length else b""

    async def _do(self, step: Step) -> None:
        if "fault" in step:
            self._server.counts.faults[step["fault"]] += 1
        if "repeat" in step:
            for _ in range(step["repeat"]["times"]):
                await self._send(step["repeat"])
                await self._pause(step["repeat"].get("every", 0))
        elif "sleep" in step:
            await self._pause(step["sleep"])
        elif "gather" in step:
            await self._until(self._server.gathered(step["gather"]))
        elif "hold" in step:
            await self._until(self._server.released)
        elif "close_on_next_byte" in step:
            await self._incoming.read(1)
            raise Disconnected
        elif "rst" in step:
            self._reset()
            raise Disconnected
        elif "close" in step:
            raise Disconnected
        elif "no_read" in step:
            self._outgoing.transport.pause_reading()  # type: ignore[attr-defined]
        elif "unasked" not in step:
            await self._send(step)

    async def _send(self, step: Step) -> None:
        self._outgoing.write(_bytes(step, self._server.other_port))
        if step.get("ends"):
            self._answered(is_fault="fault" in step)
        await self._outgoing.drain()

    def _answered(self, *, is_fault: bool) -> None:
        # Before anything is awaited: the answer may be read, and the next request be there, at once.
        if self._asked_at is not None:
            self._server.counts.answers.append((self._asked_at, time.monotonic(), is_fault))
        self._end()

    async def _pause(self, seconds: float) -> None:
        if seconds:
            await asyncio.wait([self._gone], timeout=seconds)
        self._check()

    async def _until(self, event: asyncio.Event) -> None:
        waiting = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait([self._gone, waiting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        self._check()

    def _check(self) -> None:
        if self._gone.done():
            raise Disconnected

    def _reset(self) -> None:
        plain = self._outgoing.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._outgoing.transport.abort()


def _bytes(step: Step, other_port: int) -> bytes:
    if "send" in step:
        return bytes(step["send"])
    if "send_b64" in step:
        return base64.b64decode(step["send_b64"])
    return _filled(step["send_template"], other_port).encode("latin-1")


def _filled(template: str, other_port: int) -> str:
    text = template.replace("{other_port}", str(other_port))
    text = re.sub(r"\{now\+(\d+):imf-fixdate\}", lambda m: formatdate(time.time() + int(m[1]), usegmt=True), text)
    return text.replace("{{", "{").replace("}}", "}")


class _Server:
    """The listener and its counts; belongs to one event loop."""

    def __init__(
        self, plan: Steps | Plan, looks: _Looks, tls: ssl.SSLContext | None = None, other_port: int = 0
    ) -> None:
        self.plan, self.reads = _as_plan(plan)
        self.other_port = other_port
        self.received: list[Received] = []
        self.counts = Counts()
        self.went_away = threading.Event()
        self.released = asyncio.Event()
        self.transports: weakref.WeakSet[asyncio.BaseTransport] = weakref.WeakSet()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)
        self._tls = tls
        self.looks = looks
        self._gathered = 0
        self._met = 0
        self._all_here = asyncio.Event()

    def change(self, plan: Steps | Plan) -> None:
        """Answer by another plan from now on."""
        self.plan, self.reads = _as_plan(plan)

    def pretend(self, tls: ssl.SSLContext | None) -> None:
        """Prove itself in another way from now on; who is connected is cut."""
        self._tls = tls
        self._cut()

    def forget(self) -> None:
        """Begin to count anew; what is in flight or open stays so."""
        flying, connected = self.counts.in_flight, self.counts.open_connections
        self.counts = Counts(
            in_flight=flying, most_in_flight=flying, open_connections=connected, most_open_connections=connected
        )
        self.received = []

    def snapshot(self) -> Counts:
        """Return the counts as they are now."""
        return copy.deepcopy(self.counts)

    def number(self, name: str) -> int:
        """Return one of the counts, a number."""
        return int(getattr(self.counts, name))

    def begin(self) -> None:
        """Count a request in."""
        self.counts.in_flight += 1
        self.counts.most_in_flight = max(self.counts.most_in_flight, self.counts.in_flight)

    def receive(self, place: tuple[int, int], head: bytes, body: bytes, missed_at: float | None) -> Received:
        """Note a request; it had not come at `missed_at`."""
        counts, keys = self.counts, _keys(body)
        had_at = time.monotonic()
        counts.arrivals.append((had_at if missed_at is None else missed_at, had_at))
        attempts = tuple(counts.asked[key] for key in keys)
        counts.asked.update(keys)
        received = Received(counts.requests, *place, head, body, counts.in_flight, keys, attempts)
        counts.requests += 1
        self.received.append(received)
        return received

    def gathered(self, number: int) -> asyncio.Event:
        """Return what is set when this was called so many times."""
        self._gathered += 1
        if self._gathered >= number:
            self._all_here.set()
        return self._all_here

    async def run(self, stopped: asyncio.Event) -> None:
        """Serve until told to stop."""
        accepting = asyncio.create_task(self._accept())
        await stopped.wait()
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)
        self.listener.close()
        self._cut()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait_for(asyncio.gather(*rest, return_exceptions=True), 10)

    def _cut(self) -> None:
        for transport in list(self.transports):
            transport.abort()  # type: ignore[attr-defined]

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        meetings = set()
        while True:
            plain, _ = await loop.sock_accept(self.listener)
            meeting = loop.create_task(self._meet(plain))
            meetings.add(meeting)
            meeting.add_done_callback(meetings.discard)

    async def _meet(self, plain: socket.socket) -> None:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        counts, number = self.counts, self._met
        self._met += 1
        # Counted before TLS, which may never come to be.
        counts.connections += 1
        counts.open_connections += 1
        counts.most_open_connections = max(counts.most_open_connections, counts.open_connections)
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: _Talk(self, number), plain, ssl=self._tls)
        except OSError:
            self.counts.open_connections -= 1
            self.went_away.set()


def _as_plan(plan: Steps | Plan) -> tuple[Plan, bool]:
    if callable(plan):
        return plan, True
    return lambda _: plan, not (plan and plan[0].keys() & {"no_read", "unasked"})


class FaultServer:
    """Listens on a loopback port, on a thread of its own; `plan` says what each request gets.

    Parameters
    ----------
    plan
        Steps for every request, or a function from `Received` to them; it must not wait.
    tls
        Server side context; plain if `None`.
    other_port
        What ``{other_port}`` in a template stands for.
    """

    def __init__(self, plan: Steps | Plan, *, tls: ssl.SSLContext | None = None, other_port: int = 0) -> None:
        looks = _Looks()
        self._server = _Server(plan, looks, tls, other_port)
        self._scheme = "https" if tls else "http"
        self.port: int = self._server.listener.getsockname()[1]
        self._loop = asyncio.SelectorEventLoop(looks)
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Base URL."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def received(self) -> list[Received]:
        """Every request since it began, or was told to forget."""
        return self._server.received

    @property
    def went_away(self) -> threading.Event:
        """Set once a connection has ended."""
        return self._server.went_away

    def counts(self) -> Counts:
        """Return what it has seen until now."""
        return self._call(self._server.snapshot) if self._thread.is_alive() else self._server.counts

    def number(self, name: str) -> int:
        """Return one of the counts that are numbers; for whoever looks all the time."""
        return int(self._call(self._server.number, name))

    def forget(self) -> None:
        """Begin to count anew."""
        self._call(self._server.forget)

    def change(self, plan: Steps | Plan) -> None:
        """Answer by another plan from now on."""
        self._call(self._server.change, plan)

    def pretend(self, tls: ssl.SSLContext | None) -> None:
        """Prove itself by another certificate, or none, from now on; who is connected is cut."""
        self._call(self._server.pretend, tls)

    def release(self) -> None:
        """Let go on what is held."""
        self._call(self._server.released.set)

    def close(self) -> None:
        """Stop at once; every connection is cut."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._server.run(self._stopped))
        finally:
            self._loop.close()

    def _call(self, do: Callable[..., Any], *arguments: Any) -> Any:
        async def done() -> Any:
            return do(*arguments)

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(20)


class FaultProcess:
    """A fault server in a process of its own, for clients that would starve it or whose process is looked at.

    Parameters
    ----------
    plan
        As for `FaultServer`; it travels by pickle, so a function must be known by its module.
    """

    def __init__(self, plan: Steps | Plan = ()) -> None:
        spawned = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawned.Pipe()
        self._process = spawned.Process(target=_serve_from_afar, args=(theirs, plan), daemon=True)
        self._process.start()
        theirs.close()
        self.url = f"http://127.0.0.1:{self._pipe.recv()}"

    def counts(self) -> Counts:
        """Return what it has seen until now."""
        return self._call("snapshot")

    def number(self, name: str) -> int:
        """Return one of the counts that are numbers; for whoever looks all the time."""
        return int(self._call("number", name))

    def forget(self) -> None:
        """Begin to count anew."""
        self._call("forget")

    def change(self, plan: Steps | Plan) -> None:
        """Answer by another plan from now on."""
        self._call("change", plan)

    def close(self) -> None:
        """Stop at once; every connection is cut."""
        self._pipe.close()
        self._process.join(20)
        self._process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, name: str, *arguments: Any) -> Any:
        self._pipe.send((name, arguments))
        return self._pipe.recv()


def _serve_from_afar(pipe: Pipe, plan: Steps | Plan) -> None:
    looks = _Looks()

    async def serve() -> None:
        server, stopped = _Server(plan, looks), asyncio.Event()
        asyncio.get_running_loop().add_reader(pipe.fileno(), _obey, pipe, server, stopped)
        pipe.send(server.listener.getsockname()[1])
        await server.run(stopped)

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(looks)) as runner:
        runner.run(serve())


def _obey(pipe: Pipe, server: _Server, stopped: asyncio.Event) -> None:
    try:
        name, arguments = pipe.recv()
    except EOFError:
        asyncio.get_running_loop().remove_reader(pipe.fileno())
        stopped.set()
        return
    pipe.send(getattr(server, name)(*arguments))
