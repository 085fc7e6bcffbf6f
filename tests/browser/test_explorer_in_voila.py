"""The explorer as a page of its own: what ``make app`` shows, by Voila."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("axe_playwright_python.sync_playwright")

from labs import TOKEN
from panels import choose, expect_example, expect_rows, panel_of, press, rows_of, serious, shoot
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
    shown = {row[0]: row[1] for row in rows_of(panel)}
    press(panel, "Copy Python code")
    expect(panel.get_by_text("Copied.")).to_be_visible()
    code = page.evaluate("() => navigator.clipboard.readText()")
    shoot(page, f"voila_{theme}_{width}")

    assert shown["transaction_amount_is_high.transaction_amount_is_high"] == "1"
    assert "'amount': 12345.5," in code
    assert serious(page, None) == []
    assert page.evaluate(SIDEWAYS) == 0
    assert page.problems == []


def test_page_without_its_token_is_not_shown(app, page):
    """Whoever has the port and not the token gets a page that asks for it: no kernel, no panel."""
    page.goto(app, timeout=60_000)

    assert page.url.startswith(f"{app}/login")
    assert page.locator(".tnb-panel").count() == 0


SERVICE = "fraud_detection_feature_service"
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
