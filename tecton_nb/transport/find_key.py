"""Finds an API key where a user keeps it: a file, the environment, the system's keyring."""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path

from ..exceptions import SettingsError
from .secret import KeyPlace, Secret

KEYRING_SERVICE = "tecton-nb"


def find_key(place: KeyPlace, host: str) -> Secret | None:
    """Return the key for a feature server, unchecked, or `None` if there is none.

    Parameters
    ----------
    place
        Where to look. Without a file in it: the environment variable, then the keyring where the package keyring
        is installed.
    host
        Host of the feature server, the user name in the keyring.

    Raises
    ------
    SettingsError
        If the file cannot be read.
    """
    if place.file is not None:
        return _read_key(Path(place.file).expanduser(), place)
    if place.variable in os.environ:
        return Secret(os.environ[place.variable], place, f"from the environment variable {place.variable}")
    return _from_keyring(host, place)


def _read_key(path: Path, place: KeyPlace) -> Secret:
    try:
        return Secret(path.read_text(encoding="utf-8"), place, f"from the file {place.file}")
    except (OSError, UnicodeDecodeError) as error:
        reason = type(error).__name__
    # Raised out here, because a UnicodeDecodeError carries the whole text.
    raise SettingsError(f"Cannot read the API key from {path}: {reason}.")


def _from_keyring(host: str, place: KeyPlace) -> Secret | None:
    if importlib.util.find_spec("keyring") is None:
        return None
    keyring = importlib.import_module("keyring")
    try:
        found = keyring.get_password(KEYRING_SERVICE, host)
    except keyring.errors.KeyringError:
        # No usable keyring on this computer is the same as no key in it.
        return None
    return None if found is None else Secret(found, place, f"from the keyring, service {KEYRING_SERVICE}")
