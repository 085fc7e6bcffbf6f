"""A run whose server is the test: requests are seen as they go out, answers given one by one, time set by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pandas as pd
from canned import KEY, typed, vector

from tecton_nb.batch.origin import Origin
from tecton_nb.batch.plan import plan_rows
from tecton_nb.batch.run import BatchRun
from tecton_nb.batch.settings import BatchSettings
from tecton_nb.transport.connection import Connection
from tecton_nb.transport.messages import HttpAnswer, HttpRequest, Timing
from tecton_nb.transport.policy import Governor
from tecton_nb.wire.options import MetadataOptions
from tecton_nb.wire.requests import Locator, RequestTemplate
from tecton_nb.wire.responses import NameAndType, ServiceMetadata
from tecton_nb.wire.types import INT64, STRING

METADATA = ServiceMetadata(
    input_join_keys=(NameAndType("k", STRING),),
    feature_values=(NameAndType("v.text", STRING), NameAndType("v.n", INT64)),
)
ITEMS = (typed("v.text", "string"), typed("v.n", "int64"))


@dataclass
class Sent:
    """One request on its way; `answer` and `fail` end it."""

    request: HttpRequest
    ended: Callable[[HttpAnswer | BaseException], None]
    doubted: Callable[[], None]
    is_cancelled: bool = False

    @property
    def keys(self) -> list[str]:
        """Keys of the rows it asks for."""
        params = orjson.loads(self.request.body or b"")["params"]
        rows = params.get("requestData", [params])
        return [row["joinKeyMap"]["k"] for row in rows]

    def cancel(self) -> None:
        """As a lane's own handle."""
        self.is_cancelled = True

    def answer(self, body: Any = None, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Answer; without a body with values made from the keys."""
        self.ended(answer_of(values_for(self.keys) if body is None else body, status, headers))

    def fail(self, error: BaseException) -> None:
        """End without an answer."""
        self.ended(error)


@dataclass
class Lane:
    """Sends nowhere."""

    sent: list[Sent] = field(default_factory=list)

    def send(self, request: HttpRequest, deadline_seconds: float, ended: Any, *, doubted: Any) -> Sent:
        """Remember the request."""
        self.sent.append(Sent(request, ended, doubted))
        return self.sent[-1]

    def settle(self, told: Any) -> None:
        """Nothing is in doubt but what the test says."""
        told()

    def take(self) -> list[Sent]:
        """Return what was sent since the last time."""
        new, self.sent = self.sent, []
        return new


@dataclass
class Clock:
    """Seconds as the test has them."""

    now: float = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def answer_of(body: Any, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> HttpAnswer:
    """Return an answer with a body as bytes or as JSON."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    timing = Timing(1_767_225_600_000_000_000, 0.0, 0.0, 0.0, 0.02, 0.021, is_new_connection=False)
    return HttpAnswer(status, "", tuple(headers), content, timing)


def values_for(keys: Sequence[str]) -> dict[str, Any]:
    """Return the body that answers rows: each value says whose it is."""
    rows = [[key, str(len(key))] for key in keys]
    if len(keys) == 1:
        return vector(rows[0], *ITEMS, sloInfo={"serverTimeSeconds": 0.01})
    return {"result": [{"features": row} for row in rows], "metadata": {"features": list(ITEMS)}}


def run_of(keys: Sequence[Any], **parts: Any) -> tuple[BatchRun, Lane, Clock]:
    """Return a run of one row per key, its lane and its clock; `tick` it to begin."""
    lane, clock = Lane(), Clock()
    run_parts = {name: parts.pop(name) for name in ("ledger",) if name in parts}
    policy = {name: parts.pop(name) for name in ("concurrency", "requests_per_second") if name in parts}
    settings = BatchSettings(
        Origin("s", "prod", "https://x.tecton.ai", {}),
        METADATA.feature_values,
        RequestTemplate(Locator("s", "prod"), MetadataOptions()),
        Connection.open("https://x.tecton.ai", KEY),
        deadline_seconds=5.0,
        **parts,
    )
    plan = plan_rows(pd.DataFrame({"k": list(keys)}), METADATA, "s")
    governor = Governor(random.Random(7), **policy)
    return BatchRun(plan, settings, lane, governor, clock=clock, **run_parts), lane, clock
