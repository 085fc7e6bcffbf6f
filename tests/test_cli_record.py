"""``tecton-nb record``: metrics into a file from a shell."""

import os
import signal
import subprocess
import sys

import pytest

from tecton_nb import cli
from tecton_nb.metrics import MetricsHistory


@pytest.fixture
def run(demo, monkeypatch, capsys):
    """Run ``tecton-nb`` in this process, its environment naming the demo server; return status, output and errors."""
    monkeypatch.setenv("TECTON_URL", demo.url)
    monkeypatch.setenv("TECTON_API_KEY", demo.api_key)
    monkeypatch.setenv("TECTON_WORKSPACE", "prod")
    before = signal.getsignal(signal.SIGTERM)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tecton-nb", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    yield call
    signal.signal(signal.SIGTERM, before)


def test_record_keeps_scrapes_in_a_file(run, tmp_path):
    """So many scrapes are recorded, told in two lines, and found in the file."""
    path = tmp_path / "metrics.db"
    status, out, err = run("record", path, "--every", "10ms", "--count", "3")

    assert (status, err) == (0, "")
    first, last = out.splitlines()
    assert first.startswith("Recording the metrics of http://127.0.0.1:")
    with MetricsHistory(path) as history:
        assert len(history.scrapes()) == 3
        # The demo server's clock stands still, so the second and third say nothing new.
        samples = history.scrapes()["samples"][0]
    assert last == f"Recorded 3 scrapes; {samples:,} new samples."


def test_failures_are_recorded_and_told(run, tmp_path, monkeypatch):
    """With a wrong key every scrape fails: status 1, the sentence, and rows in the file; the key is nowhere."""
    monkeypatch.setenv("TECTON_API_KEY", "a-wrong-key-of-the-tests")
    path = tmp_path / "metrics.db"
    status, out, err = run("record", path, "--every", "10ms", "--count", "2")

    assert status == 1
    assert out.splitlines()[-1] == "Recorded 2 scrapes, 2 of them failed; 0 new samples."
    assert err.startswith("The last failure: The server answered 401")
    assert b"a-wrong-key" not in path.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--every", "often"), "Cannot read every='often' as a duration"),
        (("--keep", "0d"), "Cannot read keep='0d' as a duration"),
        (("--until", "later"), "Cannot read 'later' as a time"),
    ],
)
def test_mistake_in_an_option_is_one_sentence(run, tmp_path, arguments, sentence):
    """What cannot be read is told, with status 2."""
    status, _, err = run("record", tmp_path / "metrics.db", *arguments)

    assert status == 2
    assert err.startswith(f"tecton-nb: {sentence}")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_recording_ends_cleanly_when_told_to(demo, tmp_path, end):
    """Ctrl-C and a service manager's request end it after the scrape at hand, with status 0."""
    path = tmp_path / "metrics.db"
    settings = {"TECTON_URL": demo.url, "TECTON_API_KEY": demo.api_key, "TECTON_WORKSPACE": "prod"}
    command = [sys.executable, "-m", "tecton_nb", "record", str(path), "--every", "20ms"]
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **settings}, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with MetricsHistory(path) as history:
            while not len(history.scrapes()):
                pass
        process.send_signal(end)
        out, err = process.communicate(timeout=20)

    assert (process.returncode, err) == (0, "")
    assert out.startswith("Recorded ")
    assert "failed" not in out
