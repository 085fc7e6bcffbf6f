"""The explorer as a user has it: in JupyterLab, with mouse and with keyboard."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("axe_playwright_python.sync_playwright")

from panels import (
    STALLED,
    TESTS,
    choose,
    expect_example,
    expect_rows,
    fetch_by_keyboard,
    panel_of,
    press,
    press_by_keyboard,
    rows_of,
    serious,
    shoot,
)
from playwright.sync_api import expect

CORPUS = Path(__file__).parents[1] / "corpora" / "html-js.jsonl"
START = """
import tecton_nb as tnb
server = tnb.local.demo_server(now="2024-05-01T12:00:00Z", seed=7)
client = tnb.connect(server)
"""
SHOW = "explorer = tnb.explore(client)\nexplorer"
KERNEL_ANSWERS = """async () => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  await kernel.requestKernelInfo();
  await new Promise(requestAnimationFrame); }"""
OUTER = "found => found.map(e => e.parentElement.outerHTML.slice(0, 300))"
DARK = """() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"""


def test_choose_fill_fetch_read_and_copy(open_notebook, page):
    """Choose, fill, fetch: the table has the very values; the copied code gives an equal frame in the next cell."""
    notebook = open_notebook(START, SHOW)
    assert notebook.run_all()
    panel = panel_of(notebook.panel)

    choose(panel, "fraud_detection_feature_service")
    expect_example(panel, "fraud_detection_feature_service")
    panel.get_by_label("user_id").fill("C1000262126")
    panel.get_by_label("amount").fill("12345.5")
    press(panel, "Fetch")
    expect_rows(panel, 3)
    shown = {row[0]: row[2] for row in rows_of(panel)}
    press(panel, "Copy Python code")
    expect(panel.get_by_text("Copied.")).to_be_visible()
    code = page.evaluate("() => navigator.clipboard.readText()")
    notebook.run_below(
        code + "\nimport pandas as pd\npd.testing.assert_frame_equal(frame, explorer.frame)\n"
        "print({name: str(frame[name].iloc[0]) for name in frame})"
    )

    assert "12345.5" in code
    assert shown == eval(notebook.last_output())  # noqa: S307  # printed by the cell above
    assert page.problems == []


def test_int64_is_shown_digit_for_digit_and_a_wrong_key_is_told(open_notebook, page):
    """2**53+1 goes to the server and comes back unrounded; text that is no int64 is told beside its field and above."""
    notebook = open_notebook(
        f"import sys; sys.path.insert(0, {TESTS!r})\n"
        "import tecton_nb as tnb\n"
        "from canned import CannedServer, Reply, typed, vector\n"
        "KEYS = [typed('n', 'int64'), typed('x', 'float64')]\n"
        "FEATURES = [typed('v.n', 'int64'), typed('v.x', 'float64')]\n"
        "def plan(asked):\n"
        "    if asked.operation == 'metadata':\n"
        "        return Reply({'inputJoinKeys': KEYS, 'featureValues': FEATURES})\n"
        "    if asked.operation == 'metrics':\n"
        "        return Reply({'message': 'no'}, 403)\n"
        "    keys = asked.join_keys\n"
        "    return Reply(vector([keys['n'], keys['x']], *FEATURES))\n"
        "server = CannedServer(plan)\n"
        "client = tnb.TectonClient(server.url, 'k', 'prod', feature_service_names=['s'])",
        SHOW,
    )
    assert notebook.run_all()
    panel = panel_of(notebook.panel)

    choose(panel, "s")
    panel.get_by_label("n", exact=True).fill("9007199254740993")
    panel.get_by_label("x", exact=True).fill("Infinity")
    press(panel, "Fetch")
    expect_rows(panel, 2)
    values = [row[2] for row in rows_of(panel)]
    panel.get_by_label("n", exact=True).fill("12.5")
    press_slowly(page, panel, "Fetch")
    alert = panel.get_by_role("alert").filter(has_text="InputError")
    expect(alert).to_contain_text("Cannot send '12.5' (str) as int64 for join key 'n'.", timeout=15_000)

    assert values == ["9007199254740993", "Infinity"]
    expect(panel.get_by_label("n", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(panel.locator(".tnb-message").first).to_contain_text("'12.5'")
    shoot(page, "lab_wrong_key")
    assert page.problems == []


def test_unknown_service_and_wrong_api_key_are_told(open_notebook, page):
    """A name that does not exist brings the likeliest one; a wrong API key is told, and never shown."""
    notebook = open_notebook(
        START,
        SHOW,
        "other = tnb.explore(tnb.TectonClient(server.url, 'CANARY-WRONG-KEY-1', 'prod'))\nother",
    )
    assert notebook.run_all()
    panels = notebook.panel.locator(
        ".jp-OutputArea-output > .tnb-panel, .jp-OutputArea-output .tnb-panel[aria-label='Feature service explorer']"
    )
    first, second = panels.nth(0), panels.nth(1)

    field = first.get_by_label("Feature service", exact=True)
    field.fill("flight_delay_servise")
    field.press("Enter")
    expect(first.get_by_role("alert").first).to_contain_text("Did you mean 'flight_delay_service'?", timeout=15_000)
    field = second.get_by_label("Feature service", exact=True)
    field.fill("flight_delay_service")
    field.press("Enter")
    expect(second.get_by_role("alert").first).to_contain_text("UnauthorizedError", timeout=15_000)

    assert "CANARY-WRONG-KEY-1" not in second.inner_html()
    assert page.problems == []


def test_cancel_of_a_batch_against_a_stalled_server_answers_within_a_second(open_notebook, page):
    """While a server says nothing, cells still run, and Cancel ends the batch at once."""
    notebook = open_notebook(
        STALLED,
        SHOW,
    )
    assert notebook.run_all()
    panel = panel_of(notebook.panel)
    choose(panel, "s")

    press(panel, "Batch")
    panel.get_by_label("Rows from").fill("rows")
    press(panel, "Fetch batch")
    expect(panel.get_by_text("5 of 40 different rows")).to_be_visible(timeout=15_000)
    notebook.run_below("print(21 * 2)")
    is_running = notebook.last_output() == "42\n"
    started = time.monotonic()
    press(panel, "Cancel")
    expect(panel.get_by_text("5 of 40 rows have their values")).to_be_visible(timeout=15_000)
    took = time.monotonic() - started
    shoot(page, "lab_cancelled")
    notebook.run_below("hold.set(); print(len(explorer.frame), int(explorer.frame['v.k'].notna().sum()))")

    assert is_running
    assert took < 1
    assert notebook.last_output() == "40 5\n"
    assert page.problems == []


def test_keyboard_alone_is_enough(open_notebook, page):
    """From the first field to the table with the keyboard only; letters and arrows never reach the notebook."""
    notebook = open_notebook(START, SHOW)
    assert notebook.run_all()
    panel = panel_of(notebook.panel)
    count = "() => window.jupyterapp.shell.currentWidget.content.model.cells.length"
    cells = page.evaluate(count)

    fetch_by_keyboard(page, panel)
    press_by_keyboard(page, panel, "Options")
    dropdown = panel.get_by_label("Null counts are 0")
    expect(dropdown).to_be_visible()
    dropdown.focus()
    page.keyboard.press("ArrowDown")
    expect(dropdown).to_be_focused()
    page.keyboard.type("bbdd")
    press_by_keyboard(page, panel, "curl")

    code = panel.get_by_role("region", name="curl code")
    expect(code).to_contain_text('"coerceNullCountsToZero": true')
    expect(code).to_contain_text('"ad_id": "3906"')
    assert page.evaluate(count) == cells
    assert page.problems == []


def press_slowly(page, panel, name):
    """Click a button as people do: the kernel has time for an answer between press and release."""
    panel.get_by_role("button", name=name, exact=True).hover()
    page.mouse.down()
    page.evaluate(KERNEL_ANSWERS)
    page.mouse.up()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_themes_and_accessibility(open_notebook, page, theme):
    """In both themes axe finds nothing serious in the whole panel, and a narrow page does not scroll sideways."""
    notebook = open_notebook(START, SHOW)
    if theme == "dark":
        page.evaluate(DARK)
    assert notebook.run_all()
    panel = panel_of(notebook.panel)
    choose(panel, "flight_delay_service")
    expect_example(panel, "flight_delay_service")
    for name in ("Options", "Batch", "Fetch"):
        press(panel, name)
    expect_rows(panel, 36)
    panel.get_by_label("scheduled_minute_of_day").fill("x")
    panel.get_by_label("scheduled_minute_of_day").press("Tab")
    expect(panel.locator(".tnb-wrong")).to_have_count(1)
    expect(panel.locator(".tnb-strip")).to_contain_text("median")
    shoot(page, f"lab_{theme}")

    assert serious(page, ".tnb-panel") == []
    assert page.problems == []


def test_hostile_text_is_inert_on_every_surface(open_notebook, page):
    """Names, descriptions, tags, values and errors full of markup are text: no script runs, no element appears."""
    texts = [json.loads(line)["text"] for line in CORPUS.read_text("utf-8").splitlines()]
    notebook = open_notebook(
        f"import sys; sys.path.insert(0, {TESTS!r})\n"
        "import json\nimport pandas as pd\nimport tecton_nb as tnb\n"
        "from canned import CannedServer, Reply, typed, vector\n"
        f"TEXTS = {texts!r}\n"
        "KEYS = [typed(t, 'string') for t in TEXTS]\n"
        "FEATURES = [typed(f'v.{t}', 'string', description=t, tags={t: t}, status=t) for t in TEXTS]\n"
        "def plan(asked):\n"
        "    if asked.operation == 'metadata':\n"
        "        return Reply({'inputJoinKeys': KEYS, 'featureValues': FEATURES})\n"
        "    if asked.operation == 'metrics':\n"
        "        return Reply({'message': 'no'}, 403)\n"
        "    if asked.join_keys[TEXTS[0]] == 'fail':\n"
        "        return Reply({'message': ' '.join(TEXTS), 'code': 3}, 400)\n"
        "    return Reply(vector(TEXTS, *FEATURES))\n"
        "server = CannedServer(plan)\n"
        "client = tnb.TectonClient(server.url, 'k', 'prod', feature_service_names=TEXTS)\n"
        "everything = tnb.MetadataOptions.all()",
        SHOW,
        "explorer.picker.choose(TEXTS[0]); explorer.wait(10)\n"
        "explorer._form.fill(dict(zip(TEXTS, TEXTS)))\n"
        "explorer._options.metadata_options = everything\n"
        "explorer.fetch().wait(10)\nshown = explorer.error is None\n"
        "failing = tnb.explore(client); failing.picker.choose(TEXTS[1]); failing.wait(10)\n"
        "failing._form.fill({t: 'fail' for t in TEXTS}); failing.fetch().wait(10)\n"
        "failing",
        "print(shown, type(failing.error).__name__, len(explorer.details))",
        "tnb.widgets.JoinKeyForm(client.feature_service(TEXTS[2]).metadata)",
        "class Found:\n"
        "    verdict = tnb.compare_features(pd.DataFrame({'a': [1]}), pd.DataFrame({'a': [2]})).verdict\n"
        "    left_only = right_only = lambda self: []\n"
        "    def summary(self): return pd.DataFrame({'feature': TEXTS, 'mismatches': 1})\n"
        "    def mismatches(self): return pd.DataFrame({'feature': TEXTS, 'left': TEXTS, 'right': TEXTS})\n"
        "compared = tnb.widgets.ComparePanel(1, 2, compare=lambda a, b: Found()); compared.wait(10)\ncompared",
    )
    assert notebook.run_all()

    panel = panel_of(notebook.panel)
    expect_rows(panel, len(texts))
    for language in ("curl", "JSON", "Python"):
        press(panel, language)
    shown = rows_of(panel)
    page.wait_for_function("() => document.querySelectorAll('.tnb-panel').length >= 6")

    assert page.evaluate("() => typeof window.__CANARY__") == "undefined"
    assert page.locator(".tnb-panel :is(script, svg, math, iframe, object, form, img[src=x])").evaluate_all(OUTER) == []
    assert [plain(row[2]) for row in shown] == [plain(text) for text in texts]
    assert page.problems == []


def plain(text):
    """Return text with what cannot be seen taken out: it is shown escaped."""
    return re.sub(r"\\u20(28|29)|\\x00|[\u2028\u2029\x00]", "", text)
