"""``tecton-nb explore`` opens a notebook that is ready to run."""

import json
import os
from pathlib import Path

import nbformat
import pytest

from tecton_nb import cli_explore
from tecton_nb.cli_explore import command_for, environment, open_explorer, ready_notebook
from tecton_nb.exceptions import SettingsError


class Server:
    """A server that ends at once; Ctrl-C may come before."""

    interruptions = 0

    def __init__(self, command, env):
        self.command = command

    def wait(self):
        """Return that it ended well."""
        if Server.interruptions:
            Server.interruptions -= 1
            raise KeyboardInterrupt
        return 0


@pytest.fixture
def started(monkeypatch):
    """Note the command instead of starting a server; that is what the browser tests do."""
    commands = []

    def start(command, env):
        commands.append(command)
        return Server(command, env)

    monkeypatch.setattr(cli_explore.subprocess, "Popen", start)
    return commands


@pytest.mark.parametrize(("profile", "line"), [(None, "tnb.connect()"), ("local", "tnb.connect('local')")])
def test_notebook_is_valid_and_connects_by_the_profile(profile, line):
    """The notebook is one that Jupyter reads, and names the profile and no key."""
    notebook = nbformat.reads(json.dumps(ready_notebook(profile)), as_version=4)

    nbformat.validate(notebook)
    assert line in notebook.cells[0].source
    assert notebook.cells[1].source == "tnb.explore(client)"


@pytest.mark.parametrize(("is_voila", "package"), [(False, "jupyterlab"), (True, "voila")])
@pytest.mark.parametrize("mine", ["mine: tnb.connect('local')", 'mine: tnb.connect(\\"local\\")'])
def test_notebook_is_written_once_and_opened(tmp_path, started, is_voila, package, mine):
    """The notebook is written where there is none; one that is there is left as it is, and opened."""
    path = tmp_path / "explorer.ipynb"

    open_explorer(tmp_path, "local", is_voila=is_voila, opens_browser=False)
    path.write_text(mine)
    open_explorer(tmp_path, "local", is_voila=is_voila, opens_browser=True)

    assert path.read_text() == mine
    assert [command[1:4] for command in started] == [["-m", package, str(path)]] * 2
    assert ["--no-browser" in command for command in started] == [True, False]


def test_notebook_of_another_profile_is_not_opened_in_its_place(tmp_path, started):
    """Asked for one profile, the command does not open a notebook that connects to another server, and says so."""
    open_explorer(tmp_path, "local", is_voila=False, opens_browser=False)

    with pytest.raises(SettingsError, match=r"does not connect by the profile 'staging'\. Remove or rename it"):
        open_explorer(tmp_path, "staging", is_voila=False, opens_browser=False)

    assert len(started) == 1


def test_notebook_that_is_there_is_opened_if_no_profile_is_named(tmp_path, started):
    """Without a profile the notebook that is there is opened, whatever it connects to."""
    open_explorer(tmp_path, "local", is_voila=False, opens_browser=False)
    open_explorer(tmp_path, None, is_voila=False, opens_browser=False)

    assert len(started) == 2


def test_interruption_is_left_to_the_server(tmp_path, started, monkeypatch):
    """Ctrl-C reaches the server too; the command waits until it has ended by itself."""
    monkeypatch.setattr(Server, "interruptions", 2)

    assert open_explorer(tmp_path, None, is_voila=False, opens_browser=True) == 0
    assert Server.interruptions == 0


def test_page_of_voila_is_ours_and_found_beside_the_user_s_own(monkeypatch):
    """Voila is told our template, which lies where it looks; places that the user has set stay."""
    monkeypatch.setenv("JUPYTER_PATH", "/mine")
    name = command_for(Path("explorer.ipynb"), is_voila=True)[-1].removeprefix("--template=")

    ours, mine = environment()["JUPYTER_PATH"].split(os.pathsep)

    assert mine == "/mine"
    assert (Path(ours) / "voila" / "templates" / name / "index.html.j2").is_file()


def test_what_is_not_installed_or_not_there_is_told(tmp_path, started, monkeypatch):
    """Without the server, or without the folder, a sentence says what to do."""
    with pytest.raises(SettingsError, match="There is no folder"):
        open_explorer(tmp_path / "no", None, is_voila=False, opens_browser=False)
    monkeypatch.setattr(cli_explore.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r'voila, which is not installed: pip install "tecton-nb\[app\]"'):
        open_explorer(tmp_path, None, is_voila=True, opens_browser=False)

    assert started == []


def test_page_of_voila_asks_for_a_token():
    """The page alone has the use of the key too: it is for whoever was given its address, as JupyterLab's is."""
    assert "--token" in command_for(Path("explorer.ipynb"), is_voila=True)


@pytest.mark.parametrize("is_voila", [False, True])
def test_folder_with_a_dash_is_no_option(tmp_path, started, monkeypatch, is_voila):
    """A folder whose name looks like an option is opened as the folder it is."""
    monkeypatch.chdir(tmp_path)
    Path("--ip=0.0.0.0").mkdir()

    open_explorer(Path("--ip=0.0.0.0"), None, is_voila=is_voila, opens_browser=False)

    assert started[0][3] == str(tmp_path / "--ip=0.0.0.0" / "explorer.ipynb")
