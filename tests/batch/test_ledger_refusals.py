"""What a resume file refuses, in words: other files, other services, other versions, other runs, hostile hands."""

from __future__ import annotations

import os
import random
import re
import sqlite3
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from ledgering import SCOPE, change, held, key_of, query, run_python

from tecton_nb.batch.ledger import Ledger
from tecton_nb.exceptions import LedgerError

A, B = key_of(1), key_of(2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A resume file with one answer to two rows."""
    path = tmp_path / "flights.tnb"
    with Ledger.open(path, SCOPE) as ledger:
        ledger.keep(b"[1,2]", [A, B], is_batch=True)
    return path


def refusal(path: Path | str, scope=SCOPE) -> str:
    """Why the file is refused, without the name of its directory."""
    with pytest.raises(LedgerError) as refused:
        Ledger.open(path, scope)
    return re.sub(r"'\S*/([^/']*)'", r"'\1'", str(refused.value))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"address": "127.0.0.1:8000"},
            "It holds rows of feature service 'flight_delay_service' in workspace 'prod' at 'features.example:443', "
            "not of feature service 'flight_delay_service' in workspace 'prod' at '127.0.0.1:8000'.",
        ),
        (
            {"service": "fraud"},
            "It holds rows of feature service 'flight_delay_service' in workspace 'prod' at 'features.example:443', "
            "not of feature service 'fraud' in workspace 'prod' at 'features.example:443'.",
        ),
        (
            {"workspace": None},
            "It holds rows of feature service 'flight_delay_service' in workspace 'prod' at 'features.example:443', "
            "not of feature service 'flight_delay_service' at 'features.example:443'.",
        ),
        (
            {"features": (*SCOPE.features, ("plane.age\x1b", "int64"))},
            "The feature service 'flight_delay_service' has changed since its rows were kept: "
            "feature 'plane.age\\x1b' is new.",
        ),
        (
            {"features": (("plane.seats", "float64"),)},
            "The feature service 'flight_delay_service' has changed since its rows were kept: "
            "feature 'plane.model' is gone; feature 'plane.seats' was 'int64' and is 'float64'.",
        ),
        (
            {"join_keys": (("tailnum", "int64"),), "request_context": ()},
            "The feature service 'flight_delay_service' has changed since its rows were kept: "
            "join key 'tailnum' was 'string' and is 'int64'; request context 'amount' is gone.",
        ),
        (
            {"features": tuple((f"f{i}", "int64") for i in range(10))},
            "The feature service 'flight_delay_service' has changed since its rows were kept: feature 'f0' is new; "
            "feature 'f1' is new; feature 'f2' is new; feature 'f3' is new; feature 'f4' is new; feature 'f5' is new; "
            "and 6 changes more.",
        ),
    ],
    ids=["host", "service", "workspace", "new", "gone-retyped", "inputs", "many"],
)
def test_rows_of_another_service_are_refused(path, changed, said):
    """A file of another service, server or schema is refused with both sides named, and stays as it is."""
    before = path.read_bytes()

    sentence = refusal(path, replace(SCOPE, **changed))

    assert sentence == (
        f"Cannot resume from 'flights.tnb'. {said} Name another file, or delete this one to fetch all rows again."
    )
    assert path.read_bytes() == before


def test_features_in_another_order_are_the_same_service(path):
    """The order in which a server lists its features makes no other service: answers name their features."""
    turned = replace(SCOPE, features=SCOPE.features[::-1])

    with Ledger.open(path, turned) as ledger:
        found = held(ledger, [A])

    assert found == {0: b"[1,2]"}


def zip_at(path: Path) -> None:
    """A zip archive."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")


def other_database(path: Path) -> None:
    """A database of another program, in write-ahead mode."""
    change(path, "PRAGMA journal_mode=WAL", "CREATE TABLE theirs (a)", "INSERT INTO theirs VALUES (1)")


def newer_version(path: Path) -> None:
    """A resume file as a later version might make it."""
    Ledger.open(path, SCOPE).close()
    change(path, "PRAGMA user_version=2", "CREATE TABLE more (a)")


