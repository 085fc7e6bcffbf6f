"""Batches in a folder: written whole or in parts, read again frame by frame."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from canned import KEY, Reply, typed, vector
from pandas.testing import assert_frame_equal

from tecton_nb import FeatureBatch
from tecton_nb.batch.drive import wait_for
from tecton_nb.batch.recording import Recorder
from tecton_nb.batch.result import frames_of
from tecton_nb.exceptions import InputError, TectonError, UnauthorizedError

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
    assert str(found) == str(batch)


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
        (lambda path: (path / "part-00000.parquet").unlink(), "1 as the number of parts, and 0 are there"),
        (lambda path: (path / "_statuses" / "part-00000.parquet").unlink(), "statuses cannot be read"),
    ],
    ids=["no manifest", "cut manifest", "newer", "empty manifest", "noise", "part gone", "statuses gone"],
)
def test_recording_that_cannot_be_read_says_why(service, tmp_path, change, words):
    """A folder that is no recording, or a damaged one, is one clear sentence."""
    path = service(_echo, ECHO, KEYS).get_features_batch([{"k": "a"}]).save(tmp_path / "run")
    change(path)

    with pytest.raises(InputError, match=words):
        FeatureBatch.load(path).to_pandas(include="statuses")


def test_index_that_parquet_cannot_hold_is_an_error_in_words(service, tmp_path):
    """Labels of mixed types cannot be written; the sentence says what to do."""
    index = pd.Index(["a", 1], dtype=object)
    batch = service(_echo, ECHO, KEYS).get_features_batch(pd.DataFrame({"k": ["x", "y"]}, index=index))

    with pytest.raises(InputError, match="labels of one type"):
        batch.save(tmp_path / "run")


def _change(path, members):
    """Write members of a manifest anew, those of its report one by one; `None` takes one away."""
    file = path / "_manifest.json"
    manifest = json.loads(file.read_text())
    report = members.get("report")
    if isinstance(report, dict):
        merged = {**manifest["report"], **report}
        members = {"report": {name: value for name, value in merged.items() if value is not None}}
    file.write_text(json.dumps({**manifest, **members}))


def _files(path):
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    "members",
    [
        {"started_at": "garbage"},
        {"started_at": "9" * 4_000},
        {"started_at": 5},
        {"parts": 0},
        {"parts": -1},
        {"parts": 2_000_000},
        {"parts": "many"},
        {"id": 7},
        {"features": [{"dataType": {"type": "int64"}}]},
        {"report": []},
        {"report": {"rows": "2"}},
        {"report": {"rows": True}},
        {"report": {"rows": -2}},
        {"report": {"rows": 3}},
        {"report": {"retries": ["timeout"]}},
        {"report": {"failures": {"timeout": "1"}}},
        {"report": {"seconds": None}},
        {"report": {"concurrency": [["x", 1]]}},
    ],
    ids=lambda members: json.dumps(members)[:40],
)
def test_manifest_that_was_tampered_with_is_one_error(service, tmp_path, members):
    """Whatever stands in a manifest, loading or the first frame says in a sentence that it cannot be read."""
    path = service(_echo, ECHO, KEYS).get_features_batch([{"k": "a"}, {"k": "b"}]).save(tmp_path / "run")
    _change(path, members)

    with pytest.raises(InputError, match="Cannot read the recording"):
        FeatureBatch.load(path).to_pandas()


@pytest.mark.parametrize("name", ["statuses", "effective_times", "slo_info"])
def test_frames_of_different_lengths_are_no_recording(service, tmp_path, name):
    """Each frame has a row for every row that was asked for, or the recording is damaged."""
    found = service(_echo, ECHO, KEYS)
    path = found.get_features_batch([{"k": "a"}, {"k": "b"}]).save(tmp_path / "run")
    other = found.get_features_batch([{"k": "a"}]).save(tmp_path / "other")
    shutil.copy(other / f"_{name}" / "part-00000.parquet", path / f"_{name}" / "part-00000.parquet")

    with pytest.raises(InputError, match=f"{name} has 1 rows, and the manifest says 2"):
        getattr(FeatureBatch.load(path), name)()


def test_frame_with_columns_of_its_own_is_no_part_of_a_recording(service, tmp_path):
    """A file that stands in the place of another is noticed before its columns are used."""
    path = service(_echo, ECHO, KEYS).get_features_batch([{"k": "a"}, {"k": "bad"}]).save(tmp_path / "run")
    shutil.copy(path / "_calls" / "part-00000.parquet", path / "_errors" / "part-00000.parquet")

    with pytest.raises(InputError, match="errors has other columns"):
        FeatureBatch.load(path).errors()


@pytest.mark.usefixtures("small_parts")
def test_dicts_keep_their_numbers_from_part_to_part(service, tmp_path):
    """The labels of a list of dicts go on, and an error names the row's place in the whole list."""
    rows = [{"k": f"r{i}"} for i in range(25)]
    rows[17] = {"k": 17}

    batch = service(_echo, ECHO, KEYS).get_features_batch(rows, to=tmp_path / "out", progress=False)

    assert batch.to_pandas().index.equals(pd.RangeIndex(25))
    assert batch.errors().index.tolist() == [17]
    assert batch.errors()["message"].iloc[0].startswith("Row 17: ")


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    ("row", "words"),
    [({}, "Row 21 lacks the join key 'k'"), ({"k": "a", "x": 1}, "takes no 'x'")],
    ids=["missing", "unknown"],
)
def test_names_of_all_parts_are_checked_before_anything_is_sent(service, tmp_path, row, words):
    """A name that only the last part lacks, or only it has, is told before the first request and leaves no folder."""
    sent = []
    rows = [{"k": f"r{i}"} for i in range(25)]
    rows[21] = row

    with pytest.raises(InputError, match=words):
        service(sent.append, ECHO, KEYS).get_features_batch(rows, to=tmp_path / "out", progress=False)

    assert sent == []
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("small_parts")
def test_labels_that_parquet_cannot_hold_are_told_before_anything_is_sent(service, tmp_path):
    """Mixed labels in the last part cost no request and leave no folder."""
    sent = []
    rows = pd.DataFrame({"k": ["x"] * 25}, index=pd.Index([*range(24), "last"], dtype=object))

    with pytest.raises(InputError, match="labels of one type"):
        service(sent.append, ECHO, KEYS).get_features_batch(rows, to=tmp_path / "out", progress=False)

    assert sent == []
    assert not (tmp_path / "out").exists()


