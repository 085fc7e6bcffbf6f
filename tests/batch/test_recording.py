"""Batches in a folder: written whole or in parts, read again frame by frame."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from canned import KEY, Reply, typed, vector
from pandas.testing import assert_frame_equal

from tecton_nb import FeatureBatch
from tecton_nb.batch.drive import wait_for
from tecton_nb.exceptions import InputError, TectonError

KEYS = [typed("k", "string")]
ECHO = [typed("v.text", "string"), typed("v.number", "float64")]
FRAMES = ("to_pandas", "statuses", "effective_times", "slo_info", "calls", "errors")


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of ten rows, so that a few rows are several parts."""
    monkeypatch.setattr("tecton_nb.batch.plan.PART_ROWS", 10)


def _echo(asked):
    key = asked.join_keys["k"]
    if key == "bad":
        return Reply({"message": "no such key"}, status=400)
    items = [{**item, "status": "PRESENT", "effectiveTime": "2026-01-01T00:00:00Z"} for item in ECHO]
    return Reply(vector([key, "NaN"], *items, sloInfo={"serverTimeSeconds": 0.01}))


def _same(one, other):
    for name in FRAMES:
        assert_frame_equal(getattr(one, name)(), getattr(other, name)())


def test_saved_batch_is_read_back_whole(service, tmp_path):
    """Every frame comes back with its index and dtypes, NaN apart from missing, and the report with it."""
    rows = pd.DataFrame({"k": ["a", "bad", "b"]}, index=pd.Index([7, 5, 6], name="flight"))
    batch = service(_echo, ECHO, KEYS).get_features_batch(rows)

    found = FeatureBatch.load(batch.save(tmp_path / "run"))

    _same(found, batch)
    assert found.report == batch.report
    assert (found.service, found.origin.workspace, len(found)) == ("s", "prod", 3)
    assert repr(found) == repr(batch)


def test_values_of_a_recording_are_plain_parquet(service, tmp_path):
    """pandas alone reads the values: statuses and the rest stand in folders it passes over."""
    batch = service(_echo, ECHO, KEYS).get_features_batch([{"k": "a"}, {"k": "b"}])

    frame = pd.read_parquet(batch.save(tmp_path / "run"))

    assert frame["v.text"].tolist() == ["a", "b"]
    assert list(frame.columns) == ["v.text", "v.number"]


def test_recording_tells_where_it_is_from_and_never_the_key(service, tmp_path):
    """The manifest has service, options, times and versions; no file has the API key."""
    path = service(_echo, ECHO, KEYS).get_features_batch([{"k": "a"}]).save(tmp_path / "run")

    manifest = json.loads((path / "_manifest.json").read_text())
    written = b"".join(file.read_bytes() for file in path.rglob("*") if file.is_file())

    assert manifest["service"] == "s"
    assert manifest["options"]["metadata"]["includeServingStatus"] is True
    assert manifest["started_at"] <= manifest["finished_at"]
    assert set(manifest["versions"]) == {"tecton-nb", "pandas", "pyarrow"}
    assert KEY.encode() not in written


@pytest.mark.usefixtures("small_parts")
def test_rows_beyond_memory_are_written_in_parts(service, tmp_path):
    """With `to` the same frames come from files, part after part, with the caller's index."""
    rows = pd.DataFrame({"k": [f"r{i}" for i in range(25)]}, index=range(100, 125))
    found = service(_echo, ECHO, KEYS)

    batch = found.get_features_batch(rows, to=tmp_path / "out", progress=False)

    whole = found.get_features_batch(rows, progress=False)
    assert len(list((tmp_path / "out").glob("*.parquet"))) == 3
    for name in ("to_pandas", "statuses", "effective_times", "errors"):
        assert_frame_equal(getattr(batch, name)(), getattr(whole, name)())
    assert (batch.report.rows, batch.report.unique, len(batch.calls())) == (25, 25, 25)


