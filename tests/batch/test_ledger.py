"""The resume file: what was kept comes back as it was, once, and after any number of runs."""

from __future__ import annotations

import os
import random
import shutil
import stat
import tempfile
import threading
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgering import SCOPE, body_of, change, held, key_of, query, run_python

from tecton_nb.batch import ledger_blocks
from tecton_nb.batch.ledger import KeptAnswer, Ledger, LedgerScope
from tecton_nb.wire.requests import Locator, RequestRow
from tecton_nb.wire.responses import NameAndType, ServiceMetadata
from tecton_nb.wire.types import FLOAT64, INT64, STRING

A, B, C, D = (key_of(number) for number in range(4))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a resume file is to be made."""
    return tmp_path / "flights.tnb"


def fill(path: Path, *answers: tuple[bytes, list[bytes | None]], scope: LedgerScope = SCOPE) -> None:
    """Keep answers in a run of their own."""
    with Ledger.open(path, scope) as ledger:
        for body, keys in answers:
            ledger.keep(body, keys, is_batch=len(keys) > 1)


def test_answer_comes_back_as_it_came(path):
    """A second run gets the bytes that the server sent, and learns which of its rows they answer."""
    fill(path, (b'{"result":{}}', [A]), (b"\x00\xff", [B]))

    with Ledger.open(path, SCOPE) as ledger:
        found = list(ledger.finished([C, B, A]))

    assert sorted(found, key=lambda kept: kept.body) == [
        KeptAnswer(b"\x00\xff", (1,), is_batch=False),
        KeptAnswer(b'{"result":{}}', (2,), is_batch=False),
    ]


def test_answer_to_several_rows_is_stored_once_and_comes_back_once(path):
    """A get-features-batch answer stands in the file once; rows of it that are not asked for are told apart."""
    fill(path, (b"[1,2,3,4]", [A, None, B, C]))

    with Ledger.open(path, SCOPE) as ledger:
        some, one = list(ledger.finished([C, A, D])), list(ledger.finished([B]))

    assert some == [KeptAnswer(b"[1,2,3,4]", (1, None, None, 0), is_batch=True)]
    assert one == [KeptAnswer(b"[1,2,3,4]", (None, None, 0, None), is_batch=True)]


def test_row_that_is_kept_again_stays_as_it_was(path):
    """The first answer to a row stays, in one commit, in a later one and in a later run, and nothing is left over."""
    with Ledger.open(path, SCOPE) as ledger:
        ledger.keep(b"first", [A], is_batch=False)
        ledger.keep(b"second", [A], is_batch=False)
        counts = [ledger.commit()]
        ledger.keep(b"third", [A], is_batch=False)
        counts.append(ledger.commit())
    fill(path, (b"[4,4,5,6]", [A, A, B, B]))

    with Ledger.open(path, SCOPE) as ledger:
        found = held(ledger, [A, B])

    assert counts == [1, 0]
    assert found == {0: b"first", 1: b"[4,4,5,6]"}
    assert query(path, "SELECT count(*) FROM blocks") == [(2,)]


def test_row_that_is_asked_for_twice_is_answered_twice(path):
    """A frame in which a row stands twice gets both from the file."""
    fill(path, (b"[1,2]", [A, B]))

    with Ledger.open(path, SCOPE) as ledger:
        found = list(ledger.finished([A, B, A, A]))

    assert [kept.positions for kept in found] == [(0, 1), (2, None), (3, None)]


def test_rows_of_other_options_are_other_rows(path):
    """One file holds the answers to one row asked for with and without serving statuses, and mixes them up never."""
    asked = replace(SCOPE, options='{"includeServingStatus":true}')
    row = RequestRow({"tailnum": "N14228"})
    fill(path, (b"plain", [SCOPE.key_of(row)]))
    fill(path, (b"with statuses", [asked.key_of(row)]), scope=asked)

    with Ledger.open(path, SCOPE) as ledger:
        plain = held(ledger, [ledger.key_of(row)])
    with Ledger.open(path, asked) as ledger:
        statuses = held(ledger, [ledger.key_of(row)])

    assert (plain, statuses) == ({0: b"plain"}, {0: b"with statuses"})


@pytest.mark.parametrize(
    "other",
    [
        RequestRow({"k": "2", "l": "x"}, {"a": 1.5}),
        RequestRow({"k": "1", "l": "y"}, {"a": 1.5}),
        RequestRow({"k": "1", "l": "x"}, {"a": 2.5}),
        RequestRow({"k": "1", "l": "x"}, {}),
        RequestRow({"k": "1", "l": "x", "a": 1.5}, {}),
        RequestRow({"k": 1, "l": "x"}, {"a": 1.5}),
        RequestRow({"k": "1", "l": None}, {"a": 1.5}),
        RequestRow({"k": "1", "l": "x"}, {"a": "1.5"}),
    ],
)
def test_key_tells_rows_apart(other):
    """Any other value, type of value or place of a value makes another row."""
    row = RequestRow({"k": "1", "l": "x"}, {"a": 1.5})

    assert SCOPE.key_of(other) != SCOPE.key_of(row)


def test_key_does_not_depend_on_the_order_of_names():
    """A frame with its columns in another order, or a struct written in another one, asks for the same row."""
    row = RequestRow({"k": "1", "l": "x"}, {"s": {"a": 1, "b": [2]}})
    turned = RequestRow({"l": "x", "k": "1"}, {"s": {"b": [2], "a": 1}})

    assert SCOPE.key_of(row) == SCOPE.key_of(turned)
    assert len(SCOPE.key_of(row)) == 16


def test_key_is_the_same_in_every_version():
    """Rows that were kept last year are found: the digest is part of the file's format."""
    row = RequestRow({"tailnum": "N14228", "n": "7"}, {"amount": 1.5, "é": None})

    key = SCOPE.key_of(row)

    said = b'["{}",{"n":"7","tailnum":"N14228"},{"amount":1.5,"\\u00e9":null}]'
    assert key == blake2b(said, digest_size=16).digest()
    assert key.hex() == "03aa63cf2811bb5d9ca6c77334773ec7"


