"""Rows of keys to a typed frame, by us and by the official client, with what it cost."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import httpx
import pandas as pd
from fourteen import KINDS, NAMES, SERVICE, values
from tecton_client import AsyncTectonClient, MetadataOptions, TectonClient

import tecton_nb as tnb

# The same for all: names, types, statuses, effective times and SLO information come with every row.
_ALL = MetadataOptions(
    include_names=True,
    include_data_types=True,
    include_effective_times=True,
    include_slo_info=True,
    include_serving_status=True,
)
_DTYPES = {"int64": "Int64", "boolean": "boolean", "string": "string", "float64": "Float64"}
_KEY = "benchmark-key-of-the-client"
_WORKSPACE = "prod"
_STATUS = Path("/proc/self/status")
InFlight: TypeAlias = "int | Literal['auto']"


@dataclass(frozen=True)
class Task:
    """What is asked for: rows with the keys 0, 1, 2, ...

    Parameters
    ----------
    is_constant
        Whether the server answers every call alike, the i-th of its rows with the values of the key i.
    """

    url: str
    rows: int
    in_flight: InFlight = "auto"
    rows_per_call: int = 1
    is_constant: bool = False

    def check(self, frame: pd.DataFrame) -> None:
        """Raise AssertionError if one value is not what its row was to get."""
        keys = range(self.rows)
        got = _frame([values(key % self.rows_per_call if self.is_constant else key) for key in keys])
        pd.testing.assert_frame_equal(frame, got, check_dtype=False)


@dataclass(frozen=True)
class Cost:
    """What it took; the last two are medians over all calls, where they are known."""

    rows: int
    seconds: float
    cpu_seconds: float
    peak_bytes: float
    client_seconds: float = float("nan")
    server_seconds: float = float("nan")

    @property
    def rows_per_second(self) -> float:
        """Rows by the clock on the wall."""
        return self.rows / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor time a row, of all threads."""
        return self.cpu_seconds / self.rows * 1e6


def ours(task: Task) -> Cost:
    """Fetch with ``FeatureService.get_features_batch``."""
    with tnb.TectonClient(task.url, _KEY, _WORKSPACE) as client:
        service = client.feature_service(SERVICE)
        keys = pd.DataFrame({"id": range(task.rows)})
        with _Meter(task) as meter:
            batch = service.get_features_batch(
                keys, concurrency=task.in_flight, rows_per_call=task.rows_per_call, progress=False
            )
            frame = batch.to_pandas()
    task.check(frame)
    calls = batch.calls()
    medians = (float(calls[name].median()) for name in ("client_time_seconds", "server_time_seconds"))
    return meter.cost(*medians)


def official_sync(task: Task) -> Cost:
    """Fetch with the official client in a loop."""
    with httpx.Client() as http, _Meter(task) as meter:
        client = TectonClient(task.url, _KEY, _WORKSPACE, http)
        found = [client.get_features(**_question(key)).get_features_dict() for key in range(task.rows)]
        frame = _typed(pd.DataFrame(found))
    task.check(frame)
    return meter.cost()


def official_async(task: Task) -> Cost:
    """Fetch with the official asynchronous client, all rows gathered, a semaphore around each."""

    async def fetch() -> list[dict[str, Any]]:
        free = asyncio.Semaphore(int(task.in_flight))

        async def one(client: AsyncTectonClient, key: int) -> dict[str, Any]:
            async with free:
                response = await client.get_features(**_question(key))
            return response.get_features_dict()

        async with httpx.AsyncClient() as http:
            client = AsyncTectonClient(task.url, _KEY, _WORKSPACE, http)
            return await asyncio.gather(*(one(client, key) for key in range(task.rows)))

    with _Meter(task) as meter:
        frame = _typed(pd.DataFrame(asyncio.run(fetch())))
    task.check(frame)
    return meter.cost()


class _Meter:
    """Reads the clocks around a block."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __enter__(self) -> Self:
        self._memory = _peak_bytes()
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self._wall, self._cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        self._memory = _peak_bytes() - self._memory

    def cost(self, *medians: float) -> Cost:
        return Cost(self._task.rows, self._wall, self._cpu, self._memory, *medians)


def _peak_bytes() -> float:
    """Return the most memory that this process ever held; NaN where the system does not tell."""
    found = re.search(r"VmHWM:\s+([0-9]+) kB", _STATUS.read_text()) if _STATUS.exists() else None
    return int(found[1]) * 1024 if found else float("nan")


def _question(key: int) -> dict[str, Any]:
    return {"feature_service_name": SERVICE, "join_key_map": {"id": str(key)}, "metadata_options": _ALL}


def _frame(rows: list[list[Any]]) -> pd.DataFrame:
    readers: list[Callable[[Any], Any]] = [int if kind == "int64" else lambda value: value for kind in KINDS]
    columns = zip(*rows, strict=True)
    named = zip(NAMES, readers, columns, strict=True)
    return _typed(pd.DataFrame({name: [read(value) for value in column] for name, read, column in named}))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({name: _DTYPES[kind] for name, kind in zip(NAMES, KINDS, strict=True)})
