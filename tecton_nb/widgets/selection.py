"""What is chosen in the explorer, as plain data: it can be kept, sent and set again without a widget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from ..client.core import BATCH_METADATA
from ..exceptions import InputError, did_you_mean, listed, quoted
from ..wire.options import MetadataOptions, RequestOptions, options_from
from ..wire.types import JsonValue

_NAMES = ("service", "workspace", "values", "metadata_options", "request_options")


@dataclass(frozen=True)
class Selection:
    """A service, the values of its keys, and the options of the request.

    Parameters
    ----------
    service, workspace
        Names; an empty workspace is the client's own.
    values
        Value of each join key and request context key as JSON holds it: int64 as decimal text, so
        that no digit is lost in a browser, NaN and infinities as words, null as `None`.
    metadata_options, request_options
        What is asked for beside the values.
    """

    service: str = ""
    workspace: str = ""
    values: Mapping[str, JsonValue] = field(default_factory=dict)
    metadata_options: MetadataOptions = BATCH_METADATA
    request_options: RequestOptions = field(default_factory=RequestOptions)

    @property
    def stated_request_options(self) -> RequestOptions | None:
        """The request options, `None` where they are the server's own: older servers refuse unknown names."""
        return None if self.request_options == RequestOptions() else self.request_options

    def to_dict(self) -> dict[str, Any]:
        """Return what is chosen as a small JSON object; options that are as always are left out."""
        return {
            "service": self.service,
            "workspace": self.workspace,
            "values": dict(self.values),
            "metadata_options": _changed(self.metadata_options, BATCH_METADATA),
            "request_options": _changed(self.request_options, RequestOptions()),
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Return the selection that `to_dict` wrote; what is left out is as always.

        Raises
        ------
        InputError
            If an entry is unknown or none of its kind.
        """
        _check_entries(given)
        metadata = {**_changed(BATCH_METADATA, MetadataOptions()), **given.get("metadata_options", {})}
        return cls(
            given.get("service", ""),
            given.get("workspace", ""),
            dict(given.get("values", {})),
            options_from(metadata, MetadataOptions) or BATCH_METADATA,
            options_from(given.get("request_options", {}), RequestOptions) or RequestOptions(),
        )


def _changed(options: MetadataOptions | RequestOptions, always: MetadataOptions | RequestOptions) -> dict[str, Any]:
    named = ((item.name, getattr(options, item.name)) for item in fields(options))
    return {name: value for name, value in named if value != getattr(always, name)}


def _check_entries(given: Mapping[str, Any]) -> None:
    if not isinstance(given, Mapping):
        raise InputError(f"A selection is a dict; got {quoted(given)} ({type(given).__name__}).")
    for name, value in given.items():
        if name not in _NAMES:
            hint = did_you_mean(name, _NAMES)
            raise InputError(f"A selection has no entry {quoted(name)}. It has: {listed(_NAMES)}.{hint}")
        wanted = str if name in _NAMES[:2] else Mapping
        if not isinstance(value, wanted):
            kind = "text" if wanted is str else "a dict"
            raise InputError(f"The entry {quoted(name)} of a selection is {kind}; got {quoted(value)}.")
