"""A store file: kept over restarts, appended to while it is served, refused in words when it does not fit."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from dataclasses import replace

import pandas as pd
import pytest
from asking import features_of

from tecton_nb.exceptions import InputError, SettingsError
from tecton_nb.local import (
    AggregatedView,
    Aggregation,
    BatchView,
    Definitions,
    Feature,
    FeatureServer,
    FeatureService,
    demo_server,
)
from tecton_nb.local import Field as JoinKey
from tecton_nb.local.clock import FixedClock
from tecton_nb.local.storage.database import Database
from tecton_nb.local.storage.store import Store
from tecton_nb.wire.types import FLOAT64, INT64, STRING

NOW = pd.Timestamp("2024-05-01T12:30:00Z")
USER = (JoinKey("user_id", STRING),)
PROFILE = BatchView("profile", USER, (Feature("age", INT64),))
SPEND = AggregatedView("spend", USER, (Aggregation("amount", "count", "1d"), Aggregation("amount", "sum", "1d")), "1h")
DEFINITIONS = Definitions((PROFILE, SPEND), (FeatureService("s", ("profile", "spend")),))
PROFILES = pd.DataFrame({"user_id": ["u"], "age": [30], "timestamp": [NOW - pd.Timedelta("3h")]})
EVENTS = pd.DataFrame({"user_id": ["u", "u"], "amount": [1.5, 2.0], "timestamp": [NOW - pd.Timedelta("2h")] * 2})
DATA = {"profile": PROFILES, "spend": EVENTS}


def served(path=None, definitions=DEFINITIONS, data=DATA, **options) -> FeatureServer:
    """A server that is not started, with its clock standing still."""
    return FeatureServer(definitions, data=data, store=path, clock=FixedClock(NOW.value), **options)


def vector(server: FeatureServer) -> list:
    """The one vector these tests ask for: age, count, sum."""
    return features_of(server, "s", {"user_id": "u"})


def test_append_is_seen_by_the_next_request_in_memory_and_in_a_file(tmp_path):
    """What `append` added is in the next answer, for rows and for events."""
    for path in (None, tmp_path / "features.db"):
        with served(path) as server:
            before = vector(server)
            server.append("spend", EVENTS.head(1))
            server.append("profile", PROFILES.assign(age=31, timestamp=NOW))

            assert (before, vector(server)) == (["30", "2", 3.5], ["31", "3", 5])


def test_reopened_store_serves_what_was_loaded_and_appended(tmp_path):
    """A server started again on the file serves the same, and does not load the first data twice."""
    path = tmp_path / "features.db"
    with served(path) as server:
        server.append("spend", EVENTS.head(1))

    with served(path) as server:
        assert vector(server) == ["30", "3", 5]


def test_store_file_is_for_its_owner_only(tmp_path):
    """The file and what SQLite puts beside it can be read by nobody else."""
    path = tmp_path / "features.db"
    with served(path):
        modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}

    assert modes == {0o600}


def test_view_that_is_new_is_loaded_beside_the_old(tmp_path):
    """A view added to the definitions is loaded; the others stay as they are."""
    path = tmp_path / "features.db"
    first = Definitions((SPEND,), (FeatureService("s", ("spend",)),))
    with served(path, first, {"spend": EVENTS}) as server:
        server.append("spend", EVENTS)

    with served(path) as server:
        assert vector(server) == ["30", "4", 7]


def test_descriptions_and_ttl_may_change_without_reloading(tmp_path):
    """What does not decide how data lies in the file may change."""
    path = tmp_path / "features.db"
    with served(path):
        pass
    changed = replace(PROFILE, ttl="2h", features=(Feature("age", INT64, "years", {"owner": "me"}),))

    with served(path, Definitions((changed, SPEND), DEFINITIONS.services)) as server:
        assert vector(server) == [None, "2", 3.5]


ADVICE = "Reload it (reload=True, or --reload; what was appended since is lost), or name another store."
MISFITS = {
    "its view 'spend' was made with interval '1h', which is '30m' now.": (
        Definitions((PROFILE, replace(SPEND, interval="30m")), DEFINITIONS.services),
        DATA,
    ),
    'its view \'profile\' was made with features \'{"age":{"type":"int64"}}\', '
    'which is \'{"age":{"type":"float64"}}\' now.': (
        Definitions((replace(PROFILE, features=(Feature("age", FLOAT64),)), SPEND), DEFINITIONS.services),
        DATA,
    ),
    "it holds the view 'profile', which is not defined; defined are 'spend'.": (
        Definitions((SPEND,), (FeatureService("s", ("spend",)),)),
        {"spend": EVENTS},
    ),
    "the data of its view 'spend' is a DataFrame of 2 rows, digest ": (DEFINITIONS, {**DATA, "spend": EVENTS.head(1)}),
}


@pytest.mark.parametrize("sentence", MISFITS)
def test_store_that_does_not_fit_is_refused_in_words_and_can_be_reloaded(tmp_path, sentence):
    """A file made for other definitions or data is refused with the difference; reloading makes it fit."""
    path = tmp_path / "features.db"
    definitions, data = MISFITS[sentence]
    with served(path):
        pass

    with pytest.raises(SettingsError) as caught:
        served(path, definitions, data)
    with served(path, definitions, data, reload=True):
        pass

    assert str(caught.value).startswith(f"The store '{path}' does not fit: {sentence}")
    assert str(caught.value).endswith(f" {ADVICE}")
    with served(path, definitions, data):
        pass


def test_file_of_another_program_is_refused(tmp_path):
    """Neither a text file nor another program's database is written to."""
    text, other, missing = tmp_path / "notes.txt", tmp_path / "other.db", tmp_path / "no" / "folder.db"
    text.write_text("These are notes, no database. " * 100)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    said = {}
    for path in (text, other, missing):
        with pytest.raises(SettingsError) as caught:
            Database(path)
        said[path] = str(caught.value)

    assert said == {
        text: f"Cannot open the store '{text}': file is not a database. Name another file.",
        other: f"The file '{other}' is a database of another program; name another file as the store.",
        missing: f"Cannot open the store '{missing}': No such file or directory. Name another file.",
    }


