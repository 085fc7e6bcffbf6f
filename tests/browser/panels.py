"""What a user does with the explorer's panel, and what stands in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

TESTS = str(Path(__file__).parents[1])
# A service `s` over a server that answers the first five of 40 rows, and says nothing more until `hold` is set.
STALLED = f"""
import sys; sys.path.insert(0, {TESTS!r})
import threading
import pandas as pd
import tecton_nb as tnb
from canned import CannedServer, Reply, typed, vector
FEATURES, hold = [typed("v.k", "string")], threading.Event()
def plan(asked):
    if asked.operation == "metadata":
        return Reply({{"inputJoinKeys": [typed("k", "string")], "featureValues": FEATURES}})
    if asked.operation == "metrics":
        return Reply({{"message": "no"}}, 403)
    if asked.join_keys.get("k", "z") >= "k05":
        hold.wait(60)
    return Reply(vector([asked.join_keys.get("k")], *FEATURES))
server = CannedServer(plan)
client = tnb.TectonClient(server.url, "k", "prod", deadline_seconds=60, feature_service_names=["s"])
rows = pd.DataFrame({{"k": [f"k{{i:02d}}" for i in range(40)]}})
"""
SHOTS = os.environ.get("TNB_SCREENSHOTS")


def shoot(page, name):
    """Keep a picture to look at, where a folder for them is named."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


def panel_of(scope):
    """Return the panel, once it is there."""
    panel = scope.locator(".tnb-panel").first
    expect(panel).to_be_visible(timeout=30_000)
    return panel


def choose(panel, name):
    """Choose a service by typing its name."""
    field = panel.get_by_label("Feature service", exact=True)
    field.fill(name)
    field.press("Enter")
    expect(panel.get_by_role("status").first).to_contain_text(f"{name} in workspace", timeout=15_000)


def expect_example(panel, service):
    """Wait until the example is filled in: then the code is written."""
    expect(panel.locator(".tnb-code pre")).to_contain_text(service, timeout=15_000)


def press(panel, name):
    """Click a button by its name."""
    panel.get_by_role("button", name=name, exact=True).click()


def fetch_by_keyboard(page, panel):
    """From the first field to the table with the keyboard only: a service, another key than its example, Enter."""
    panel.get_by_label("Feature service", exact=True).focus()
    page.keyboard.type("ctr_prediction_service")
    page.keyboard.press("Enter")
    expect(panel.get_by_label("ad_id")).to_have_value("5417", timeout=15_000)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(panel.get_by_label("ad_id")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("3906")
    page.keyboard.press("Enter")
    expect_rows(panel, 3)


def press_by_keyboard(page, panel, name):
    """Press a button with the space bar."""
    panel.get_by_role("button", name=name, exact=True).focus()
    page.keyboard.press("Space")


def expect_rows(panel, count):
    """Wait for a table of so many rows; where it does not come, tell what stands there."""
    try:
        expect(panel.locator(".tnb-table tbody tr")).to_have_count(count, timeout=15_000)
    except AssertionError:
        pytest.fail(f"no table of {count} rows in:\n{panel.inner_text()}")


def rows_of(panel):
    """Return the rows of the first table as lists of texts."""
    rows = panel.locator(".tnb-table").first.locator("tbody tr")
    return [[cell.strip() for cell in row.locator("td").all_inner_texts()] for row in rows.all()]


def serious(page, selector):
    """Return what axe finds serious or critical below the selector, or on the whole page without one."""
    found = Axe().run(page, context=selector).response["violations"]
    return [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in {"serious", "critical"}]
