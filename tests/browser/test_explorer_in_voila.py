"""The explorer as a page of its own, by Voila."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("playwright.sync_api")

from loopback import free_port, serving, write_notebook
from playwright.sync_api import expect

# Voila asks a content network for its icon font; the browser cannot reach it, and the panel does not need it.
ICONS = ("fontawesome", "net::ERR_")


def test_panel_works_in_voila(page, tmp_path):
    """Choose a service and fetch in Voila: the table has every feature, and the page asks nobody else for data."""
    home, port = tmp_path / "home", free_port()
    notebook = write_notebook(
        tmp_path / "explorer.ipynb",
        "import tecton_nb as tnb\nclient = tnb.connect(tnb.local.demo_server(now='2024-05-01T12:00:00Z', seed=7))",
        "tnb.explore(client)",
    )
    argv = [sys.executable, "-m", "voila", str(notebook), "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]

    with serving(argv, home, f"http://127.0.0.1:{port}/voila/static/favicon.ico"):
        page.goto(f"http://127.0.0.1:{port}", timeout=60_000)
        panel = page.locator(".tnb-panel").first
        field = panel.get_by_label("Feature service", exact=True)
        field.fill("fraud_detection_feature_service", timeout=30_000)
        field.press("Enter")
        expect(panel.locator(".tnb-code pre")).to_contain_text("fraud_detection", timeout=15_000)
        panel.get_by_role("button", name="Fetch", exact=True).click()
        expect(panel.locator(".tnb-table tbody tr")).to_have_count(3, timeout=15_000)

    assert [problem for problem in page.problems if not any(part in problem for part in ICONS)] == []
