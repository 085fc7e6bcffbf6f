"""The embedded feature server: definitions and data behind a loopback address."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd

from ..exceptions import SettingsError, did_you_mean, listed, quoted
from ..wire.catalogue import LATEST
from ..wire.requests import DEFAULT_WORKSPACE
from .clock import Clock, FixedClock, LatencySource, MeasuredLatency, SystemClock
from .definitions.toml_file import read_features_file
from .definitions.validation import check
from .definitions.views import Definitions, FeatureService
from .examples import example_rows
from .faults.fields import Fault
from .faults.past import AgedStore
from .faults.rules import Faults
from .faults.serving import FaultyAnswers
from .http.addresses import Address
from .http.connection import Limits
from .http.front import Front
from .http.thread import ServerThread
from .keys import Access, Account, ApiKey
from .observability.metrics_page import MetricsSettings
from .serving.dialect import Dialect
from .serving.responder import Responder
from .serving.rules import BATCH_LIMIT, SIZE_LIMIT_BYTES, Rules
from .storage.accounts import ServiceAccounts
from .storage.contents import DataSource, FrameSource, fill
from .storage.database import Database
from .storage.store import Store


class FeatureServer:
    """A feature server in this process, on a loopback address and in a thread of its own.

    Parameters
    ----------
    definitions
        Views and services.
    data
        Rows or events of the stored views, by view name; what is in the store already is not loaded again.
    host
        A loopback address; any other only with `allow_remote`.
    port
        0 takes a free one.
    api_key
        The key that clients must send; `None` makes a random one.
    readable_workspaces
        Workspaces that the key may read; `None` for all.
    accounts
        Further accounts; those in the store come on top.
    store
        File to keep data and service accounts in, made if it is missing; `None` keeps them in memory.
    reload
        Load data anew that does not fit the definitions, instead of refusing the store.
    clock
        What the server takes for now; `None` for the machine's clock.
    latency
        Which latencies it reports; `None` for measured ones.
    examples
        Recorded input rows by service name, for `example_rows`.
    limits
        How much and how long a client may take.
    faults
        What it does wrong on purpose; also to be changed later, see `faults`.
    allow_remote
        Whether `host` may be an address that others can reach. The server speaks http: everything,
        the API key too, then goes over the network in clear.
    batch_limit
        How many rows get-features-batch takes at once.
    size_limit_bytes
        How much one request may read from the store; beyond it a request is refused, or answered with
        what fits if it allows partial results.
    dialect
        How answers are spelled and how strictly requests are read; `None` for what real servers do.
    metrics_version
        Which of Tecton's documents the metrics endpoint follows: ``0.7`` (17 metrics) or ``1.x`` (40).
    metrics_seed
        Seed of the metrics that are simulated, such as those of streams.

    Raises
    ------
    SettingsError
        If the definitions, the data, the host, the key or the metrics version cannot be used.

    Examples
    --------
    >>> with FeatureServer(definitions, data={"users": frame}) as server:
    ...     client = TectonClient(server.url, server.api_key)
    """

    def __init__(
        self,
        definitions: Definitions,
        *,
        data: Mapping[str, pd.DataFrame | DataSource] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        readable_workspaces: Iterable[str] | None = None,
        accounts: Sequence[Account] = (),
        store: str | Path | None = None,
        reload: bool = False,
        clock: Clock | None = None,
        latency: LatencySource | None = None,
        examples: Mapping[str, pd.DataFrame] | None = None,
        limits: Limits | None = None,
        faults: Faults | Iterable[Fault] = (),
        allow_remote: bool = False,
        batch_limit: int = BATCH_LIMIT,
        size_limit_bytes: int = SIZE_LIMIT_BYTES,
        dialect: Dialect | None = None,
        metrics_version: str = LATEST,
        metrics_seed: int = 0,
    ) -> None:
        self._key = ApiKey(api_key)
        # A later error's traceback may show the locals of this frame.
        del api_key
        self._address = Address(host, allow_remote=allow_remote)
        metrics = MetricsSettings(metrics_version, metrics_seed)
        rules = Rules(batch_limit, size_limit_bytes, dialect=dialect or Dialect())
        self._definitions = check(definitions)
        # Not "or": asking for its length may make the frames.
        self._examples = {} if examples is None else examples
        workspaces = None if readable_workspaces is None else frozenset(readable_workspaces)
        database = Database(store)
        own = Account("default", self._key.digest(), workspaces)
        access = Access([own, *accounts], ServiceAccounts(database))
        self._store = AgedStore(self._definitions.stored_views, database)
        self.responder = Responder(
            self._definitions,
            self._store,
            access,
            clock=clock or SystemClock(),
            latency=latency or MeasuredLatency(),
            metrics=metrics,
            rules=rules,
        )
        limits = limits or Limits()
        self._faults = faults if isinstance(faults, Faults) else Faults(*faults)
        self._port: int | None = None
        faulty = FaultyAnswers(self.responder, self._faults, self._definitions.services)
        self._thread = ServerThread(Front(self.responder, limits, faulty, self._address), limits, host, port)
        self._close = weakref.finalize(self, _stop, self._thread, self._store)
        self._fill(database, data or {}, reload=reload)

    @classmethod
    def from_file(cls, path: str | Path, **options: Any) -> Self:
        """Return a server of what a ``features.toml`` defines, not started yet.

        Parameters
        ----------
        path
            The file; data files and realtime functions are found beside it.
        options
            What else `FeatureServer` takes, such as ``store``, ``port`` or ``api_key``.

        Raises
        ------
        SettingsError
            If the file has a mistake: one sentence with file, key and what is possible; or as `FeatureServer`.
        """
        found = read_features_file(path)
        clock = None if found.now is None else FixedClock(found.now)
        return cls(found.definitions, **{"data": found.data, "accounts": found.accounts, "clock": clock, **options})

    @property
    def url(self) -> str:
        """Address of the server, such as ``http://127.0.0.1:34567``."""
        if self._port is None:
            raise SettingsError("The feature server has no address yet; call start() first.")
        return f"http://{self._address.for_url}:{self._port}"

    @property
    def api_key(self) -> str:
        """The key that clients must send; no repr shows it."""
        return self._key.reveal()

    @property
    def services(self) -> tuple[FeatureService, ...]:
        """What it serves."""
        return self._definitions.services

    @property
    def faults(self) -> Faults:
        """What it does wrong on purpose; `Faults.add` and `Faults.clear` change it while it serves."""
        return self._faults

    def append(self, view: str, frame: pd.DataFrame) -> None:
        """Add rows or events to a view, all of them or none; the next request sees them.

        Parameters
        ----------
        view
            Name of a batch or aggregated view.
        frame
            Its join keys, its timestamp column and its features (or the columns it aggregates). A
            row with the key and time of an older one replaces it; events add up.

        Raises
        ------
        SettingsError
            If the view is unknown, a column is missing, an event time cannot be read or the store
            cannot be written.
        InputError
            If a value does not fit its data type.
        """
        self._store.append(view, frame)

    def start(self) -> Self:
        """Listen; returns the server.

        Raises
        ------
        SettingsError
            If the address is taken, or the server was started before.

        Warns
        -----
        UserWarning
            If others can reach the address.
        """
        if self._port is not None or not self._close.alive:
            raise SettingsError("A feature server can be started once; make a new one.")
        if self._address.is_remote:
            warnings.warn(self._address.warning, stacklevel=2)
        try:
            self._port = self._thread.start()
        except OSError as error:
            self.close()
            raise SettingsError(
                f"Cannot listen on {self._address.host}: {error.strerror}. Choose another port, or 0 for a free one."
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

    def _fill(self, database: Database, data: Mapping[str, pd.DataFrame | DataSource], *, reload: bool) -> None:
        sources = {
            name: FrameSource(self._store.view(name), given) if isinstance(given, pd.DataFrame) else given
            for name, given in data.items()
        }
        try:
            fill(self._store, self._definitions, sources, database, reload=reload)
        except BaseException:
            self.close()
            raise

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
