"""The package's face: its public names, what they say of themselves, and what importing it costs."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import tecton_nb

ROOT = Path(tecton_nb.__file__).parent
HEAVY = [
    "matplotlib.pyplot",
    "matplotlib",
    "ipywidgets",
    "pandas",
    "numpy",
    "pyarrow",
    "httpx",
    "pycurl",
    "aiohttp",
    "dask",
]


def _fresh(code: str) -> str:
    """Run code in a process of its own and return what it prints."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _public_methods(found: type) -> list[str]:
    own = [kind for kind in found.__mro__ if kind.__module__.startswith("tecton_nb")]
    return sorted({name for kind in own for name, item in vars(kind).items() if not name.startswith("_") and item})


def test_importing_the_package_loads_nothing_heavy():
    """A fresh `import tecton_nb` loads no plotting, no widgets, no pandas and no HTTP."""
    loaded = _fresh(f"import sys, tecton_nb; print([name for name in {HEAVY} if name in sys.modules])")

    assert loaded == "[]"


def test_everything_but_the_plots_works_without_pyplot():
    """Fetching features loads neither pyplot nor ipywidgets."""
    loaded = _fresh(
        "import sys, tecton_nb as tnb; tnb.TectonClient('https://x.tecton.ai', 'k').close(); tnb.connect; "
        "print([name for name in ('matplotlib.pyplot', 'ipywidgets', 'IPython') if name in sys.modules])"
    )

    assert loaded == "[]"


def test_first_use_of_a_client_loads_no_history_and_no_yaml():
    """What a client never needs costs nothing when one is made: metrics are loaded name by name."""
    names = [f"tecton_nb.metrics.{name}" for name in ("history", "prometheus", "render", "slo")]
    loaded = _fresh(
        f"import sys, tecton_nb; tecton_nb.TectonClient; "
        f"print([name for name in {['yaml', *names]} if name in sys.modules])"
    )

    assert loaded == "[]"


def test_metrics_have_their_names_whatever_is_loaded():
    """Each name that the metrics list can be reached in a fresh process, shown by Tab, and no other one."""
    said = _fresh(
        "import tecton_nb as tnb; names = dir(tnb.metrics); print(names == tnb.metrics.__all__, "
        "sorted(names) == sorted(tnb.metrics._HOMES), all(getattr(tnb.metrics, name) for name in names), "
        "hasattr(tnb.metrics, 'MetricHistory'))"
    )

    assert said == "True True True False"


def test_plots_are_loaded_without_pyplot():
    """Asking for the plots does not start pyplot, which would choose a backend."""
    assert _fresh("import sys, tecton_nb as tnb; tnb.plots; print('matplotlib.pyplot' in sys.modules)") == "False"


@pytest.mark.parametrize("home", sorted({home for home in tecton_nb._HOMES.values() if home}))
def test_names_mean_the_same_whatever_is_imported_first(home):
    """Importing a name's own module first does not change what the package's names mean."""
    names = [name for name, where in tecton_nb._HOMES.items() if where == home]

    kinds = _fresh(
        f"import importlib, tecton_nb as tnb; importlib.import_module('tecton_nb.{home}'); "
        f"print([callable(getattr(tnb, name)) for name in {names}])"
    )

    assert kinds == str([True] * len(names))


def test_all_lists_every_public_name_once_and_sorted():
    """`__all__`, the lazy names and what type checkers see are one list."""
    tree = ast.parse((ROOT / "__init__.py").read_text())
    seen_by_type_checkers = {
        alias.name
        for block in tree.body
        if isinstance(block, ast.If)
        for line in block.body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
    }

    assert tecton_nb.__all__ == sorted(tecton_nb._HOMES)
    assert seen_by_type_checkers == set(tecton_nb.__all__)
    assert set(tecton_nb.__all__) <= set(dir(tecton_nb))


@pytest.mark.parametrize("name", tecton_nb.__all__)
def test_public_name_is_there_and_says_what_it_is(name):
    """Each public name can be reached, has a docstring of its own, and so has each of its public methods."""
    found = getattr(tecton_nb, name)

    assert inspect.getdoc(found)
    if inspect.isclass(found):
        methods = {name: getattr(found, name) for name in _public_methods(found)}
        assert [name for name, method in methods.items() if callable(method) and not method.__doc__] == []


def test_unknown_name_is_an_attribute_error():
    """A name that does not exist is told as Python tells it."""
    with pytest.raises(AttributeError, match="module 'tecton_nb' has no attribute 'conect'") as caught:
        tecton_nb.conect  # noqa: B018

    assert (caught.value.name, caught.value.obj) == ("conect", tecton_nb)


def test_completion_offers_public_names_only():
    """After `tnb.` and Tab there is what `__all__` lists, and nothing of how the package is made."""
    assert [name for name in dir(tecton_nb) if not name.startswith("_")] == tecton_nb.__all__


def test_every_module_and_public_function_has_a_docstring():
    """Each module, public class, function and method of the package says what it is."""
    bare = []
    for path in ROOT.rglob("*.py"):
        tree = ast.parse(path.read_text())
        nodes = [(tree, "module"), *((n, n.name) for n in _public(tree))]
        bare += [f"{path.relative_to(ROOT)}: {name}" for node, name in nodes if not ast.get_docstring(node)]

    assert bare == []


def _public(tree: ast.AST):
    """Yield public functions and classes, and the public methods of public classes."""
    for node in getattr(tree, "body", []):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if any("overload" in ast.unparse(d) or ".setter" in ast.unparse(d) for d in node.decorator_list):
                continue
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node)


def test_no_module_is_longer_than_400_lines():
    """A module that grows beyond 400 lines is two."""
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in ROOT.rglob("*.py")}

    assert {name: n for name, n in lengths.items() if n > 400} == {}
