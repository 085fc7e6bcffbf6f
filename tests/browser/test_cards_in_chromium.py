"""Every card in a real browser: readable in light and dark, foldable without JavaScript, and nothing in it runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from every_card import EXAMPLES, Requests, example

SHOTS = os.environ.get("TNB_SCREENSHOTS")
CORPUS = Path(__file__).parents[1] / "corpora" / "html-js.jsonl"
HOSTILE = [json.loads(line)["text"] for line in CORPUS.read_text("utf-8").splitlines()]
KINDS = sorted(EXAMPLES, key=lambda kind: kind.__qualname__)
# As JupyterLab 4.6 states them; cards take them over.
LAB_LIGHT = "--jp-content-font-color0: rgba(0,0,0,1); --jp-content-font-color1: rgba(0,0,0,0.87);"
LAB_LIGHT += "--jp-layout-color0: #fff; --jp-layout-color1: #fff; --jp-border-color2: #e0e0e0"
LAB_DARK = "--jp-content-font-color0: rgba(255,255,255,1); --jp-content-font-color1: rgba(255,255,255,1);"
LAB_DARK += "--jp-layout-color0: #111; --jp-layout-color1: #212121; --jp-border-color2: #616161"
# Of the system, attributes of the page's body, its style.
THEMES = {
    "light": ("light", "", ""),
    "dark": ("dark", "", ""),
    "lab-light": ("dark", 'data-jp-theme-light="true"', LAB_LIGHT),
    "lab-dark": ("light", 'data-jp-theme-light="false"', LAB_DARK),
    "vscode-dark": ("light", 'class="vscode-dark" data-vscode-theme-kind="vscode-dark"', "background: #1f1f1f"),
}
# WCAG 2.1: relative luminance of both colours, the text's over what lies behind it.
CONTRASTS = """() => {
  const parsed = text => { const p = text.match(/[\\d.]+/g).map(Number); return [...p.slice(0, 3), p[3] ?? 1]; };
  const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3]));
  const behind = e => {
    if (!e) return [255, 255, 255];
    const colour = parsed(getComputedStyle(e).backgroundColor);
    return colour[3] ? over(colour, behind(e.parentElement)) : behind(e.parentElement);
  };
  const light = c => {
    const [r, g, b] = c.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const said = e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  const all = [...document.querySelectorAll('.tnb-card *:not(style)')].filter(said);
  return all.map(e => {
    const paper = behind(e), ink = over(parsed(getComputedStyle(e).color), paper);
    const [low, high] = [light(ink), light(paper)].sort((a, b) => a - b);
    return [(high + 0.05) / (low + 0.05), e.className, e.textContent.slice(0, 40)];
  }); }"""


def cards(text, folder):
    """Return the HTML of one card of each class."""
    folder.mkdir()
    return [example(kind, text, folder, Requests())._repr_mimebundle_()["text/html"] for kind in KINDS]


def show(page, found, attributes="", style=""):
    """Show cards one below the other, as the outputs of a notebook."""
    # The style first: a theme's variables are there before the cards are.
    body = "".join(f"<div style='margin: 8px'>{card}</div>" for card in found)
    page.set_content(f"<style>body {{ {style} }}</style><body {attributes}>{body}</body>")


@pytest.mark.parametrize("theme", THEMES)
def test_every_card_is_readable_in_light_and_dark(page, tmp_path, theme):
    """Every text of every card stands out from what is behind it by 4.5 or more, in each theme."""
    scheme, attributes, style = THEMES[theme]
    page.emulate_media(color_scheme=scheme)
    show(page, cards("plain", tmp_path / "plain"), attributes, style)

    found = page.evaluate(CONTRASTS)

    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"cards-{theme}.png", full_page=True)
    assert len(found) > 1_000
    assert not [each for each in found if each[0] < 4.5]
    assert page.problems == []


def test_sections_fold_without_javascript(chromium, tmp_path):
    """Where scripts are switched off a click on a heading hides its table and shows it again."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    show(page, cards("plain", tmp_path / "plain"))
    heading = page.locator("details > summary").first
    table = page.locator("table").first

    states = [table.is_visible()]
    for _ in range(2):
        heading.click()
        states.append(table.is_visible())

    context.close()
    assert states == [True, False, True]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_card_runs(page, tmp_path, text):
    """Names that are scripts, handlers or addresses run nothing and fetch nothing in a browser."""
    show(page, cards(text, tmp_path / "hostile"))

    assert page.evaluate("window.__CANARY__") is None
    assert page.problems == []


def test_wide_cards_scroll_inside_themselves(page, tmp_path):
    """On a narrow page long rows scroll within their card: the page itself never does."""
    page.set_viewport_size({"width": 480, "height": 900})
    show(page, cards("a_long_name_of_a_feature_view.a_long_name_of_a_feature", tmp_path / "wide"))

    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
