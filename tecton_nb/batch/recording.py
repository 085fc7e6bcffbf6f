"""Batches in a folder: parquet files of every frame and a manifest, to read again later or to outgrow memory.

::

    FOLDER/part-00000.parquet          values, so that pandas.read_parquet(FOLDER) reads them
    FOLDER/_statuses/part-00000.parquet
    FOLDER/_effective_times/ _slo_info/ _calls/ _errors/
    FOLDER/_manifest.json              service, options, times, versions; never the API key

Readers of parquet folders pass over names that begin with an underscore.
"""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pyarrow as pa

from ..exceptions import DecodeError, InputError, TectonError, quoted
from ..frames.assemble import Schema
from ..frames.parquet import read_parquet, write_parquet
from ..wire.body import as_list, as_object, optional_int, optional_text, read_json, write_json
from ..wire.responses import NameAndType
from ..wire.types import JsonObject, data_type_to_json, parse_data_type
from .origin import Found, Origin
from .report import BatchReport

MANIFEST = "_manifest.json"
_FORMAT = 1
_LARGEST_MANIFEST = 16 * 2**20
_FRAMES = ("features", "statuses", "effective_times", "slo_info", "calls", "errors")


class Recorder:
    """Writes a recording, part by part.

    Parameters
    ----------
    path
        The folder. It is made; an older recording in it is replaced, anything else is left alone.
    origin
        Where the rows come from.
    schema
        Names and types of the features.

    Raises
    ------
    InputError
        If something else than a recording is there.
    OSError
        If the folder cannot be written.
    """

    def __init__(self, path: Path, origin: Origin, schema: Schema) -> None:
        self._path = path
        self._origin = origin
        self._schema = schema
        self._parts = 0
        self._span: tuple[pd.Timestamp, pd.Timestamp] | None = None
        _make_room(path)
        for name in _FRAMES:
            _folder(path, name).mkdir(parents=True, exist_ok=True)

    def add(self, found: Found) -> None:
        """Write the frames of some rows behind those that are there."""
        calls = found.calls()
        for name in _FRAMES:
            frame = calls if name == "calls" else getattr(found, name)()
            self._write(frame, _folder(self._path, name) / f"part-{self._parts:05d}.parquet")
        self._parts += 1
        self._widen_span(calls)

    def finish(self, report: BatchReport) -> None:
        """Write the manifest; without it the folder is no recording."""
        began, ended = self._span or (None, None)
        manifest: JsonObject = {
            "format": _FORMAT,
            "versions": {name: version(name) for name in ("tecton-nb", "pandas", "pyarrow")},
            **self._origin.to_json(),
            "features": [{"name": item.name, "dataType": data_type_to_json(item.data_type)} for item in self._schema],
            "parts": self._parts,
            "started_at": None if began is None else began.isoformat(),
            "finished_at": None if ended is None else ended.isoformat(),
            "report": report.to_json(),
        }
        (self._path / MANIFEST).write_bytes(write_json(manifest))

    def _write(self, frame: pd.DataFrame, path: Path) -> None:
        try:
            write_parquet(frame, path)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise InputError(
                f"Cannot write the index of the rows to {quoted(path.parent)}: {error}. Use labels of one type."
            ) from None

    def _widen_span(self, calls: pd.DataFrame) -> None:
        if len(calls):
            ends = calls["started_at"] + pd.to_timedelta(calls["client_time_seconds"].fillna(0.0).astype(float), "s")
            began, ended = calls["started_at"].min(), ends.max()
            first, last = self._span or (began, ended)
            self._span = (min(first, began), max(last, ended))


