"""Whom a client talks to and as whom: address, API key and the headers of every request."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from .address import Address, parse_address
from .calls import Call
from .messages import HttpRequest
from .secret import Secret, api_key, hidden

USER_AGENT = f"tecton-nb/{version('tecton-nb')}"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Connection:
    """Address and API key of one feature server; shows the address only."""

    address: Address
    key: Secret | None = None

    @classmethod
    def open(cls, url: str, key: str | Secret | None) -> Connection:
        """Return the connection for an address and a key as a user states them.

        Raises
        ------
        SettingsError
            If either cannot be used.
        """
        key = hidden(key)
        return cls(parse_address(url), api_key(key))

    def request_for(self, call: Call[Any]) -> HttpRequest:
        """Return the HTTP request of a call."""
        content = (("Content-Type", "application/json"),) if call.body is not None else ()
        headers = (("User-Agent", USER_AGENT), ("Accept", call.accept), *content)
        return HttpRequest(call.method, self.address.url_for(call.path), headers, call.body, self.key)
