"""A real JupyterLab and a real Voila on loopback, and Chromium to look at them; nothing outlives the tests."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from loopback import free_port, serving, write_notebook

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = [name for name in ("playwright", "jupyterlab", "voila", "axe_playwright_python") if find_spec(name) is None]
SWITCHES = [
    "--no-sandbox",  # containers run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # the browser reaches loopback only
]
# Cells sent before the kernel's socket is connected are dropped without a word (jupyterlab issue 8490).
KERNEL_IS_READY = """() => {
  const w = window.jupyterapp?.shell?.currentWidget, s = w?.sessionContext, k = s?.session?.kernel;
  return !!(w?.context?.isReady && s?.isReady && k && k.connectionStatus === 'connected' && k.status === 'idle'); }"""
TOKEN = "t"
HERE = Path(__file__).parent


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


class Notebook:
    """One notebook, open in JupyterLab."""

    def __init__(self, page: Any, lab: Lab, path: str) -> None:
        self.page, self.lab, self.path = page, lab, path
        workspace = path.removesuffix(".ipynb")
        page.goto(f"{lab.url}/lab/workspaces/{workspace}/tree/{path}?reset&token={TOKEN}")
        self.panel = page.locator(".jp-NotebookPanel:visible")
        self.panel.wait_for(timeout=60_000)
        page.wait_for_function(KERNEL_IS_READY, timeout=60_000)

    def run_all(self) -> bool:
        """Run every cell; whether none raised."""
        return self.command("notebook:run-all-cells")

    def command(self, name: str) -> Any:
        """Run a command of JupyterLab and wait for its end."""
        return self.page.evaluate("name => window.jupyterapp.commands.execute(name)", name)

    def run_below(self, code: str) -> None:
        """Put code into a new last cell and run it."""
        done = self.page.evaluate(
            """async code => {
              const app = window.jupyterapp, content = app.shell.currentWidget.content;
              content.activeCellIndex = content.widgets.length - 1;
              await app.commands.execute('notebook:insert-cell-below');
              content.activeCell.model.sharedModel.setSource(code);
              return await app.commands.execute('notebook:run-cell'); }""",
            code,
        )
        assert done is not False, self.last_output()

    def last_output(self) -> str:
        """Return the text that the last cell shows."""
        return self.page.evaluate(
            """() => {
              const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
              const out = cells.get(cells.length - 1).sharedModel.toJSON().outputs;
              return out.map(o => o.text ?? o.data?.['text/plain'] ?? JSON.stringify(o)).flat().join(''); }"""
        )

    def shut_down(self) -> None:
        """End its kernel."""
        request = self.page.context.request
        headers = {"Authorization": f"token {TOKEN}"}
        for session in request.get(f"{self.lab.url}/api/sessions", headers=headers).json():
            if session["path"] == self.path:
                request.delete(f"{self.lab.url}/api/sessions/{session['id']}", headers=headers)


class Lab:
    """A running JupyterLab: its address and the folder it shows."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder


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
    argv = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"),
        *(f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True"),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        *("--LabApp.extension_manager=readonly", "--LanguageServerManager.autodetect=False"),
    ]
    url = f"http://127.0.0.1:{port}"
    with serving(argv, home, f"{url}/api/status?token={TOKEN}"):
        yield Lab(url, folder)


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
