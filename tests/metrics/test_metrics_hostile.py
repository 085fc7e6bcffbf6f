"""Files that are no history, or a damaged or a forged one: one sentence, no harm."""

from __future__ import annotations

import os
import random
import sqlite3
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from histories import START, filled, scrape, text_scrape

from tecton_nb.exceptions import InputError, SettingsError
from tecton_nb.metrics import MetricsHistory

BIG = 2**27


def _recorded(path: Path) -> Path:
    with MetricsHistory(path) as history:
        filled(history, range(70))
        # The first one of the next day seals the first, the second one stays in the head.
        history.record(scrape(0, at=START.replace(day=2)))
        history.record(scrape(1, at=START.replace(day=2, hour=1)))
    return path


def _everything(path: Path) -> None:
    with MetricsHistory(path) as history:
        history.families()
        history.scrapes()
        history.gaps()
        history.frame("feature_service_latency")
        history.wide("other")
        history.rollup("other")
        history.export_openmetrics(path.with_suffix(".om"))
        history.record(scrape(500, at=START.replace(day=3)))
        history.record(scrape(501, at=START.replace(day=4)))


def _refused(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        _everything(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_bytes(b"not a database at all" * 100), "file is not a database"),
        (lambda path: path.mkdir(), "is no file; name another one"),
        (lambda path: os.mkfifo(path), "is no file; name another one"),
        (lambda path: _another_program(path, "CREATE TABLE mine (x)"), "is a database of another program"),
    ],
)
def test_file_that_is_no_history_is_refused(tmp_path, make: Callable[[Path], object], sentence):
    """A text, a folder, a pipe, or another program's database is told in one sentence and left as it is."""
    path = tmp_path / "metrics.db"
    make(path)

    assert sentence in _refused(path)


def _another_program(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statement)


def test_folder_that_is_not_there_is_told(tmp_path):
    """A path without its folder is a sentence with the path."""
    with pytest.raises(SettingsError, match=r"Cannot open the metrics history '.*nowhere.*': No such file"):
        MetricsHistory(tmp_path / "nowhere" / "metrics.db")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON scrapes BEGIN DELETE FROM chunks; END",
        "CREATE VIEW v AS SELECT 1",
        "DROP TABLE head; CREATE TABLE head (id INTEGER PRIMARY KEY, layout, first, last, times, body)",
        "PRAGMA user_version=1",
    ],
)
def test_file_with_more_or_other_tables_is_refused(tmp_path, statement):
    """Triggers and views would run what a stranger wrote; other tables are another layout."""
    path = _recorded(tmp_path / "metrics.db")
    _another_program(path, statement)

    assert "is a database of layout" in _refused(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chunks SET body = NULL",
        "UPDATE chunks SET body = 'text'",
        "UPDATE chunks SET body = x'00'",
        "UPDATE chunks SET body = substr(body, 1, length(body) - 3)",
        "UPDATE chunks SET times = 999",
        "UPDATE times SET body = x'7a'",
        "UPDATE times SET body = (SELECT body FROM chunks LIMIT 1)",
        "UPDATE series SET labels = '{' WHERE name = 'other'",
        "UPDATE series SET labels = '[1]' WHERE name = 'other'",
        "UPDATE series SET labels = '{\"a\":1}' WHERE name = 'other'",
        "UPDATE series SET labels = NULL",
        "UPDATE series SET id = 4611686018427387904 WHERE name = 'other'",
        "UPDATE series SET id = -1 WHERE name = 'other'",
        "UPDATE head SET body = x'0102'",
        "UPDATE head SET body = 5",
        "UPDATE head SET layout = 77",
        "UPDATE head SET times = x'00'",
        "UPDATE layouts SET ids = 'abc'",
        "UPDATE scrapes SET duration = 'long', status = 'many'",
        "UPDATE scrapes SET stamp = 'late'; UPDATE scrapes SET outcome = 'Error' WHERE rowid % 7 = 0",
    ],
)
def test_damaged_contents_are_told_in_one_sentence(tmp_path, statement):
    """Whatever a cell holds instead of ours, the answer is a sentence with the path."""
    path = _recorded(tmp_path / "metrics.db")
    _another_program(path, statement)
    sentence = _refused(path)

    assert "metrics.db" in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(("table", "prefix"), [("chunks", b"z"), ("times", b"")])
def test_bomb_in_a_cell_is_never_unpacked(tmp_path, table, prefix, peak_memory):
    """A few kilobytes that unpack to 128 MiB are refused before they do."""
    path = _recorded(tmp_path / "metrics.db")
    bomb = zlib.compress(bytes(BIG), 9)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"UPDATE {table} SET body = ?", (prefix + bomb,))  # noqa: S608  # one of two words

    with peak_memory() as peak:
        sentence = _refused(path)

    assert "is damaged" in sentence
    assert peak() < BIG


@pytest.fixture
def peak_memory():
    """Measure the most memory that Python and numpy held."""

    @contextmanager
    def measure():
        tracemalloc.start()
        try:
            yield lambda: tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return measure


def test_file_that_claims_too_many_samples_is_refused(tmp_path, monkeypatch):
    """Small chunks can claim more samples than any memory has; a question for them is refused in words."""
    path = _recorded(tmp_path / "metrics.db")
    monkeypatch.setattr("tecton_nb.metrics.points.MOST_SAMPLES", 100)

    with MetricsHistory(path) as history, pytest.raises(InputError, match=r"more than 100 samples\. Ask for less"):
        history.frame("feature_service_latency")


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_end_in_frames_or_in_one_sentence(tmp_path, seed):
    """Wherever a byte of the file is wrong, reading and recording end well or in a SettingsError."""
    path = _recorded(tmp_path / "metrics.db")
    draw, body = random.Random(seed), bytearray(path.read_bytes())
    for _ in range(draw.choice([1, 4, 60])):
        body[draw.randrange(len(body))] ^= 1 << draw.randrange(8)
    path.write_bytes(body)

    with suppress(SettingsError):
        _everything(path)


def test_values_that_only_look_right_are_read_as_they_are(tmp_path):
    """A forged chunk of the right size is a number like any other: nothing is executed, nothing unpickled."""
    path = _recorded(tmp_path / "metrics.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        forged = b"z" + zlib.compress(np.full(70, 7.0).tobytes())
        connection.execute("UPDATE chunks SET body = ? WHERE length(body) > 0", (forged,))

    with MetricsHistory(path) as history:
        assert set(history.frame("other", until=START.replace(hour=1))["value"]) == {7.0}


def test_foreign_texts_are_inert_in_cards_and_sentences(tmp_path):
    """A series, a help text or an error with markup is text in the card, and control characters are shown."""
    path = tmp_path / "metrics.db"
    with MetricsHistory(path) as history:
        history.record(text_scrape('# HELP evil <script>alert(1)</script>\n{"evil<b>",x="<i>"} 1\nevil 2\n'))
        bundle = history._repr_mimebundle_()

        assert "<script>" not in bundle["text/html"]
        assert "<b>" not in bundle["text/html"]
        assert history.frame("evil<b>")["labels"].tolist() == ['{"x":"<i>"}']


def test_file_can_be_read_by_its_owner_only(tmp_path):
    """Names of services and views are nobody else's business."""
    path = _recorded(tmp_path / "metrics.db")

    assert path.stat().st_mode & 0o077 == 0
