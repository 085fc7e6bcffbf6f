"""How fast and how lean comparisons are, beside pandas' own expression and datacompy; run by hand.

    pip install datacompy psutil      # datacompy 1.1.0 asks for pandas below 3.1: take an environment of its own
    python tests/benchmarks/bench_compare.py

Prints medians and ratios within this run. Without datacompy its line is left out, and says so.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd
import psutil

import tecton_nb as tnb

RUNS = 5
STORAGES = ("numpy", "numpy, rows beside each other", "Float64 and Int64")


def frames(rows: int, features: int, storage: str = "numpy", share: float = 0.001) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return two frames of numbers, a hundredth of them missing, that differ in a share of the cells."""
    random = np.random.default_rng(5)
    left = random.normal(100, 15, (rows, features))
    left[random.random(left.shape) < 0.01] = np.nan
    right = left.copy()
    right[random.random(left.shape) < share] += 1
    names = [f"view.feature_{i}" for i in range(features)]
    beside = storage == STORAGES[1]
    one, other = (pd.DataFrame(values, columns=names, copy=not beside) for values in (left, right))
    if storage == STORAGES[2]:
        dtypes = {name: "Float64" if i % 2 else "Int64" for i, name in enumerate(names)}
        one, other = (frame.round().astype(dtypes) for frame in (one, other))
    return one, other


def expression(left: pd.DataFrame, right: pd.DataFrame) -> object:
    """Return what pandas users write."""
    return (left == right) | (left.isna() & right.isna())


def ours(left: pd.DataFrame, right: pd.DataFrame) -> object:
    """Return verdict and mismatches."""
    found = tnb.compare_features(left, right)
    return found.equal, found.mismatches()


def seconds(work: Callable[[pd.DataFrame, pd.DataFrame], object], frames: tuple[pd.DataFrame, pd.DataFrame]) -> float:
    """Return how long one call takes."""
    started = time.perf_counter()
    work(*frames)
    return time.perf_counter() - started


def against_pandas(storage: str, share: float, rows: int = 1_000_000, features: int = 20) -> str:
    """Return a line: our time, that of the expression, and the ratio."""
    made = frames(rows, features, storage, share)
    times = [(seconds(expression, made), seconds(ours, made)) for _ in range(RUNS)]
    pandas, own = (median(column) for column in zip(*times, strict=True))
    ratio = median(b / a for a, b in times)
    return (
        f"{rows:,} x {features}, {storage}, {share:.2%} differ: {own * 1e3:.0f} ms, pandas' expression "
        f"{pandas * 1e3:.0f} ms, ratio {ratio:.2f}"
    )


def against_datacompy(rows: int = 100_000, features: int = 50) -> str:
    """Return a line: our time, that of datacompy with its mismatches, and the ratio."""
    try:
        datacompy = importlib.import_module("datacompy")
    except ImportError:
        return "datacompy is not installed: left out"
    made = frames(rows, features)
    keyed = tuple(frame.assign(key=np.arange(rows)) for frame in made)

    def theirs(left: pd.DataFrame, right: pd.DataFrame) -> object:
        found = datacompy.PandasCompare(left, right, join_columns="key")
        return found.matches(), found.all_mismatch()

    def own(left: pd.DataFrame, right: pd.DataFrame) -> object:
        found = tnb.compare_features(left, right, on="key")
        return found.equal, found.mismatches()

    times = [(seconds(theirs, keyed), seconds(own, keyed)) for _ in range(3)]
    ratio = median(a / b for a, b in times)
    return f"{rows:,} x {features}: {ratio:.1f} times as fast as datacompy {datacompy.__version__}"


def memory_ratio(share: float = 0.001, rows: int = 1_000_000, features: int = 20) -> float:
    """Return the peak of memory beyond the two frames, as a multiple of their size; in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_memory_ratio, (share, rows, features))


def _memory_ratio(share: float, rows: int, features: int) -> float:
    made = frames(rows, features, share=share)
    ours(*frames(1_000, features))
    process = psutil.Process(os.getpid())
    before = peak = process.memory_info().rss
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.002):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    kept = ours(*made)
    peak = max(peak, process.memory_info().rss)
    over.set()
    watcher.join()
    del kept
    return (peak - before) / sum(int(frame.memory_usage().sum()) for frame in made)


def main() -> None:
    """Print every figure."""
    for storage in STORAGES:
        for share in (0.0, 0.001, 0.01):
            print(against_pandas(storage, share))
    print(against_datacompy())
    for share in (0.001, 0.05):
        print(f"memory beyond the inputs, {share:.1%} differ: {memory_ratio(share):.2f} times the inputs")


if __name__ == "__main__":
    main()
