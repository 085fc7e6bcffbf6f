"""How fast answers become typed columns, beside the official client's objects and pandas.

    python tests/benchmarks/bench_decode.py [--rows 20000] [--repetitions 7] [SHAPE ...]

Each shape is so many single-row answers of 14 features with all metadata. Theirs: ``json.loads``, the official
client's ``get_features_dict``, ``pd.DataFrame`` of the dicts, and the columns typed. Ours: `FeatureColumns`. Both make
the frame of the values alone and then all four frames: values, statuses, effective times and SLO information. The two
are measured in turns, in processor time, and shown to make equal frames before any of it.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
from tecton_client import GetFeaturesResponse

from tecton_nb import columns
from tecton_nb.frames.assemble import FeatureColumns
from tecton_nb.frames.dtypes import dtype_of
from tecton_nb.wire.responses import NameAndType
from tecton_nb.wire.types import parse_data_type

ARRAY, INT_ARRAY = ({"type": "array", "elementType": {"type": kind}} for kind in ("float64", "int64"))
STRUCT = {
    "type": "struct",
    "fields": [{"name": n, "dataType": {"type": t}} for n, t in (("band", "string"), ("minutes", "int64"))],
}
SCALARS: tuple[Any, ...] = ("boolean", *["string"] * 2, *["int64"] * 5, *["float64"] * 6)
MIXED: tuple[Any, ...] = ("boolean", *["string"] * 2, *["int64"] * 3, *["float64"] * 5, ARRAY, INT_ARRAY, STRUCT)
NAMES = tuple(f"user_transaction_metrics_{i // 5}.amount_of_kind_{i}_{window}" for i, window in enumerate(["1d"] * 14))
Frames = tuple[pd.DataFrame, ...]


@dataclass(frozen=True)
class Shape:
    """What the answers hold: data types, share of missing values, and whether each row has its own times."""

    kinds: tuple[Any, ...]
    missing: float = 0.0
    has_own_times: bool = False


SHAPES = {
    "scalars": Shape(SCALARS),
    "scalars, 5 % missing": Shape(SCALARS, 0.05),
    "mixed": Shape(MIXED),
    "mixed, 5 % missing": Shape(MIXED, 0.05),
    "scalars, times per row": Shape(SCALARS, has_own_times=True),
}


def answers(shape: Shape, rows: int) -> list[bytes]:
    """Return as many get-features answers, compact as servers write them."""
    rng = random.Random(4)
    return [json.dumps(_answer(shape, rng), separators=(",", ":")).encode() for _ in range(rows)]


def _answer(shape: Shape, rng: random.Random) -> dict[str, Any]:
    values = [None if rng.random() < shape.missing else _value(kind, rng) for kind in shape.kinds]
    if STRUCT in shape.kinds and rng.random() < 0.02:
        values[shape.kinds.index("float64")] = "NaN"
    features = []
    for i, (name, kind, value) in enumerate(zip(NAMES, shape.kinds, values, strict=True)):
        item: dict[str, Any] = {"name": name}
        if i >= 2:
            item["effectiveTime"] = "2024-05-01T00:00:00Z"
        if i >= 8 and shape.has_own_times:
            item["effectiveTime"] = (
                f"2024-05-01T{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}.{rng.randrange(1000):03}Z"
            )
        item |= {"dataType": _type(kind)} | ({"type": kind} if isinstance(kind, str) else {})
        features.append(item | {"status": "MISSING_DATA" if value is None else "PRESENT"})
    slo = {
        "sloEligible": True,
        "sloServerTimeSeconds": rng.random() / 20,
        "dynamodbResponseSizeBytes": rng.randrange(4000),
        "serverTimeSeconds": rng.random() / 20,
        "storeMaxLatency": rng.random() / 50,
        "storeResponseSizeBytes": rng.randrange(4000),
    }
    return {"result": {"features": values}, "metadata": {"features": features, "sloInfo": slo}}


def _value(kind: Any, rng: random.Random) -> Any:
    if kind is STRUCT:
        return [f"band {rng.randrange(9)}", str(rng.randrange(10_000))]
    if kind in (ARRAY, INT_ARRAY):
        return [round(rng.random(), 4) if kind is ARRAY else str(rng.randrange(10**6)) for _ in range(rng.randrange(7))]
    if kind == "float64":
        return round(rng.random() * 10 ** rng.randrange(1, 6), rng.randrange(9))
    if kind == "int64":
        return str(rng.randrange(10 ** rng.randrange(1, 13)))
    return rng.random() < 0.5 if kind == "boolean" else f"merchant {rng.randrange(100_000)}"


def _type(kind: Any) -> dict[str, Any]:
    return {"type": kind} if isinstance(kind, str) else kind


def _schema(shape: Shape) -> tuple[NameAndType, ...]:
    pairs = zip(NAMES, shape.kinds, strict=True)
    return tuple(NameAndType(name, parse_data_type(_type(kind), where="dataType")) for name, kind in pairs)


def ours(shape: Shape, bodies: list[bytes], *, everything: bool) -> Frames:
    """Return the frames that `FeatureColumns` makes."""
    table = FeatureColumns(_schema(shape), len(bodies))
    for i, body in enumerate(bodies):
        table.put_body(body, [i], is_batch=False)
    index = pd.RangeIndex(len(bodies))
    if not everything:
        return (table.features(index),)
    return table.features(index), table.statuses(index), table.effective_times(index), table.slo_info(index)


def theirs(shape: Shape, bodies: list[bytes], *, everything: bool) -> Frames:
    """Return the frames made of the official client's objects."""
    if not everything:
        dicts = [GetFeaturesResponse.from_response(json.loads(body)).get_features_dict() for body in bodies]
        return (_typed_values(shape, pd.DataFrame(dicts)),)
    values, statuses, times, slo_infos = [], [], [], []
    for body in bodies:
        response = GetFeaturesResponse.from_response(json.loads(body))
        values.append(response.get_features_dict())
        items = response.metadata["features"]
        statuses.append({item["name"]: item.get("status") for item in items})
        times.append({item["name"]: item.get("effectiveTime") for item in items})
        slo_infos.append(response.slo_info)
    moments = pd.DataFrame(times).apply(lambda text: pd.to_datetime(text, utc=True, format="ISO8601").dt.as_unit("ns"))
    status_frame = pd.DataFrame(statuses).astype(pd.StringDtype("pyarrow"))
    return _typed_values(shape, pd.DataFrame(values)), status_frame, moments, _typed_slo(slo_infos)


