"""The API key with panels on the screen: in no traceback, log, saved notebook, file or pickle of a real kernel."""

from pathlib import Path

import nbformat
import pytest
from canned import KEY, CannedServer, Reply, typed, vector
from nbclient import NotebookClient

ROOT = str(Path(__file__).parents[2])
MODES = ("Plain", "Context", "Verbose", "Minimal", "Docs")
PIECE = KEY[:12]
MARKER = "MARKER-0815"
FEATURES = [typed("v.k", "string")]

START = f"""
import logging, os, pickle, sys
sys.path.insert(0, {ROOT!r})
logging.basicConfig(level=logging.DEBUG, filename="debug.log")
import httpx
import pandas as pd
import tecton_nb as tnb
with httpx.Client() as own:
    plain = tnb.TectonClient(os.environ["TNB_URL"], os.environ["TNB_CANARY"], "prod", own)
    plain.feature_service("s").get_features({{"k": "a"}})
client = tnb.TectonClient(os.environ["TNB_URL"], os.environ["TNB_CANARY"], "prod", feature_service_names=["s"])
"""
SHOW = """
explorer = tnb.explore(client)
explorer.value = {"service": "s", "values": {"k": "a"}}
explorer.wait(20).fetch().wait(20)
before = explorer.batch
explorer.fetch_batch(pd.DataFrame({"k": ["a", "refused"]})).wait(20)
batch, frame, snippets = explorer.batch, explorer.frame, explorer.snippets
explorer.fetch().wait(20).fetch().wait(20)
comparison = explorer.comparison
explorer.value = {"service": "s", "values": {"k": "refused"}}
explorer.wait(20).fetch().wait(20)
picker, form = explorer.picker, tnb.widgets.JoinKeyForm(explorer.picker.service.metadata)
compared = tnb.widgets.ComparePanel(before, before)
compared.wait(20)
explorer
"""
# The server repeats the key in what it answers; the frames hold panels, client and what they brought.
PROVOKE = """
def provoke(explorer, picker, form, compared, batch, marker):
    service, own = explorer.picker.service, vars(explorer)
    return service.get_features({"k": "refused"} if (explorer, own, batch, marker) else {})
provoke(explorer, picker, form, compared, batch, "MARKER" + "-0815")
"""
WRITE = """
def pickled(each):
    try:
        return pickle.dumps(each)
    except TypeError as refusal:
        return str(refusal).encode()
kept = [explorer.value, explorer.selection, explorer.error, explorer.calls, explorer.code, snippets, frame, batch,
        comparison, comparison.summary(), comparison.mismatches(), picker.services, form.value, form.row, explorer]
for number, each in enumerate(kept):
    with open(f"{number}.pickle", "wb") as file:
        file.write(pickled(each))
tnb.write_parquet(frame, "frame.parquet")
batch.save("batch")
with open("shown.txt", "w") as file:
    for each in (explorer, picker, form, compared, batch, comparison):
        print(repr(each), each._repr_mimebundle_(), file=file)
print(len(kept), type(explorer.error).__name__, comparison.equal, len(frame))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A notebook that a real kernel ran, saved with the state of its widgets, and the folder it wrote into."""

    def plan(asked):
        if asked.operation == "metadata":
            return Reply({"inputJoinKeys": [typed("k", "string")], "featureValues": FEATURES})
        if asked.operation == "metrics" or asked.join_keys.get("k") == "refused":
            return Reply({"message": f"bad key {KEY} for {asked.headers['authorization']}"}, 403)
        return Reply(vector([asked.join_keys["k"]], *FEATURES))

    folder = tmp_path_factory.mktemp("kernel")
    modes = [(f"%xmode {mode}", PROVOKE) for mode in MODES]
    cells = [nbformat.v4.new_code_cell(code) for code in (START, SHOW, *(c for pair in modes for c in pair), WRITE)]
    for cell in cells:
        cell.metadata.tags = ["raises-exception"] if cell.source == PROVOKE else []
    notebook = nbformat.v4.new_notebook(cells=cells)
    with CannedServer(plan) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TNB_CANARY", KEY)
        patch.setenv("TNB_URL", server.url)
        client = NotebookClient(
            notebook,
            timeout=60,
            kernel_name="python3",
            store_widget_state=True,
            resources={"metadata": {"path": str(folder)}},
        )
        return client.execute(), folder


@pytest.mark.parametrize("mode", MODES)
def test_traceback_of_ipython_shows_no_key(ran, mode):
    """In each of IPython's five modes an error with panels among the locals shows no piece of the key."""
    notebook, _ = ran
    place = next(i for i, cell in enumerate(notebook.cells) if cell.source == f"%xmode {mode}")

    (error,) = (out for out in notebook.cells[place + 1].outputs if out.output_type == "error")
    shown = "\n".join(error.traceback)

    assert error.ename == "ForbiddenError"
    assert "bad key ****" in shown
    assert PIECE not in shown
    # The control: what the locals hold is shown by this mode.
    assert (MARKER in shown) == (mode == "Verbose")


def test_saved_notebook_with_widget_state_holds_no_key(ran):
    """Outputs, tracebacks and the state of every widget, saved together, hold no piece of the key."""
    notebook, _ = ran

    state = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]

    assert notebook.cells[-1].outputs[0]["text"] == "15 ForbiddenError True 2\n"
    assert any("ForbiddenError" in str(model["state"].get("value")) for model in state.values())
    assert PIECE not in nbformat.writes(notebook)


def test_logs_at_debug_hold_no_key(ran):
    """With every logger of the kernel at DEBUG, nothing writes the key down."""
    _, folder = ran

    log = (folder / "debug.log").read_text("utf-8")

    assert "DEBUG" in log
    assert PIECE not in log


def test_files_and_pickles_hold_no_key(ran):
    """Pickles of what panels hold, parquet, a saved batch and all reprs: no file has a piece of the key."""
    _, folder = ran

    files = [path for path in folder.rglob("*") if path.is_file()]

    assert len(files) > 18
    assert [path.name for path in files if PIECE.encode() in path.read_bytes()] == []