NO_LEDGER = "The file 'other' is no resume file and was not touched. Name another file."


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_text("a,b\n1,2\n" * 100), NO_LEDGER),
        (lambda path: path.write_text("a,b\n1,2\n"), NO_LEDGER),
        (lambda path: path.write_bytes(b"x"), NO_LEDGER),
        (lambda path: path.write_bytes(random.Random(1).randbytes(100_000)), NO_LEDGER),
        (zip_at, NO_LEDGER),
        (
            other_database,
            "The file 'other' is a database of another program and was not touched. Name another file.",
        ),
        (
            lambda path: change(path, "PRAGMA application_id=1953391220"),
            "The file 'other' is a database of another program and was not touched. Name another file.",
        ),
        (
            newer_version,
            "The resume file 'other' was made by a newer tecton_nb (layout 2, this one knows 1). "
            "Update tecton_nb, or name another file.",
        ),
    ],
    ids=["csv", "short", "byte", "noise", "zip", "database", "our-other-file", "newer"],
)
def test_another_kind_of_file_is_refused_and_not_touched(tmp_path, make, said):
    """A slip of the name costs nobody a file: one sentence, and not a byte of it is changed, nor a file added."""
    other = tmp_path / "other"
    make(other)
    before = (other.read_bytes(), other.stat().st_mode, other.stat().st_mtime_ns)

    sentence = refusal(other)

    assert sentence == said
    assert (other.read_bytes(), other.stat().st_mode, other.stat().st_mtime_ns) == before
    assert [file.name for file in tmp_path.iterdir()] == ["other"]


def test_database_that_another_program_has_open_is_left_alone(tmp_path):
    """A database in use elsewhere is refused without replaying or removing that program's log."""
    other = tmp_path / "other"
    with closing(sqlite3.connect(other, isolation_level=None)) as theirs:
        theirs.execute("PRAGMA journal_mode=WAL")
        theirs.execute("CREATE TABLE theirs (a)")
        theirs.execute("PRAGMA wal_checkpoint")
        theirs.execute("INSERT INTO theirs VALUES (1)")
        before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if not file.name.endswith("-shm")}

        sentence = refusal(other)

        after = {file.name: file.read_bytes() for file in tmp_path.iterdir() if not file.name.endswith("-shm")}
    assert sentence.startswith("The file 'other' is a database of another program")
    assert after == before


def test_directory_is_refused(tmp_path):
    """A directory is no file to resume from."""
    assert refusal(tmp_path / "..").endswith("is no file; name another one.")


def test_missing_directory_is_refused(tmp_path):
    """A directory that is not there is not made."""
    sentence = refusal(tmp_path / "none" / "flights.tnb")

    assert sentence == ("Cannot open the resume file 'flights.tnb': No such file or directory. Name another file.")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this computer has no named pipes")
def test_pipe_is_refused_at_once(tmp_path):
    """A named pipe would wait for a writer for ever; it is refused instead."""
    os.mkfifo(tmp_path / "pipe")

    assert refusal(tmp_path / "pipe") == "The resume file 'pipe' is no file; name another one."


def test_name_that_no_file_can_have_is_refused():
    """A name with a NUL is refused with the name shown safely."""
    assert refusal("a\0b") == "Cannot open the resume file 'a\\x00b': embedded null byte. Name another file."


def test_link_to_a_file_stays_a_link(tmp_path):
    """A link that points nowhere yet is followed: the file is made where it points."""
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)

    Ledger.open(link, SCOPE).close()

    assert link.is_symlink()
    assert target.is_file()


@pytest.mark.parametrize("name", ["a b?immutable=0#x%41.tnb", "file:x", ":memory:", "é\u202e", "-wal"])
def test_odd_name_is_the_name_of_a_file(tmp_path, monkeypatch, name):
    """Characters that mean something in addresses or to SQLite are part of the name."""
    monkeypatch.chdir(tmp_path)

    for _ in range(2):
        with Ledger.open(name, SCOPE) as ledger:
            ledger.keep(b"1", [A], is_batch=False)

    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert query(tmp_path / name, "SELECT count(*) FROM rows") == [(1,)]