class Recording:
    """A recording as the source of a batch's frames; each is read when it is asked for.

    Raises
    ------
    InputError
        If the folder holds no recording that can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        manifest = _manifest(path)
        try:
            self.origin = Origin.from_json(manifest)
            self.schema = _schema(manifest)
            self.report = BatchReport.from_json(as_object(manifest.get("report"), "report"))
            self._parts = optional_int(manifest, "parts", "") or 0
            began = optional_text(manifest, "started_at", "")
        except (DecodeError, KeyError, TypeError, ValueError) as error:
            raise _damaged(path, str(error)) from None
        self.started_at = None if began is None else pd.Timestamp(began)

    @cached_property
    def index(self) -> pd.Index:
        """Labels of the rows."""
        return self.statuses().index

    def features(self) -> pd.DataFrame:
        """Return the values."""
        frame = self._frame("features")
        if tuple(frame.columns) != tuple(item.name for item in self.schema):
            raise _damaged(self.path, "its columns are not the features of the manifest")
        return frame

    def statuses(self) -> pd.DataFrame:
        """Return the serving statuses."""
        return self._frame("statuses")

    def effective_times(self) -> pd.DataFrame:
        """Return the effective times."""
        return self._frame("effective_times")

    def slo_info(self) -> pd.DataFrame:
        """Return the serving times."""
        return self._frame("slo_info")

    def calls(self) -> pd.DataFrame:
        """Return one row per HTTP call."""
        return self._frame("calls").reset_index(drop=True)

    def errors(self) -> pd.DataFrame:
        """Return one row per failed row."""
        return self._frame("errors")

    def first_error(self) -> TectonError | None:
        """Return the error of the first failed row as it was told, if there is one."""
        errors = self.errors()
        if errors.empty:
            return None
        return TectonError(f"{errors['exception'].iloc[0]}: {errors['message'].iloc[0]}")

    def _frame(self, name: str) -> pd.DataFrame:
        paths = [_folder(self.path, name) / f"part-{number:05d}.parquet" for number in range(self._parts)]
        try:
            parts = [read_parquet(path) for path in paths]
        except (OSError, pa.ArrowInvalid, ValueError) as error:
            raise _damaged(self.path, f"{name} cannot be read ({error})") from None
        return parts[0] if len(parts) == 1 else pd.concat(parts)


def record(path: Path, origin: Origin, found: Found, report: BatchReport) -> None:
    """Write a batch that is in memory; errors as `Recorder`."""
    if isinstance(found, Recording) and found.path.resolve() == path.resolve():
        return
    recorder = Recorder(path, origin, found.schema)
    recorder.add(found)
    recorder.finish(report)


def _folder(path: Path, name: str) -> Path:
    return path if name == "features" else path / f"_{name}"


def _make_room(path: Path) -> None:
    if path.is_dir() and (path / MANIFEST).is_file():
        # Only what a recording is made of: whatever else somebody put there stays.
        (path / MANIFEST).unlink()
        for name in _FRAMES:
            for part in _folder(path, name).glob("part-*.parquet"):
                part.unlink()
    elif path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(
            f"Cannot record to {quoted(path)}: something else is there. Name a folder that is new or empty."
        )


def _manifest(path: Path) -> JsonObject:
    file = path / MANIFEST
    if not file.is_file():
        raise InputError(f"There is no recording at {quoted(path)}: it has no {quoted(MANIFEST)}. Check the path.")
    if file.stat().st_size > _LARGEST_MANIFEST:
        raise _damaged(path, "its manifest is too large")
    try:
        manifest = as_object(read_json(file.read_bytes()), "")
        made_for = optional_int(manifest, "format", "")
    except (DecodeError, OSError) as error:
        raise _damaged(path, str(error)) from None
    if made_for != _FORMAT:
        raise _damaged(path, f"it has format {quoted(made_for)}, and format {_FORMAT} is read")
    return manifest


def _schema(manifest: JsonObject) -> Schema:
    items = [as_object(item, "features") for item in as_list(manifest.get("features"), "features")]
    return tuple(
        NameAndType(str(item.get("name")), parse_data_type(item.get("dataType"), where="features")) for item in items
    )


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"Cannot read the recording at {quoted(path)}: {why}. Record it again.")
