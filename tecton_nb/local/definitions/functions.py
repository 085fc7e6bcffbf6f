"""Python functions named in definitions: ``module:function``, the module found beside the file that names it."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

from ...exceptions import SettingsError, did_you_mean, listed, quoted, shown
from .views import RealtimeFunction

_NAME = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")


def load_function(text: str, folder: Path) -> RealtimeFunction:
    """Return the function that a text such as ``realtime:spend_ratio`` names.

    Parameters
    ----------
    text
        A module (``realtime`` for ``realtime.py``, ``pack.realtime`` for ``pack/realtime.py``), a
        colon and a function.
    folder
        Where the module lies.

    Raises
    ------
    SettingsError
        If there is no such module or function, the module cannot be run, or the function does not
        take request context and features.
    """
    match = _NAME.fullmatch(text)
    if match is None:
        raise SettingsError(f"{quoted(text)} names no function; write 'module:function', such as 'realtime:ratio'.")
    module = _loaded(match[1], folder)
    names = [name for name, value in vars(module).items() if inspect.isfunction(value)]
    function = vars(module).get(match[2])
    if not callable(function):
        raise SettingsError(
            f"The module {quoted(match[1])} has no function {quoted(match[2])}; it has {listed(names)}."
            f"{did_you_mean(match[2], names)}"
        )
    try:
        inspect.signature(function).bind({}, {})
    except (TypeError, ValueError):
        raise SettingsError(
            f"The function {quoted(text)} must take two arguments, request context and features."
        ) from None
    return function  # type: ignore[no-any-return]  # what it returns is checked with every call


def _loaded(name: str, folder: Path) -> ModuleType:
    path = folder.joinpath(*name.split(".")).with_suffix(".py")
    if not path.is_file():
        known = sorted(found.stem for found in folder.glob("*.py"))
        raise SettingsError(
            f"There is no module {quoted(name)} beside the file; there are {listed(known)}.{did_you_mean(name, known)}"
        )
    # A name of its own, so that it hides no installed module.
    spec = importlib.util.spec_from_file_location(f"tecton_nb_features.{name}", path)
    if spec is None or spec.loader is None:
        raise SettingsError(f"The module {quoted(name)} cannot be loaded.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise SettingsError(
            f"The module {quoted(name)} cannot be run: {type(error).__name__}: {shown(error, 200)}."
        ) from error
    return module