def test_home_folder_is_the_same_for_every_call(service, tmp_path, monkeypatch):
    """``~`` means the home folder in `to`, `save` and `load`, and makes no folder of that name."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    found = service(_echo, ECHO, KEYS)

    found.get_features_batch([{"k": "a"}], to="~/to", progress=False).save("~/saved")

    assert {path.name for path in tmp_path.iterdir()} == {"home"}
    for name in ("to", "saved"):
        assert FeatureBatch.load(Path("~") / name).to_pandas()["v.text"].tolist() == ["a"]
    with pytest.raises(InputError, match="its home folder is not known"):
        FeatureBatch.load("~nobody-of-this-name/run")


@pytest.mark.parametrize(
    "manifest",
    ["{}", '{"format": 1, "files": []}', '{"format": 1, "versions": {"other": "1"}}', "[", '{"format": 99}'],
)
def test_manifest_of_others_is_no_licence_to_delete(service, tmp_path, manifest):
    """A folder whose manifest is not ours keeps every file."""
    batch = service(_echo, ECHO, KEYS).get_features_batch([{"k": "a"}])
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "_manifest.json").write_text(manifest)
    (tmp_path / "theirs" / "part-00000.parquet").write_bytes(b"precious")
    before = _files(tmp_path / "theirs")

    with pytest.raises(InputError, match="something else is there"):
        batch.save(tmp_path / "theirs")

    assert _files(tmp_path / "theirs") == before


@pytest.mark.usefixtures("small_parts")
def test_only_parts_of_the_older_recording_are_taken_away(service, tmp_path):
    """A shorter recording leaves no part of a longer one, and every file that was none of its parts."""
    found = service(_echo, ECHO, KEYS)
    rows = [{"k": f"r{i}"} for i in range(30)]
    found.get_features_batch(rows, to=tmp_path / "out", progress=False)
    others = {"part-00007.parquet", "part-1.parquet", "part-old.parquet", "_statuses/part-00099.parquet", "notes.txt"}
    for name in others:
        (tmp_path / "out" / name).write_bytes(b"mine")

    found.get_features_batch(rows[:12], to=tmp_path / "out", progress=False)

    kept = _files(tmp_path / "out")
    assert {name for name, content in kept.items() if content == b"mine"} == others
    assert {name for name in kept if "/" not in name} - others == {
        "_manifest.json",
        "part-00000.parquet",
        "part-00001.parquet",
    }
    assert len(FeatureBatch.load(tmp_path / "out").to_pandas()) == 12


@pytest.fixture
def broken_off(service):
    """Return a function that leaves a folder as a killed run leaves it: one part written, nothing finished."""

    def leave(path):
        batch = service(_echo, ECHO, KEYS).get_features_batch([{"k": "half"}])
        recorder = Recorder(path, batch.origin, frames_of(batch).schema, batch.index)
        recorder.add(frames_of(batch))
        return recorder, batch

    return leave


def test_run_can_be_repeated_after_it_was_killed(service, tmp_path, broken_off):
    """What a killed run left is no recording, stands in no reader's way and is replaced by the next run."""
    broken_off(tmp_path / "out")
    with pytest.raises(InputError, match="There is no recording"):
        FeatureBatch.load(tmp_path / "out")

    service(_echo, ECHO, KEYS).get_features_batch([{"k": "a"}], to=tmp_path / "out", progress=False)

    assert FeatureBatch.load(tmp_path / "out").to_pandas()["v.text"].tolist() == ["a"]
    assert not (tmp_path / "out" / "_unfinished").exists()


