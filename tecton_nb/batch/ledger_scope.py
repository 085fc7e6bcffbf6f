"""What the rows of a resume file belong to, and in words how two such scopes differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Any, Self, TypeAlias

from ..exceptions import DecodeError, quoted
from ..wire.body import as_list, as_object, optional_text, read_json
from ..wire.requests import Locator, RequestRow
from ..wire.responses import NameAndType, ServiceMetadata
from ..wire.types import JsonObject
from .ledger_blocks import KEY_BYTES

NamesAndTypes: TypeAlias = tuple[tuple[str, str], ...]

# Sorted, so that neither the order of a caller's dict nor that of the metadata makes another row.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_PARTS = {"join_keys": "join key", "request_context": "request context", "features": "feature"}
_SHOWN_CHANGES = 6


@dataclass(frozen=True, slots=True)
class LedgerScope:
    """What the rows of a resume file belong to.

    Parameters
    ----------
    service
        Name of the feature service; for one that is asked for by its id, ``id`` and the id.
    workspace
        Where it lives; `None` if the choice was left to the server.
    address
        Host and port of the server. The same service of another server is another service.
    join_keys, request_context, features
        Names and types by the service's metadata.
    options
        Canonical JSON of what is asked for beside the values. Part of each row's key, not of the
        file's scope: a file may hold rows that were asked for with several options.
    """

    service: str
    workspace: str | None
    address: str
    join_keys: NamesAndTypes
    request_context: NamesAndTypes
    features: NamesAndTypes
    options: str = ""

    @classmethod
    def of(cls, locator: Locator, metadata: ServiceMetadata, address: str, options: JsonObject) -> Self:
        """Return the scope of the rows that are asked of a service with these options."""
        return cls(
            service=locator.value if locator.by == "name" else f"{locator.by} {locator.value}",
            workspace=locator.workspace_name,
            address=address,
            join_keys=_names_and_types(metadata.input_join_keys),
            request_context=_names_and_types(metadata.input_request_context_keys),
            features=_names_and_types(metadata.feature_values),
            options=_CANONICAL.encode(options),
        )

    @classmethod
    def from_text(cls, text: bytes) -> Self:
        """Return the scope that `to_text` wrote.

        Raises
        ------
        DecodeError
            If the text is no scope.
        """
        kept = as_object(read_json(text), "scope")
        return cls(
            service=_text(kept, "service"),
            workspace=optional_text(kept, "workspace", "scope"),
            address=_text(kept, "address"),
            join_keys=_pairs(kept, "join_keys"),
            request_context=_pairs(kept, "request_context"),
            features=_pairs(kept, "features"),
        )

    def to_text(self) -> bytes:
        """Return all but the options as canonical JSON: equal for scopes that differ in order only."""
        located = {"service": self.service, "workspace": self.workspace, "address": self.address}
        parts = {part: sorted(getattr(self, part)) for part in _PARTS}
        return _CANONICAL.encode({**located, **parts}).encode()

    def key_of(self, row: RequestRow) -> bytes:
        """Return the 16 bytes that stand for a row asked for with these options; the row cannot be read from them."""
        asked = _CANONICAL.encode((self.options, row.join_key_map, row.request_context_map))
        return blake2b(asked.encode(), digest_size=KEY_BYTES).digest()

    def refusal(self, kept: LedgerScope) -> str:
        """Return in a sentence why rows of the scope `kept` are not rows of this one; empty if they are."""
        if self._located() != kept._located():
            return f"It holds rows of {kept._located()}, not of {self._located()}."
        changes = [change for part in _PARTS for change in self._changes(kept, part)]
        if not changes:
            return ""
        rest = f"; and {len(changes) - _SHOWN_CHANGES} changes more" if len(changes) > _SHOWN_CHANGES else ""
        shown = "; ".join(islice(changes, _SHOWN_CHANGES))
        return f"The feature service {quoted(self.service)} has changed since its rows were kept: {shown}{rest}."

    def _located(self) -> str:
        workspace = "" if self.workspace is None else f" in workspace {quoted(self.workspace)}"
        return f"feature service {quoted(self.service)}{workspace} at {quoted(self.address, 200)}"

    def _changes(self, kept: LedgerScope, part: str) -> Iterator[str]:
        called, now, before = _PARTS[part], dict(getattr(self, part)), dict(getattr(kept, part))
        yield from (f"{called} {quoted(name)} is new" for name in now if name not in before)
        yield from (f"{called} {quoted(name)} is gone" for name in before if name not in now)
        for name, kind in now.items():
            if name in before and before[name] != kind:
                yield f"{called} {quoted(name)} was {quoted(before[name])} and is {quoted(kind)}"


def _names_and_types(items: tuple[NameAndType, ...]) -> NamesAndTypes:
    return tuple((item.name, str(item.data_type)) for item in items)


def _text(kept: JsonObject, name: str) -> str:
    text = optional_text(kept, name, "scope")
    if text is None:
        raise DecodeError(f"The scope lacks `{name}`.", "scope")
    return text


def _pairs(kept: JsonObject, part: str) -> NamesAndTypes:
    pairs: list[Any] = [tuple(as_list(pair, f"scope.{part}")) for pair in as_list(kept.get(part), f"scope.{part}")]
    if not all(len(pair) == 2 and all(isinstance(text, str) for text in pair) for pair in pairs):
        raise DecodeError(f"`scope.{part}` should be pairs of name and type.", "scope")
    return tuple(pairs)
