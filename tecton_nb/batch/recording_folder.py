"""The folder of a recording: which files in it are ours, and how a new recording takes the place of an older one.

A recording is written to ``FOLDER/_unfinished`` and moved up when it is whole, so a run that breaks off leaves the
older one as it was. Inside FOLDER, because its parent may be another disk or belong to somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

from ..exceptions import DecodeError, InputError, quoted
from ..wire.body import as_object, optional_int, optional_object, optional_text, read_json, write_json
from ..wire.types import JsonObject

MANIFEST = "_manifest.json"
FRAMES = ("features", "statuses", "effective_times", "slo_info", "calls", "errors")
_UNFINISHED = "_unfinished"
# The manifest of a recording that is being replaced: it says which parts are left of it.
_OLDER = "_older.json"
_FORMAT = 1
_LARGEST_MANIFEST = 16 * 2**20
_PART = re.compile(r"part-(\d{5})\.parquet")


def part_path(path: Path, frame: str, number: int) -> Path:
    """Return the file of a part of a frame."""
    return _folder(path, frame) / f"part-{number:05d}.parquet"


def parts_in(path: Path, frame: str) -> Iterator[tuple[int, Path]]:
    """Yield the parts of a frame that are there, with their numbers."""
    for file in list(_folder(path, frame).glob("part-*.parquet")):
        if match := _PART.fullmatch(file.name):
            yield int(match[1]), file


def read_manifest(path: Path) -> JsonObject:
    """Return the manifest of a recording.

    Raises
    ------
    InputError
        If there is none, or none that can be read.
    """
    file = path / MANIFEST
    if not file.is_file():
        raise InputError(f"There is no recording at {quoted(path)}: it has no {quoted(MANIFEST)}. Check the path.")
    try:
        manifest = _read(file)
        made_for = optional_int(manifest, "format", "")
    except (DecodeError, OSError) as error:
        raise damaged(path, str(error)) from None
    if made_for != _FORMAT:
        raise damaged(path, f"it has format {quoted(made_for)}, and format {_FORMAT} is read")
    return manifest


def damaged(path: Path, why: str) -> InputError:
    """Return the error for a recording that cannot be read."""
    return InputError(f"Cannot read the recording at {quoted(path)}: {why}. Record it again.")


class Draft:
    """A recording that is being written, until it takes the place of what is in its folder.

    Parameters
    ----------
    folder
        Where the recording will be. One that is made for it can be read by its owner only.

    Attributes
    ----------
    path
        Where its parts are to be written until then.
    is_replacing
        Whether there is an older recording.

    Raises
    ------
    InputError
        If something else than a recording is there.
    OSError
        If the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self.path = self._folder / _UNFINISHED
        _refuse_foreign(self._folder, self.path)
        if (self.path / MANIFEST).is_file():
            _settle(self.path, self._folder)
        self._older_parts = _parts_of(self._folder / MANIFEST)
        self.is_replacing = self._older_parts > 0
        self._is_new = not self._folder.exists()
        self._manifest: JsonObject = {
            "format": _FORMAT,
            "id": uuid4().hex,
            "versions": {name: version(name) for name in ("tecton-nb", "pandas", "pyarrow")},
        }
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.mkdir(mode=0o700, exist_ok=True)
        (self.path / MANIFEST).write_bytes(write_json(self._manifest))
        for name in FRAMES:
            _folder(self.path, name).mkdir(exist_ok=True)

    def part_path(self, frame: str, number: int) -> Path:
        """Return where a part of a frame is to be written.

        Raises
        ------
        InputError
            If a file that is none of the older recording has its place.
        """
        place = part_path(self._folder, frame, number)
        if number >= self._older_parts and place.exists():
            name = place.relative_to(self._folder)
            raise InputError(
                f"Cannot record to {quoted(self._folder)}: {quoted(name)} there is not ours. Move it away."
            )
        return part_path(self.path, frame, number)

    def check(self) -> None:
        """Raise an error if another run has begun to record to the same folder."""
        if not self._is_mine():
            raise InputError(
                f"Cannot go on recording to {quoted(self._folder)}: another run records there, or its files were "
                "taken away. Give each run a folder of its own."
            )

    def finish(self, manifest: JsonObject) -> None:
        """Put it in the place of what is there; without a manifest the folder is no recording."""
        self.check()
        whole = self.path / f"{MANIFEST}.new"
        whole.write_bytes(write_json({**self._manifest, **manifest}))
        whole.replace(self.path / MANIFEST)
        _settle(self.path, self._folder)

    def discard(self) -> None:
        """Take it away, unless it is another run's by now; what was in the folder before is as it was."""
        if self._is_mine():
            _clear(self.path)
        if self._is_new:
            with suppress(OSError):
                self._folder.rmdir()

    def _is_mine(self) -> bool:
        with suppress(DecodeError, OSError):
            return _read(self.path / MANIFEST).get("id") == self._manifest["id"]
        return False


def _folder(path: Path, frame: str) -> Path:
    return path if frame == "features" else path / f"_{frame}"


def _read(file: Path) -> JsonObject:
    if file.stat().st_size > _LARGEST_MANIFEST:
        raise DecodeError("its manifest is too large")
    return as_object(read_json(file.read_bytes()), "")


def _refuse_foreign(folder: Path, draft: Path) -> None:
    # A whole draft without a recording above it: the move of its files was broken off.
    is_known = _is_ours(folder) or _is_empty(folder, but=draft) or (_is_ours(draft) and _parts_of(draft / MANIFEST))
    if not is_known or not (_is_ours(draft) or _is_empty(draft)):
        raise InputError(
            f"Cannot record to {quoted(folder)}: something else is there. Name a folder that is new or empty."
        )


def _is_ours(path: Path) -> bool:
    try:
        return optional_text(optional_object(read_manifest(path), "versions", ""), "tecton-nb", "") is not None
    except (DecodeError, InputError):
        return False


def _is_empty(path: Path, but: Path | None = None) -> bool:
    if not path.is_dir():
        return not path.exists()
    return all(item.is_dir() or (but is not None and but in item.parents) for item in path.rglob("*"))


def _settle(draft: Path, folder: Path) -> None:
    """Move a draft up if it is whole, else take it away; a move that was broken off is brought to its end."""
    parts = _parts_of(draft / MANIFEST)
    if parts:
        with suppress(FileNotFoundError):
            (folder / MANIFEST).replace(draft / _OLDER)
        older = _parts_of(draft / _OLDER)
        for name in FRAMES:
            _folder(folder, name).mkdir(exist_ok=True)
            for number, file in parts_in(folder, name):
                if parts <= number < older:
                    file.unlink()
            for number, file in parts_in(draft, name):
                if number < parts:
                    file.replace(part_path(folder, name, number))
        (draft / MANIFEST).replace(folder / MANIFEST)
    _clear(draft)


def _parts_of(manifest: Path) -> int:
    with suppress(DecodeError, OSError):
        return optional_int(_read(manifest), "parts", "") or 0
    return 0


def _clear(draft: Path) -> None:
    for name in FRAMES:
        for _, file in parts_in(draft, name):
            file.unlink()
    # The manifest last: it says that the rest is ours.
    for name in (_OLDER, f"{MANIFEST}.new", MANIFEST):
        (draft / name).unlink(missing_ok=True)
    for folder in (*(_folder(draft, name) for name in FRAMES[1:]), draft):
        with suppress(OSError):
            folder.rmdir()
