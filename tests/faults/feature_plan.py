"""A feature service whose every value follows from its key, so that an answer meant for another row shows.

`Features` is a plan for the fault servers: right answers, and faults at random, by key or beyond a capacity.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from fault_server import Received, Step, Steps, answer

SERVICE = "echo"
_KEY = {"name": "k", "dataType": {"type": "int64"}}
# The names and types of the corpus of responses.
_FEATURES = [
    {"name": "fv.id", "dataType": {"type": "int64"}},
    {"name": "fv.a", "dataType": {"type": "float64"}},
    {"name": "fv.b", "dataType": {"type": "string"}},
]
_METADATA = json.dumps({"featureServiceType": "DEFAULT", "inputJoinKeys": [_KEY], "featureValues": _FEATURES}).encode()
# First line of a program whose server answers twice: a warning about the answer to a single call is no complaint.
QUIET = "import logging; logging.getLogger('tecton_nb').addHandler(logging.NullHandler())"
# Beyond what a float holds exactly, and another one for every key.
_OFFSET = 2**53 + 1
# Steps for one attempt; `None` stands for the right answer.
Attempt = Sequence[Mapping[str, Any]] | None


def rows(count: int, start: int = 0) -> pd.DataFrame:
    """Return so many rows to ask for, each with a key of its own."""
    return pd.DataFrame({"k": range(start, start + count)})


def value_of(key: int) -> tuple[int, float, str]:
    """Return the features of a key."""
    return _OFFSET + 2 * key, key / 8, f"row {key}"


def expected(keys: Iterable[int]) -> pd.DataFrame:
    """Return what a client has to make of the keys."""
    numbers, shares, texts = zip(*map(value_of, keys), strict=True)
    return pd.DataFrame(
        {
            "fv.id": pd.array(numbers, "Int64"),
            "fv.a": pd.array(shares, "Float64"),
            "fv.b": pd.array(texts, "string"),
        }
    )


def wrong_rows(found: pd.DataFrame, asked: pd.DataFrame) -> list[int]:
    """Return the positions of the rows that have a value, but not that of their key."""
    right = expected(asked["k"])
    has_value = found.notna().to_numpy()
    differs = (found.reset_index(drop=True) != right).fillna(False).to_numpy(dtype=bool)
    return [int(i) for i in (has_value & differs).any(axis=1).nonzero()[0]]


def missing_rows(found: pd.DataFrame) -> list[int]:
    """Return the positions of the rows that lack a value."""
    return [int(i) for i in found.isna().to_numpy().any(axis=1).nonzero()[0]]


def features_answer(keys: Sequence[str], operation: str) -> bytes:
    """Return the body of the right answer for these keys."""
    values = [value_of(int(key)) for key in keys]
    vectors = [{"features": [str(number), share, text]} for number, share, text in values]
    is_batch = operation == "get-features-batch"
    status: Any = ["PRESENT"] * len(keys) if is_batch else "PRESENT"
    slo: Any = {"serverTimeSeconds": 0.001, "sloEligible": True}
    items = [{**item, "status": status, "effectiveTime": "2024-05-01T12:00:00Z"} for item in _FEATURES]
    metadata = {"features": items, "sloInfo": [slo] * len(keys) if is_batch else slo}
    return json.dumps({"result": vectors if is_batch else vectors[0], "metadata": metadata}).encode()


def status(code: int, *headers: str, body: bytes = b'{"message":"no"}') -> Step:
    """Return the step that refuses with a status."""
    return {**answer(body, f"{code} X", *headers), "fault": str(code)}


@dataclass(frozen=True)
class Fault:
    """Something that happens to a share of the requests, drawn for each key and attempt.

    Parameters
    ----------
    share
        0 to 1.
    steps
        As for a fault server; ``{"right": n}`` stands for the right answer n times in one piece,
        ``{"right": 1, "cut": bytes}`` for its first bytes.
    """

    share: float
    steps: Steps


@dataclass(frozen=True)
class Features:
    """Answers for the feature service; drawn from `seed`, so that a run repeats.

    Parameters
    ----------
    latency_seconds
        Before every right answer.
    faults
        Their shares add up to at most 1.
    by_key
        What each attempt for a key gets instead, in order; the last one goes on.
    capacity
        So many requests are answered at once, the others get a 429.
    before_each
        Steps in front of whatever a request for features gets.
    """

    latency_seconds: float = 0.0
    faults: tuple[Fault, ...] = ()
    by_key: Mapping[int, Sequence[Attempt]] = field(default_factory=dict)
    capacity: int | None = None
    seed: int = 7
    before_each: Steps = ()

    def __call__(self, asked: Received) -> Steps:
        """Return the steps for a request."""
        if asked.operation == "metadata":
            return [answer(_METADATA)]
        if self.capacity is not None and asked.in_flight > self.capacity:
            return [status(429)]
        steps = self._by_key(asked) or self._by_chance(asked) or self._right()
        return [_made(step, asked) for step in (*self.before_each, *steps)]

    def _right(self) -> Steps:
        return [{"sleep": self.latency_seconds}, {"right": 1}] if self.latency_seconds else [{"right": 1}]

    def _by_key(self, asked: Received) -> Steps | None:
        for key, attempt in zip(asked.keys, asked.attempts, strict=True):
            if attempts := self.by_key.get(int(key)):
                return attempts[min(attempt, len(attempts) - 1)]
        return None

    def _by_chance(self, asked: Received) -> Steps | None:
        if not self.faults:
            return None
        drawn = chance(self.seed, asked.keys[0], asked.attempts[0])
        for fault in self.faults:
            if drawn < fault.share:
                return fault.steps
            drawn -= fault.share
        return None


def chance(*parts: object) -> float:
    """Return a number from 0 to 1 that only these parts decide."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56


def _made(step: Step, asked: Received) -> Step:
    if "right" not in step:
        return step
    whole = answer(features_answer(asked.keys, asked.operation))
    if "cut" in step:
        return {**step, "send": whole["send"][: step["cut"]]}
    return {**step, **whole, "send": whole["send"] * step["right"]}
