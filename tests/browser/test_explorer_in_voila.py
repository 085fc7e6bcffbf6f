"""The explorer as a page of its own: what ``make app`` shows, by Voila."""

from __future__ import annotations

import sys
import time

import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("axe_playwright_python.sync_playwright")

from labs import TOKEN
from loopback import free_port, serving, write_notebook
from panels import (
    STALLED,
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


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (480, "dark")])
def test_panel_works_in_voila(app, page, width, theme):
    """Wide or narrow: fill in, read a mistake, fetch, copy; axe finds nothing on the page, and nobody else is asked."""
    page.set_viewport_size({"width": width, "height": 1000})
    page.goto(f"{app}/?theme={theme}&token={TOKEN}", timeout=60_000)
    panel = panel_of(page)

    choose(panel, SERVICE)
    expect_example(panel, SERVICE)
    for name in ("Options", "Batch"):
        press(panel, name)
    amount = panel.get_by_label("amount")
    amount.fill("much")
    press(panel, "Fetch")
    expect(panel.get_by_role("alert").filter(has_text="Cannot send 'much'")).to_be_visible(timeout=15_000)
    amount.fill("12345.5")
    press(panel, "Fetch")
    expect_rows(panel, 3)
    shown = {row[0]: row[2] for row in rows_of(panel)}
    press(panel, "Copy Python code")
    expect(panel.get_by_text("Copied.")).to_be_visible()
    code = page.evaluate("() => navigator.clipboard.readText()")
    shoot(page, f"voila_{theme}_{width}")

    assert shown["transaction_amount_is_high.transaction_amount_is_high"] == "1"
    assert "'amount': 12345.5," in code
    assert serious(page, None) == []
    assert page.evaluate(SIDEWAYS) == 0
    assert page.problems == []


def frame_of(code):
    """Run copied code, which connects by itself, and return its frame."""
    names = {}
    exec(code, names)  # noqa: S102  # copied from the panel
    names["client"].close()
    return names["frame"]


def test_keyboard_alone_is_enough_in_voila(app, page):
    """From the first field to the table, and to the code, with the keyboard only."""
    page.goto(f"{app}/?token={TOKEN}", timeout=60_000)
    panel = panel_of(page)

    fetch_by_keyboard(page, panel)
    press_by_keyboard(page, panel, "JSON")

    expect(panel.get_by_role("region", name="JSON code")).to_contain_text('"ad_id": "3906"')
    assert page.problems == []


@pytest.fixture
def stalled(tmp_path):
    """Address of Voila over an explorer whose server falls silent."""
    write_notebook(tmp_path / "explorer.ipynb", STALLED, "tnb.explore(client)")
    port = free_port()
    settings = {"Voila": {"port": port, "ip": "127.0.0.1", "port_retries": 0, "token": TOKEN}}
    argv = [sys.executable, "-m", "tecton_nb", "explore", "--voila", "--no-browser", "--folder", str(tmp_path)]
    url = f"http://127.0.0.1:{port}"
    with serving(argv, tmp_path, f"{url}/voila/static/favicon.ico", voila=settings):
        yield url


def test_stalled_batch_is_cancelled_and_copied_code_gives_the_frame_in_voila(stalled, page, monkeypatch):
    """Cancel, pressed twice, ends a hanging batch within a second and keeps what came; copied code runs elsewhere."""
    page.goto(f"{stalled}/?token={TOKEN}", timeout=60_000)
    panel = panel_of(page)
    choose(panel, "s")

    press(panel, "Batch")
    panel.get_by_label("Rows from").fill("rows")
    press(panel, "Fetch batch")
    expect(panel.get_by_text("5 of 40 different rows")).to_be_visible(timeout=15_000)
    started = time.monotonic()
    panel.get_by_role("button", name="Cancel", exact=True).dblclick()
    expect(panel.get_by_text("5 of 40 rows have their values")).to_be_visible(timeout=15_000)
    took = time.monotonic() - started
    shoot(page, "voila_cancelled")
    panel.get_by_label("k", exact=True).fill("k01")
    press(panel, "Fetch")
    expect_rows(panel, 1)
    press(panel, "Copy Python code")
    expect(panel.get_by_text("Copied.")).to_be_visible()
    monkeypatch.setenv("TECTON_API_KEY", "k")
    copied = frame_of(page.evaluate("() => navigator.clipboard.readText()"))

    assert took < 1
    assert [[row[0], row[2]] for row in rows_of(panel)] == [["v.k", copied.loc[0, "v.k"]]] == [["v.k", "k01"]]
    assert page.problems == []


def test_page_without_its_token_is_not_shown(app, page):
    """Whoever has the port and not the token gets a page that asks for it: no kernel, no panel."""
    page.goto(app, timeout=60_000)

    assert page.url.startswith(f"{app}/login")
    assert page.locator(".tnb-panel").count() == 0


SERVICE = "fraud_detection_feature_service"
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