IN_USE = (
    "Cannot open the resume file 'flights.tnb': database is locked. "
    "Another run is using it: wait for its end, or name another file."
)
OPEN_IT = "import sys; from ledgering import *; Ledger.open(sys.argv[1], SCOPE)"


def opened_elsewhere(path: Path) -> str:
    """Last line of a second process that opens the file."""
    return (run_python(OPEN_IT, path).stderr.splitlines() or [""])[-1]


def test_second_run_on_a_file_is_refused_while_the_first_lasts(path):
    """Two notebooks on one file: the second is told so at once, the first one's rows are safe, then it may have it.

    An attempt from the same process comes first: in many programs it would drop the first one's lock.
    """
    with Ledger.open(path, SCOPE) as ledger:
        here, there = refusal(path), opened_elsewhere(path)
        ledger.keep(b"3", [key_of(3)], is_batch=False)
        written = ledger.commit()
    afterwards = opened_elsewhere(path)

    assert here == IN_USE
    assert there.endswith(": database is locked. Another run is using it: wait for its end, or name another file.")
    assert written == 1
    assert afterwards == ""


def test_refusals_leave_no_handle_open(path, tmp_path):
    """After every kind of end no file of ours is open any more."""
    handles = Path("/proc/self/fd")
    if not handles.is_dir():
        pytest.skip("Open files can be listed on Linux only.")
    (tmp_path / "text").write_text("text")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)

        refusal(tmp_path / "text")
        refusal(path, replace(SCOPE, service="other"))
        with Ledger.open(path, SCOPE) as ledger:
            refusal(path)
            ledger.keep(b"1", [A], is_batch=False)
            next(ledger.finished([A]))

        targets = [os.path.realpath(handle) for handle in handles.iterdir()]
    assert [target for target in targets if str(tmp_path) in target] == []


def test_error_in_a_run_is_not_hidden_by_one_of_the_ledger(path, monkeypatch):
    """When a run fails and its last commit fails too, the run's own error is raised, the other one noted on it."""

    def failing() -> None:
        with Ledger.open(path, SCOPE) as ledger:
            monkeypatch.setattr(ledger, "commit", _no_commit)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        failing()

    assert raised.value.__notes__ == ["Cannot write."]
    with Ledger.open(path, SCOPE) as ledger:
        assert held(ledger, [A]) == {0: b"[1,2]"}


def _no_commit() -> int:
    raise LedgerError("Cannot write.")


def block(size: int = 5, rows: int = 2, keys: bytes = A + B, body: bytes = b"[1,2]") -> bytes:
    """A block of one answer that states its length and number of rows as told."""
    return zlib.compress(struct.pack("<IHB", size, rows, 1) + keys + body, wbits=31)


def bomb() -> bytes:
    """64 MiB of nothing in 64 KiB."""
    packing = zlib.compressobj(9, wbits=31)
    return b"".join(packing.compress(bytes(2**20)) for _ in range(64)) + packing.flush()


HOSTILE = {
    "text": "",
    "number": 7,
    "null": None,
    "noise": b"noise",
    "cut": block()[:-3],
    "changed": block()[:-6] + b"\0" + block()[-5:],
    "bomb": bomb(),
    "long-body": block(size=6),
    "longest-body": block(size=2**32 - 1),
    "most-rows": block(rows=2**16 - 1),
    "half-a-head": zlib.compress(b"\0\0", wbits=31),
    "no-answer": zlib.compress(b"", wbits=31),
    "no-such-place": block(rows=1, keys=A),
    "not-kept": block(keys=A + bytes(16)),
    "other-key": block(keys=A + A),
}


def test_block_that_a_run_might_have_written_is_taken(path):
    """The hostile blocks below are refused for what is wrong with them: without it they are read."""
    change(path, "UPDATE blocks SET answers = ?", values=[block()])

    with Ledger.open(path, SCOPE) as ledger:
        found = held(ledger, [A, B])

    assert found == {0: b"[1,2]", 1: b"[1,2]"}


