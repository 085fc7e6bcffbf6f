"""The API keys of a ``features.toml``: where to find each, and which workspaces it may read."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from ...exceptions import did_you_mean, listed, quoted
from ..keys import Account, ApiKey
from .toml_table import Table

_PLACES = ("env", "file", "sha256")
_KNOWN = (*_PLACES, "workspaces")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_ADVICE = "Keys do not belong into this file; name an env variable, a file, or the key's sha256"


def without_plain_keys(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a file without what may be an API key in plain text.

    A traceback may show the values of any frame that holds them.
    """
    entries = values.get("api_keys")
    if isinstance(entries, dict):
        values["api_keys"] = {name: _without_unknown(entry) for name, entry in entries.items()}
    elif "api_keys" in values:
        values["api_keys"] = None
    return values


def read_accounts(top: Table, workspaces: Sequence[str]) -> tuple[Account, ...]:
    """Return the accounts behind the entries of ``api_keys``.

    Raises
    ------
    SettingsError
        If an entry holds a key in plain text, its key cannot be found, or a workspace is unknown.
    """
    return tuple(_account(name, table, workspaces) for name, table in top.tables("api_keys").items())


def _without_unknown(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return None
    return {name: value if name in _KNOWN else None for name, value in entry.items()}


def _account(name: str, table: Table, workspaces: Sequence[str]) -> Account:
    for key in table.values:
        if key not in _KNOWN:
            hint = did_you_mean(key, _KNOWN)
            table.refuse(key, f"There is no such key; possible are {listed(_KNOWN)}.{hint} {_ADVICE}")
    if sum(place in table for place in _PLACES) != 1:
        table.refuse("", f"Name the key by exactly one of {listed(_PLACES)}")
    table.require("workspaces", f"list those that the key may read; possible are {listed(workspaces)}")
    for workspace in table.texts("workspaces"):
        if workspace not in workspaces:
            hint = did_you_mean(workspace, workspaces)
            said = f"No service lives in a workspace {quoted(workspace)}; possible are {listed(workspaces)}.{hint}"
            table.refuse("workspaces", said)
    return Account(name, _digest(table), frozenset(table.texts("workspaces")))


def _digest(table: Table) -> bytes:
    key = next(place for place in _PLACES if place in table)
    if not isinstance(table.values[key], str):
        table.refuse(key, "This must be text between quotes")
    if key == "sha256":
        if _DIGEST.fullmatch(table.text(key)) is None:
            table.refuse(key, "This is no SHA-256 of a key; write its 64 hexadecimal digits")
        return bytes.fromhex(table.text(key))
    found = _from_variable(table) if key == "env" else _from_file(table)
    return table.checked(key, lambda: ApiKey(found).digest())


def _from_variable(table: Table) -> str:
    name = table.text("env")
    if name not in os.environ:
        table.refuse("env", "The environment variable that is named here is not set")
    return os.environ[name].strip()


def _from_file(table: Table) -> str:
    try:
        return table.inside("file").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = type(error).__name__
    # Raised out here, because a UnicodeDecodeError carries the whole text.
    table.refuse("file", f"The file that is named here cannot be read ({reason})")
