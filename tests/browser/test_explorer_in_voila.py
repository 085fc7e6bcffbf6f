"""The explorer as a page of its own: what ``make app`` shows, by Voila."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("axe_playwright_python.sync_playwright")

from panels import choose, expect_example, expect_rows, panel_of, press, serious, shoot


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (480, "dark")])
def test_panel_works_in_voila(app, page, width, theme):
    """Choose and fetch on a page wide or narrow: every feature is there, axe finds nothing, nobody else is asked."""
    page.set_viewport_size({"width": width, "height": 1000})
    page.goto(f"{app}/?theme={theme}", timeout=60_000)
    panel = panel_of(page)

    choose(panel, "fraud_detection_feature_service")
    expect_example(panel, "fraud_detection_feature_service")
    for name in ("Options", "Batch", "Fetch"):
        press(panel, name)
    expect_rows(panel, 3)
    shoot(page, f"voila_{theme}_{width}")

    assert serious(page, None) == []
    assert page.evaluate(SIDEWAYS) == 0
    assert page.problems == []


SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
