"""Rows of a plan to HTTP requests: only the rows differ from call to call."""

from __future__ import annotations

from collections.abc import Sequence

from ..transport.calls import get_rows
from ..transport.connection import Connection
from ..transport.messages import HttpRequest
from ..wire.requests import RequestTemplate


class Asker:
    """Asks for one row by get-features, for several by get-features-batch.

    Parameters
    ----------
    template
        What the requests share.
    connection
        Whom they go to.
    """

    def __init__(self, template: RequestTemplate, connection: Connection) -> None:
        self._template = template
        self._one = connection.request_for(get_rows(template, [b"{}"]))
        self._many = connection.request_for(get_rows(template, [b"{}", b"{}"]))

    def request(self, rows: Sequence[bytes]) -> HttpRequest:
        """Return the HTTP request for rows as they stand in a plan."""
        alike = self._one if len(rows) == 1 else self._many
        body = self._template.one(rows[0]) if len(rows) == 1 else self._template.many(rows)
        return HttpRequest(alike.method, alike.url, alike.headers, body, alike.key)