@pytest.mark.usefixtures("small_parts")
def test_run_that_stops_in_one_part_asks_for_nothing_in_the_next(service, tmp_path):
    """A refused key ends the whole run; rows of later parts are told as not asked for."""
    asked_for = []

    def refuse(asked):
        asked_for.append(asked.join_keys["k"])
        return Reply({"message": "who"}, status=401)

    rows = [{"k": f"r{i}"} for i in range(30)]

    batch = service(refuse, ECHO, KEYS).get_features_batch(rows, to=tmp_path / "out", concurrency=1)

    assert asked_for == ["r0"]
    assert batch.errors()["exception"].tolist() == ["UnauthorizedError"] + ["BatchStoppedError"] * 29
    assert batch.report.not_fetched == 29
    with pytest.raises(TectonError, match="UnauthorizedError: The server answered 401"):
        batch.raise_first()


@pytest.mark.usefixtures("small_parts")
def test_interrupt_leaves_a_recording_of_the_finished_parts(service, tmp_path, monkeypatch):
    """What was written before an interrupt can be loaded."""
    found = service(_echo, ECHO, KEYS)
    rows = [{"k": f"r{i}"} for i in range(30)]
    parts = []

    def interrupted(run, **how):
        parts.append(run)
        if len(parts) == 3:
            raise KeyboardInterrupt
        return wait_for(run, **how)

    monkeypatch.setattr("tecton_nb.client.drive.wait_for", interrupted)

    with pytest.raises(KeyboardInterrupt):
        found.get_features_batch(rows, to=tmp_path / "out")

    assert FeatureBatch.load(tmp_path / "out").to_pandas()["v.text"].tolist() == [f"r{i}" for i in range(20)]


def test_recording_takes_the_place_of_a_recording_and_of_nothing_else(service, tmp_path):
    """An older recording is replaced; a folder with other files is left alone, and so are files beside a recording."""
    batch = service(_echo, ECHO, KEYS).get_features_batch([{"k": "a"}])
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"cat")
    batch.save(tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")

    batch.save(tmp_path / "run")
    FeatureBatch.load(tmp_path / "run").save(tmp_path / "run")

    assert FeatureBatch.load(tmp_path / "run").to_pandas()["v.text"].tolist() == ["a"]
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"
    with pytest.raises(InputError, match="something else is there"):
        batch.save(tmp_path / "photos")
    assert (tmp_path / "photos" / "cat.png").read_bytes() == b"cat"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: (path / "_manifest.json").unlink(), "has no '_manifest.json'"),
        (lambda path: (path / "_manifest.json").write_text("{"), "not JSON"),
        (lambda path: (path / "_manifest.json").write_text('{"format": 99}'), "format '99'"),
        (lambda path: (path / "_manifest.json").write_text('{"format": 1}'), "Cannot read the recording"),
        (lambda path: (path / "part-00000.parquet").write_bytes(b"no parquet"), "features cannot be read"),
        (lambda path: (path / "part-00000.parquet").unlink(), "features cannot be read"),
    ],
    ids=["no manifest", "cut manifest", "newer", "empty manifest", "noise", "part gone"],
)
def test_recording_that_cannot_be_read_says_why(service, tmp_path, change, words):
    """A folder that is no recording, or a damaged one, is one clear sentence."""
    path = service(_echo, ECHO, KEYS).get_features_batch([{"k": "a"}]).save(tmp_path / "run")
    change(path)

    with pytest.raises(InputError, match=words):
        FeatureBatch.load(path).to_pandas()


def test_index_that_parquet_cannot_hold_is_an_error_in_words(service, tmp_path):
    """Labels of mixed types cannot be written; the sentence says what to do."""
    index = pd.Index(["a", 1], dtype=object)
    batch = service(_echo, ECHO, KEYS).get_features_batch(pd.DataFrame({"k": ["x", "y"]}, index=index))

    with pytest.raises(InputError, match="labels of one type"):
        batch.save(tmp_path / "run")
