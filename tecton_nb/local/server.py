"""The embedded feature server: definitions and data behind a loopback address."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

import pandas as pd

from ..exceptions import SettingsError, did_you_mean, listed, quoted
from ..wire.requests import DEFAULT_WORKSPACE
from .access import Access, Account, ApiKey
from .clock import Clock, LatencySource, MeasuredLatency, SystemClock
from .connection import Limits
from .definitions import Definitions, FeatureService
from .examples import example_rows
from .front import Front
from .responder import Responder
from .store import Store
from .thread import ServerThread
from .validation import check

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class FeatureServer:
    """A feature server in this process, on a loopback address and in a thread of its own.

    Parameters
    ----------
    definitions
        Views and services.
    data
        Rows or events of the stored views, by view name.
    host
        A loopback address.
    port
        0 takes a free one.
    api_key
        The key that clients must send; `None` makes a random one.
    readable_workspaces
        Workspaces that the key may read; `None` for all.
    clock
        What the server takes for now; `None` for the machine's clock.
    latency
        Which latencies it reports; `None` for measured ones.
    examples
        Recorded input rows by service name, for `example_rows`.
    limits
        How much and how long a client may take.

    Raises
    ------
    SettingsError
        If the definitions, the data, the host or the key cannot be used.

    Examples
    --------
    >>> with FeatureServer(definitions, data={"users": frame}) as server:
    ...     client = TectonClient(server.url, server.api_key)
    """

    def __init__(
        self,
        definitions: Definitions,
        *,
        data: Mapping[str, pd.DataFrame] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        readable_workspaces: Iterable[str] | None = None,
        clock: Clock | None = None,
        latency: LatencySource | None = None,
        examples: Mapping[str, pd.DataFrame] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._key = ApiKey(api_key)
        # A later error's traceback may show the locals of this frame.
        del api_key
        if host not in _LOOPBACK:
            raise SettingsError(f"The feature server listens on {listed(_LOOPBACK)} only; got {quoted(host)}.")
        self._definitions = check(definitions)
        self._examples = dict(examples or {})
        workspaces = None if readable_workspaces is None else frozenset(readable_workspaces)
        access = Access([Account("default", self._key.digest(), workspaces)])
        self._store = Store(self._definitions.stored_views)
        self.responder = Responder(
            self._definitions,
            self._store,
            access,
            clock=clock or SystemClock(),
            latency=latency or MeasuredLatency(),
        )
        limits = limits or Limits()
        self._host = host
        self._port: int | None = None
        self._thread = ServerThread(Front(self.responder, limits), limits, host, port)
        self._close = weakref.finalize(self, _stop, self._thread, self._store)
        for view, frame in (data or {}).items():
            self._store.append(view, frame)

    @property
    def url(self) -> str:
        """Address of the server, such as ``http://127.0.0.1:34567``."""
        if self._port is None:
            raise SettingsError("The feature server has no address yet; call start() first.")
        return f"http://{'[::1]' if self._host == '::1' else self._host}:{self._port}"

    @property
    def api_key(self) -> str:
        """The key that clients must send; no repr shows it."""
        return self._key.reveal()

    @property
    def services(self) -> tuple[FeatureService, ...]:
        """What it serves."""
        return self._definitions.services

    def start(self) -> Self:
        """Listen; returns the server.

        Raises
        ------
        SettingsError
            If the address is taken, or the server was started before.
        """
        if self._port is not None or not self._close.alive:
            raise SettingsError("A feature server can be started once; make a new one.")
        try:
            self._port = self._thread.start()
        except OSError as error:
            self.close()
            raise SettingsError(
                f"Cannot listen on {self._host}: {error.strerror}. Choose another port, or 0 for a free one."
            ) from error
        return self

    def close(self) -> None:
        """Stop listening, close every connection and the store; does nothing the second time."""
        self._close()

    def example_rows(self, service: str, n: int = 10, *, workspace: str = DEFAULT_WORKSPACE) -> pd.DataFrame:
        """Return up to `n` valid input rows of a service.

        Returns
        -------
        pd.DataFrame
            One column per join key and request context key, with nullable dtypes.

        Raises
        ------
        SettingsError
            If the service is unknown.
        """
        plan = self.responder.plan(service, workspace)
        if plan is None:
            known = [s.name for s in self.services if s.workspace == workspace]
            raise SettingsError(
                f"The embedded server has no feature service {quoted(service)} in workspace {quoted(workspace)}; "
                f"it has {listed(known)}.{did_you_mean(service, known)}"
            )
        return example_rows(plan, self._store, self._examples.get(service), n)

    def __enter__(self) -> Self:
        return self if self._port is not None else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        address = "closed" if not self._close.alive else "not started" if self._port is None else self.url
        count = len(self.services)
        return f"<FeatureServer {address}, {count} feature service{'' if count == 1 else 's'}>"


def _stop(thread: ServerThread, store: Store) -> None:
    thread.stop()
    store.close()
