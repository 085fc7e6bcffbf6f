"""README and notebooks name everything that is public."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest
from notebook_cells import NOTEBOOKS, code_cells, source

import tecton_nb as tnb
from tecton_nb.columns import Column

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
HOMES = ["", "plots", "local", "local.faults", "experiments", "widgets", "metrics", "metrics.slo", "metrics.render"]
# Public for other parts of the package, which make and send these objects; nobody else calls them.
OURS = {
    "from_reply",
    "from_metadata",
    "to_json",
    "card",
    "described_families",
    "facts",
    "owners",
    "timestamps_ms",
    "title",
}
# Their fields are those of `features.toml` and `faults.toml`, which have tables of their own.
WRITTEN = {"local", "local.faults"}
MAGIC = re.compile(r"^%.*$", re.MULTILINE)


def home(name: str):
    """Return a public part of the package."""
    return importlib.import_module(f"tecton_nb.{name}".rstrip("."))


def used_names() -> set[str]:
    """Return every name that the cells of the notebooks use: variables, attributes, arguments, what is imported."""
    found: set[str] = set()
    for path in NOTEBOOKS:
        for cell in code_cells(path):
            for node in ast.walk(ast.parse(MAGIC.sub("", source(cell)))):
                found |= {getattr(node, field, None) for field in ("id", "attr", "arg", "name")} - {None}
    return found


def tabled_names() -> set[str]:
    """Return every word that stands as code in a table of the README."""
    rows = [line for line in README.splitlines() if line.startswith("|")]
    return {word for row in rows for code in re.findall(r"`([^`]+)`", row) for word in re.findall(r"\w+", code)}


SAID = used_names() | tabled_names()


def members(found: type) -> set[str]:
    """Return the public methods, properties, traits and fields that a class has of us."""
    own = [kind for kind in found.__mro__ if kind.__module__.startswith("tecton_nb")]
    names = {name for kind in own for name in [*vars(kind), *vars(kind).get("__annotations__", {})]}
    return {name for name in names if not name.startswith("_")} - OURS


@pytest.mark.parametrize("name", HOMES)
def test_every_public_name_is_in_a_notebook_or_a_table(name):
    """What `__all__` lists is used in a cell of a notebook, or stands in a table of the README."""
    assert [item for item in home(name).__all__ if item not in SAID] == []


@pytest.mark.parametrize("name", [name for name in HOMES if name not in WRITTEN])
def test_every_attribute_of_a_public_class_is_in_a_notebook_or_a_table(name):
    """So is each public method, property and field of the classes that `__all__` lists."""
    part = home(name)
    classes = [found for item in part.__all__ if inspect.isclass(found := getattr(part, item))]

    assert {kind.__name__: lacking for kind in classes if (lacking := sorted(members(kind) - SAID))} == {}


def test_every_attribute_of_the_embedded_server_is_in_a_notebook_or_a_table():
    """What a `FeatureServer` can do is documented, too."""
    assert sorted(members(tnb.local.FeatureServer) - SAID) == []


def test_every_exception_is_in_a_notebook_or_a_table():
    """A user who meets an error finds it in the README."""
    kinds = [name for name, found in vars(tnb.exceptions).items() if inspect.isclass(found)]

    assert "TectonError" in kinds
    assert [name for name in kinds if issubclass(getattr(tnb.exceptions, name), Exception) and name not in SAID] == []


def test_columns_of_every_frame_are_in_a_table():
    """For each frame the README says where its columns are described."""
    frames = [
        name
        for name, found in vars(tnb.columns).items()
        if not name.startswith("_") and isinstance(found, tuple) and found and isinstance(found[0], Column)
    ]

    assert len(frames) > 20
    assert [name for name in frames if name not in tabled_names()] == []
