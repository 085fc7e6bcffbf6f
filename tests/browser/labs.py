"""JupyterLab as a command, a notebook that is open in it, and how Chromium is started to look at it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
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


class Notebook:
    """One notebook, open in JupyterLab."""

    def __init__(self, page: Any, lab: Lab, path: str) -> None:
        self.page, self.lab, self.path = page, lab, path
        workspace = path.removesuffix(".ipynb")
        page.goto(f"{lab.url}/lab/workspaces/{workspace}/tree/{path}?reset&token={TOKEN}")
        self.panel = page.locator(".jp-NotebookPanel:visible")
        self._wait()

    def _wait(self) -> None:
        self.panel.wait_for(timeout=60_000)
        self.page.wait_for_function(KERNEL_IS_READY, timeout=60_000)

    def load_again(self) -> None:
        """Load the page again; the kernel lives on."""
        self.page.reload()
        self._wait()

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


def lab_command(port: int, folder: Path) -> tuple[list[str], str]:
    """Return the command that shows a folder in JupyterLab, and the address that answers when it is ready."""
    argv = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"),
        *(f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True"),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        *("--LabApp.extension_manager=readonly", "--LanguageServerManager.autodetect=False"),
    ]
    return argv, f"http://127.0.0.1:{port}/api/status?token={TOKEN}"
