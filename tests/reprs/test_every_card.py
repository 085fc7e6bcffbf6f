"""Every object that shows itself: both twins say the same, safely, within 20 rows and without asking anybody."""

import asyncio
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from canned import KEY
from every_card import EXAMPLES, Requests, card_classes, example

import tecton_nb as tnb
from tecton_nb.reprs import HasCard
from tecton_nb.reprs.card import ROW_LIMIT
from tecton_nb.widgets.pieces import Panel

CORPUS = Path(__file__).parents[1] / "corpora" / "html-js.jsonl"
HOSTILE = [json.loads(line)["text"] for line in CORPUS.read_text("utf-8").splitlines()]
HARMLESS = "plain"
README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
KINDS = sorted(EXAMPLES, key=lambda kind: kind.__qualname__)
COLOURED = {"tnb-good", "tnb-bad", "tnb-unsure"}
SIGNS = ("✓ ", "✗ ", "? ", "∅ ", "… ")
CELLS = {"td", "th", "dt", "dd"}


class Page(HTMLParser):
    """What a browser would make of a card: elements, tables of cells, and which text has which class."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self.tables: list[int] = []
        self.coloured: list[str] = []
        self._open: list[tuple[str, set[str]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note the element; begin a row, a fact or a cell."""
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open.append((tag, set(str(dict(attrs).get("class")).split())))
        if tag == "table":
            self.tables.append(0)
        if tag in {"tr", "dt"}:
            self.rows.append([])
        if tag == "tr":
            self.tables[-1] += 1
        if tag in CELLS:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        """Hold that elements close in order."""
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        """Note the text of cells, and of what has a colour."""
        tag, classes = self._open[-1]
        if tag in CELLS:
            self.rows[-1][-1] += data
        if classes & COLOURED:
            self.coloured.append(data)


@pytest.fixture
def requests():
    """What the clients among the examples sent."""
    return Requests()


@pytest.fixture
def shown(tmp_path, requests):
    """Return a function that makes an example and what a notebook gets of it."""

    def show(kind, text=HARMLESS):
        found = example(kind, text, tmp_path, requests)
        return found, found._repr_mimebundle_()

    return show


def text_rows(text):
    """Return the rows of cells of a text twin, without its title, headings and counts of what is left out."""
    lines = [line for line in text.splitlines()[1:] if line.startswith("  ")]
    return [re.split(r"\s{2,}", line.strip()) for line in lines if not re.fullmatch(r"  and [\d,]+ more", line)]


def test_every_class_with_a_card_has_an_example():
    """A new class that shows itself is tested here with the others: without an example this test fails."""
    assert card_classes() == set(EXAMPLES)


@pytest.mark.parametrize("kind", KINDS)
def test_readme_says_what_a_card_shows(kind):
    """Each object with a card has its place in the README's table, under the name a user knows."""
    name = {"ServiceCore": "FeatureService"}.get(kind.__name__, kind.__name__)
    section = README.partition("### What each object shows")[2].partition("\n## ")[0]

    assert f"`{name}`" in section


def test_panels_show_the_card_that_they_make():
    """No panel goes its own way to a notebook: its static twin is a card like the others."""
    panels = set(Panel.__subclasses__())

    assert panels
    assert not [panel for panel in panels if {"_repr_mimebundle_", "_repr_html_"} & set(vars(panel))]


@pytest.mark.parametrize("kind", KINDS)
def test_example_is_of_its_class_and_shows_a_card(kind, shown):
    """The examples are what they say, and `print` shows what a terminal notebook shows."""
    found, bundle = shown(kind)

    assert isinstance(found, kind)
    assert isinstance(found, HasCard)
    assert str(found) == bundle["text/plain"]


@pytest.mark.parametrize("kind", KINDS)
def test_twins_hold_the_same_cells(kind, shown):
    """Every fact and every cell of the HTML stands in the text at the same place, and nothing else does."""
    _, bundle = shown(kind)

    assert Page(bundle["text/html"]).rows == text_rows(bundle["text/plain"])
    assert text_rows(bundle["text/plain"])


@pytest.mark.parametrize("kind", KINDS)
def test_tables_have_at_most_twenty_rows(kind, shown):
    """However much an object holds, no table of its card is longer than 20 rows under its head."""
    _, bundle = shown(kind)

    lengths = [rows - 1 for rows in Page(bundle["text/html"]).tables]

    assert all(length <= ROW_LIMIT for length in lengths)
    assert lengths.count(ROW_LIMIT) == len(re.findall(r"\n  and \d+ more", bundle["text/plain"]))


def test_most_examples_hold_more_than_a_card_shows(tmp_path, requests):
    """The limit of 20 rows is tried: nearly every example has tables that are cut."""
    texts = {kind: str(example(kind, HARMLESS, tmp_path, requests)) for kind in KINDS}

    short = {kind.__name__ for kind, text in texts.items() if " more" not in text}

    assert short == {"SLOInfo", "BatchJob", "CacheExperiment"}


@pytest.mark.parametrize("kind", KINDS)
def test_colour_never_stands_alone(kind, shown):
    """What is green, red or yellow has a sign before it that says the same without colour."""
    _, bundle = shown(kind)

    assert not [words for words in Page(bundle["text/html"]).coloured if not words.startswith(SIGNS)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert_in_every_card(kind, text, shown, tmp_path):
    """Whatever foreign text an object holds, its card is built from the same elements as with a plain word."""
    (tmp_path / "other").mkdir()
    harmless = Page(example(kind, HARMLESS, tmp_path / "other", Requests())._repr_mimebundle_()["text/html"])

    _, bundle = shown(kind, text)

    page = Page(bundle["text/html"])
    assert page.tags == harmless.tags
    assert page.attributes <= {"class", "open", "scope", "title"}
    assert "script" not in page.tags


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [HARMLESS, "two\nlines\u2028\x1b[31m"])
def test_repr_is_one_line(kind, text, shown):
    """In a list, a log or a traceback an object takes one line, whatever its names are."""
    found, _ = shown(kind, text)

    assert len(repr(found).splitlines()) == 1
    assert "\x1b" not in repr(found)


@pytest.mark.parametrize("kind", KINDS)
def test_no_card_shows_the_key(kind, shown):
    """The API key is in neither twin nor in the repr."""
    found, bundle = shown(kind)

    assert KEY not in "".join([*bundle.values(), repr(found), str(found)])


@pytest.mark.parametrize("kind", KINDS)
def test_showing_an_object_sends_nothing(kind, shown, requests):
    """A card is made from what is known: looking at an object asks no server anything."""
    found, _ = shown(kind)

    str(found), repr(found)

    assert requests.made == []


@pytest.mark.parametrize("kind", KINDS)
def test_card_is_the_same_each_time(kind, shown):
    """Looking twice shows the same: no clock, no address of an object."""
    found, bundle = shown(kind)

    assert found._repr_mimebundle_() == bundle
    assert "0x" not in bundle["text/plain"]


def test_asynchronous_client_shows_the_same_rows():
    """The two clients tell the same of themselves, but for their names."""
    sync = tnb.TectonClient("https://x.tecton.ai", KEY, "prod", feature_service_names=["a"])
    other = tnb.AsyncTectonClient("https://x.tecton.ai", KEY, "prod", feature_service_names=["a"])

    assert str(other) == str(sync).replace("TectonClient", "AsyncTectonClient")
    sync.close()
    asyncio.run(other.close())
