"""Cards: the HTML and the text twin say the same, safely."""

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from tecton_nb.exceptions import shown
from tecton_nb.reprs import Card, Kind, Section, Status, card_html, card_text, counted, frame_section, mimebundle
from tecton_nb.reprs.page import page_html

CORPUS = Path(__file__).parents[1] / "corpora" / "html-js.jsonl"
HOSTILE = [json.loads(line)["text"] for line in CORPUS.read_text("utf-8").splitlines()]
HARMLESS = "plain"
CSS = (Path(__file__).parents[2] / "tecton_nb" / "reprs" / "card.css").read_text("utf-8")


class Page(HTMLParser):
    """What a browser would make of the HTML: elements with their attributes, cells, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.titles: list[str] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note the element and start a row or a cell."""
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.titles += [value for name, value in attrs if name == "title"]
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        """Hold that elements close in order."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Note the text."""
        if self.open[-1] in {"td", "th"}:
            self.rows[-1][-1] += data
        if self.open[-1] != "style":
            self.texts.append(data)


def everywhere(text: str) -> Card:
    """Return a card with the text in every place that takes text."""
    section = Section(text, (text, "n"), ((text, 1), (Status(text), 2)))
    return Card(text, text, ((text, text),), (section,))


def service_card() -> Card:
    """Return a card with every kind of value."""
    rows = (("a.count", 9_007_199_254_740_993, Status("PRESENT")), ("a.mean", math.nan, Status("TIME_OUT")))
    return Card(
        "FeatureService",
        "flight_delay_service",
        (("workspace", "prod"), ("rows", 3)),
        (Section("features", ("name", "value", "status"), rows),),
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_nothing_to_page(text):
    """A name that looks like HTML makes no element and no attribute: the page is built like one with a plain name."""
    page = Page(card_html(everywhere(text)))

    assert page.elements == Page(card_html(everywhere(HARMLESS))).elements


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_reads_as_itself(text):
    """A name that looks like HTML is shown character by character, controls escaped."""
    page = Page(card_html(everywhere(text)))

    assert page.rows[1] == [shown(text), "1"]
    assert page.texts.count(shown(text)) >= 6


@pytest.mark.parametrize("text", HOSTILE)
def test_long_hostile_text_is_inert_in_title_attribute(text):
    """A long cell is cut, and its full text stands in a title attribute that cannot be broken out of."""
    page = Page(card_html(Card("t", facts=(("fact", text * 30),))))

    assert page.elements == Page(card_html(Card("t", facts=(("fact", HARMLESS * 50),)))).elements
    assert page.titles == [shown(text * 30)]


def test_twins_show_same_rows():
    """Every cell of the HTML table stands in the same row of the text."""
    card = service_card()

    rows = Page(card_html(card)).rows
    lines = [re.split(r"\s{2,}", line.strip()) for line in card_text(card).splitlines()[5:]]

    assert rows == lines
    assert rows[1] == ["a.count", "9007199254740993", "✓ PRESENT"]
    assert rows[2] == ["a.mean", "NaN", "✗ TIME_OUT"]


def test_text_is_aligned():
    """The text twin is a table in a monospace font, numbers at the right."""
    text = card_text(service_card())

    assert text == (
        "FeatureService  flight_delay_service\n"
        "  workspace  prod\n"
        "  rows       3\n"
        "\n"
        "features (2)\n"
        "  name                value  status\n"
        "  a.count  9007199254740993  ✓ PRESENT\n"
        "  a.mean                NaN  ✗ TIME_OUT"
    )


def test_text_counts_wide_characters_as_two_columns():
    """Names in wide characters keep the columns aligned in a terminal."""
    section = Section("s", ("name", "x"), (("価格", "end"), ("e\u0301a", "end")))

    lines = card_text(Card("t", sections=(section,))).splitlines()

    assert lines[4:] == ["  価格  end", "  e\u0301a    end"]


def test_section_of_many_rows_shows_twenty_and_counts_rest():
    """Of 32 rows, 20 are shown and 12 are counted, in both twins."""
    section = Section("rows", ("n",), tuple((n,) for n in range(32)))
    card = Card("t", sections=(section,))

    page = Page(card_html(card))

    assert [row[0] for row in page.rows] == ["n", *map(str, range(20))]
    assert "and 12 more" in page.texts
    assert card_text(card).splitlines()[-2:] == ["  19", "  and 12 more"]


def test_section_of_twenty_rows_counts_no_rest():
    """With exactly 20 rows nothing is said to be left out."""
    card = Card("t", sections=(Section("rows", ("n",), tuple((n,) for n in range(20))),))

    assert "more" not in card_text(card)


def test_frame_section_with_total_reads_no_further_than_shown():
    """A large frame's rows are not walked through for a card when their number is given."""
    taken = []
    rows = ((taken.append(n), n)[1:] for n in range(1_000_000))

    section = frame_section("rows", pd.Index(["n"]), rows, total=1_000_000)

    assert len(taken) == 20
    assert section.hidden == 999_980


def test_frame_section_without_total_counts_rows():
    """A section made from a frame knows how many rows there were."""
    frame = pd.DataFrame({"n": range(25), "x": 0.5})

    section = frame_section("rows", frame.columns, frame.itertuples(index=False))

    assert section.header == ("n", "x")
    assert section.rows[24 - 5] == (19, 0.5)
    assert (section.count, section.hidden) == (25, 5)


def test_ragged_rows_do_not_break_repr():
    """A row with too few or too many values is still shown."""
    card = Card("t", sections=(Section("s", ("a", "b"), ((1,), (1, 2, 3))),))

    assert card_text(card).splitlines()[-1] == "  1  2  3"
    assert Page(card_html(card)).rows[-1] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (None, "missing"),
        (pd.NA, "missing"),
        (pd.NaT, "missing"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
        (True, "True"),
        ("", "''"),
        ("a\x1b[31m\n", "a\\x1b[31m\\n"),
        ("a\ud800", "a\\ud800"),
        (2**63, "9223372036854775808"),
        ([1.5, None, math.nan, "null"], "[1.5, null, NaN, 'null']"),
        ({"a": [True, None]}, "{a: [True, null]}"),
        (pd.Timestamp("2024-05-01T12:00:00.000000007Z"), "2024-05-01 12:00:00.000000007 UTC"),
        (Status("null", Kind.MISSING), "∅ null"),
        (Status("never heard of"), "? never heard of"),
    ],
)
def test_unusual_values_are_words(value, word):
    """Missing values, NaN, infinities, empty text and control characters can be told apart."""
    card = Card("t", facts=(("fact", value),))

    assert card_text(card).splitlines()[1] == f"  fact  {word}"
    assert word in Page(card_html(card)).texts


