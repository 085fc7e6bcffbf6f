"""The notebook on a cluster of one's own, run with the address and the key of a server in the environment."""

import json
import re
from contextlib import redirect_stdout
from io import StringIO

import pytest
from notebook_cells import FOLDER, code_cells, source

import tecton_nb as tnb
from tecton_nb.local.faults import AddedLatency

PATH = FOLDER / "07_your_cluster.ipynb"
KEY = "CANARY-KEY-0123456789abcdef"
PROMISE = re.compile(r"\*\*(\d+) requests?\*\*")


@pytest.fixture(scope="module")
def cluster():
    """A server that counts what it is asked, by faults that do nothing."""
    faults = [AddedLatency(0.0), AddedLatency(0.0, operation="metrics")]
    with tnb.local.demo_server(api_key=KEY, faults=faults) as server:
        yield server


@pytest.fixture(scope="module")
def asked(cluster):
    """Run the notebook with the cluster in the environment; return requests by cell, all text shown, all it defines."""
    counts, names, shown = [], {}, StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(shown):
        for name, value in {"URL": cluster.url, "API_KEY": KEY, "WORKSPACE": "prod"}.items():
            patch.setenv(f"TECTON_{name}", value)
        for cell in code_cells(PATH):
            before = sum(cluster.faults.counts().values())
            exec(source(cell), names)  # noqa: S102  # our own file
            counts.append(sum(cluster.faults.counts().values()) - before)
    return counts, shown.getvalue(), names


def test_each_cell_sends_the_requests_it_says(asked):
    """A cell sends as many requests to your cluster as the text above it says, all of them three."""
    counts, shown, _ = asked

    assert "your cluster" in shown
    assert counts == promised()
    assert sum(counts) == 3
    assert "together send **3 requests**" in PATH.read_text("utf-8")


def test_key_of_the_cluster_is_in_nothing_shown(asked):
    """The key from the environment is in no text that the cells print and in no value they define and show."""
    _, shown, names = asked

    assert KEY not in shown
    assert KEY not in "".join(repr(found) for name, found in names.items() if name not in {"__builtins__", "key", "os"})


def promised() -> list[int]:
    """Return how many requests the text above each code cell says that it sends; none where it says nothing."""
    found, said = [], 0
    for cell in json.loads(PATH.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            said = int((PROMISE.findall(source(cell)) or [0])[-1])
        else:
            found.append(said)
            said = 0
    return found