def test_scope_is_made_of_what_the_service_says_of_itself():
    """Names and types come from the metadata; the order of options does not matter."""
    metadata = ServiceMetadata((NameAndType("k", INT64),), (NameAndType("a", FLOAT64),), (NameAndType("v.x", STRING),))

    scope = LedgerScope.of(Locator("s", "prod"), metadata, "h:443", {"b": 1, "a": {"d": 2, "c": 3}})
    by_id = LedgerScope.of(Locator("5f", None, by="id"), metadata, "h:443", {})

    assert scope == LedgerScope(
        "s", "prod", "h:443", (("k", "int64"),), (("a", "float64"),), (("v.x", "string"),), '{"a":{"c":3,"d":2},"b":1}'
    )
    assert (by_id.service, by_id.workspace) == ("id 5f", None)


def test_many_answers_are_spread_over_blocks(path):
    """However many answers one commit has, each comes back; the longest that is ever read is among them."""
    longest = random.Random(5).randbytes(16 * 2**20)
    bodies = [body_of(number) for number in range(60)] + [longest] + [b"x" * number for number in range(60)]
    fill(path, *((body, [key_of(number)]) for number, body in enumerate(bodies)))

    with Ledger.open(path, SCOPE) as ledger:
        found = held(ledger, [key_of(number) for number in range(len(bodies))])

    assert found == dict(enumerate(bodies))
    assert query(path, "SELECT count(*) > 3 FROM blocks") == [(1,)]


def test_answer_that_is_too_large_to_be_read_is_not_kept(path):
    """What would be refused when it is read back is fetched again instead; nothing else is lost by it."""
    fill(path, (bytes(16 * 2**20 + 1), [A]), (b"x", [None] * (ledger_blocks.MAX_ROWS + 1)), (b"[]", [B]))

    with Ledger.open(path, SCOPE) as ledger:
        found = held(ledger, [A, B])

    assert found == {1: b"[]"}


