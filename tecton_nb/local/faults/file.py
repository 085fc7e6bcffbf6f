"""``faults.toml``: faults as a file."""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from ...exceptions import did_you_mean, listed, quoted
from ..definitions.toml_table import Table, read_toml
from .features import AddedFeature, MissingFeatures, RemovedFeature, RenamedFeature, RetypedFeature, StaleValues
from .fields import Fault, checks_of, is_whole
from .kinds import (
    DISTRIBUTIONS,
    AddedLatency,
    DoubleAnswer,
    Drip,
    EarlyClose,
    ErrorStatus,
    Garbage,
    Redirect,
    Reset,
    Stall,
    WrongLength,
)
from .rules import Faults

KINDS: dict[str, type[Fault]] = {
    kind.kind: kind
    for kind in (
        AddedLatency,
        ErrorStatus,
        Stall,
        Reset,
        EarlyClose,
        Garbage,
        WrongLength,
        DoubleAnswer,
        Drip,
        Redirect,
        StaleValues,
        MissingFeatures,
        RenamedFeature,
        RetypedFeature,
        RemovedFeature,
        AddedFeature,
    )
}


def read_faults(path: str | Path) -> Faults:
    """Return the faults of a file.

    Parameters
    ----------
    path
        A TOML file: ``seed``, and one ``[[fault]]`` per fault with its ``kind`` and the fields of its class.

    Raises
    ------
    SettingsError
        If the file cannot be read or has a mistake; in one sentence with file, key and what is possible.
    """
    path = Path(path)
    top = Table(read_toml(path), path)
    top.only("seed", "fault")
    seed = top.values.get("seed", 0)
    if not is_whole(seed):
        top.refuse("seed", f"This must be a whole number; got {quoted(seed)}")
    return Faults(*map(_fault, top.array("fault")), seed=seed, source=str(path))


def _fault(table: Table) -> Fault:
    table.require("kind", f"possible are {listed(KINDS, 20)}")
    word = table.text("kind")
    if word not in KINDS:
        table.refuse("kind", f"{quoted(word)} is no kind; possible are {listed(KINDS, 20)}.{did_you_mean(word, KINDS)}")
    return KINDS[word](**_values(table, KINDS[word], "kind"))


def _values(table: Table, kind: type, word: str) -> dict[str, Any]:
    """Return the values of a table that describes a `kind`, whose word for itself stands under `word`."""
    checks = checks_of(kind)
    table.only(word, *checks)
    values = {name: _value(table, name) for name in table.values if name != word}
    for name, check in checks.items():
        if name not in values and name not in _optional(kind):
            table.require(name, f"it takes {check.wanted}")
        if name in values and not check.accepts(values[name]):
            shown = quoted(values[name])
            table.refuse(
                name, f"{shown} is not possible; it takes {check.wanted}.{did_you_mean(values[name], check.names)}"
            )
    return values


def _value(table: Table, name: str) -> Any:
    value = table.values[name]
    if not isinstance(value, dict) or "distribution" not in value:
        return value
    inner = table.table(name)
    distribution = DISTRIBUTIONS[inner.choice("distribution", DISTRIBUTIONS)]
    return distribution(**_values(inner, distribution, "distribution"))


def _optional(kind: Any) -> set[str]:
    return {each.name for each in fields(kind) if each.default is not MISSING}
