"""The call of the explorer as Python, curl and JSON; none holds the API key, each finds it where the user keeps it."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Self

from ..client.sync import TectonClient
from ..transport.address import parse_address
from ..transport.secret import SCHEME
from ..wire.options import MetadataOptions, RequestOptions
from ..wire.requests import Locator, RequestRow
from .entries import Entry, split_row
from .selection import Selection

KEY_VARIABLE = "TECTON_API_KEY"
_INDENT = "    "


@dataclass(frozen=True)
class Snippets:
    """One call in three languages; ``str`` is the Python."""

    python: str = ""
    curl: str = ""
    json: str = ""

    def __str__(self) -> str:
        return self.python


@dataclass(frozen=True)
class Access:
    """How code reaches the feature server and its key, as the attributes of a `TectonClient` tell it."""

    url: str
    key_variable: str = KEY_VARIABLE
    key_command: str | None = None
    made_by: str | None = None

    @classmethod
    def of(cls, client: TectonClient) -> Self:
        """Return how a client reaches them."""
        return cls(client.url, client.api_key_variable, client.api_key_command, client.made_by)


def snippets(selection: Selection, entries: Iterable[Entry], access: Access, *, is_wildcard: bool = False) -> Snippets:
    """Return the call that the selection stands for.

    Parameters
    ----------
    selection
        Its workspace must be named and its values be those of `entries`.
    entries
        What the service takes.
    access
        How the code gets to the server.
    is_wildcard
        Whether the service is asked by ``query_features``.
    """
    entries = tuple(entries)
    row = {
        entry.name: entry.python(selection.values[entry.name]) for entry in entries if entry.name in selection.values
    }
    request = _request(selection, entries)
    operation = "query-features" if is_wildcard else "get-features"
    address = parse_address(access.url).url_for(f"feature-service/{operation}")
    return Snippets(
        _python(selection, row, access, "query_features" if is_wildcard else "get_features"),
        _curl(address, access, _json_text(request, None)),
        _json_text(request, 2),
    )


def literal(value: Any, depth: int = 0) -> str:
    """Return a plain value as Python source that means it and nothing else, dicts with one entry a line."""
    if isinstance(value, dict) and value:
        inner = _INDENT * (depth + 1)
        lines = [f"{inner}{literal(key)}: {literal(item, depth + 1)},\n" for key, item in value.items()]
        return f"{{\n{''.join(lines)}{_INDENT * depth}}}"
    if isinstance(value, list):
        return f"[{', '.join(literal(item, depth) for item in value)}]"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    # repr escapes whatever cannot be seen: quotes, line ends, halves of surrogate pairs, bidi controls.
    return repr(value)


def _python(selection: Selection, row: dict[str, Any], access: Access, method: str) -> str:
    arguments = [
        literal(row, 1),
        *_options("metadata_options", selection.metadata_options, MetadataOptions()),
        *_options("request_options", selection.request_options, RequestOptions()),
    ]
    body = "".join(f"{_INDENT}{argument},\n" for argument in arguments)
    return f"{_service(selection, access)}frame = service.{method}(\n{body})\nframe\n"


def _service(selection: Selection, access: Access) -> str:
    name, workspace = repr(selection.service), repr(selection.workspace)
    if access.made_by is not None:
        # Where the user keeps address and key: a file, the keyring.
        return (
            f"import tecton_nb as tnb\n\nclient = {access.made_by}\n"
            f"service = client.feature_service({name}, workspace_name={workspace})\n"
        )
    return (
        "import os\n\nimport tecton_nb as tnb\n\n"
        f"client = tnb.TectonClient({access.url!r}, os.environ[{access.key_variable!r}], {workspace})\n"
        f"service = client.feature_service({name})\n"
    )


def _options(name: str, options: Any, always: Any) -> list[str]:
    named = ((item.name, getattr(options, item.name)) for item in fields(options))
    changed = [f"{item}={value!r}" for item, value in named if value != getattr(always, item)]
    return [f"{name}=tnb.{type(options).__name__}({', '.join(changed)})"] if changed else []


def _request(selection: Selection, entries: tuple[Entry, ...]) -> Any:
    locator = Locator(selection.service, selection.workspace)
    params: dict[str, Any] = {**locator.to_json(), "metadataOptions": selection.metadata_options.to_json()}
    if selection.stated_request_options is not None:
        params["requestOptions"] = selection.stated_request_options.to_json()
    return {"params": {**params, **RequestRow(*split_row(entries, selection.values)).to_json()}}


def _curl(address: str, access: Access, body: str) -> str:
    # One line: a shell and Python's shlex disagree about an escaped line end.
    key = f'{access.key_variable}="$({access.key_command})"\n' if access.key_command else ""
    return (
        f"{key}curl --silent --show-error {shlex.quote(address)} "
        f'--header "Authorization: {SCHEME} ${access.key_variable}" '
        f"--header 'Content-Type: application/json' --data-raw {shlex.quote(body)}\n"
    )


def _json_text(message: Any, indent: int | None) -> str:
    text = json.dumps(message, ensure_ascii=False, indent=indent)
    # Line ends inside values are escaped already; those left are the layout's.
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
