"""An API key that no repr, log, traceback or pickle shows."""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from ..exceptions import SettingsError

MAX_KEY_LENGTH: Final = 4_096
SCHEME: Final = "Tecton-key"

_SALT: Final = os.urandom(16)
_PREFIX: Final = re.compile(rf"{SCHEME}\s+", re.IGNORECASE)
_VISIBLE: Final = re.compile(r"[!-~]+")
_QUOTES: Final = "\"'`"
# A bare "my_key" stays allowed: the reference document passes exactly that.
_PLACEHOLDER: Final = re.compile(
    r"<.*>|\[.*\]|\{.*\}|\$.+|%.+%|\.+|\*+|x{3,}"
    r"|(?:insert|enter|paste|put|replace|add|change)?[-_]?(?:with[-_]?)?(?:your|my|the)[-_]?(?:own[-_]?)?"
    r"(?:tecton[-_]?)?(?:api|service[-_]?account)?[-_]?(?:key|token|secret)[-_]?(?:goes[-_]?)?here"
    r"|(?:insert|enter|paste|put|replace|add|change)?[-_]?(?:with[-_]?)?your[-_]?(?:own[-_]?)?"
    r"(?:tecton[-_]?)?(?:api|service[-_]?account)?[-_]?(?:key|token|secret)"
    r"|(?:tecton[-_]?)?api[-_]?key|changeme|change[-_]me|replace[-_]?me|none|null|todo",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a process finds an API key by itself; never the key. See ``transport.find_key``.

    Parameters
    ----------
    variable
        Environment variable.
    file
        Path of a file that holds the key and nothing else; if there is one, nowhere else is looked.
    """

    variable: str = "TECTON_API_KEY"
    file: str | None = None


class Secret:
    """Text that is shown as ``Secret(****)`` wherever it is printed.

    It cannot be pickled; a copy of it is itself; comparing takes the same time wherever two differ.

    Parameters
    ----------
    text
        What to keep. Nothing is checked here; see `api_key`.
    place
        Where another process of the same user would find it.
    source
        Where this one has it from, in words; never a part of it.
    """

    # The text lives in a closure: tools that print the attributes of an object find a function.
    __slots__ = ("place", "reveal", "source")

    reveal: Callable[[], str]

    def __init__(self, text: str, place: KeyPlace | None = None, source: str = "given by you") -> None:
        self.reveal = lambda: text
        self.source = source
        self.place = place or KeyPlace()

    def __repr__(self) -> str:
        return "Secret(****)"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_as_bytes(self), _as_bytes(other))

    def __hash__(self) -> int:
        return hash(hmac.digest(_SALT, _as_bytes(self), "sha256"))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "A Secret cannot be pickled, so that no API key lands in a file. "
            "Give the other process its own key, for instance in TECTON_API_KEY."
        )


def hidden(text: str | Secret | None) -> Secret | None:
    """Return the text as a `Secret`, unchecked.

    The first line of every function that takes an API key rebinds its argument to this, so that
    no frame of a later traceback holds the plain text.
    """
    return text if text is None or isinstance(text, Secret) else Secret(text)


def api_key(text: str | Secret | None) -> Secret | None:
    """Return the API key ready to be sent, or `None` if there is none to send.

    Surrounding whitespace and line breaks are dropped (keys read from files carry them), and so
    is a ``Tecton-key`` in front.

    Raises
    ------
    SettingsError
        If it is empty, longer than `MAX_KEY_LENGTH`, a placeholder such as ``<Your-api-key>``, or
        holds anything but visible ASCII. The sentence tells length and position, never a character.
    """
    text = hidden(text)
    if text is None:
        return None
    if not isinstance(text.reveal(), str):
        raise SettingsError(f"The API key must be text, not {type(text.reveal()).__name__}.")
    key = _stripped(text)
    if problem := _problem(key):
        raise SettingsError(f"{problem} Copy the key again, or set it in TECTON_API_KEY.")
    return key


def authorization(key: Secret) -> bytes:
    """Return the value of the ``Authorization`` header; to be made only where it is sent.

    Raises
    ------
    SettingsError
        If the key did not come through `api_key` and holds what no header may hold.
    """
    if not _VISIBLE.fullmatch(key.reveal()):
        raise SettingsError("The API key holds characters that cannot be sent. Make it with `api_key`.")
    return f"{SCHEME} {key.reveal()}".encode("ascii")


def _stripped(key: Secret) -> Secret:
    return Secret(_PREFIX.sub("", key.reveal().strip() + " ", count=1).strip(), key.place, key.source)


def _problem(key: Secret) -> str | None:
    # Every sentence is made from this: no part of the key may enter it.
    text = key.reveal()
    if not text:
        return "The API key is empty."
    if len(text) > MAX_KEY_LENGTH:
        return f"The API key has {len(text):,} characters; no more than {MAX_KEY_LENGTH:,} can be one."
    for place, character in enumerate(text, start=1):
        if not "!" <= character <= "~":
            return f"Character {place} of the {len(text)} characters of the API key is {_kind(character)}."
    if text[0] in _QUOTES or text[-1] in _QUOTES:
        return f"The API key of {len(text)} characters has quotation marks around it."
    if _PLACEHOLDER.fullmatch(text):
        return f"The API key of {len(text)} characters is a placeholder, not a key."
    return None


def _kind(character: str) -> str:
    if character == " ":
        return "a space"
    return "a control character" if character < " " or character == "\x7f" else "not ASCII"


def _as_bytes(key: Secret) -> bytes:
    return key.reveal().encode("utf-8", "surrogatepass")
