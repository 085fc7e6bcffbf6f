"""The command line: the same answers from a shell, one sentence for a mistake, honest exit statuses."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tecton_nb import cli

FRAUD = "fraud_detection_feature_service"


@pytest.fixture
def run(demo, monkeypatch, capsys):
    """Run ``tecton-nb`` in this process against the demo server; return status, output and errors."""
    monkeypatch.setenv("TECTON_URL", demo.url)
    monkeypatch.setenv("TECTON_API_KEY", demo.api_key)
    monkeypatch.setenv("TECTON_WORKSPACE", "prod")

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tecton-nb", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


def test_services_lists_every_demo_service(run):
    """`tecton-nb services` names what the server serves."""
    status, out, _ = run("services")

    assert status == 0
    assert FRAUD in out
    assert "origin_carriers_service" in out


def test_metadata_as_json_has_inputs_and_features(run):
    """`tecton-nb metadata --json` prints both sides of the service for other programs."""
    status, out, _ = run("metadata", FRAUD, "--json")

    found = json.loads(out)
    assert status == 0
    assert [(item["name"], item["data_type"]) for item in found["inputs"]] == [
        ("user_id", "string"),
        ("amount", "float64"),
    ]
    assert found["features"][2]["name"] == "last_transaction_amount_sql.amount"


def test_features_prints_the_documents_vector(run):
    """The vector that the HTTP document prints comes from the command line, int64 as text."""
    status, out, _ = run("features", FRAUD, "user_id=C1000262126", "amount=100", "--json")

    assert status == 0
    assert [item["value"] for item in json.loads(out)] == ["0", "1", 216409.0]


def test_features_of_a_wildcard_service_prints_every_row(run):
    """A WILDCARD service answers with a row per carrier."""
    status, out, _ = run("features", "origin_carriers_service", "origin=EWR", "--json")

    rows = json.loads(out)
    assert status == 0
    assert len({row["carrier"] for row in rows}) == len(rows) > 3


def test_features_takes_null_as_json(run):
    """KEY:=null sends null, which finds nothing and is no error."""
    status, out, _ = run("features", FRAUD, "user_id:=null", "amount=1", "--json")

    assert status == 0
    assert json.loads(out)[2]["status"] == "MISSING_DATA"


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (
            ("features", FRAUD, "user=C1", "amount=1"),
            2,
            f"tecton-nb: The rows lack the join key 'user_id' that '{FRAUD}' needs. Columns found: 'user', 'amount'.",
        ),
        (
            ("features", FRAUD, "user_id"),
            2,
            "tecton-nb: Cannot read 'user_id': write KEY=VALUE, or KEY:=JSON for null and nested values.",
        ),
        (
            ("features", "fraud_detection", "user_id=1"),
            1,
            "tecton-nb: The server knows no feature service 'fraud_detection' in workspace 'prod' (404).",
        ),
        (("services", "--profile", "nowhere"), 2, "tecton-nb: There is no profile 'nowhere'"),
    ],
    ids=["wrong-key", "no-equals", "unknown-service", "unknown-profile"],
)
def test_mistake_is_one_sentence_and_a_status(run, arguments, status, sentence):
    """A user's mistake ends with a sentence on standard error, never with a traceback."""
    ended, out, err = run(*arguments)

    assert ended == status
    assert err.startswith(sentence)
    assert "Traceback" not in out + err


def test_wrong_api_key_ends_with_the_servers_refusal(run, monkeypatch):
    """A wrong key is refused in words that do not repeat it."""
    monkeypatch.setenv("TECTON_API_KEY", "wrong-canary-key")

    status, out, err = run("metadata", FRAUD)

    assert status == 1
    assert err.startswith("tecton-nb: The server answered 401 Unauthorized")
    assert "wrong-canary-key" not in out + err


def test_serve_prints_one_line_answers_and_stops_cleanly(tmp_path):
    """`tecton-nb serve` says where it listens and where its key is, serves, and leaves no key file behind."""
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "TECTON_API_KEY": ""}
    del environment["TECTON_API_KEY"]
    command = [sys.executable, "-m", "tecton_nb", "serve", "--workspace", "dev"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)  # noqa: S603
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        url = line.split(" at ")[1].split(",")[0]
        key_file = Path(line.split("$(cat ")[1].split(")")[0])
        mode = key_file.stat().st_mode & 0o777
        body = _answer(url, key_file.read_text())
    finally:
        server.send_signal(signal.SIGTERM)
        status = server.wait(timeout=20)
        rest = server.stdout.read()
        server.stdout.close()

    assert json.loads(body)["result"]["features"] == ["0", "1", 216409]
    assert mode == 0o600
    assert (status, rest, key_file.exists()) == (0, "", False)


def test_demo_writes_a_frame_and_a_picture(tmp_path, capsys):
    """`tecton-nb demo` prints a typed frame and writes parquet and PNG."""
    from tecton_nb import read_parquet
    from tecton_nb.demo import run_demo

    written = run_demo(tmp_path / "out", 50)

    said = capsys.readouterr().out
    frame = read_parquet(written[0])
    assert "[50 rows x 36 columns]" in said
    assert "datetime64[ns, UTC]" in said
    assert str(frame.dtypes["plane_facts.year_built"]) == "Int64"
    assert "slo_eligible" in frame.columns
    assert written[1].read_bytes().startswith(b"\x89PNG")


def _answer(url: str, key: str) -> bytes:
    body = {
        "params": {
            "workspaceName": "dev",
            "featureServiceName": FRAUD,
            "joinKeyMap": {"user_id": "C1000262126"},
            "requestContextMap": {"amount": 100},
        }
    }
    request = urllib.request.Request(  # noqa: S310  # the address is our own
        f"{url}/api/v1/feature-service/get-features",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Tecton-key {key}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return bytes(answer.read())


def test_key_given_twice_is_refused(run):
    """Of two values for one key none is taken in silence."""
    status, _, err = run("features", FRAUD, "user_id=C1", "user_id=C2", "amount=1")

    assert status == 2
    assert err == "tecton-nb: 'user_id' is given twice; give it once.\n"


def test_version_is_printed(run):
    """`tecton-nb --version` tells which release is installed."""
    status, out, _ = run("--version")

    assert status == 0
    assert out.startswith("tecton-nb 0.")
