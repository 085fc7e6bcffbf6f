"""How fast one worker of the embedded server is, beside the same HTTP framework with a constant body.

    python tests/benchmarks/bench_server.py [--seconds 3] [--repetitions 5] [SERVICE ...]

Both servers run in this process, each on a thread of its own; they are asked in turns by wrk (or by
`socket_load.py` where wrk is missing), which sends the requests of 500 different flights over 16
connections. The constant body is an answer of the embedded server, so both send as many bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from aiohttp import web

from tecton_nb.local import Definitions, FeatureServer, FeatureService
from tecton_nb.local.demonstration.flight_services import flight_data, flight_definitions, flight_examples
from tecton_nb.local.demonstration.flights import load_flights

PATH = "/api/v1/feature-service/get-features"
KEY = "benchmark-key-of-the-server"
# 14 features each: of stored views, and of stored and computed ones; then the demo's own service with 36.
VECTORS = {
    "stored_14": ("origin_weather", "plane_facts", "route_profile"),
    "realtime_14": ("carrier_delays", "route_profile", "delay_outlook"),
}
SERVICES = (*VECTORS, "flight_delay_service")
METADATA = dict.fromkeys(
    ("includeNames", "includeDataTypes", "includeServingStatus", "includeEffectiveTimes", "includeSloInfo"), True
)
_SCRIPT = """
local bodies, i = {{}}, 0
for line in io.lines("{bodies}") do bodies[#bodies + 1] = line end
local headers = {{["Authorization"] = "Tecton-key {key}", ["Content-Type"] = "application/json"}}
request = function()
  i = i % #bodies + 1
  return wrk.format("POST", "{path}", headers, bodies[i])
end
"""


@dataclass(frozen=True)
class Rates:
    """Requests per second of the embedded server and of the constant one, repetition by repetition."""

    service: str
    body_bytes: int
    ours: list[float]
    constant: list[float]

    @property
    def ratio(self) -> float:
        """Median over median."""
        return statistics.median(self.ours) / statistics.median(self.constant)

    def __str__(self) -> str:
        ours, constant = statistics.median(self.ours), statistics.median(self.constant)
        return (
            f"{self.service:22}{self.body_bytes:6} bytes  ours {ours:8,.0f}/s  constant {constant:8,.0f}/s  "
            f"ratio {self.ratio:.2f}"
        )


@contextmanager
def flight_server() -> Iterator[FeatureServer]:
    """Serve the demo's flights, with two services of 14 features more."""
    flights = load_flights(pd.Timestamp.now(tz="UTC").floor("s"))
    definitions = flight_definitions()
    extra = tuple(FeatureService(name, views) for name, views in VECTORS.items())
    examples = flight_examples(flights)
    with FeatureServer(
        Definitions(definitions.views, definitions.services + extra),
        data=flight_data(flights),
        api_key=KEY,
        examples={**examples, **dict.fromkeys(VECTORS, examples["flight_delay_service"])},
    ) as server:
        yield server


@contextmanager
def constant_server(body: bytes) -> Iterator[int]:
    """Answer every request with one body on aiohttp's low-level server; yields the port."""
    bound: Future[tuple[int, Callable[[], None]]] = Future()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    async def listen() -> None:
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        listener = await loop.create_server(web.Server(handle, access_log=None), "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        bound.set_result((port, lambda: loop.call_soon_threadsafe(stopping.set)))
        await stopping.wait()
        listener.close()

    thread = threading.Thread(target=asyncio.run, args=(listen(),), daemon=True)
    thread.start()
    port, stop = bound.result()
    yield port
    stop()
    thread.join()


def bodies(server: FeatureServer, service: str) -> list[bytes]:
    """Return requests for 500 flights, with names, types, statuses, effective times and SLO asked for."""
    plan = server.responder.plan(service, "prod")
    if plan is None:
        raise SystemExit(f"There is no service {service}; there are {', '.join(SERVICES)}.")
    rows = server.example_rows(service, 500).astype(object).to_dict("records")
    keys, context = ([field.name for field in fields] for fields in (plan.input_keys, plan.context))
    locator = {"workspaceName": "prod", "featureServiceName": service, "metadataOptions": METADATA}
    maps = [
        {"joinKeyMap": {n: row[n] for n in keys}, "requestContextMap": {n: row[n] for n in context}} for row in rows
    ]
    return [json.dumps({"params": {**locator, **both}}).encode() for both in maps]


def load_tool(directory: Path, requests: list[bytes], seconds: float) -> Callable[[int], float]:
    """Return a function that asks the server on a port and returns its requests per second."""
    file = directory / "bodies"
    file.write_bytes(b"\n".join(requests))
    if shutil.which("wrk"):
        script = directory / "requests.lua"
        script.write_text(_SCRIPT.format(bodies=file, key=KEY, path=PATH))
        return lambda port: _rate_by_wrk(port, script, seconds)
    return lambda port: _rate_by_sockets(port, file, seconds)


def measure(server: FeatureServer, service: str, seconds: float = 3.0, repetitions: int = 5) -> Rates:
    """Return the rates of both servers, asked in turns."""
    requests = bodies(server, service)
    port = int(server.url.rpartition(":")[2])
    # The first time every key is read from the store.
    answers = [
        server.responder.respond("POST", PATH, [f"Tecton-key {KEY}"], request) for request in [*requests, requests[0]]
    ]
    if any(answer.status != 200 for answer in answers):
        raise SystemExit(f"A request failed: {answers[0].body!r}")
    body = answers[-1].body
    with tempfile.TemporaryDirectory() as directory, constant_server(body) as constant_port:
        rate = load_tool(Path(directory), requests, seconds)
        pairs = [(rate(port), rate(constant_port)) for _ in range(repetitions)]
    return Rates(service, len(body), [ours for ours, _ in pairs], [constant for _, constant in pairs])


def _rate_by_wrk(port: int, script: Path, seconds: float) -> float:
    command = ["wrk", "-t1", "-c16", f"-d{max(round(seconds), 1)}s", "-s", str(script), f"http://127.0.0.1:{port}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(said)
    return float(said.split("Requests/sec:")[1].split()[0])


def _rate_by_sockets(port: int, file: Path, seconds: float) -> float:
    tool = Path(__file__).with_name("socket_load.py")
    command = [sys.executable, str(tool), str(port), KEY, str(file), "--seconds", str(seconds)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / seconds  # noqa: S603


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("services", nargs="*", default=SERVICES, metavar="SERVICE", help=f"of {', '.join(SERVICES)}")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one measurement")
    parser.add_argument("--repetitions", type=int, default=5, help="of each, in turns; medians count")
    options = parser.parse_args()
    print(f"load tool: {'wrk' if shutil.which('wrk') else 'socket_load.py'}, {time.strftime('%Y-%m-%d %H:%M')}")
    with flight_server() as server:
        for service in options.services:
            print(measure(server, service, options.seconds, options.repetitions), flush=True)


if __name__ == "__main__":
    main()