def test_commit_says_how_many_rows_it_wrote(path):
    """Rows that nobody wants are not counted, and a second commit has nothing to write."""
    with Ledger.open(path, SCOPE) as ledger:
        ledger.keep(b"1", [A], is_batch=False)
        ledger.keep(b"2", [B, None, C], is_batch=True)
        written, again = ledger.commit(), ledger.commit()

    assert (written, again) == (3, 0)


def test_file_is_one_file_for_its_owner_only(path):
    """While a run lasts and afterwards nobody else may read the answers, and what is left is one file."""
    with Ledger.open(path, SCOPE) as ledger:
        ledger.keep(b"1", [A], is_batch=False)
        ledger.commit()
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert set(modes) == {path.name, f"{path.name}-wal"}
    assert os.name == "nt" or set(modes.values()) == {0o600}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_empty_file_becomes_a_private_one(path):
    """An empty file that was made beforehand is used, and closed to others."""
    path.touch(0o644)

    fill(path, (b"1", [A]))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_late_answers_after_the_end_are_ignored(path):
    """An answer that arrives when the ledger is closed disturbs nobody; closing twice does not either."""
    ledger = Ledger.open(path, SCOPE)
    ledger.close()

    ledger.keep(b"late", [A], is_batch=False)
    ledger.close()

    assert ledger.commit() == 0


def test_answers_kept_while_another_thread_commits_are_all_there(path):
    """The engine's thread keeps while the driver's thread commits: each answer is in the file once."""
    keys = [key_of(number) for number in range(3_000)]
    with Ledger.open(path, SCOPE) as ledger:

        def keep(start: int) -> None:
            for number in range(start, len(keys), 2):
                ledger.keep(b"%d" % number, [keys[number]], is_batch=False)

        engines = [threading.Thread(target=keep, args=(start,)) for start in range(2)]
        for engine in engines:
            engine.start()
        written = 0
        while any(engine.is_alive() for engine in engines):
            written += ledger.commit()
        written += ledger.commit()

        found = held(ledger, keys)

    assert written == len(keys)
    assert found == {number: b"%d" % number for number in range(len(keys))}


def test_interrupted_commit_is_made_up_for(path, monkeypatch):
    """Ctrl-C while answers are written loses none of them: the next commit writes them."""
    with Ledger.open(path, SCOPE) as ledger:
        ledger.keep(b"1", [A], is_batch=False)
        with monkeypatch.context() as interrupted:
            interrupted.setattr(ledger_blocks.Block, "packed", _interrupt)
            with pytest.raises(KeyboardInterrupt):
                ledger.commit()
        ledger.keep(b"2", [B], is_batch=False)
        written, found = ledger.commit(), held(ledger, [A, B])

    assert (written, ledger.is_broken) == (2, False)
    assert found == {0: b"1", 1: b"2"}


def _interrupt(_: object) -> bytes:
    raise KeyboardInterrupt


