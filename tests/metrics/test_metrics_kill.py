"""kill -9 in the middle of recording: the history opens, and holds what was recorded exactly once."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import recording
from histories import SERIES, START, scrape

from tecton_nb.metrics import MetricsHistory

KILLS = 20


def is_whole(path: Path, told: int) -> bool:
    """Whether the history holds the scrapes up to the one that was told last, or one more: each whole and once."""
    with MetricsHistory(path) as history:
        scrapes, frame = history.scrapes(), history.frame("feature_service_latency_count")
    moments = [pd.Timestamp(START + number * recording.EVERY) for number in range(len(scrapes))]
    values = [2.0 * number for number in range(len(scrapes))]
    series = dict(iter(frame.groupby("feature_service_name")))
    return (
        len(scrapes) in {told + 1, told + 2}
        and scrapes["started_at"].tolist() == moments
        and set(scrapes["new_samples"]) == {len(SERIES)}
        and len(series) == 2
        and all(part["timestamp"].tolist() == moments and part["value"].tolist() == values for part in series.values())
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this computer cannot fork")
def test_history_killed_twenty_times_holds_every_scrape_once(tmp_path):
    """After each of 20 kill -9 the history opens with every scrape that was told, whole and once, and records on."""
    path = tmp_path / "metrics.db"
    moments, told, found = random.Random(8), -1, []
    command = [sys.executable, recording.__file__, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:  # noqa: S603
        assert program.stdin is not None
        assert program.stdout is not None
        for _ in range(KILLS):
            # The scrape that may or may not be in the file is recorded again; its time keeps it single.
            program.stdin.write(f"{told + 1}\n")
            program.stdin.flush()
            child = int(program.stdout.readline())
            for _ in range(moments.randrange(1, 30)):
                told = int(program.stdout.readline())
            os.kill(child, signal.SIGKILL)
            while (line := program.stdout.readline()) != "over\n":
                told = int(line)
            found.append(is_whole(path, told))
        program.stdin.close()

    assert found == [True] * KILLS
    assert told >= KILLS
    with MetricsHistory(path) as history:
        assert history.record(scrape(told, at=START + told * recording.EVERY)) == 0
