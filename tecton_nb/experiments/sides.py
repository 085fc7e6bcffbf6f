"""Fetching several sides by turns, so that what changes with time hits all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from ..batch.plan import Rows
from ..batch.result import FeatureBatch
from ..client.core import RequestOptionsLike
from ..client.service import FeatureService
from ..exceptions import InputError, did_you_mean, listed, quoted

# All rows of a block are in flight together, so it takes about as long as one row: turns are as short as with
# single rows, and fetching is eight times as fast.
BLOCK_ROWS = 8

Order = Callable[[int], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A side to fetch: a feature service and, where they matter, the options of its requests.

    Parameters
    ----------
    service
        The service in hand; it knows its workspace and its cluster.
    request_options
        As for ``FeatureService.get_features_batch``.
    """

    service: FeatureService
    request_options: RequestOptionsLike = None

    def __str__(self) -> str:
        workspace = f" in {self.service.workspace_name}" if self.service.workspace_name else ""
        given = self.request_options
        options = {} if given is None else dict(given) if isinstance(given, Mapping) else asdict(given)
        told = ", ".join(f"{name}={value}" for name, value in options.items() if value is not None)
        return f"{self.service.name}{workspace}{f' ({told})' if told else ''}"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came for one side, block by block put together: the frames of a batch."""

    values: pd.DataFrame
    status_frame: pd.DataFrame
    times: pd.DataFrame
    call_frame: pd.DataFrame
    error_frame: pd.DataFrame

    def to_pandas(self) -> pd.DataFrame:
        """Return the values: one row per row asked for, one column per feature."""
        return self.values

    def statuses(self) -> pd.DataFrame:
        """Return the serving status of each value."""
        return self.status_frame

    def effective_times(self) -> pd.DataFrame:
        """Return the effective time of each value."""
        return self.times

    def calls(self) -> pd.DataFrame:
        """Return one row per HTTP call; see ``columns.CALLS``."""
        return self.call_frame

    def errors(self) -> pd.DataFrame:
        """Return one row per failed row; see ``columns.ERRORS``."""
        return self.error_frame


def abba(turn: int) -> Sequence[int]:
    """Return the order of two sides: left first in every other block, right first in the rest (A B B A A B ...)."""
    return (1, 0) if turn % 2 else (0, 1)


def fetch_by_turns(sides: Sequence[Asked], rows: Rows, order: Order) -> list[Fetched]:
    """Return what each side answers, fetched in blocks of 8 rows by turns.

    Parameters
    ----------
    order
        Gives, for the number of a block, the sides in the order in which they are asked.

    Raises
    ------
    InputError
        If a key is missing. Columns that a side does not take are not sent to it; see `check_columns`.
    """
    index, blocks = blocks_of(rows)
    batches: list[list[FeatureBatch]] = [[] for _ in sides]
    for turn, block in enumerate(blocks):
        for place in order(turn):
            batches[place].append(_fetch(sides[place], block))
    return [_together(found, index) for found in batches]


def blocks_of(rows: Rows) -> tuple[pd.Index, list[pd.DataFrame | list[dict[str, object]]]]:
    """Return the index of the rows, and the rows in blocks; no rows are one empty block."""
    if isinstance(rows, pd.DataFrame):
        return rows.index, [rows.iloc[at : at + BLOCK_ROWS] for at in _starts(len(rows))]
    every = [dict(row) for row in ([rows] if isinstance(rows, Mapping) else rows)]
    return pd.RangeIndex(len(every)), [every[at : at + BLOCK_ROWS] for at in _starts(len(every))]


def _starts(count: int) -> range:
    return range(0, max(count, 1), BLOCK_ROWS)


def _fetch(side: Asked, block: pd.DataFrame | list[dict[str, object]]) -> FeatureBatch:
    taken = _taken_by(side)
    if isinstance(block, pd.DataFrame):
        own: Rows = block[[name for name in block.columns if name in taken]]
    else:
        own = [{name: value for name, value in row.items() if name in taken} for row in block]
    # Rows of one call share an effective time on the wire, so each row is a call of its own.
    return side.service.get_features_batch(
        own, concurrency=BLOCK_ROWS, rows_per_call=1, progress=False, request_options=side.request_options
    )


def _taken_by(side: Asked) -> set[str]:
    return set(side.service.inputs()["name"])


def _names(block: pd.DataFrame | list[dict[str, object]]) -> Iterator[str]:
    rows = [block.columns] if isinstance(block, pd.DataFrame) else block
    return (name for row in rows for name in row)


def _together(batches: Sequence[FeatureBatch], index: pd.Index) -> Fetched:
    values, statuses, times = (
        pd.concat(frames).set_axis(index, axis=0)
        for frames in zip(*((b.to_pandas(), b.statuses(), b.effective_times()) for b in batches), strict=True)
    )
    calls = pd.concat([batch.calls() for batch in batches], ignore_index=True)
    return Fetched(values, statuses, times, calls, pd.concat([batch.errors() for batch in batches]))


def check_columns(sides: Iterable[Asked], rows: Rows) -> None:
    """Raise an InputError if the rows have a column that none of the sides takes."""
    every = list(sides)
    taken = {name: None for side in every for name in side.service.inputs()["name"]}
    unknown = list(dict.fromkeys(name for block in blocks_of(rows)[1] for name in _names(block) if name not in taken))
    if unknown:
        services = listed(str(side) for side in every)
        raise InputError(
            f"The rows have {listed(unknown)}, which none of {services} takes. Taken: {listed(taken)}."
            f"{did_you_mean(unknown[0], taken)}"
        )


def check_labels(rows: Rows) -> None:
    """Raise an InputError if two rows have one label: the answers could not be put together."""
    index, _ = blocks_of(rows)
    if not index.is_unique:
        raise InputError(
            f"The rows have the label {quoted(index[index.duplicated()][0])} more than once, so their answers cannot "
            "be put together. Use rows.reset_index(drop=True), or index them so that each label stands once."
        )


def feature_names(side: Asked | FeatureBatch) -> list[str]:
    """Return the names of the features that a side answers with, without fetching any."""
    if isinstance(side, FeatureBatch):
        return [str(name) for name in side.to_pandas().columns]
    return [str(field["name"]) for field in side.service.metadata.feature_values]


def check_recorded(batch: FeatureBatch, rows: Rows, where: str) -> None:
    """Raise an InputError unless a recorded batch holds exactly these rows, whatever their order."""
    index, _ = blocks_of(rows)
    are_unique = batch.index.is_unique and index.is_unique
    if not (are_unique and len(batch) == len(index) and batch.index.isin(index).all()):
        raise InputError(
            f"The recorded {where} side {quoted(batch.service)} has other rows ({len(batch.index):,}) than are to be "
            f"fetched ({len(index):,}). Pass the rows it was fetched with, under the same index, each once."
        )
