"""Run every notebook of this folder and store its outputs: ``make regenerate``.

Outputs are the documented truth; ``make notebooks`` compares a fresh run against them.
"""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

# The view of a panel whose model is gone shows an error in its place, the HTML beside it what stood there.
_GONE = "application/vnd.jupyter.widget-view+json"


def main() -> None:
    """Run the notebooks in order of their names."""
    # Whether a bar appears depends on the speed of the machine.
    os.environ["TQDM_DISABLE"] = "1"
    # What is stored comes from the embedded server, whatever cluster is set.
    os.environ.pop("TECTON_URL", None)
    for path in sorted(Path(__file__).parent.glob("*.ipynb")):
        run(path)
        print(f"ran {path.name}")


def run(path: Path) -> None:
    """Run one notebook and store its outputs."""
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": path.parent}}
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources=resources).execute()
    _make_stable(notebook)
    nbformat.write(notebook, path)


def _make_stable(notebook: nbformat.NotebookNode) -> None:
    """Drop what changes without meaning: run times, widget state, random cell ids, the Python version."""
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number:02d}"
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(_GONE, None)


if __name__ == "__main__":
    main()
