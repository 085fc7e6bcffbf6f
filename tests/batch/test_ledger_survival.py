"""The resume file when the worst happens: kill -9 at any moment, a full disk, a read-only one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ledgering
import pytest
from ledgering import SCOPE, body_of, held, key_of, large_body_of, query, run_python

from tecton_nb.batch.ledger import Ledger
from tecton_nb.exceptions import LedgerError

KILLS = 20
FULL = """
import resource, sys
from ledgering import *
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
with Ledger.open(sys.argv[1], SCOPE) as ledger:
    for number in range(1_000):
        ledger.keep(body_of(number), [key_of(number)], is_batch=False)
        print(number, ledger.commit(), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this computer cannot fork")
def test_ledger_killed_twenty_times_holds_every_acknowledged_row_once(tmp_path):
    """After each of 20 kill -9 every row that was acknowledged is there once and right, and the file is sound."""
    path = tmp_path / "flights.tnb"
    moments, told, lost, wrong = random.Random(3), 1, 0, 0
    command = [sys.executable, ledgering.__file__, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:  # noqa: S603
        assert program.stdin is not None
        assert program.stdout is not None
        for kill in range(KILLS):
            program.stdin.write(f"{told}\n")
            program.stdin.flush()
            child = int(program.stdout.readline())
            # The first two are killed while the file is made and opened.
            for _ in range(moments.randrange(1, 45) if kill > 1 else 0):
                told = int(program.stdout.readline())
            os.kill(child, signal.SIGKILL)
            while (line := program.stdout.readline()) != "over\n":
                told = int(line)
            # Up to four rows that were not acknowledged may be there too.
            with Ledger.open(path, SCOPE) as ledger:
                found = held(ledger, [key_of(number) for number in range(1, told + 4)])
            lost += len(set(range(told - 1)) - set(found))
            wrong += sum(body != large_body_of(position + 1) for position, body in found.items())
        program.stdin.close()

    assert (lost, wrong) == (0, 0)
    assert told > KILLS
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert query(path, "SELECT count(*) FROM blocks WHERE id NOT IN (SELECT block FROM rows)") == [(0,)]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 KB."""
    mount, directory = shutil.which("mount"), tmp_path / "disk"
    directory.mkdir()
    command = [str(mount), "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(directory)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:  # noqa: S603
        pytest.skip("Only root may mount a small disk, and only on some systems.")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)  # noqa: S603, S607


def fill_up(ledger: Ledger, committed: list[int]) -> None:
    """Commit answers without end."""
    while True:
        ledger.keep(body_of(len(committed)), [key_of(len(committed))], is_batch=False)
        ledger.commit()
        committed.append(len(committed))


def filled(ledger: Ledger) -> tuple[list[int], str]:
    """Numbers of the rows that were committed until the disk was full, and what was said then."""
    committed: list[int] = []
    with pytest.raises(LedgerError) as full:
        fill_up(ledger, committed)
    return committed, str(full.value)


def test_full_disk_is_said_and_what_was_committed_is_intact(disk):
    """The error says how many rows are safe and what to do; the run can go on, and a second one reads them all."""
    path = disk / "flights.tnb"
    with Ledger.open(path, SCOPE) as ledger:
        committed, said = filled(ledger)
        ledger.keep(b"later", [key_of(-1)], is_batch=False)
        later = (ledger.is_broken, ledger.commit())
        still = held(ledger, [key_of(number) for number in committed])

    with Ledger.open(path, SCOPE) as ledger:
        found = held(ledger, [*map(key_of, committed), key_of(-1)])
    assert said == (
        f"Cannot write to the resume file '{path}': database or disk is full. The {len(committed)} rows committed "
        "before are intact in it, later ones are not kept. Make room, then run again with this file."
    )
    assert later == (True, 0)
    assert len(committed) > 10
    assert still == found == {number: body_of(number) for number in committed}
    assert query(path, "PRAGMA integrity_check") == [("ok",)]


def test_run_goes_on_with_the_file_when_there_is_room_again(disk, tmp_path):
    """Moved to a disk with room, log and all, the file takes the rows that did not fit."""
    path = disk / "flights.tnb"
    with Ledger.open(path, SCOPE) as ledger:
        committed, _ = filled(ledger)
    for file in disk.iterdir():
        shutil.copy(file, tmp_path)

    with Ledger.open(tmp_path / path.name, SCOPE) as ledger:
        ledger.keep(b"fits now", [key_of(-1)], is_batch=False)
        written = ledger.commit()
        found = held(ledger, [*map(key_of, committed), key_of(-1)])

    assert written == 1
    assert found == {**{number: body_of(number) for number in committed}, len(committed): b"fits now"}


def test_file_cannot_be_made_on_a_full_disk(disk):
    """A disk that is full from the start is said when the file is opened."""
    (disk / "ballast").write_bytes(bytes(400 * 1024))

    with pytest.raises(LedgerError, match=r"Cannot open the resume file '.*': (database or disk is full|disk I/O)"):
        Ledger.open(disk / "flights.tnb", SCOPE)


def test_read_only_disk_is_refused_when_the_file_is_opened(disk):
    """A file that cannot be written is refused before hours of work, not after them."""
    path = disk / "flights.tnb"
    Ledger.open(path, SCOPE).close()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)  # noqa: S603, S607

    with pytest.raises(LedgerError) as refused:
        Ledger.open(path, SCOPE)

    assert str(refused.value) == (
        f"The resume file '{path}' cannot be read and written. "
        "Make it and its directory writable, or name another file."
    )


def test_file_that_may_not_grow_keeps_what_was_committed(tmp_path):
    """Where files may grow to a limit only, the error is as clear and the committed rows are as safe."""
    if os.name == "nt":
        pytest.skip("Windows has no limit for the size of a file.")
    path = tmp_path / "flights.tnb"

    done = run_python(FULL, path)

    committed = [int(line.split()[0]) for line in done.stdout.splitlines()]
    said = done.stderr.splitlines()[-1]
    with Ledger.open(path, SCOPE) as ledger:
        found = held(ledger, [key_of(number) for number in range(1_000)])
    assert len(committed) > 10
    assert f"The {len(committed)} rows committed before are intact in it, later ones are not kept." in said
    assert found == {number: body_of(number) for number in committed}
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
