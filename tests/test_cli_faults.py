"""`tecton-nb serve` with faults and with an open address: what it does, and what it says first."""

import socket
import sys
import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest

from tecton_nb import cli
from tecton_nb.local import FeatureServer

KEY = "cli-faults-canary-key"


@pytest.fixture
def serve(monkeypatch, capsys, tmp_path):
    """Run ``tecton-nb serve`` in this process; `meanwhile` gets the address once it serves."""
    monkeypatch.setenv("TECTON_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, meanwhile=print) -> tuple[int, str, str]:
        said = {"out": "", "err": ""}

        def wait() -> None:
            so_far = capsys.readouterr()
            said.update(out=so_far.out, err=so_far.err)
            meanwhile(so_far.out.split(" at ")[1].split(",")[0])

        monkeypatch.setattr(cli, "_interruption", lambda: SimpleNamespace(wait=wait))
        monkeypatch.setattr(sys, "argv", ["tecton-nb", "serve", *arguments])
        try:
            cli.main()
            status = 0
        except SystemExit as ended:
            status = int(ended.code or 0)
        rest = capsys.readouterr()
        return status, said["out"] + rest.out, said["err"] + rest.err

    return run


def metadata_status(url: str) -> int:
    """The status of a metadata request."""
    body = b'{"params":{"featureServiceName":"ctr_prediction_service"}}'
    headers = {"Authorization": f"Tecton-key {KEY}"}
    request = urllib.request.Request(f"{url}/api/v1/feature-service/metadata", body, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_serve_does_wrong_what_the_file_says(serve, tmp_path):
    """`tecton-nb serve --faults` serves with the faults of the file and says which they are."""
    (tmp_path / "faults.toml").write_text('[[fault]]\nkind = "status"\nstatus = 503\nat_most = 2\n')
    found = []
    status, _, err = serve(
        "--faults", "faults.toml", meanwhile=lambda url: found.extend(metadata_status(url) for _ in range(3))
    )

    assert found == [503, 503, 200]
    assert (status, err) == (0, "Faults on purpose: status 503\n")


def test_mistake_in_the_faults_ends_in_one_sentence(serve, tmp_path):
    """A mistake in the file stops the command with its place and what is possible."""
    (tmp_path / "faults.toml").write_text('[[fault]]\nkind = "reset"\nservice = "ctr_prediction_servise"\n')
    status, out, err = serve("--faults", "faults.toml")

    assert (status, out) == (2, "")
    assert err.startswith(
        "tecton-nb: In 'faults.toml' at `fault[0]`: no service fits 'ctr_prediction_servise'; there are"
    )
    assert err.endswith(" Did you mean 'ctr_prediction_service'?\n")


def test_open_address_needs_the_flag(serve):
    """Without --allow-remote nobody else is let in, and the sentence names the flag."""
    status, out, err = serve("--host", "0.0.0.0")  # noqa: S104

    assert (status, out) == (2, "")
    assert "add --allow-remote" in err


@pytest.mark.filterwarnings("always:The feature server listens on")
def test_open_address_is_served_with_a_warning(serve, monkeypatch):
    """With --allow-remote the server opens, and says on standard error what that means for the key."""
    create = FeatureServer.start

    def at_home(server: FeatureServer) -> FeatureServer:
        server._thread._address = ("127.0.0.1", 0)
        return create(server)

    monkeypatch.setattr(FeatureServer, "start", at_home)
    found = []
    status, out, err = serve(
        "--host",
        "0.0.0.0",  # noqa: S104
        "--allow-remote",
        meanwhile=lambda url: found.append(metadata_status(url)),
    )

    assert (status, found) == (0, [200])
    assert "tecton-nb: warning: The feature server listens on 0.0.0.0, so everyone who can reach" in err
    assert "go over the network in clear (http)" in err
    assert KEY not in out + err


def test_taken_port_is_told_in_words(serve):
    """A port in use ends the command with the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, _, err = serve("--port", str(taken.getsockname()[1]))

    assert status == 2
    assert "Choose another port, or 0 for a free one." in err