def test_killed_run_leaves_the_older_recording(service, tmp_path, broken_off):
    """Until a run is over the folder is the older recording, for us and for pandas."""
    batch = service(_echo, ECHO, KEYS).get_features_batch([{"k": "a"}, {"k": "b"}])
    batch.save(tmp_path / "out")

    broken_off(tmp_path / "out")

    _same(FeatureBatch.load(tmp_path / "out"), batch)
    assert pd.read_parquet(tmp_path / "out")["v.text"].tolist() == ["a", "b"]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("moves", range(10))
def test_move_that_was_broken_off_is_brought_to_its_end(service, tmp_path, monkeypatch, broken_off, moves):
    """Wherever the exchange of two recordings stops, the next run finds one of them whole and no part of the other."""
    found = service(_echo, ECHO, KEYS)
    rows = [{"k": f"r{i}"} for i in range(30)]
    found.get_features_batch(rows, to=tmp_path / "out", progress=False)
    recorder, batch = broken_off(tmp_path / "out")
    replace, done = Path.replace, []

    def killed(self, target):
        if len(done) == moves:
            raise KeyboardInterrupt
        done.append(target)
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        try:
            recorder.finish(batch.report)
        except KeyboardInterrupt:
            assert len(done) == moves
    broken_off(tmp_path / "out")[0].discard()

    values = FeatureBatch.load(tmp_path / "out").to_pandas()["v.text"].tolist()
    assert values == ([row["k"] for row in rows] if moves == 0 else ["half"])
    assert pd.read_parquet(tmp_path / "out")["v.text"].tolist() == values
    assert len(list((tmp_path / "out").rglob("part-*.parquet"))) == (18 if moves == 0 else 6)


@pytest.mark.usefixtures("small_parts")
def test_run_that_brings_nothing_leaves_the_older_recording(service, tmp_path):
    """A key that was refused is an error, and the good data of an earlier run are as they were."""
    rows = [{"k": f"r{i}"} for i in range(12)]
    service(_echo, ECHO, KEYS).get_features_batch(rows, to=tmp_path / "out", progress=False)
    before = _files(tmp_path / "out")
    refused = service(lambda _: Reply({"message": "who"}, status=401), ECHO, KEYS)

    with pytest.raises(UnauthorizedError) as caught:
        refused.get_features_batch(rows, to=tmp_path / "out", progress=False)

    assert "the older recording at" in caught.value.__notes__[0]
    assert _files(tmp_path / "out") == before