@pytest.mark.parametrize("answers", HOSTILE.values(), ids=HOSTILE)
def test_block_that_no_run_wrote_is_refused(path, answers):
    """A block that is cut, changed, a bomb or nonsense ends in one sentence; little of it is unpacked."""
    change(path, "UPDATE blocks SET answers = ?", values=[answers])
    tracemalloc.start()

    with Ledger.open(path, SCOPE) as ledger, pytest.raises(LedgerError) as refused:
        held(ledger, [A, B])

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert re.match(r"Cannot read the resume file '.*flights.tnb': .*\. It is damaged, or no run", str(refused.value))
    assert peak < 40 * 2**20


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rows SET block = 9",
        "UPDATE rows SET block = 'x'",
        "UPDATE rows SET block = NULL",
        "UPDATE rows SET answer = 9",
        "UPDATE rows SET answer = -1",
        "UPDATE rows SET answer = 0.5",
        "UPDATE rows SET place = 2",
        "UPDATE rows SET place = -1",
        "UPDATE rows SET place = 9223372036854775807",
        "UPDATE rows SET place = x'00'",
        "UPDATE rows SET place = 1 - place",
        "DELETE FROM blocks",
        "UPDATE blocks SET id = 9223372036854775807",
    ],
)
def test_row_that_no_run_wrote_is_refused(path, statement):
    """A row that points nowhere, or at what is no number, ends in one sentence."""
    change(path, statement)

    with Ledger.open(path, SCOPE) as ledger, pytest.raises(LedgerError, match="Cannot read the resume file"):
        held(ledger, [A, B])


def test_numbers_that_are_used_up_break_the_ledger_in_words(path):
    """A block with the last number there is leaves no number for the next one: said, not crashed."""
    change(path, "UPDATE blocks SET id = 9223372036854775807")

    with Ledger.open(path, SCOPE) as ledger:
        ledger.keep(b"3", [key_of(3)], is_batch=False)
        with pytest.raises(LedgerError, match="Cannot write to the resume file"):
            ledger.commit()

        assert ledger.is_broken


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON rows BEGIN DELETE FROM rows; END",
        "CREATE VIEW v AS SELECT 1",
        "DROP TABLE rows",
        "ALTER TABLE rows ADD COLUMN more",
        "DELETE FROM scope",
        "INSERT INTO scope SELECT text FROM scope",
        "UPDATE scope SET text = 7",
        "UPDATE scope SET text = '{}'",
        "UPDATE scope SET text = x'7b7d'",
        "UPDATE scope SET text = x'5b5d'",
        "UPDATE scope SET text = x'ff'",
        'UPDATE scope SET text = CAST(\'{"service":"s","address":"a","features":[7]}\' AS BLOB)',
        'UPDATE scope SET text = CAST(\'{"service":"s","address":"a","features":[["a"]]}\' AS BLOB)',
        'UPDATE scope SET text = CAST(\'{"service":"s","address":"a","features":[["a",1]]}\' AS BLOB)',
        "UPDATE scope SET text = zeroblob(5000000)",
        "UPDATE scope SET text = zeroblob(100000000)",
    ],
)
def test_file_with_other_tables_or_no_scope_is_refused(path, statement):
    """Triggers and views of a stranger never run, and a file that does not say whose rows it holds is refused."""
    change(path, statement)

    assert refusal(path).startswith("Cannot open the resume file 'flights.tnb': ")


@pytest.mark.parametrize("seed", range(40))
def test_file_with_damaged_pages_never_crashes(path, seed):
    """Bytes overwritten anywhere: the rows come back as they were, or one error says that the file is damaged."""
    dice = random.Random(seed)
    keys = [key_of(number) for number in range(10, 210)]
    with Ledger.open(path, SCOPE) as ledger:
        for key in keys:
            ledger.keep(key * 40, [key], is_batch=False)
    content = bytearray(path.read_bytes())
    for _ in range(dice.choice([1, 10, 300])):
        content[dice.randrange(len(content))] = dice.randrange(256)
    path.write_bytes(content)

    try:
        with Ledger.open(path, SCOPE) as ledger:
            found, said = held(ledger, keys), "Cannot be told from a whole one."
            ledger.keep(b"new", [key_of(-1)], is_batch=False)
    except LedgerError as error:
        found, said = {}, str(error)

    assert said.startswith(("Cannot ", "The file ", "The resume file "))
    assert {number: body for number, body in found.items() if body != keys[number] * 40} == {}
