"""The faults of a server: added and taken away while it serves, drawn from a seed, counted."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from ...exceptions import quoted
from .fields import Arrival, Fault

_REMEMBERED = 200_000


@dataclass(frozen=True, slots=True)
class Hit:
    """A fault that hits a request, and the source of whatever else is random about it."""

    fault: Fault
    source: random.Random


@dataclass(slots=True)
class _Active:
    fault: Fault
    seed: str
    asked: Counter[bytes] = field(default_factory=Counter)
    hits: int = 0

    @property
    def is_over(self) -> bool:
        return self.fault.at_most is not None and self.hits >= self.fault.at_most

    def draw(self, identity: bytes) -> Hit | None:
        if len(self.asked) >= _REMEMBERED:
            self.asked.clear()
        self.asked[identity] += 1
        source = random.Random(f"{self.seed}/{identity.hex()}/{self.asked[identity]}")  # noqa: S311  # no secret
        return Hit(self.fault, source) if source.random() < self.fault.share else None


class Faults:
    """What a server does wrong on purpose; may be changed from any thread while it serves.

    Whether a fault hits a request depends on the seed, on the fault, on the request and on how
    often this same request has come since the fault was added, not on the order in which parallel
    requests arrive: the same requests meet the same faults in every run. Only `Fault.at_most`
    counts in order of arrival.

    Parameters
    ----------
    *faults
        What to begin with.
    seed
        Any whole number.
    source
        Where they come from; used in errors only.

    Examples
    --------
    >>> with server.faults.add(ErrorStatus(503, share=0.05), Reset(share=0.02)):
    ...     batch = service.get_features_batch(rows)
    >>> server.faults.counts()
    {'status 503': 51, 'reset': 19}
    """

    def __init__(self, *faults: Fault, seed: int = 0, source: str | None = None) -> None:
        self._seed = seed
        self._source = source
        self._lock = threading.Lock()
        self._active: tuple[_Active, ...] = ()
        self._counts: Counter[str] = Counter()
        self._check: Callable[[Fault, str], None] | None = None
        self.add(*faults)

    @property
    def seed(self) -> int:
        """What decides who is hit."""
        return self._seed

    @property
    def active(self) -> tuple[Fault, ...]:
        """The faults that can still hit a request."""
        return tuple(each.fault for each in self._active)

    @property
    def has_any(self) -> bool:
        """Whether any fault can still hit a request."""
        return bool(self._active)

    def add(self, *faults: Fault) -> AddedFaults:
        """Begin to hit requests.

        Returns
        -------
        AddedFaults
            As a context manager, or with its `remove`, it takes these faults away again.

        Raises
        ------
        SettingsError
            If a fault names a service, view or feature that the server does not have.
        """
        if self._check is not None:
            self._check_all(faults, self._check)
        with self._lock:
            added: list[_Active] = []
            for fault in faults:
                twins = sum(each.fault == fault for each in (*self._active, *added))
                added.append(_Active(fault, f"{self._seed}/{fault!r}/{twins}"))
                self._counts[fault.label] += 0
            self._active += tuple(added)
        return AddedFaults(self, added)

    def clear(self) -> None:
        """Take every fault away and count from zero."""
        with self._lock:
            self._active = ()
            self._counts.clear()

    def counts(self) -> dict[str, int]:
        """Return how many requests each fault has hit, by its `Fault.label`; those taken away stay in it."""
        with self._lock:
            return dict(self._counts)

    def draw(self, arrival: Arrival) -> list[Hit]:
        """Return what hits a request, in the order in which the faults were added, and count it.

        Of the faults that decide how the answer goes out only the first hits.
        """
        hits: list[Hit] = []
        with self._lock:
            drawn = [(each, each.draw(arrival.identity)) for each in self._active if each.fault.concerns(arrival)]
            for each, hit in drawn:
                if hit is not None and not (each.fault.is_ending and any(other.fault.is_ending for other in hits)):
                    each.hits += 1
                    self._counts[each.fault.label] += 1
                    hits.append(hit)
            self._active = tuple(each for each in self._active if not each.is_over)
        return hits

    def check_with(self, check: Callable[[Fault, str], None]) -> None:
        """Have every fault, now and later, checked by a function of the fault and what to call it."""
        self._check_all([each.fault for each in self._active], check)
        self._check = check

    def _remove(self, added: Iterable[_Active]) -> None:
        gone = set(map(id, added))
        with self._lock:
            self._active = tuple(each for each in self._active if id(each) not in gone)

    def _check_all(self, faults: Iterable[Fault], check: Callable[[Fault, str], None]) -> None:
        for place, fault in enumerate(faults):
            called = f"The fault {quoted(fault.kind)}"
            check(fault, called if self._source is None else f"In {quoted(self._source, 200)} at `fault[{place}]`")

    def __repr__(self) -> str:
        return f"<Faults: {', '.join(fault.label for fault in self.active) or 'none'}; seed {self._seed}>"


class AddedFaults:
    """Faults that were added together; leaving its ``with`` block takes them away."""

    def __init__(self, faults: Faults, added: Iterable[_Active]) -> None:
        self._faults = faults
        self._added = tuple(added)

    def remove(self) -> None:
        """Take them away; does nothing the second time."""
        self._faults._remove(self._added)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.remove()
