"""A comparison as card, page, CSV and workbook: foreign texts are inert in all of them, and none is lost."""

import csv
import json
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from openpyxl.utils.escape import unescape
from planting import Table

from tecton_nb import compare_features
from tecton_nb.exceptions import InputError, SettingsError

CORPORA = Path(__file__).parents[1] / "corpora"


def corpus(name):
    """Return the texts of a corpus."""
    return [json.loads(line)["text"] for line in (CORPORA / name).read_text("utf-8").splitlines()]


HTML, FORMULAS, NAMES = (corpus(f"{name}.jsonl") for name in ("html-js", "spreadsheet-formulas", "file-names"))
MORE_FORMULAS = [
    "=1+1",
    "+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "'=1",
    "'",
    "＝1+1",
    "#N/A",
    '=HYPERLINK("http://x")',
    "\xa0=1",
]
EVERY = sorted({*HTML, *FORMULAS, *NAMES, *MORE_FORMULAS})


class Elements(HTMLParser):
    """The elements of a page with the names of their attributes, and its text."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.found, self.text = [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note an element."""
        self.found.append((tag, tuple(name for name, _ in attrs if name != "title")))

    def handle_data(self, data):
        """Note text."""
        self.text += data


def hostile(text):
    """Return a comparison with the text as feature, key, key name, value and status."""
    index = pd.Index([text, "other"], name=text, dtype=object)
    name = pd.Index([text], dtype=object)

    def table(values, statuses):
        frame, status = (
            pd.DataFrame({"f": pd.Series(column, index, dtype=object)}).set_axis(name, axis=1)
            for column in (values, statuses)
        )
        times = pd.DataFrame({"f": pd.DatetimeIndex([pd.NaT] * 2, tz="UTC")}, index=index).set_axis(name, axis=1)
        return Table(frame, status, times)

    return compare_features(table([text, "a"], ["PRESENT", "PRESENT"]), table(["b", "a"], ["PRESENT", "MISSING_DATA"]))


@pytest.mark.parametrize("text", EVERY)
def test_hostile_text_makes_no_element_in_card_or_page(text, tmp_path):
    """A name, key or value that looks like HTML is text: card and page have the elements of a harmless one."""
    comparison, harmless = hostile(text), hostile("plain")

    pages = [c.to_html(tmp_path / f"{i}.html").read_text("utf-8") for i, c in enumerate((comparison, harmless))]
    cards = [c._repr_mimebundle_()["text/html"] for c in (comparison, harmless)]

    assert Elements(pages[0]).found == Elements(pages[1]).found
    assert Elements(cards[0]).found == Elements(cards[1]).found


def test_page_is_one_file_without_scripts(tmp_path):
    """The report fetches nothing, runs nothing, and tells browsers to refuse both."""
    page = hostile("plain").to_html(tmp_path / "report.html").read_text("utf-8")

    assert "default-src 'none'" in page
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in Elements(page).found}
    assert "http" not in page.replace("http-equiv", "")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("text", EVERY)
def test_workbook_has_no_formula_and_gives_the_text_again(text, tmp_path):
    """In every sheet each text is a text, and the value comes back as it was."""
    path = hostile(text).to_excel(tmp_path / "found.xlsx")

    sheets = openpyxl.load_workbook(path)
    cells = [cell for sheet in sheets for row in sheet.iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.data_type in {"f", "e"}]
    values = [unescape(str(cell.value or "")) for cell in cells]
    assert text.replace("\r", "\n") in [value.replace("\r", "\n") for value in values] or not text


@pytest.mark.parametrize("text", EVERY)
def test_csv_has_no_formula_and_gives_the_text_again(text, tmp_path):
    """No cell starts with what a spreadsheet takes for a formula; dropping the one apostrophe gives the text again."""
    path = hostile(text).to_csv(tmp_path / "found.csv")

    with open(path, encoding="utf-8", newline="") as handle:
        cells = [cell for row in csv.reader(handle) for cell in row]
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "\0", "＝"))]
    written = text.encode("utf-8", "backslashreplace").decode()
    assert written in {cell.removeprefix("'") for cell in cells}


