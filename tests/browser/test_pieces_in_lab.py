"""Every piece in both themes, wide and narrow; quick hands; two views; a page that is loaded again."""

from __future__ import annotations

import io

import nbformat
import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("axe_playwright_python.sync_playwright")

from nbconvert import HTMLExporter
from panels import TESTS, choose, expect_example, expect_rows, panel_of, press, rows_of, serious, shoot
from PIL import Image
from playwright.sync_api import expect

THEME = "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})"
# What shows more than its own width; tables and code scroll inside a box of their own.
BEYOND = """() => [document.documentElement, ...document.querySelectorAll(
    '.jp-WindowedPanel-outer, .jp-OutputArea-output, .tnb-panel')].filter(e => e.scrollWidth > e.clientWidth
    ).map(e => `${e.className}: ${e.scrollWidth} > ${e.clientWidth}`)"""
SERVICE = "fraud_detection_feature_service"
START = """
import ipywidgets, pandas as pd, tecton_nb as tnb
server = tnb.local.demo_server(now="2024-05-01T12:00:00Z", seed=7)
client = tnb.connect(server)
"""


def test_every_piece_is_readable_in_both_themes_wide_and_narrow(open_notebook, page, tmp_path):
    """Every piece, in each theme: nothing scrolls sideways at 480 px, axe finds nothing, pictures follow the theme."""
    notebook = open_notebook(
        START,
        f"history = tnb.metrics.MetricsHistory({str(tmp_path / 'history.db')!r})\n"
        "history.record(client.get_metrics())\n"
        "left = pd.DataFrame({'v.amount': [1.5, 2.0, None], 'v.count': [2**53 + 1, 1, 2]})\n"
        "right = left.assign(**{'v.count': [2**53, 1, 3]})\n"
        f"explorer = tnb.explore(client); explorer.picker.choose({SERVICE!r}); explorer.wait(20)\n"
        "explorer.fetch().wait(20); explorer.fill_example().fetch().wait(20)\n"
        "picker, metrics = tnb.widgets.ServicePicker(client), tnb.widgets.MetricsPanel(history)\n"
        "picker.choose('no_such_service'); metrics.wait(20); picker.wait(20)\n"
        "form = tnb.widgets.JoinKeyForm(client.feature_service('flight_delay_service').metadata)\n"
        "compared = tnb.widgets.ComparePanel(left, right); compared.wait(20)\n"
        "ipywidgets.VBox([explorer, picker, form, metrics, compared])",
    )
    assert notebook.run_all()
    expect(notebook.panel.get_by_role("group", name="Comparison")).to_contain_text("9007199254740993", timeout=30_000)
    notebook.command("application:toggle-left-area")

    found, papers = {}, []
    for width, theme in ((1280, "Light"), (480, "Dark")):
        page.set_viewport_size({"width": width, "height": 3000})
        page.evaluate(THEME, f"JupyterLab {theme}")
        page.wait_for_function("is => document.body.dataset.jpThemeLight === is", arg=str(theme == "Light").lower())
        expect(page.locator("#jupyterlab-splash")).to_have_count(0)
        shoot(page, f"pieces_{theme.lower()}_{width}")
        found[width, theme] = (serious(page, ".tnb-panel"), page.evaluate(BEYOND))
        papers.append(paper_of(page.locator(".tnb-panel img.widget-image")))

    assert found == dict.fromkeys(found, ([], []))
    assert papers[0] > 250
    assert papers[1] < 50
    assert page.problems == []


def paper_of(picture):
    """Return how light the corner of a picture is on the screen, from 0 to 255."""
    return Image.open(io.BytesIO(picture.screenshot())).convert("L").getpixel((4, 4))


