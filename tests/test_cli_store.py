"""The command line over a store file: serve, ingest while it is served, kill -9, serve again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from tecton_nb import cli
from tecton_nb.local import FeatureServer, demo_server

EXAMPLE = Path(__file__).parents[1] / "notebooks" / "features"
KEY = "key-of-the-command-line-tests"
NEW = "paid_at,user_id,country,amount\n2024-05-01T10:00:00Z,ann,DE,50000.00\n2024-05-01T10:30:00Z,zoe,US,1.00\n"


@pytest.fixture
def folder(tmp_path):
    """A copy of the example definitions, with a file of new events."""
    shutil.copytree(EXAMPLE, tmp_path / "features", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "features" / "new.csv").write_text(NEW)
    return tmp_path / "features"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run ``tecton-nb`` in this process; return status, output and errors."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tecton-nb", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


@contextmanager
def serving(*arguments: object, end: signal.Signals = signal.SIGTERM) -> Iterator[tuple[str, str]]:
    """Run ``tecton-nb serve`` as a process of its own; yield its first line and its address."""
    command = [sys.executable, "-m", "tecton_nb", "serve", *map(str, arguments)]
    environment = {**os.environ, "TECTON_API_KEY": KEY}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)  # noqa: S603
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        yield line, line.split(" at ")[1].split(",")[0]
    finally:
        process.send_signal(end)
        process.wait(timeout=20)
        process.stdout.close()


def vector(url: str, user: str) -> list[Any]:
    """The features of a user: whether unusual, times the mean, count of a day, ..."""
    params = {
        "featureServiceName": "payment_service",
        "joinKeyMap": {"user_id": user},
        "requestContextMap": {"amount": 100},
    }
    request = urllib.request.Request(  # noqa: S310  # the address is our own
        f"{url}/api/v1/feature-service/get-features",
        data=json.dumps({"params": params}).encode(),
        headers={"Authorization": f"Tecton-key {KEY}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return list(json.loads(answer.read())["result"]["features"])


def test_ingest_is_seen_by_the_next_request_and_survives_kill_9(folder, run):
    """Events ingested beside a running server are in its next answer, and still there, once, after kill -9."""
    store = folder / "features.db"
    serve = (folder / "features.toml", "--store", store)
    ingest = ("ingest", "--store", store, "user_payments", folder / "new.csv")
    with serving(*serve, end=signal.SIGKILL) as (line, url):
        before = vector(url, "ann"), vector(url, "zoe")
        told = run(*ingest)
        after = vector(url, "ann"), vector(url, "zoe")
    again = run(*ingest)
    with serving(*serve) as (_, url):
        reopened = vector(url, "ann"), vector(url, "zoe")

    assert line.startswith("Serving 2 feature services at http://127.0.0.1:")
    assert "workspaces analytics and prod, API key as given" in line
    assert told == (0, "Added 2 rows to view user_payments.\n", "")
    assert again[1] == (
        "Added nothing to view user_payments: it has the 2 rows of this file already. "
        "Use --again to add them once more.\n"
    )
    assert int(after[0][2]) == int(before[0][2]) + 1
    assert (before[1][2], after[1][2], after[0][5]) == (None, "1", 50000)
    assert reopened == after


def test_ingest_again_adds_once_more(folder, run):
    """The same file counts twice only where that is asked for."""
    store = folder / "features.db"
    with serving(folder / "features.toml", "--store", store) as (_, url):
        counts = []
        for extra in ((), ("--again",), ()):
            run("ingest", "--store", store, "user_payments", folder / "new.csv", *extra)
            counts.append(vector(url, "zoe")[2])

    assert counts == ["1", "2", "2"]


def test_demo_is_kept_in_a_store(tmp_path):
    """The demo served from a store answers the same after a restart, within a second."""
    store = tmp_path / "demo.db"
    vectors, seconds = [], []
    for _ in range(2):
        began = perf_counter()
        with demo_server(store=store, api_key=KEY) as server:
            params = {
                "featureServiceName": "flight_delay_service",
                "joinKeyMap": {"carrier": "UA", "origin": "EWR", "dest": "SFO", "tailnum": "N14228"},
                "requestContextMap": {"scheduled_minute_of_day": 1, "distance_miles": 2.5},
            }
            answer = server.responder.respond(
                "POST",
                "/v1/feature-service/get-features",
                [f"Tecton-key {KEY}"],
                json.dumps({"params": params}).encode(),
            )
            seconds.append(perf_counter() - began)
            vectors.append(json.loads(answer.body)["result"]["features"])

    assert vectors[0] == vectors[1]
    assert None not in vectors[0][:3]
    assert seconds[1] < 1.0, "the requirement is a second; it takes some milliseconds"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("user_payment", "new.csv"),
            "No view 'user_payment' has data; those that have are 'user_country_payments', "
            "'user_payments', 'user_profile'. Did you mean 'user_payments'?",
        ),
        (("user_payments", "now.csv"), "Cannot read '{folder}/now.csv': No such file or directory."),
        (
            ("user_profile", "new.csv"),
            "The file '{folder}/new.csv' lacks the column 'age'. "
            "Columns found: 'paid_at', 'user_id', 'country', 'amount'.",
        ),
        (
            ("user_payments", "features.toml"),
            "Cannot read '{folder}/features.toml': the name must end in one of '.csv', '.csv.gz', '.parquet'.",
        ),
        (("user_payments", "bad.csv"), "Cannot read 'much' as float64 in '{folder}/bad.csv', column 'amount', row 1."),
    ],
    ids=["view", "file", "columns", "suffix", "cell"],
)
def test_ingest_mistake_is_one_sentence(folder, run, arguments, sentence):
    """A wrong view, file or cell ends in one sentence and adds nothing."""
    store = folder / "features.db"
    FeatureServer.from_file(folder / "features.toml", store=store).close()
    (folder / "bad.csv").write_text(NEW.replace("50000.00", "much"))
    view, file = arguments

    assert run("ingest", "--store", store, view, folder / file) == (
        2,
        "",
        f"tecton-nb: {sentence.format(folder=folder)}\n",
    )


def test_serve_mistake_is_one_sentence(folder, run):
    """A mistake in the definitions ends in one sentence and a status, before anything is served."""
    toml = folder / "features.toml"
    workspace = run("serve", toml, "--workspace", "dev")
    toml.write_text(toml.read_text().replace('kind = "batch"', 'kind = "bath"'))
    spoiled = run("serve", toml)

    assert workspace == (
        2,
        "",
        f"tecton-nb: '{toml}' names the workspaces of its services; leave out --workspace.\n",
    )
    assert spoiled == (
        2,
        "",
        f"tecton-nb: In '{toml}' at `views.user_profile.kind`: 'bath' is not possible; "
        "possible are 'batch', 'aggregated', 'realtime'. Did you mean 'batch'?\n",
    )


def test_demo_in_the_store_of_other_definitions_is_refused(folder, run):
    """A store made for a features.toml is not overwritten by the demo."""
    store = folder / "features.db"
    FeatureServer.from_file(folder / "features.toml", store=store).close()
    before = store.read_bytes()

    status, _, said = run("serve", "--store", store)

    assert status == 2
    assert said.startswith(f"tecton-nb: The store '{store}' does not fit: it holds the view 'user_country_payments', ")
    assert said.endswith(
        "Reload it (reload=True, or --reload; what was appended since is lost), or name another store.\n"
    )
    assert store.read_bytes() == before