def test_numbers_stay_numbers_in_files(tmp_path):
    """Negative numbers and NaN are no texts in need of an apostrophe; whole numbers beyond 2**53 stay exact."""
    left = pd.DataFrame({"x": [-5.5, float("nan")], "n": pd.array([2**53 + 1, -3], "Int64")}, index=["a", "b"])
    comparison = compare_features(left, left.assign(x=[-6.5, 1.0], n=pd.array([2**53, -4], "Int64")))

    csv_path, excel_path = comparison.to_csv(tmp_path / "found.csv"), comparison.to_excel(tmp_path / "found.xlsx")

    lines = csv_path.read_text("utf-8").splitlines()
    assert lines[1].startswith('"a","x","different_value",-5.5,-6.5,-1.0,')
    assert lines[2].startswith('"b","x","different_value","NaN",1.0,')
    assert lines[3].startswith('"a","n","different_value",9007199254740993,9007199254740992,-1.0,')
    sheet = openpyxl.load_workbook(excel_path)["mismatches"]
    assert [sheet.cell(row, 4).value for row in range(2, 6)] == [-5.5, "NaN", "9007199254740993", -3]


def test_keys_of_any_kind_within_values_are_written(tmp_path):
    """A dict whose keys are no text, such as tuples or times, is written as JSON with the keys as texts."""
    left = pd.DataFrame({"x": pd.Series([{("a", 1): [{pd.Timestamp("2024-05-01"): 1}]}], dtype=object)})
    right = pd.DataFrame({"x": pd.Series(["none"], dtype=object)})

    written = compare_features(left, right).to_csv(tmp_path / "m.csv").read_text()

    assert "('a', 1)" in written
    assert "2024-05-01 00:00:00" in written


def test_minus_infinity_is_no_formula(tmp_path):
    """A text that starts with a minus gets an apostrophe, that of an infinite number too."""
    left, right = (pd.DataFrame({"x": [value]}) for value in (float("-inf"), 1.0))

    written = compare_features(left, right).to_csv(tmp_path / "m.csv").read_text()

    assert "'-Infinity" in written


def test_page_makes_no_more_cells_than_it_shows(tmp_path, monkeypatch):
    """Of 30,000 cells that differ the page shows 20 and the number of all; no frame of all of them is built."""
    left = pd.DataFrame({"x": range(30_000)})
    found = compare_features(left, left + 1)
    monkeypatch.setattr(type(found), "mismatches", lambda _: pytest.fail("built a frame of all mismatches"))

    page = found.to_html(tmp_path / "m.html").read_text()

    assert "30,000" in page.partition("Mismatches of x")[2]


def test_names_become_no_paths(tmp_path):
    """Whatever features and keys are called, only the three files asked for are written."""
    for text in NAMES:
        comparison = hostile(text)
        comparison.to_html(tmp_path / "a.html")
        comparison.to_csv(tmp_path / "a.csv")
        comparison.to_excel(tmp_path / "a.xlsx")

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.csv", "a.html", "a.xlsx"]


def test_key_with_the_name_of_a_column_keeps_its_own_place(tmp_path):
    """A key column called like one of ours gets a name of its own in files."""
    left = pd.DataFrame({"feature": ["a", "b"], "x": [1, 2]})

    path = compare_features(left, left.assign(x=[1, 3]), on="feature").to_csv(tmp_path / "found.csv")

    assert pd.read_csv(path).columns.tolist()[:2] == ["feature_", "feature"]


def test_sheet_that_is_too_long_is_refused(tmp_path, monkeypatch):
    """A workbook that cannot hold all mismatches is refused with the way out, and nothing is written."""
    monkeypatch.setattr("tecton_nb.compare.export._SHEET_ROWS", 1)
    left = pd.DataFrame({"x": [1, 2]})

    with pytest.raises(InputError, match=r"do not fit on a sheet of 1\. Use to_csv"):
        compare_features(left, left + 1).to_excel(tmp_path / "found.xlsx")

    assert not list(tmp_path.iterdir())


def test_missing_openpyxl_is_told(tmp_path, monkeypatch):
    """Without openpyxl a workbook is refused with what to install."""

    def refuse(*_, **__):
        raise ImportError("openpyxl")

    monkeypatch.setattr("tecton_nb.compare.export.pd.ExcelWriter", refuse)

    with pytest.raises(SettingsError, match=r'pip install "tecton-nb\[excel\]"'):
        hostile("plain").to_excel(tmp_path / "found.xlsx")


def test_card_tells_verdict_and_causes():
    """The card has the verdict, the counts, each feature that differs and the likeliest cause; text and HTML alike."""
    left = pd.DataFrame({"x": [1.5, 2.5, 3.5, 4.5], "y": [1, 2, 3, 4]})

    bundle = compare_features(left, left.assign(x=left["x"] * 1_000))._repr_mimebundle_()

    for words in ("1 of 2 features differ", "4 different value", "unit_factor", "right is left times 1000"):
        assert words in bundle["text/plain"]
        assert words in Elements(bundle["text/html"]).text