def test_append_of_another_process_is_seen_by_the_next_request(tmp_path):
    """A second store on the same file, as another process has one, adds to what a running server answers."""
    path = tmp_path / "features.db"
    with served(path) as server, Store((PROFILE, SPEND), path) as other:
        before = [vector(server), vector(server)]
        other.append("spend", EVENTS.head(1))

        assert (before, vector(server)) == ([["30", "2", 3.5]] * 2, ["30", "3", 5])


def test_other_process_that_comes_and_goes_leaves_the_log_to_the_server(tmp_path):
    """Ever new processes on the file of a running server, each opening and closing it, are all seen."""
    path = tmp_path / "features.db"
    script = (
        "import sys, pandas as pd; from tecton_nb.local.storage.database import Database;"
        "from tecton_nb.local.storage.contents import kept_definitions;"
        "from tecton_nb.local.storage.store import Store;"
        "d = Database(sys.argv[1]); s = Store(kept_definitions(d), d); time = pd.Timestamp(sys.argv[2]);"
        "s.append('spend', pd.DataFrame({'user_id': ['u'], 'amount': [1.0], 'timestamp': [time]})); s.close()"
    )
    with served(path) as server:
        counts = []
        for _ in range(3):
            subprocess.run([sys.executable, "-c", script, str(path), str(EVENTS["timestamp"][0])], check=True)  # noqa: S603
            counts.append(vector(server)[1])

    assert counts == ["3", "4", "5"]


def test_reading_goes_on_while_another_process_writes(tmp_path):
    """A server answers from the last commit while someone holds the file for writing."""
    path = tmp_path / "features.db"
    with served(path) as server:
        other = Database(path)
        with other.writing() as connection:
            connection.execute("DELETE FROM batch_rows")
            during = vector(server)
        after = vector(server)
        other.close()

    assert (during, after) == (["30", "2", 3.5], [None, "2", 3.5])


def test_same_digest_is_added_once(tmp_path):
    """What was added under a digest before is not added again, and nothing is told to be."""
    with Store((PROFILE, SPEND), tmp_path / "features.db") as store:
        told = [store.append("spend", EVENTS, digest=digest) for digest in (b"1", b"1", b"2")]
        with pytest.raises(InputError):
            store.append("spend", EVENTS.assign(user_id=[["no text"]] * 2), digest=b"3")
        told.append(store.append("spend", EVENTS, digest=b"3"))

        assert told == [True, False, True, True]
        assert store.read("spend", b'["u"]', NOW.value).values[0] == "6"


def test_event_that_is_no_number_is_refused_in_words():
    """A text among the numbers is told with its column and view."""
    with Store((PROFILE, SPEND)) as store, pytest.raises(InputError) as caught:
        store.append("spend", EVENTS.astype({"amount": object}).assign(amount=[1.0, "much"]))

    assert str(caught.value) == "Cannot aggregate 'much' (str) in column 'amount' of view 'spend': pass numbers."


