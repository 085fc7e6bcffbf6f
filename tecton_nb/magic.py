"""What ``%load_ext tecton_nb`` brings: the line magic ``%tecton``, and Tab for names of services and keys."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import pandas as pd
from IPython.core.interactiveshell import InteractiveShell

from .client.service import FeatureService
from .client.sync import TectonClient
from .connect import connect
from .exceptions import InputError, quoted
from .pairs import row_of

_MATCHER = "tecton_nb"
_NAMES_SERVICE = re.compile(r"\.feature_service\(\s*[\"']([^\"']*)$")
_NAMES_KEY = re.compile(
    r"(\w+)\.(?:get_features|get_features_batch|details|query_features)\(\s*\{(?:[^}]*,)?\s*[\"']([^\"']*)$"
)
# Any other name could mean more than itself where it is filled in: close a quotation, begin a line, or be run by
# IPython, which evaluates {...} and $... on the line of a magic.
_INERT = re.compile(r"[\w.:/@+-]+=?")
_NAMES_MAGIC = re.compile(r"^\s*%tecton\s+(?:(\S+)\s+(?:.*\s)?)?(\S*)$")


class Magic:
    """The line magic and the completions of one notebook.

    Services that have been listed or used are remembered: Tab never asks a server.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._own: TectonClient | None = None
        self._services: WeakKeyDictionary[TectonClient, dict[str, FeatureService]] = WeakKeyDictionary()
        self._names: WeakKeyDictionary[TectonClient, list[str]] = WeakKeyDictionary()

    def tecton(self, line: str) -> pd.DataFrame:
        """Fetch the features of a service: ``%tecton SERVICE key=value ... key:=json``; alone, list the services.

        Parts are split as a shell splits them: quote a value with spaces, or JSON. The client is the
        variable `client` of the notebook, or the one that ``tnb.connect()`` gives.
        """
        parts = _parts(line)
        client = self._client()
        if not parts:
            return self._listed(client)
        service = self._service(client, parts[0])
        row = row_of(parts[1:], service)
        return service.query_features(row) if service.is_wildcard else service.get_features(row)

    def complete(self, text: str) -> list[str]:
        """Return the names that may stand where the text ends."""
        if found := _NAMES_SERVICE.search(text):
            return _starting(found[1], self._known_names())
        if found := _NAMES_KEY.search(text):
            service = self._shell.user_ns.get(found[1])
            return _starting(found[2], _keys(service) if isinstance(service, FeatureService) else ())
        if found := _NAMES_MAGIC.match(text):
            if found[1] is None:
                return _starting(found[2], self._known_names())
            kept = next((known[found[1]] for known in self._services.values() if found[1] in known), None)
            return _starting(found[2], (f"{key}=" for key in _keys(kept)) if kept is not None else ())
        return []

    def _client(self) -> TectonClient:
        found = self._shell.user_ns.get("client")
        if isinstance(found, TectonClient):
            return found
        if self._own is None:
            self._own = connect()
        return self._own

    def _listed(self, client: TectonClient) -> pd.DataFrame:
        services = client.feature_services()
        self._names[client] = list(services["name"])
        return services

    def _service(self, client: TectonClient, name: str) -> FeatureService:
        known = self._services.setdefault(client, {})
        if name not in known:
            known[name] = client.feature_service(name)
        return known[name]

    def _known_names(self) -> list[str]:
        names = {name for known in self._names.values() for name in known}
        names |= {name for known in self._services.values() for name in known}
        found = [item for item in list(self._shell.user_ns.values()) if isinstance(item, TectonClient | FeatureService)]
        for item in found:
            names |= {item.name} if isinstance(item, FeatureService) else set(item.known_service_names())
        return sorted(names)


def register(shell: InteractiveShell) -> None:
    """Add the magic and the completions to a notebook; called by ``%load_ext tecton_nb``."""
    magic = Magic(shell)
    shell.register_magic_function(magic.tecton, magic_kind="line", magic_name="tecton")  # type: ignore[call-arg, arg-type]

    def matcher(context: Any) -> dict[str, Any]:
        names = magic.complete(context.text_until_cursor)
        fragment = re.search(r"[^\s\"'{(,]*$", context.text_until_cursor)
        completions = [_Named(name) for name in names]
        return {
            "completions": completions,
            "matched_fragment": fragment[0] if fragment else "",
            "suppress": bool(names),
        }

    matcher.matcher_api_version = 2  # type: ignore[attr-defined]  # how IPython tells its matchers
    matcher.matcher_identifier = _MATCHER  # type: ignore[attr-defined]
    matchers = shell.Completer.custom_matchers
    # What %reload_ext finds from the time before.
    matchers[:] = [each for each in matchers if getattr(each, "matcher_identifier", None) != _MATCHER]
    matchers.append(matcher)


class _Named:
    """One completion, as IPython takes it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.type = "tecton"


def _starting(prefix: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(prefix) and _INERT.fullmatch(name)]


def _keys(service: FeatureService) -> list[str]:
    return list(service.inputs()["name"])


def _parts(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise InputError(f"Cannot read {quoted(line)}: {error}.") from None
