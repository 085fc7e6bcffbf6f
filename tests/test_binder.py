"""What Binder does with this repository: the files it reads, the steps it takes, and the notebook it opens."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import unquote

import pytest
from notebook_cells import code_cells

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FIRST = "notebooks/00_start_here.ipynb"
# The steps that repo2docker takes after it has copied the repository, and what it starts the server with.
STEPS = [
    '${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir -r "binder/requirements.txt"',
    "chmod +x binder/postBuild",
    "./binder/postBuild",
    'chmod +x "${REPO_DIR}/binder/start"',
]
ENTRYPOINT = 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"'
# What its base environment brings along.
BASE = ["ipywidgets==8.*", "jupyterlab==4.*", "jupyter_server==2.*", "notebook==7.*"]


def lines(name: str) -> list[str]:
    """Return the lines of a file of ``binder/`` that say something."""
    text = (BINDER / name).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def committed(folder: Path) -> Path:
    """Copy the files of the repository that are committed, or are to be, and nothing else."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("Only a checkout tells which files Binder would see; this is none, or git is not installed.")
    argv = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def test_binder_holds_what_repo2docker_reads_and_no_more():
    """Any other file, such as environment.yml, would make repo2docker ignore these."""
    assert sorted(path.name for path in BINDER.iterdir()) == ["postBuild", "requirements.txt", "runtime.txt", "start"]


def test_python_of_binder_is_one_of_ours():
    """The Python that Binder installs is among those the project names; without the file it would be an old one."""
    (line,) = lines("runtime.txt")

    version = re.fullmatch(r"python-(3\.\d+)", line)[1]
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]


def test_binder_installs_the_project_with_flights_and_lab():
    """With a folder ``binder/`` the root's pyproject.toml is not looked at: the requirements name it."""
    (line,) = lines("requirements.txt")

    extras = re.fullmatch(r"--editable \.\[([\w,]+)\]", line)[1].split(",")
    needed = [item for extra in extras for item in PROJECT["optional-dependencies"][extra]]
    assert any(item.startswith("voila") for item in needed)
    assert "tecton-nb[lab]" in needed


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_scripts_can_be_run_and_stop_at_the_first_error(name):
    """Both scripts are executable, can be read by bash, and do not go on after an error."""
    script = BINDER / name

    assert os.access(script, os.X_OK)
    assert script.read_text("utf-8").startswith("#!/usr/bin/env bash\n")
    assert lines(name)[0] == "set -euo pipefail"
    subprocess.run(["bash", "-n", script], check=True)  # noqa: S603, S607


def test_start_ends_by_becoming_the_server():
    """Binder's own command takes the place of the script, so that it gets the signals."""
    assert lines("start")[-1] == 'exec "$@"'


def test_badge_and_make_lab_open_the_first_notebook():
    """The badge in the README and `make lab` open the same notebook, and it is there."""
    readme, makefile = ((ROOT / name).read_text("utf-8") for name in ("README.md", "Makefile"))

    (path,) = re.findall(r"\(https://mybinder\.org/v2/gh/[\w-]+/[\w-]+/HEAD\?labpath=([\w%.]+)\)", readme)
    assert unquote(path) == FIRST
    assert (ROOT / FIRST).exists()
    assert f"jupyter lab {FIRST}" in makefile


@pytest.mark.binder
def test_repo2docker_takes_these_steps(tmp_path):
    """The Dockerfile that repo2docker itself writes installs, prepares and starts as the test below does."""
    pytest.importorskip("repo2docker", reason="The package jupyter-repo2docker is not installed.")
    repository = committed(tmp_path)

    argv = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."]
    done = subprocess.run(argv, cwd=repository, capture_output=True, text=True, check=False)  # noqa: S603
    dockerfile = done.stdout + done.stderr
    assert done.returncode == 0, dockerfile
    runs = re.findall(r"^RUN (.+)$", dockerfile.partition("# Copy stuff.")[2], re.MULTILINE)
    assert runs == STEPS
    assert f"ENV {ENTRYPOINT}\n" in dockerfile
    # Its file names are escaped: environment.py-3.12-linux-64.lock.
    assert lines("runtime.txt")[0].removeprefix("python-").replace(".", "-2e") + "-2dlinux" in dockerfile


class Image:
    """The repository and an environment of its own, as in the image that repo2docker builds."""

    def __init__(self, folder: Path) -> None:
        self.prefix, self.home, self.said = folder / "venv", committed(folder / "home"), folder / "said.txt"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TECTON_", "PYTHON", "COV_"))}
        self.env = kept | {
            "PATH": f"{self.prefix / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "KERNEL_PYTHON_PREFIX": str(self.prefix),
            "REPO_DIR": str(self.home),
            "TQDM_DISABLE": "1",
        }

    def run(self, command: str) -> tuple[int, str]:
        """Run a command of the shell in the repository's folder; return its status and all it says.

        What it leaves behind, such as the server that ``start`` starts, ends with it.
        """
        with self.said.open("w") as said, self.started(command, said) as process:
            try:
                process.wait(timeout=400)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, self.said.read_text("utf-8")

    def started(self, command: str, said: IO[str]) -> "subprocess.Popen[bytes]":
        """Start a command of the shell in a process group of its own."""
        return subprocess.Popen(  # noqa: S603
            ["/usr/bin/env", "bash", "-c", command],
            cwd=self.home,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def must(self, command: str) -> str:
        """Run a command that has to succeed; return all it says."""
        status, said = self.run(command)
        assert status == 0, f"{command}\n{said}"
        return said


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """An environment in which the steps were taken, with the Python that runs the tests."""
    built = Image(tmp_path_factory.mktemp("binder"))
    built.must(f"{shlex.quote(sys.executable)} -m venv {shlex.quote(str(built.prefix))}")
    status, said = built.run(f"pip install --quiet {shlex.join(BASE)}")
    if status:
        pytest.skip(f"Packages cannot be downloaded here: {said[-300:]}")
    for step in STEPS:
        # The cache changes nothing but the time.
        built.must(step.replace(" --no-cache-dir", ""))
    return built


@pytest.mark.binder
@pytest.mark.timeout(600)
def test_environment_of_binder_fits_together(image):
    """In a fresh environment the steps succeed, and no package lacks another one or has the wrong version of it."""
    assert "No broken requirements found" in image.must("pip check")


@pytest.mark.binder
@pytest.mark.timeout(600)
def test_notebooks_run_as_binder_starts_them(image):
    """Under `start` the first notebook runs, and `tnb.connect()` finds the embedded server, with no account."""
    paths = [FIRST, "notebooks/07_your_cluster.ipynb"]

    image.must(f"binder/start jupyter nbconvert --to notebook --inplace --execute {shlex.join(paths)}")

    first, cluster = (code_cells(image.home / path) for path in paths)
    assert "image/png" in json.dumps(first)
    assert cluster[0]["outputs"][0]["text"] == ["your cluster\n"]
    assert "fraud_detection_feature_service" in json.dumps(cluster[2]["outputs"])
