"""Run every notebook of this folder and store its outputs: ``make regenerate``.

Outputs are the documented truth; ``make notebooks`` compares a fresh run against them.
"""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def main() -> None:
    """Run the notebooks in order of their names."""
    folder = Path(__file__).parent
    # Whether a bar appears depends on the speed of the machine.
    os.environ["TQDM_DISABLE"] = "1"
    for path in sorted(folder.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
        _make_stable(notebook)
        nbformat.write(notebook, path)
        print(f"ran {path.name}")


def _make_stable(notebook: nbformat.NotebookNode) -> None:
    """Drop what changes without meaning: run times, widget state, random cell ids, the Python version."""
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number:02d}"
        cell.metadata.pop("execution", None)


if __name__ == "__main__":
    main()
