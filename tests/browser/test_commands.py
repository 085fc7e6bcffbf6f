"""``tecton-nb explore`` for real: from the shell to the panel in JupyterLab (the Voila tests run ``make app``)."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("axe_playwright_python.sync_playwright")

from labs import TOKEN, Lab, Notebook
from loopback import free_port, serving
from panels import choose, expect_example, expect_rows, panel_of, press


def test_explore_opens_jupyterlab_on_a_notebook_that_is_ready_to_run(page, tmp_path):
    """The command writes the notebook and opens it; its two cells run and show the explorer, which fetches."""
    home, folder, port = tmp_path / "home", tmp_path / "here", free_port()
    folder.mkdir()
    argv = [sys.executable, "-m", "tecton_nb", "explore", "--profile", "local", "--folder", str(folder)]
    url = f"http://127.0.0.1:{port}"
    server = {
        "ServerApp": {"port": port, "ip": "127.0.0.1", "port_retries": 0, "root_dir": str(folder)},
        "IdentityProvider": {"token": TOKEN},
    }
    lab = {"LabApp": {"expose_app_in_browser": True, "extension_manager": "readonly"}}

    ready = f"{url}/api/status?token={TOKEN}"
    with serving(argv, home, ready, jupyter_server_config=server, jupyter_lab_config=lab):
        notebook = Notebook(page, Lab(url, folder), "explorer.ipynb")
        is_run = notebook.run_all()
        panel = panel_of(notebook.panel)
        choose(panel, "fraud_detection_feature_service")
        expect_example(panel, "fraud_detection_feature_service")
        press(panel, "Fetch")
        expect_rows(panel, 3)

    assert is_run
    assert [path.name for path in folder.glob("*.ipynb")] == ["explorer.ipynb"]
    assert page.problems == []
