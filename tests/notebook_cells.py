"""The notebooks as the tests see them: their cells, and what these define when they are run in this process."""

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def code_cells(path: Path) -> list[dict[str, Any]]:
    """Return the cells that hold code."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code" and source(cell).strip()]


def source(cell: dict[str, Any]) -> str:
    """Return what stands in a cell."""
    return "".join(cell["source"])


def run(name: str) -> dict[str, Any]:
    """Return everything a notebook defines, run from its cells in this process."""
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(FOLDER)
        for cell in code_cells(FOLDER / f"{name}.ipynb"):
            exec(source(cell), found)  # noqa: S102  # our own file
    return found
