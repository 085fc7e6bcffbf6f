"""The explorer as a user has it: in JupyterLab, with mouse and with keyboard."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api")

from playwright.sync_api import expect

SHOTS = os.environ.get("TNB_SCREENSHOTS")
START = """
import tecton_nb as tnb
server = tnb.local.demo_server(now="2024-05-01T12:00:00Z", seed=7)
client = tnb.connect(server)
"""
SHOW = "explorer = tnb.explore(client)\nexplorer"


def shoot(page, name):
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


def panel_of(scope):
    panel = scope.locator(".tnb-panel").first
    expect(panel).to_be_visible(timeout=30_000)
    return panel


def choose(panel, name):
    field = panel.get_by_label("Feature service", exact=True)
    field.fill(name)
    field.press("Enter")
    expect(panel.get_by_role("status").first).to_contain_text(f"{name} in workspace", timeout=15_000)


def test_fetch_and_copy(open_notebook, page):
    """Choose a service, fill the keys, fetch, read the values; the copied code gives an equal frame in the next cell."""
    notebook = open_notebook(START, SHOW)
    assert notebook.run_all()
    panel = panel_of(notebook.panel)

    choose(panel, "flight_delay_service")
    expect(panel.get_by_label("carrier")).not_to_have_value("", timeout=15_000)
    panel.get_by_role("button", name="Fetch", exact=True).click()
    expect(panel.locator("table.tnb-table tbody tr")).to_have_count(36, timeout=15_000)
    shoot(page, "lab_light")
    assert page.problems == []
