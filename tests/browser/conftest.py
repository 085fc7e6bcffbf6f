"""A real JupyterLab and a real Voila on loopback, and Chromium to look at them; nothing outlives the tests."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from labs import CHROMIUM, SWITCHES, TOKEN, Lab, Notebook, lab_command
from loopback import free_port, serving, write_notebook

MISSING = [name for name in ("playwright", "jupyterlab", "voila", "axe_playwright_python") if find_spec(name) is None]
HERE = Path(__file__).parent
MAKEFILE = HERE.parents[1] / "Makefile"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; skip them in words where a browser or a server is not installed."""
    lacks = [*MISSING, *([] if CHROMIUM else ["chromium (Debian: apt-get install chromium)"])]
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if lacks:
                item.add_marker(pytest.mark.skip(reason=f"not installed here: {', '.join(lacks)}"))
    # Last: as long as Playwright drives a browser its event loop runs in this thread, and no other one can.
    items.sort(key=lambda item: HERE in item.path.parents)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser that reaches loopback only."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab over an empty folder."""
    home, port = tmp_path_factory.mktemp("jupyter"), free_port()
    folder = home / "root"
    folder.mkdir()
    argv, ready = lab_command(port, folder)
    with serving(argv, home, ready):
        yield Lab(f"http://127.0.0.1:{port}", folder)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the explorer alone, started by the command of ``make app``."""
    home, port = tmp_path_factory.mktemp("app"), free_port()
    (home / "demo-output").mkdir()
    command = next(line for line in MAKEFILE.read_text().splitlines() if "explore --voila" in line)
    argv = command.replace("$(BIN)/tecton-nb", f"{sys.executable} -m tecton_nb").split()
    url = f"http://127.0.0.1:{port}"
    settings = {"Voila": {"port": port, "ip": "127.0.0.1", "port_retries": 0, "token": TOKEN}}
    with serving(argv, home, f"{url}/voila/static/favicon.ico", voila=settings):
        yield url


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A fresh page that notes every error and every request to anything but loopback."""
    context = chromium.new_context(
        viewport={"width": 1280, "height": 1400}, permissions=["clipboard-read", "clipboard-write"]
    )
    page = context.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(f"page error: {error}"))
    page.on("console", lambda said: page.problems.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: page.problems.append(request.url) if _is_outside(request.url) else None)
    yield page
    context.close()


@pytest.fixture
def open_notebook(lab: Lab, page: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Open cells, or a copy of a notebook, as a notebook of their own, with a kernel of its own."""
    opened: list[Notebook] = []

    def start(*cells: str, copy_of: Path | None = None) -> Notebook:
        name = "".join(c if c.isalnum() else "_" for c in request.node.name) + f"_{len(opened)}.ipynb"
        if copy_of is None:
            write_notebook(lab.folder / name, *cells)
        else:
            shutil.copy(copy_of, lab.folder / name)
        opened.append(Notebook(page, lab, name))
        return opened[-1]

    yield start
    for notebook in opened:
        notebook.shut_down()


def _is_outside(url: str) -> bool:
    return not ("://127.0.0.1:" in url or url.startswith(("data:", "blob:", "about:")))
