"""The call as code: it parses, means the values, holds no key, and runs to an equal frame."""

import ast
import json
import math
import shlex
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from canned import KEY

import tecton_nb as tnb
from tecton_nb.widgets.code import snippets
from tecton_nb.widgets.entries import REQUEST_CONTEXT, Entry
from tecton_nb.widgets.selection import Selection
from tecton_nb.wire.types import FLOAT64, INT64, STRING, ArrayType

LINES = (Path(__file__).parents[1] / "corpora" / "copy-as-code.jsonl").read_text("utf-8").splitlines()
TEXTS = [json.loads(line)["text"] for line in LINES]
URL = "https://yourcluster.tecton.ai"


def code_of(values, entries, **options):
    """Return the snippets of a call to the service ``s``."""
    return snippets(Selection("s", "prod", values, **options), entries, url=URL)


def row_in(python):
    """Return the literal that the only ``get_features`` call is given."""
    calls = [node for node in ast.walk(ast.parse(python)) if isinstance(node, ast.Call)]
    (call,) = (c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "get_features")
    return ast.literal_eval(call.args[0])


@pytest.mark.parametrize("text", TEXTS)
def test_python_means_the_values_and_nothing_else(text):
    """Whatever stands in a name or value, the Python parses to two imports, three calls and the same literal."""
    entries = [Entry(text, STRING), Entry(f"{text}2", STRING, REQUEST_CONTEXT)]
    row = {text: text, f"{text}2": text}

    python = code_of(row, entries).python
    tree = ast.parse(python)

    assert row_in(python) == row
    assert [type(line) for line in tree.body[:2]] == [ast.Import, ast.Import]
    named = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert named == {"tnb.TectonClient", "client.feature_service", "service.get_features", "tnb.MetadataOptions"}


@pytest.mark.parametrize("text", TEXTS)
def test_curl_splits_to_the_same_arguments_in_a_shell(text, tmp_path):
    """Python's shlex and a real shell split the command alike; nothing in it runs, and the body is the request."""
    curl = code_of({text: text}, [Entry(text, STRING)]).curl
    script = f"curl() {{ printf '%s\\0' \"$@\"; }}\n{curl}"

    ran = subprocess.run(  # noqa: S603
        ["/bin/bash", "-c", script],
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env={"TECTON_API_KEY": KEY, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    arguments = ran.stdout.decode().split("\0")[:-1]

    split = [part.replace("$TECTON_API_KEY", KEY) for part in shlex.split(curl)[1:]]
    assert arguments == split
    assert json.loads(arguments[-1])["params"]["joinKeyMap"] == {text: text}
    assert KEY not in curl
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", TEXTS)
def test_json_is_the_request(text):
    """The JSON is the body of the request, with the same names and values."""
    found = json.loads(code_of({text: text}, [Entry(text, STRING)]).json)

    assert found["params"]["joinKeyMap"] == {text: text}
    assert found["params"]["featureServiceName"] == "s"


def test_numbers_stay_exact_and_nan_is_a_number():
    """int64 beyond 2**53, NaN and infinities inside a list stand in the Python as the numbers they are."""
    entries = [Entry("n", INT64), Entry("x", ArrayType(FLOAT64))]
    namespace = {}

    python = code_of({"n": "9007199254740993", "x": [1.5, "NaN", "-Infinity", None]}, entries).python
    row = python[python.index("{") : python.index("}") + 1]
    exec(f"row = {row}", namespace)  # noqa: S102  # the snippet is the subject

    assert namespace["row"]["n"] == 2**53 + 1
    assert [*namespace["row"]["x"][::2], namespace["row"]["x"][3]] == [1.5, -math.inf, None]
    assert math.isnan(namespace["row"]["x"][1])


def test_options_stand_in_every_language():
    """What the switches say is in the Python as in the body."""
    options = tnb.RequestOptions(read_from_cache=False, latency_budget_ms=250)

    found = code_of({"n": "1"}, [Entry("n", INT64)], request_options=options)

    assert "tnb.RequestOptions(read_from_cache=False, latency_budget_ms=250)" in found.python
    assert json.loads(found.json)["params"]["requestOptions"]["latencyBudgetMs"] == 250


@pytest.mark.parametrize(
    "name",
    ["flight_delay_service", "fraud_detection_feature_service:v2", "ctr_prediction_service", "origin_carriers_service"],
)
def test_python_that_is_run_gives_an_equal_frame(client, name):
    """For every kind of service, running the code gives the frame that the explorer shows, dtypes and all."""
    explorer = tnb.explore(client)
    explorer.picker.choose(name)
    explorer.wait(20)
    explorer.fetch().wait(20)
    namespace = {}

    exec(explorer.code, namespace)  # noqa: S102  # the snippet is the subject

    assert explorer.error is None
    pd.testing.assert_frame_equal(namespace["frame"], explorer.frame)
    namespace["client"].close()


def test_curl_that_is_run_gets_the_same_values(client):
    """The curl command, run in a shell with the key in its environment, gets the features."""
    explorer = tnb.explore(client)
    explorer.picker.choose("fraud_detection_feature_service")
    explorer.wait(20)

    explorer.fetch().wait(20)
    environment = {client.api_key_variable: client.server.api_key, "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(  # noqa: S603
        ["/bin/bash", "-c", explorer.snippets.curl], capture_output=True, check=True, env=environment
    )

    assert len(json.loads(ran.stdout)["result"]["features"]) == explorer.frame.shape[1]
