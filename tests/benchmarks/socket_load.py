"""A load tool for where wrk is missing: a few keep-alive connections, one process, requests from a file.

Prints the number of answers. It takes about as long for a request as the server does, so its
numbers say less than those of wrk.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import time
from itertools import cycle
from pathlib import Path


def main() -> None:
    """Ask for some seconds and print how many answers came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("key")
    parser.add_argument("bodies", type=Path)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    bodies = options.bodies.read_bytes().splitlines()
    requests = cycle([request(body, options.port, options.key) for body in bodies])
    with selectors.DefaultSelector() as selector:
        for _ in range(options.connections):
            connection = socket.create_connection(("127.0.0.1", options.port))
            selector.register(connection, selectors.EVENT_READ, bytearray())
            connection.sendall(next(requests))
        print(answers(selector, requests, time.perf_counter() + options.seconds))
        for key in [*selector.get_map().values()]:
            key.fileobj.close()


def request(body: bytes, port: int, key: str) -> bytes:
    """Return a get-features request as bytes."""
    head = (
        f"POST /api/v1/feature-service/get-features HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Tecton-key {key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def answers(selector: selectors.BaseSelector, requests: cycle[bytes], end: float) -> int:
    """Return how many answers came before the end, each followed by the next request on its connection."""
    count = 0
    while time.perf_counter() < end:
        for key, _ in selector.select(0.1):
            key.data.extend(key.fileobj.recv(65_536))
            if is_whole(key.data):
                count += 1
                key.data.clear()
                key.fileobj.sendall(next(requests))
    return count


def is_whole(data: bytearray) -> bool:
    """Whether an answer has come to its end; anything but 200 ends the measurement."""
    if not data.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"The server answered: {bytes(data[:200])!r}")
    end = data.find(b"\r\n\r\n")
    place = data.lower().find(b"content-length:", 0, end)
    return end >= 0 and len(data) >= end + 4 + int(data[place + 15 : data.find(b"\r\n", place)])


if __name__ == "__main__":
    main()