SLOW = f"""
import sys; sys.path.insert(0, {TESTS!r})
import threading
import tecton_nb as tnb
from canned import CannedServer, Reply, typed, vector
hold = threading.Event()
def plan(asked):
    service = asked.params["featureServiceName"] if asked.body else ""
    if asked.operation == "metadata":
        if service == "slow":
            hold.wait(60)
        return Reply({{"inputJoinKeys": [typed(service + "_key", "string")],
                      "featureValues": [typed(service + ".v", "string")]}})
    if asked.operation == "metrics":
        return Reply({{"message": "no"}}, 403)
    (value,) = asked.join_keys.values()
    if value == "late":
        hold.wait(60)
    return Reply(vector([value], typed(service + ".v", "string")))
server = CannedServer(plan)
names = ["first", "second", "slow"]
client = tnb.TectonClient(server.url, "k", "prod", deadline_seconds=60, feature_service_names=names)
"""


def test_quick_hands_get_what_they_wished_last(open_notebook, page):
    """Double clicks and quick changes of the service: the last wish counts, and no rows of an earlier one are left."""
    notebook = open_notebook(SLOW, "explorer = tnb.explore(client)\nexplorer")
    assert notebook.run_all()
    panel = panel_of(notebook.panel)

    choose(panel, "first")
    panel.get_by_label("first_key").fill("x")
    panel.get_by_role("button", name="Fetch", exact=True).dblclick()
    expect_rows(panel, 1)
    twice = rows_of(panel)
    panel.get_by_label("first_key").fill("late")
    press(panel, "Fetch")
    expect(panel.get_by_text("Fetching …")).to_be_visible()
    service = panel.get_by_label("Feature service", exact=True)
    for name in ("slow", "second"):
        service.fill(name)
        service.press("Enter")
    expect(panel.get_by_role("status").first).to_contain_text("second in workspace", timeout=15_000)
    expect(panel.locator(".tnb-table")).to_have_count(0)
    panel.get_by_label("second_key").fill("y")
    press(panel, "Fetch")
    expect_rows(panel, 1)
    # Both answers that nobody waits for come now.
    notebook.run_below(
        "hold.set(); explorer.wait(10); print(explorer.value['service'], explorer.frame.iloc[0].to_dict())"
    )

    assert [row[:3:2] for row in twice] == [["first.v", "x"]]
    assert notebook.last_output() == "second {'second.v': 'y'}\n"
    assert [row[:3:2] for row in rows_of(panel)] == [["second.v", "y"]]
    expect(panel.get_by_label("second_key")).to_have_value("y")
    assert page.problems == []


def test_two_views_stay_in_step_and_a_page_that_is_loaded_again_has_them_back(open_notebook, page):
    """What is typed in one view stands in the other; a reload brings both back; the saved file shows a plain table."""
    notebook = open_notebook(START, "explorer = tnb.explore(client); explorer.wait(20)\ndisplay(explorer)\nexplorer")
    assert notebook.run_all()
    one = panel_of(notebook.panel)
    other = notebook.panel.get_by_role("group", name="Feature service explorer").nth(1)

    choose(one, SERVICE)
    expect_example(other, SERVICE)
    one.get_by_label("amount").fill("77.5")
    one.get_by_label("amount").press("Tab")
    expect(other.get_by_label("amount")).to_have_value("77.5")
    press(other, "Fetch")
    expect_rows(one, 3)
    expect_rows(other, 3)
    same = rows_of(one) == rows_of(other)
    notebook.command("docmanager:save")
    notebook.load_again()
    again = panel_of(notebook.panel)
    expect_rows(again, 3)
    expect(again.get_by_label("amount")).to_have_value("77.5")
    again.get_by_label("amount").fill("78.5")
    press(again, "Fetch")
    expect(again.locator(".tnb-code pre")).to_contain_text("78.5")
    expect(again.get_by_text("since the previous fetch").first).to_be_visible(timeout=15_000)
    saved = nbformat.read(notebook.lab.folder / notebook.path, as_version=4)
    html = HTMLExporter().from_notebook_node(saved)[0]

    assert same
    assert "needs a running notebook that shows widgets" in html
    assert "<th scope=" in html
    assert page.problems == []