def test_two_runs_in_one_folder_do_not_mix(tmp_path, broken_off):
    """The run that began first is told that another one records to its folder; the other one is whole."""
    first, _ = broken_off(tmp_path / "out")
    second, batch = broken_off(tmp_path / "out")

    with pytest.raises(InputError, match="another run records there"):
        first.finish(batch.report)
    first.discard()

    second.finish(batch.report)
    assert FeatureBatch.load(tmp_path / "out").to_pandas()["v.text"].tolist() == ["half"]


def test_batch_whose_folder_was_recorded_anew_says_so(service, tmp_path):
    """A loaded batch never shows the rows of a later recording, and cannot be saved over it."""
    found = service(_echo, ECHO, KEYS)
    found.get_features_batch([{"k": "a"}]).save(tmp_path / "run")
    old = FeatureBatch.load(tmp_path / "run")

    found.get_features_batch([{"k": "b"}]).save(tmp_path / "run")

    for read in (old.to_pandas, old.errors, lambda: old.save(tmp_path / "run")):
        with pytest.raises(InputError, match=r"was recorded anew since it was loaded\. Load it again\."):
            read()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes of files")
def test_folder_that_is_made_is_for_its_owner_only(service, tmp_path):
    """Feature values stand in a recording, so others of the computer cannot enter a folder that was made for it."""
    found = service(_echo, ECHO, KEYS)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o750)

    found.get_features_batch([{"k": "a"}], to=tmp_path / "new", progress=False).save(tmp_path / "shared")

    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"new": 0o700, "shared": 0o750}


def test_interrupt_before_the_first_part_leaves_the_older_recording(service, tmp_path, monkeypatch):
    """A run that is stopped before anything was written changes no file, and leaves no folder where none was."""
    found = service(_echo, ECHO, KEYS)
    found.get_features_batch([{"k": "a"}]).save(tmp_path / "out")
    before = _files(tmp_path / "out")

    def interrupted(_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("tecton_nb.client.drive.wait_for", interrupted)

    for name in ("out", "new"):
        with pytest.raises(KeyboardInterrupt):
            found.get_features_batch([{"k": "b"}], to=tmp_path / name)

    assert _files(tmp_path / "out") == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("small_parts")
def test_part_of_somebody_else_is_never_written_over(service, tmp_path):
    """A file where a new part would go ends the run before it; the parts before are the recording."""
    found = service(_echo, ECHO, KEYS)
    rows = [{"k": f"r{i}"} for i in range(25)]
    found.get_features_batch(rows[:3], to=tmp_path / "out", progress=False)
    (tmp_path / "out" / "_statuses" / "part-00001.parquet").write_bytes(b"mine")

    with pytest.raises(InputError, match=r"part-00001\.parquet' there is not ours"):
        found.get_features_batch(rows, to=tmp_path / "out", progress=False)

    assert (tmp_path / "out" / "_statuses" / "part-00001.parquet").read_bytes() == b"mine"
    assert len(FeatureBatch.load(tmp_path / "out").to_pandas(include="statuses")) == 10


@pytest.mark.parametrize("place", ["part-00000.parquet", "_unfinished/cat.png"])
def test_files_beside_what_a_killed_run_left_are_somebody_elses(service, tmp_path, broken_off, place):
    """Without a recording of ours a file is not written over, and nothing is written beside it."""
    _, batch = broken_off(tmp_path / "out")
    if place.startswith("_unfinished"):
        (tmp_path / "out" / "_unfinished" / "_manifest.json").unlink()
    (tmp_path / "out" / place).write_bytes(b"mine")
    before = _files(tmp_path / "out")

    with pytest.raises(InputError, match="something else is there"):
        batch.save(tmp_path / "out")

    assert _files(tmp_path / "out") == before