def _typed_values(shape: Shape, frame: pd.DataFrame) -> pd.DataFrame:
    for item in _schema(shape):
        dtype = dtype_of(item.data_type)
        if str(dtype) == "Float64":
            # Words become numbers; missing and NaN are one from here on.
            frame[item.name] = frame[item.name].astype("float64").astype(dtype)
        elif isinstance(dtype, pd.ArrowDtype):
            frame[item.name] = pd.arrays.ArrowExtensionArray(pa.array(frame[item.name], type=dtype.pyarrow_dtype))
        else:
            frame[item.name] = frame[item.name].astype(dtype)
    return frame


def _typed_slo(slo_infos: list[Any]) -> pd.DataFrame:
    frame = pd.DataFrame(slo_infos).rename(columns={"store_max_latency": "store_max_latency_seconds"})
    return frame.astype(columns.by_name(columns.SLO_INFO))[list(columns.by_name(columns.SLO_INFO))]


def assert_equal_frames(shape: Shape, bodies: list[bytes]) -> None:
    """Raise AssertionError if a cell of our frames is not that of theirs."""
    for our, their in zip(*(make(shape, bodies, everything=True) for make in (ours, theirs)), strict=True):
        # Theirs cannot tell NaN from missing.
        told = our.apply(lambda column: column.mask(column != column) if str(column.dtype) == "Float64" else column)
        pd.testing.assert_frame_equal(told, their, check_dtype=False)


def measure(shape: Shape, bodies: list[bytes], repetitions: int) -> Iterator[tuple[str, list[float], list[float]]]:
    """Yield processor seconds of both sides, repetition by repetition, for each set of frames."""
    for called, everything in (("values", False), ("everything", True)):
        seconds: tuple[list[float], list[float]] = ([], [])
        for _ in range(repetitions):
            for spent, make in zip(seconds, (ours, theirs), strict=True):
                spent.append(
                    _seconds(lambda make=make, everything=everything: make(shape, bodies, everything=everything))
                )
        yield called, *seconds


def _seconds(make: Callable[[], Frames]) -> float:
    started = time.process_time()
    make()
    return time.process_time() - started


def memory(shape: Shape, rows: int) -> str:
    """Return what our four frames weigh, and the most that was held while they were made; the answers not counted.

    For a process that has done nothing else. The peaks of Python's and numpy's memory (tracemalloc) and of Arrow's
    are added as if they fell together.
    """
    bodies = answers(shape, rows)
    tracemalloc.start()
    frames = ours(shape, bodies, everything=True)
    peak = tracemalloc.get_traced_memory()[1] + pa.default_memory_pool().max_memory()
    held = sum(int(frame.memory_usage(deep=True, index=False).sum()) for frame in frames)
    values = int(frames[0].memory_usage(deep=True, index=False).sum())
    return f"frames {held / 1e6:.1f} MB (values {values / 1e6:.1f}), at most {peak / 1e6:.1f} MB: {peak / held:.1f} x"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", default=list(SHAPES))
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--memory-only", action="store_true", help="what the other runs start for the memory")
    options = parser.parse_args()
    for name in options.shapes:
        if options.memory_only:
            print(memory(SHAPES[name], options.rows))
            continue
        shape, bodies = SHAPES[name], answers(SHAPES[name], options.rows)
        assert_equal_frames(shape, bodies)
        for called, our, their in measure(shape, bodies, options.repetitions):
            ratio = statistics.median([t / o for o, t in zip(our, their, strict=True)])
            rate = options.rows / statistics.median(our)
            print(f"{name:24}{called:12}{ratio:5.1f} x  {rate:9,.0f} rows/s", flush=True)
        again = [sys.executable, __file__, name, "--rows", str(options.rows), "--memory-only"]
        found = subprocess.run(again, check=True, capture_output=True, text=True)  # noqa: S603  # this file
        print(f"{name:24}{found.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
