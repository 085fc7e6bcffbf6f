"""``tecton-nb compare``: two files from a shell."""

import sys

import pandas as pd
import pytest

from tecton_nb import cli, write_parquet


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command in this process; return status, output and errors."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["tecton-nb", "compare", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def files(tmp_path):
    """Two files that differ by a factor in one of two features."""
    left = pd.DataFrame({"user_id": list("abcd"), "x": [1.5, 2.5, 3.5, 4.5], "y": [1, 2, 3, 4]})
    right = left.assign(x=left["x"] * 1_000)
    return [write_parquet(frame, tmp_path / f"{name}.parquet") for name, frame in (("l", left), ("r", right))]


def test_files_that_differ_are_told_with_the_cause(run, files):
    """The card is printed with the cause, and the exit status is 1."""
    status, out, _ = run(*files, "--on", "user_id")

    assert status == 1
    assert "1 of 2 features differ" in out
    assert "unit_factor" in out


def test_equal_files_end_with_0(run, files):
    """Equal files are told so, within the tolerance or without the features to ignore."""
    assert run(files[0], files[0])[0] == 0
    assert run(*files, "--ignore", "x")[0] == 0
    assert run(*files, "--rtol", "0.9991")[0] == 0


def test_reports_are_written(run, files, tmp_path):
    """Page, CSV and workbook are written where they are asked for, and named."""
    paths = [tmp_path / name for name in ("a.html", "a.csv", "a.xlsx")]

    _, out, _ = run(*files, "--html", paths[0], "--csv", paths[1], "--excel", paths[2])

    assert all(path.stat().st_size for path in paths)
    assert all(f"Wrote {path}." in out for path in paths)


def test_mistakes_end_in_a_sentence(run, files, tmp_path):
    """A file that is none, one that is not there and a folder that is not there are told with status 2."""
    text = tmp_path / "a.txt"
    text.write_text("x")

    assert run(files[0], text)[0] == 2
    assert "is no parquet file" in run(files[0], text)[2]
    assert run(files[0], tmp_path / "none.parquet")[0] == 2
    status, _, said = run(*files, "--html", tmp_path / "none" / "a.html")
    assert (status, "Cannot write" in said) == (2, True)


def test_recordings_are_compared_with_their_statuses(run, tmp_path, client):
    """The folder of a recorded batch stands for the batch: what is cached or missing is told by its statuses."""
    service = client.feature_service("flight_delay_service")
    rows = service.example_rows(5)
    paths = [
        service.get_features_batch(frame).save(tmp_path / name)
        for name, frame in (("a", rows), ("b", rows.assign(tailnum="N00000")))
    ]

    status, out, _ = run(*paths)

    assert status == 1
    assert "status differs" in out
    assert run(paths[0], paths[0])[0] == 0
