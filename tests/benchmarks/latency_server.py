"""A feature server that answers every request after the same time, and tells how long that really was.

    python tests/benchmarks/latency_server.py [--seconds 0.02] [--core 0]

It prints its port and serves until its standard input ends. Values are made from the key of each row, so a row that
got the answer of another shows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fourteen import answer, metadata_answer

try:
    from uvloop import new_event_loop
except ImportError:
    from asyncio import new_event_loop


class Connection(asyncio.Protocol):
    """One kept connection; requests come one after another."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._received = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember whom to answer."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self._received += data
        while (request := self._next()) is not None:
            head, body = request
            if head.split(b" ", 2)[1].endswith(b"/metadata"):
                self._send(metadata_answer())
                continue
            key = int(json.loads(body)["params"]["joinKeyMap"]["id"])
            self._loop.call_later(self._seconds, self._answer, key, time.perf_counter())

    def _next(self) -> tuple[bytes, bytes] | None:
        end = self._received.find(b"\r\n\r\n")
        place = self._received.lower().find(b"content-length:", 0, max(end, 0))
        if place < 0:
            return None
        begin = end + 4
        stop = begin + int(self._received[place + 15 : self._received.find(b"\r\n", place)])
        if len(self._received) < stop:
            return None
        request = self._received[:end], self._received[begin:stop]
        self._received = self._received[stop:]
        return request

    def _answer(self, key: int, came_at: float) -> None:
        self._send(answer(key, time.perf_counter() - came_at))

    def _send(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)


@contextmanager
def latency_server(seconds: float, core: int | None = None) -> Iterator[str]:
    """Run the server in a process of its own; yields its address."""
    command = [sys.executable, __file__, "--seconds", str(seconds)]
    command += [] if core is None else ["--core", str(core)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdin
        assert process.stdout
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


async def _serve(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(seconds), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.02)
    parser.add_argument("--core", type=int, help="processor core to stay on")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(options.seconds))


if __name__ == "__main__":
    main()