BEGUN = """
import os, sys, threading
from ledgering import *
ledger = Ledger.open(sys.argv[1], SCOPE)
ledger.keep(b"1", [key_of(0)], is_batch=False)
ledger.commit()
ledger.keep(b"2", [key_of(1)], is_batch=False)
"""
CHILD_ENDS = """
if not (child := os.fork()):
    sys.exit()
os.waitpid(child, 0)
"""
CHILD_CLOSES_WHILE_A_THREAD_COMMITS = """
busy, over = threading.Event(), threading.Event()
def work():
    with ledger._file_lock, ledger._came_lock:
        busy.set()
        over.wait()
worker = threading.Thread(target=work)
worker.start()
busy.wait()
if not (child := os.fork()):
    ledger.keep(b"3", [key_of(0)], is_batch=False)
    ledger.close()
    os._exit(0)
os.waitpid(child, 0)
over.set()
worker.join()
"""
KILLED = """
ledger.commit()
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this computer cannot fork")
@pytest.mark.parametrize("forked", [CHILD_ENDS, CHILD_CLOSES_WHILE_A_THREAD_COMMITS], ids=["ends", "closes"])
def test_forked_child_leaves_the_file_to_its_parent(path, forked):
    """A worker forked in a run may close its copy or just end: it never waits, and what the parent commits is safe."""
    done = run_python(BEGUN + forked + KILLED, path)

    with Ledger.open(path, SCOPE) as ledger:
        found = held(ledger, [A, B])
    assert ("Traceback" in done.stderr, done.returncode) == (False, -9)
    assert found == {0: b"1", 1: b"2"}


def _copied(path: Path, directory: Path) -> Path:
    """What kill -9 would leave behind now."""
    directory.mkdir()
    for file in path.parent.glob(f"{path.name}*"):
        shutil.copy(file, directory)
    return directory / path.name


def test_run_killed_while_its_log_is_moved_into_the_file_loses_nothing(path):
    """SQLite writes the first page before the pages it speaks of: such a half is made whole from the log."""
    keys = [key_of(number) for number in range(20)]
    with Ledger.open(path, SCOPE) as ledger:
        before = _copied(path, path.parent / "before")
        for number, key in enumerate(keys):
            ledger.keep(body_of(number), [key], is_batch=False)
        ledger.commit()
        killed = _copied(path, path.parent / "killed")
    with path.open("rb") as whole, killed.open("r+b") as half:
        half.write(whole.read(4096))

    with Ledger.open(killed, SCOPE) as ledger:
        found = held(ledger, keys)

    assert before.stat().st_size < path.stat().st_size
    assert found == {number: body_of(number) for number in range(20)}


def test_run_killed_while_the_file_is_made_leaves_one_that_can_be_used(path):
    """A database without a table, as a cut-off start leaves it, is made into a resume file."""
    change(path, "PRAGMA journal_mode=WAL", "VACUUM")
    size = path.stat().st_size

    fill(path, (b"1", [A]))

    with Ledger.open(path, SCOPE) as ledger:
        found = held(ledger, [A])
    assert size > 0
    assert found == {0: b"1"}


KEYS = st.integers(0, 7)
ANSWER = st.tuples(st.just("keep"), st.binary(max_size=20), st.lists(st.none() | KEYS, min_size=1, max_size=4))
STEP = ANSWER | st.tuples(st.sampled_from(["commit", "reopen", "kill"]))


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEP, max_size=25))
def test_any_history_leaves_what_a_dict_would_hold(steps):
    """Keep, commit, close, open, kill in any order: the file holds the first answer committed to each row."""
    with tempfile.TemporaryDirectory() as name:
        history = _History(Path(name))

        for step in steps:
            history.apply(*step)
        history.apply("reopen")

        assert history.held() == history.committed
        history.ledger.close()
        assert query(history.path, "PRAGMA integrity_check") == [("ok",)]


class _History:
    """A ledger and the dict that models it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "0" / "flights.tnb"
        self.path.parent.mkdir()
        self.ledger = Ledger.open(self.path, SCOPE)
        self.committed: dict[int, bytes] = {}
        self.waiting: dict[int, bytes] = {}

    def held(self) -> dict[int, bytes]:
        return held(self.ledger, [key_of(number) for number in range(8)])

    def apply(self, step: str, *facts: object) -> None:
        getattr(self, f"_{step}")(*facts)

    def _keep(self, body: bytes, numbers: list[int | None]) -> None:
        keys = [None if number is None else key_of(number) for number in numbers]
        self.ledger.keep(body, keys, is_batch=len(keys) > 1)
        for number in numbers:
            if number is not None:
                self.waiting.setdefault(number, body)

    def _commit(self) -> None:
        new = self.waiting.keys() - self.committed.keys()
        assert self.ledger.commit() == len(new)
        self.committed = {**self.waiting, **self.committed}
        self.waiting = {}

    def _reopen(self) -> None:
        self.ledger.close()
        self.committed = {**self.waiting, **self.committed}
        self.waiting = {}
        self.ledger = Ledger.open(self.path, SCOPE)

    def _kill(self) -> None:
        killed = _copied(self.path, self.path.parent.with_name(str(int(self.path.parent.name) + 1)))
        self.ledger.close()
        self.path, self.waiting = killed, {}
        self.ledger = Ledger.open(killed, SCOPE)
