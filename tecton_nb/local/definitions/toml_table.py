"""A TOML file seen as tables that know their place, so that every mistake names file and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ...exceptions import SettingsError, did_you_mean, full_stop, listed, quoted

T = TypeVar("T")

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the values of a TOML file.

    Raises
    ------
    SettingsError
        If the file cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        reason = "there is no such file"
    except OSError as error:
        reason = str(error.strerror)
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
    # Raised out here, because the errors above carry the text of the file, and it may hold a key.
    raise SettingsError(f"Cannot read {quoted(path, 200)}: {full_stop(reason)}")


def refusal(path: Path, place: str, sentence: str) -> SettingsError:
    """Return the error for a mistake at a dotted place of a file."""
    return SettingsError(f"In {quoted(path, 200)} at `{place}`: {full_stop(sentence)}")


class Table:
    """One table of a TOML file.

    Parameters
    ----------
    values
        What it holds.
    path
        The file.
    place
        Where in the file the table stands, such as ``views.users``; empty for the whole file.
    """

    def __init__(self, values: Mapping[str, Any], path: Path, place: str = "") -> None:
        self.values = values
        self.path = path
        self.place = place

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def at(self, key: str) -> str:
        """Return the dotted place of a key."""
        shown_key = key if _BARE.fullmatch(key) else quoted(key).replace("'", '"')
        return f"{self.place}.{shown_key}" if self.place else shown_key

    def refuse(self, key: str, sentence: str) -> NoReturn:
        """Raise the `SettingsError` of a mistake at a key; an empty key means the table itself."""
        raise refusal(self.path, self.at(key) if key else self.place or "the top", sentence)

    def only(self, *keys: str) -> None:
        """Refuse any other key."""
        for key in self.values:
            if key not in keys:
                self.refuse(key, f"There is no such key; possible are {listed(keys, 20)}.{did_you_mean(key, keys)}")

    def require(self, key: str, what: str) -> None:
        """Refuse the table if it lacks the key, saying what the key is for."""
        if key not in self.values:
            self.refuse("", f"The key {quoted(key)} is missing: {what}")

    def text(self, key: str, default: str = "") -> str:
        """Return a text."""
        value = self.values.get(key, default)
        if not isinstance(value, str):
            self.refuse(key, f"This must be text between quotes; got {quoted(value)}")
        return value

    def texts(self, key: str) -> list[str]:
        """Return a list of texts, empty if the key is missing."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.refuse(key, f'This must be a list of texts, such as ["a", "b"]; got {quoted(value)}')
        return value

    def text_map(self, key: str) -> dict[str, str]:
        """Return a table of texts, empty if the key is missing."""
        table = self.table(key)
        return {name: table.text(name) for name in table.values}

    def choice(self, key: str, possible: Iterable[str], default: str | None = None) -> str:
        """Return a text that is one of the possible ones."""
        names = list(possible)
        if key not in self.values and default is None:
            self.refuse("", f"The key {quoted(key)} is missing; possible are {listed(names)}")
        value = self.text(key, default or "")
        if value not in names:
            hint = did_you_mean(value, names)
            self.refuse(key, f"{quoted(value)} is not possible; possible are {listed(names)}.{hint}")
        return value

    def table(self, key: str) -> Table:
        """Return a table inside, empty if the key is missing."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            # The value is not shown: it may be an API key in the wrong place.
            self.refuse(key, "This must be a table of keys and values")
        return Table(value, self.path, self.at(key))

    def tables(self, key: str) -> dict[str, Table]:
        """Return the tables inside a table, by name."""
        table = self.table(key)
        return {name: table.table(name) for name in table.values}

    def array(self, key: str) -> list[Table]:
        """Return a list of tables, empty if the key is missing."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.refuse(key, "This must be a list of tables, such as [{ ... }, { ... }]")
        return [Table(item, self.path, f"{self.at(key)}[{i}]") for i, item in enumerate(value)]

    def inside(self, key: str) -> Path:
        """Return the path that a text names: inside the folder of the file, unless it is absolute."""
        folder = self.path.parent.resolve()
        path = Path(self.text(key)).expanduser()
        if path.is_absolute():
            return path
        found = (folder / path).resolve()
        if not found.is_relative_to(folder):
            self.refuse(key, "This path leads out of the folder of the file; write it absolute if that is meant")
        return found

    def converted(self, key: str, convert: Callable[[str], T]) -> T:
        """Return what `convert` makes of a text; its `SettingsError` gets file and key."""
        text = self.text(key)
        return self.checked(key, lambda: convert(text))

    def checked(self, key: str, make: Callable[[], T]) -> T:
        """Return what `make` returns; its `SettingsError` gets file and key."""
        try:
            return make()
        except SettingsError as error:
            sentence = str(error)
        self.refuse(key, sentence)
