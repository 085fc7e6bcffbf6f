"""What nbval cannot see: that the notebooks were run whole and in order, and hold nothing of one machine."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from notebook_cells import FOLDER, NOTEBOOKS, code_cells

ROOT = FOLDER.parent
NAMES = [
    "00_start_here",
    "01_first_features",
    "02_batch_fetch",
    "03_latency_and_slo",
    "04_metrics_history",
    "05_compare",
    "06_explorer",
    "07_your_cluster",
]
# What may vary is hidden by the sanitising file or, for a whole cell, by this tag.
IGNORED = "nbval-ignore-output"
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    """Return each notebook in turn."""
    return request.param


def test_all_notebooks_are_there():
    """There is one notebook for each question, numbered in the order of reading."""
    assert [path.stem for path in NOTEBOOKS] == NAMES


def test_cells_were_run_once_and_in_order(path):
    """nbval passes a notebook without outputs; ours are stored, from one run from top to bottom."""
    counts = [cell["execution_count"] for cell in code_cells(path)]

    assert counts == list(range(1, len(counts) + 1))


def test_no_stored_output_is_an_error_or_a_warning(path):
    """A reader on GitHub sees results, no tracebacks and nothing on standard error."""
    outputs = [output for cell in code_cells(path) for output in cell["outputs"]]

    assert outputs
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]


def test_every_output_is_readable_without_running(path):
    """Each stored output has a text, and none is the view of a panel that only a running notebook shows."""
    bundles = [output["data"] for cell in code_cells(path) for output in cell["outputs"] if "data" in output]

    assert all("".join(bundle["text/plain"]).strip() for bundle in bundles)
    assert not [bundle for bundle in bundles if WIDGET in bundle]


def test_only_measured_pictures_are_left_out_of_the_comparison(path):
    """A cell whose output is not compared shows a picture of times measured on the machine at hand."""
    ignored = [cell for cell in code_cells(path) if IGNORED in cell["metadata"].get("tags", [])]

    for cell in ignored:
        assert any("image/png" in output.get("data", {}) for output in cell["outputs"])


def test_holds_no_path_or_key_of_a_machine(path):
    """A notebook shows no folder of the machine it was run on and no API key."""
    text = path.read_text(encoding="utf-8")

    assert not re.search(r"/(?:home|root|Users|tmp)/|api_key=", text)


def test_is_readable_anywhere(path):
    """The kernel is plain python3 and no widget state is stored, so GitHub and Binder show it as it is."""
    metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]

    assert metadata["kernelspec"]["name"] == "python3"
    assert "widgets" not in metadata


def test_the_first_notebook_leads_to_all_others():
    """00_start_here links to each of the other notebooks, and to nothing that is not there."""
    text = (FOLDER / "00_start_here.ipynb").read_text(encoding="utf-8")

    assert sorted(set(re.findall(r"\]\((\w+)\.ipynb\)", text))) == NAMES[1:]


def test_notebooks_are_compared_in_the_environment_at_hand():
    """`make notebooks` runs this environment's kernel, bounds each cell, and no cluster of the user's is asked."""
    makefile = (ROOT / "Makefile").read_text("utf-8")

    (recipe,) = re.findall(r"^notebooks:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert "--nbval --nbval-current-env --nbval-cell-timeout=60" in makefile
    assert "env -u TECTON_URL" in recipe
    assert "$(NBVAL)" in recipe


@pytest.mark.parametrize(("limit", "status"), [(0, 1), (60, 0)])
def test_a_notebook_that_takes_too_long_fails_the_run(tmp_path, limit, status):
    """A run of the notebooks tells the seconds of each, and fails if one is over the limit."""
    conftest = (FOLDER / "conftest.py").read_text("utf-8")
    (tmp_path / "conftest.py").write_text(re.sub(r"(?m)^LIMIT_SECONDS = \d+$", f"LIMIT_SECONDS = {limit}", conftest))
    (tmp_path / "test_any.py").write_text("def test_any():\n    pass\n")

    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )

    assert done.returncode == status, done.stdout
    assert ("more than 0" in done.stdout) == (limit == 0)
    assert re.search(r"test_any\.py: \d+\.\d s", done.stdout)