def test_file_opened_by_many_at_once_is_made_once_and_whole(tmp_path):
    """Whoever opens a new file while others make it finds it whole; nothing else is left in the folder."""
    opened: list[Database] = []
    for name in ("a.db", "b.db", "c.db", "d.db"):
        together = threading.Barrier(6)

        def begin(path=tmp_path / name, together=together) -> None:
            together.wait()
            opened.append(Database(path))

        threads = [threading.Thread(target=begin) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    counts = [len(database.rows("SELECT * FROM views")) for database in opened]
    for database in opened:
        database.close()

    assert counts == [0] * 24
    assert {path.name for path in tmp_path.iterdir()} == {"a.db", "b.db", "c.db", "d.db"}


def test_empty_file_becomes_a_store(tmp_path):
    """A file that is empty, as mktemp makes it, is taken."""
    path = tmp_path / "features.db"
    path.touch()

    with served(path) as server:
        assert vector(server) == ["30", "2", 3.5]


def test_servers_started_at_once_on_a_new_file_load_it_once(tmp_path):
    """Four servers that find no file and all begin to load it leave its data there once."""
    together, servers = threading.Barrier(4), []

    def begin() -> None:
        together.wait()
        servers.append(served(tmp_path / "features.db"))

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with servers[0] as server:
        found = vector(server)
    for server in servers:
        server.close()

    assert (len(servers), found) == (4, ["30", "2", 3.5])


def test_append_from_many_threads_loses_nothing(tmp_path):
    """Appends from several threads, and over several connections, all count."""
    with served(tmp_path / "features.db") as server, Store((PROFILE, SPEND), tmp_path / "features.db") as other:
        adders = [server.append, other.append] * 2
        threads = [threading.Thread(target=lambda add=add: [add("spend", EVENTS) for _ in range(5)]) for add in adders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert vector(server)[1] == str(2 + 4 * 5 * 2)


@pytest.fixture
def without_flights(monkeypatch):
    """The demo without the flights, which take a second to load."""
    monkeypatch.setattr("tecton_nb.local.demo.are_installed", lambda: False)
    with pytest.warns(UserWarning, match="are not installed"):
        yield


def test_demo_store_of_another_instant_is_refused(tmp_path, without_flights):
    """Demo data that end elsewhere than asked for are told with both instants."""
    path = tmp_path / "demo.db"
    demo_server(now="2024-05-01T12:00:00Z", store=path).close()

    with pytest.raises(SettingsError) as caught:
        demo_server(now="2024-05-02T12:00:00Z", store=path)

    assert str(caught.value).startswith(f"The store '{path}' does not fit: the data of its view 'ad_ground_truth_")
    assert str(caught.value).endswith(
        "is the demo data up to 2024-05-01T12:00:00Z with seed 0, "
        f"and would be the demo data up to 2024-05-02T12:00:00Z with seed 0 now. {ADVICE}"
    )


def test_demo_store_fits_for_a_day(tmp_path, without_flights, monkeypatch):
    """With the machine's clock, a store made a moment ago is served; one that is too old is refused, and reloaded."""
    path = tmp_path / "demo.db"
    for _ in range(2):
        demo_server(store=path).close()
    monkeypatch.setattr("tecton_nb.local.demo._FRESH", pd.Timedelta(0))
    monkeypatch.setattr("tecton_nb.local.demo.SystemClock", lambda: LaterClock())

    with pytest.raises(SettingsError, match="and would be the demo data up to"):
        demo_server(store=path)
    demo_server(store=path, reload=True).close()


class LaterClock:
    """A clock two days ahead."""

    def now(self) -> int:
        """Return nanoseconds since the epoch."""
        return (pd.Timestamp.now("UTC") + pd.Timedelta(days=2)).value


def test_store_that_is_no_file_is_refused_and_left_alone(tmp_path):
    """A named pipe, like a device such as /dev/null, is not replaced by a store."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(SettingsError, match="is no file"):
        Database(pipe)

    assert pipe.is_fifo()


@pytest.mark.parametrize("is_there", [True, False])
def test_link_to_a_store_stays_a_link(tmp_path, is_there):
    """The file that a link names becomes the store, also if it is empty or missing."""
    target, link = tmp_path / "target.db", tmp_path / "link.db"
    link.symlink_to(target)
    if is_there:
        target.touch()

    Database(link).close()

    assert link.is_symlink()
    assert target.stat().st_size > 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize("time", ["9999-12-31T00:00:00Z", "0001-01-01T00:00:00Z"])
def test_event_time_that_nanoseconds_cannot_hold_is_refused_in_words(time):
    """A far date, as files write it for 'never', is told with its column."""
    views = (BatchView("v", (JoinKey("id", STRING),), (Feature("x", FLOAT64),)),)
    frame = pd.DataFrame({"id": ["a"], "x": [1.0], "timestamp": [pd.Timestamp(time)]})

    with Store(views) as store, pytest.raises(SettingsError, match="'timestamp' of view 'v' holds what is no time"):
        store.append("v", frame)
