"""Scrapes at a steady pace."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Protocol

from tqdm.auto import tqdm

from ..exceptions import InputError, SettingsError, TectonError, shown
from .recorder import Recorder
from .scrape import Scrape


class Scraped(Protocol):
    """Whoever can be scraped, such as a `TectonClient`."""

    def get_metrics(self) -> Scrape:
        """Return the metrics as they are now."""
        ...


def collect(
    client: Scraped, recorder: Recorder, step_seconds: float, count: int | None, until_ms: int | None, *, progress: bool
) -> list[datetime]:
    """Scrape and record until it is enough or an interrupt comes; return when the scrapes were started."""
    started: list[datetime] = []
    with suppress(KeyboardInterrupt), _telling(count, progress and _is_somebody_looking()) as tell:
        for _ in _ticks(step_seconds, count, math.inf if until_ms is None else until_ms / 1000):
            started.append(_scrape_once(client, recorder, tell))
    return started


def _scrape_once(client: Scraped, recorder: Recorder, tell: Callable[[str], None]) -> datetime:
    started_at, clock = datetime.now(UTC), time.perf_counter()
    try:
        scrape = client.get_metrics()
    except (InputError, SettingsError):
        # The next time would be no better.
        raise
    except TectonError as error:
        recorder.record_failure(started_at, time.perf_counter() - clock, error)
        tell(f"failed: {shown(error, 60)}")
        return started_at
    tell(f"{recorder.record(scrape):,} new samples")
    return scrape.scraped_at


@contextmanager
def _telling(count: int | None, is_shown: bool) -> Iterator[Callable[[str], None]]:
    """Yield what counts a scrape on a bar, with a word about it."""
    if not is_shown:
        # tqdm has a thread of its own, so there is none where nobody looks.
        yield lambda _: None
        return
    with tqdm(total=count, unit=" scrapes") as bar:

        def tell(text: str) -> None:
            bar.set_postfix_str(text, refresh=False)
            bar.update()

        yield tell


def _is_somebody_looking() -> bool:
    # tqdm's own switch, which its notebook bar does not heed.
    if os.environ.get("TQDM_DISABLE"):
        return False
    # In a notebook the bar is a widget; a plain one belongs on a terminal and not in a log.
    return any(base.__name__ == "tqdm_notebook" for base in tqdm.__mro__) or sys.stderr.isatty()


def _ticks(step: float, count: int | None, until: float) -> Iterator[None]:
    """Yield `count` times, `step` seconds apart; what comes too late for its time is left out."""
    begin, tick, done = time.monotonic(), 0, 0
    while count is None or done < count:
        wait = begin + tick * step - time.monotonic()
        if time.time() + max(wait, 0.0) > until:
            return
        if wait > 0:
            time.sleep(wait)
        yield
        done += 1
        tick = max(tick + 1, math.ceil((time.monotonic() - begin) / step))
