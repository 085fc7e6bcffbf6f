"""The call as code: it parses, means the values, holds no key, and runs to an equal frame."""

import ast
import json
import math
import os
import shlex
import subprocess
from pathlib import Path

import keyring
import pandas as pd
import pytest
from canned import KEY, Reply, typed, vector

import tecton_nb as tnb
from tecton_nb.connect import settings_path
from tecton_nb.exceptions import SettingsError
from tecton_nb.widgets.code import Access, snippets
from tecton_nb.widgets.entries import REQUEST_CONTEXT, Entry
from tecton_nb.widgets.selection import Selection
from tecton_nb.wire.types import FLOAT64, INT64, STRING, ArrayType

LINES = (Path(__file__).parents[1] / "corpora" / "copy-as-code.jsonl").read_text("utf-8").splitlines()
TEXTS = [json.loads(line)["text"] for line in LINES]
URL = "https://yourcluster.tecton.ai"


def code_of(values, entries, made_by=None, **options):
    """Return the snippets of a call to the service ``s``."""
    return snippets(Selection("s", "prod", values, **options), entries, Access(URL, made_by=made_by))


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
def test_python_of_a_profile_means_the_profile_and_nothing_else(text):
    """Whatever a profile and its values are called, the Python connects by that name and sends the same literal."""
    python = code_of({text: text}, [Entry(text, STRING)], made_by=f"tnb.connect({text!r})").python

    first, *others = (node for node in ast.walk(ast.parse(python)) if isinstance(node, ast.Call))

    assert (ast.unparse(first.func), first.args[0].value) == ("tnb.connect", text)
    assert {ast.unparse(call.func) for call in others} == {
        "client.feature_service",
        "service.get_features",
        "tnb.MetadataOptions",
    }
    assert row_in(python) == {text: text}


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


@pytest.fixture
def kept(monkeypatch, tmp_path, canned):
    """Keep a server's address in a profile of a settings folder of its own; the rest of the profile is the test's."""

    def plan(asked):
        if asked.operation == "metadata":
            return Reply({"inputJoinKeys": [typed("k", "string")], "featureValues": [typed("v.k", "string")]})
        is_known = asked.headers["authorization"] == f"Tecton-key {KEY}"
        return Reply(
            vector([asked.join_keys.get("k")], typed("v.k", "string")) if is_known else {}, 200 if is_known else 401
        )

    server = canned(plan)
    for variable in ("XDG_CONFIG_HOME", "HOME", "APPDATA", "LOCALAPPDATA", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    for name in ("TECTON_URL", "TECTON_API_KEY", "TECTON_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    settings_path().parent.mkdir(parents=True, exist_ok=True)

    def write(*lines):
        settings = ["[profiles.default]", f"url = {json.dumps(server.url)}", 'workspace = "prod"', *lines]
        settings_path().write_text("\n".join(settings))
        return server

    return write


def copied_from(profile):
    """Return the snippets that a panel of the profile's client makes, and its frame."""
    with tnb.connect(profile) as own:
        explorer = tnb.explore(own)
        explorer.value = {"service": "s", "values": {"k": "a"}}
        explorer.wait(20).fetch().wait(20)
    assert explorer.error is None
    return explorer.snippets, explorer.frame


def expect_python_to_run(python, frame):
    """Run the Python; it gives the frame."""
    namespace = {}
    exec(python, namespace)  # noqa: S102  # the snippet is the subject
    namespace["client"].close()
    pd.testing.assert_frame_equal(namespace["frame"], frame)


def values_by_curl(curl, **environment):
    """Run the curl command in a shell, and return the values it gets."""
    here = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **environment}
    ran = subprocess.run(["/bin/bash", "-c", curl], capture_output=True, check=True, env=here)  # noqa: S603
    return json.loads(ran.stdout)["result"]["features"]


@pytest.mark.parametrize("place", ["~/my key", "{home}/it's a key", "{home}/$(touch ran)"])
def test_code_of_a_key_file_runs_where_the_file_is(kept, tmp_path, place):
    """With the key in a file, Python and curl both find it there, whatever the file is called."""
    name = place.format(home=tmp_path)
    path = tmp_path / name.rpartition("/")[2]
    path.write_text(f"{KEY}\n")
    kept(f"api_key_file = {json.dumps(name)}")

    copied, frame = copied_from(None)

    assert "client = tnb.connect('default')\n" in copied.python
    assert KEY not in copied.python + copied.curl + copied.json
    expect_python_to_run(copied.python, frame)
    assert values_by_curl(copied.curl) == ["a"]
    assert not (tmp_path / "ran").exists()


def test_code_of_a_keyring_asks_the_keyring(kept, tmp_path, monkeypatch):
    """With the key in the keyring, Python connects by the profile, and curl asks the program keyring."""
    kept()
    monkeypatch.setattr(keyring, "get_password", lambda *asked: {("tecton-nb", "127.0.0.1"): KEY}.get(asked))
    program = tmp_path / "keyring"
    program.write_text(f'#!/bin/sh\n[ "$*" = "get tecton-nb 127.0.0.1" ] && echo {KEY}\n')
    program.chmod(0o700)

    copied, frame = copied_from("default")

    assert KEY not in copied.python + copied.curl + copied.json
    expect_python_to_run(copied.python, frame)
    assert values_by_curl(copied.curl, PATH=f"{tmp_path}:{os.environ['PATH']}") == ["a"]


def test_code_of_a_variable_reads_that_variable(kept, monkeypatch):
    """With the key in a variable of the profile's own, Python connects by the profile, and curl reads that variable."""
    kept('api_key_env = "STAGING_KEY"')
    monkeypatch.setenv("STAGING_KEY", KEY)

    copied, frame = copied_from("default")

    expect_python_to_run(copied.python, frame)
    assert copied.curl.startswith("curl ")
    assert values_by_curl(copied.curl, STAGING_KEY=KEY) == ["a"]


def test_code_of_the_environment_connects_by_the_environment(kept, monkeypatch):
    """Where the environment names server and workspace, so does the copied code."""
    server = kept()
    for name, value in (("TECTON_URL", server.url), ("TECTON_API_KEY", KEY), ("TECTON_WORKSPACE", "prod")):
        monkeypatch.setenv(name, value)

    copied, frame = copied_from(None)

    assert "client = tnb.connect()\n" in copied.python
    expect_python_to_run(copied.python, frame)


@pytest.mark.parametrize("name", ["X=1; touch ran; Y", "X$(touch ran)", "A\nB", "1A", "", "A-B", f"{KEY}"])
def test_variable_that_no_shell_takes_is_refused_and_not_repeated(kept, name):
    """A profile whose variable is no name of one is refused: it would be run as code, and may be the key itself."""
    kept(f"api_key_env = {json.dumps(name)}")

    with pytest.raises(SettingsError, match="no name of an environment variable") as refused:
        tnb.connect("default")

    assert not name or name not in str(refused.value)


def test_key_file_with_a_dash_is_no_option(kept, tmp_path, monkeypatch):
    """A key file whose name looks like an option is read by the copied curl command as the file it is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-n").write_text(KEY)
    kept('api_key_file = "-n"')

    copied, frame = copied_from("default")

    expect_python_to_run(copied.python, frame)
    assert values_by_curl(copied.curl) == ["a"]
