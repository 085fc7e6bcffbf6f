"""The notebooks as a newcomer opens them, in JupyterLab."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api")

from notebook_cells import FOLDER
from playwright.sync_api import expect

SHOTS = os.environ.get("TNB_SCREENSHOTS")
STATIC = "This is what stood in it when the cell was run."


def shoot(page, name):
    """Keep a picture to look at, where a folder for them is named."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


def test_first_notebook_runs_to_its_picture(open_notebook, page):
    """The notebook that Lab opens first runs from top to bottom, and nothing is asked from outside."""
    notebook = open_notebook(copy_of=FOLDER / "00_start_here.ipynb")
    shoot(page, "00_before")

    assert notebook.run_all()

    shoot(page, "00_after")
    assert page.problems == []


def test_panels_are_readable_before_they_run_and_live_after(open_notebook, page):
    """Opened, the notebook of the explorer shows what stood in its panels; run, it shows panels that answer."""
    notebook = open_notebook(copy_of=FOLDER / "06_explorer.ipynb")
    expect(notebook.panel.get_by_text(STATIC).first).to_be_visible()
    assert notebook.panel.locator(".tnb-panel").count() == 0
    shoot(page, "06_before")

    assert notebook.run_all()

    page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }")
    panel = notebook.panel.locator(".tnb-panel").first
    panel.get_by_role("button", name="Next example", exact=True).click(timeout=15_000)
    panel.get_by_role("button", name="Fetch", exact=True).click()
    expect(panel.get_by_role("columnheader", name="effective time")).to_be_visible(timeout=15_000)
    shoot(page, "06_after")
    assert page.problems == []
