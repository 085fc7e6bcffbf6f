"""kill -9 in the middle of ingest: the store opens, and holds what was acknowledged exactly once."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import ingesting
import pandas as pd
import pytest

from tecton_nb.local.storage.store import Store
from tecton_nb.local.storage.wire_columns import packed_key

NOW = pd.Timestamp("2024-05-20T00:00:00Z").value
KILLS = 20


def held(path: Path) -> tuple[int, float]:
    """How many events the store holds, and the sum of their amounts."""
    with Store([ingesting.VIEW], path) as store:
        rows = [store.read("events", packed_key([f"k{i}"]), NOW).values for i in range(3)]
    return sum(int(count or 0) for count, _ in rows), sum(amount or 0 for _, amount in rows)


def expected(frames: int) -> tuple[int, float]:
    """What the first so many frames hold together."""
    sizes = {number: ingesting.size_of(number) for number in range(1, frames + 1)}
    return sum(sizes.values()), sum(number * size for number, size in sizes.items())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this computer cannot fork")
def test_store_killed_twenty_times_holds_every_acknowledged_event_once(tmp_path):
    """After each of 20 kill -9 the store opens with all that was acknowledged, once, and at most the frame in work."""
    path = tmp_path / "features.db"
    moments, told, found = random.Random(8), 0, []
    command = [sys.executable, ingesting.__file__, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:  # noqa: S603
        assert program.stdin is not None
        assert program.stdout is not None
        for _ in range(KILLS):
            # The frame that may or may not be in the store is sent again; its digest keeps it single.
            program.stdin.write(f"{told + 1}\n")
            program.stdin.flush()
            child = int(program.stdout.readline())
            for _ in range(moments.randrange(1, 9)):
                told = int(program.stdout.readline())
            os.kill(child, signal.SIGKILL)
            while (line := program.stdout.readline()) != "over\n":
                told = int(line)
            found.append(held(path) in (expected(told), expected(told + 1)))
        program.stdin.close()

    assert found == [True] * KILLS
    assert told >= KILLS
