"""Opens a notebook that shows the explorer: in JupyterLab, or as a page of its own by Voila."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .exceptions import SettingsError, quoted

NAME = "explorer.ipynb"
# Where Voila finds the template of that name: a page that asks nobody but this computer for anything.
_PAGE = Path(__file__).parent / "widgets" / "page"
_TEMPLATE = "tecton-nb"
_NEEDS = {"jupyterlab": 'pip install "tecton-nb[lab]"', "voila": 'pip install "tecton-nb[app]"'}


def open_explorer(folder: Path, profile: str | None, *, is_voila: bool, opens_browser: bool) -> int:
    """Show ``explorer.ipynb`` of the folder, written if it is not there, until it is closed; return the exit status.

    Raises
    ------
    SettingsError
        If JupyterLab or Voila is not installed, there is no such folder, or the notebook in it connects otherwise.
    """
    package = "voila" if is_voila else "jupyterlab"
    if importlib.util.find_spec(package) is None:
        raise SettingsError(f"The explorer is shown by {package}, which is not installed: {_NEEDS[package]}.")
    if not folder.is_dir():
        raise SettingsError(f"There is no folder {quoted(folder, 200)} for the notebook.")
    # From the root: a folder whose name starts with a dash would be read as an option.
    path = folder.absolute() / NAME
    if path.exists():
        _check_profile(path, profile)
    else:
        path.write_text(json.dumps(ready_notebook(profile), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    command = [*command_for(path, is_voila=is_voila), *([] if opens_browser else ["--no-browser"])]
    return _ended(subprocess.Popen(command, env=environment()))  # noqa: S603


def _check_profile(path: Path, profile: str | None) -> None:
    # Who names a profile must not look at another server without a word.
    text = path.read_text("utf-8")
    if profile is None or any(f"connect({mark}{profile}{mark})" in text for mark in ("'", '\\"')):
        return
    raise SettingsError(
        f"The notebook {quoted(path, 200)} is there already and does not connect by the profile {quoted(profile)}. "
        "Remove or rename it, or name another folder with --folder."
    )


def command_for(path: Path, *, is_voila: bool) -> list[str]:
    """Return the command that shows a notebook."""
    if is_voila:
        # Without a token whoever reaches the port has the use of the key: another user, a page that renames its host.
        return [sys.executable, "-m", "voila", str(path), "--token", f"--template={_TEMPLATE}"]
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [sys.executable, "-m", "jupyterlab", str(path), *(["--allow-root"] if is_root else [])]


def environment() -> dict[str, str]:
    """Return the environment of the command: this one, and where the template is."""
    places = [str(_PAGE), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    return os.environ | {"JUPYTER_PATH": os.pathsep.join(places)}


def _ended(server: subprocess.Popen[bytes]) -> int:
    """Return the exit status of the server when it has ended, by Ctrl-C too."""
    while True:
        try:
            return server.wait()
        except KeyboardInterrupt:
            # The server has got it as well: it asks, shuts its kernels down, and ends.
            continue


def ready_notebook(profile: str | None) -> dict[str, Any]:
    """Return a notebook whose two cells connect and show the explorer."""
    named = "" if profile is None else repr(profile)
    sources = (f"import tecton_nb as tnb\n\nclient = tnb.connect({named})", "tnb.explore(client)")
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{number}",
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(sources, 1)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