def test_raw_value_nested_without_end_is_shown():
    """What is nested deeper than anybody reads is cut, and breaks nothing."""
    deep = None
    for _ in range(50_000):
        deep = [deep]

    assert "…" in card_text(Card("t", facts=(("fact", deep),)))


def test_verdict_beside_the_title_has_sign_and_colour():
    """A subtitle that is a verdict looks like every other status, and heads a page of its own as words."""
    card = Card("Comparison", Status("2 features differ", Kind.BAD))

    assert '<span class="tnb-subtitle tnb-bad">✗ 2 features differ</span>' in card_html(card)
    assert card_text(card) == "Comparison  ✗ 2 features differ"
    assert "<title>Comparison: ✗ 2 features differ</title>" in page_html(card)


def test_only_a_count_above_zero_is_bad():
    """No failure is a plain 0; any failure has a sign."""
    assert counted(0, Kind.BAD) == "0"
    assert counted(2_000, Kind.BAD) == Status("2,000", Kind.BAD)


def test_html_has_one_style_no_script_no_id():
    """A card brings its style once and nothing that runs or could clash with another card."""
    html = card_html(Card("t", sections=(Section("a", ("x",), ((1,),)), Section("b", ("x",), ((1,),)))))

    page = Page(html)

    assert [tag for tag, _ in page.elements].count("style") == 1
    assert "script" not in {tag for tag, _ in page.elements}
    names = {name for _, attributes in page.elements for name in attributes}
    assert names <= {"class", "open", "scope", "title"}


def test_html_table_has_caption_and_scopes():
    """A screen reader is told what the table is and which cells are titles."""
    html = card_html(service_card())

    assert "<caption>features</caption>" in html
    assert html.count("<th ") == html.count('<th scope="col"') == 3


def test_closed_section_is_closed_in_html_and_shown_in_text():
    """A section can start folded in HTML; the text has nothing to unfold and shows it."""
    card = Card("t", sections=(Section("s", ("x",), (("here",),), is_open=False),))

    assert '<details class="tnb-section"><summary>' in card_html(card)
    assert "here" in card_text(card)


def test_formulas_stay_text():
    """The notebook's formula renderer is told to leave the card alone."""
    assert 'class="tnb-card tex2jax_ignore mathjax_ignore"' in card_html(Card("$x$"))


def test_mimebundle_holds_both_twins():
    """A notebook gets the HTML and the text."""
    card = service_card()

    assert mimebundle(card) == {"text/plain": card_text(card), "text/html": card_html(card)}


def test_css_selectors_stay_within_card():
    """No rule of ours reaches outside the card."""
    rules = re.findall(r"([^{}]+)\{", re.sub(r"@media[^{]+\{", "", CSS))

    selectors = [selector.strip() for rule in rules for selector in re.split(r",(?![^(]*\))", rule)]

    assert selectors
    assert all(".tnb-card" in selector for selector in selectors)


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb`` (WCAG 2.1)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_css_colours_are_readable_in_light_and_dark():
    """Every text colour has a contrast of at least 4.5 on both backgrounds of its theme."""
    palettes = [
        dict(re.findall(r"--tnb-(\w+):[^;]*(#[0-9a-f]{6})", block)) for block in CSS.split("}") if "--tnb-ink:" in block
    ]

    assert len(palettes) == 3
    for palette in palettes:
        for text in ("ink", "quiet", "good", "bad", "unsure"):
            for paper in ("paper", "stripe"):
                dark, light = sorted([luminance(palette[text]), luminance(palette[paper])])
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, paper)
