"""The address of a feature server: what may be written, and where each operation lives below it."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
import warnings
from dataclasses import dataclass
from typing import Final, NoReturn
from urllib.parse import unquote

from ..exceptions import SettingsError, quoted

API_PATH: Final = "/api/v1"
EXAMPLE: Final = "Write it like https://yourcluster.tecton.ai."

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_AUTHORITY: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::(.*))?")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SEGMENT: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_OPERATIONS: Final = ("feature-service", "observability")


class AddressWarning(UserWarning):
    """The address is not used quite as written, or its host may not be the one it looks like."""


@dataclass(frozen=True, slots=True)
class Address:
    """A checked base address; made by `parse_address`.

    Parameters
    ----------
    scheme
        ``https``, or ``http`` for this computer only.
    host
        Host the API key goes to, in ASCII and lower case; IPv6 without brackets.
    port
        Port, or `None` for the scheme's own.
    prefix
        Path in front of ``/api/v1``: empty, or starting with a slash and ending without one.
    """

    scheme: str
    host: str
    port: int | None = None
    prefix: str = ""

    @property
    def origin(self) -> str:
        """Scheme, host and port, such as ``https://x.tecton.ai`` or ``http://[::1]:8080``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")

    def url_for(self, path: str) -> str:
        """Return the URL of an operation, such as ``feature-service/get-features``."""
        return f"{self}{API_PATH}/{path}"

    def __str__(self) -> str:
        return self.origin + self.prefix


def parse_address(url: str) -> Address:
    """Return the address that a user, an environment variable or a profile states.

    Parameters
    ----------
    url
        ``https://yourcluster.tecton.ai``, with or without ``/api``, ``/api/v1`` or a trailing
        slash. Any other path is kept in front of ``/api/v1``, as gateways need it.

    Warns
    -----
    AddressWarning
        If ``http`` is written for another computer (https is used: the reference document prints
        such an address, and the API key must not travel in clear), or if the host holds letters
        outside ASCII.

    Raises
    ------
    SettingsError
        If no scheme is given, or another than https; if it holds a user name, password, query, fragment,
        control character, backslash or ``..``; or if the host or the port cannot be one.
    """
    if not isinstance(url, str):
        raise SettingsError(f"The address must be text, not {type(url).__name__}. {EXAMPLE}")
    text = url.strip(" \t\r\n")
    scheme, rest = _split_scheme(text)
    authority, slash, path = rest.partition("/")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        _refuse(text, "its host cannot be read")
    host, port = _host(match[1], text), _port(match[2], text)
    prefix = _prefix(slash + path, text)
    if not match[1].isascii() or "xn--" in host:
        _warn(f"The address {quoted(text)} goes to the host {host}: that is where the API key is sent.")
    if scheme == "http" and not is_loopback(host):
        _warn(f"The API key must not travel in clear: {quoted(text)} is used by https instead of http.")
        return Address("https", host, None if port in {80, 443} else port, prefix)
    return Address(scheme, host, None if port == _DEFAULT_PORTS[scheme] else port, prefix)


def is_loopback(host: str) -> bool:
    """Whether the host, as written, can only be this computer: localhost, 127.0.0.0/8 or ::1."""
    if host == "localhost" or host == "::1":
        return True
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


def _split_scheme(text: str) -> tuple[str, str]:
    _check_characters(text)
    if not text:
        raise SettingsError(f"The address is empty. {EXAMPLE}")
    match = _SCHEME.match(text)
    if match is None:
        _refuse(text, "it does not start with https://")
    scheme = match[1].lower()
    if scheme not in _DEFAULT_PORTS:
        _refuse(text, f"a feature server is reached by https, not by {quoted(scheme)}")
    return scheme, text[match.end() :]


def _check_characters(text: str) -> None:
    for place, character in enumerate(text, start=1):
        if character == "\\" or character.isspace() or unicodedata.category(character)[0] in "CZ":
            raise SettingsError(
                f"Character {place} of the address is a backslash, a space or one that cannot be seen. {EXAMPLE}"
            )
    # The parts refused here may hold a password or a token: the sentence shows nothing of the address.
    for mark, part in (("?", "query"), ("#", "fragment")):
        if mark in text:
            raise SettingsError(f"The address must have no {part} ({quoted(mark)}). {EXAMPLE}")
    if "@" in text:
        raise SettingsError(
            f"The address must hold no user name, password or '@'; the API key is given separately. {EXAMPLE}"
        )


def _host(written: str, text: str) -> str:
    if written.startswith("["):
        return _ipv6(written[1:-1], text)
    host = _ascii(written, text).lower().removesuffix(".")
    labels = host.split(".")
    if not host:
        _refuse(text, "it names no host")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        _refuse(text, "its host cannot be one")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(host, text)
    return host


def _ascii(written: str, text: str) -> str:
    if written.isascii():
        return written
    try:
        return written.encode("idna").decode("ascii")
    except UnicodeError:
        _refuse(text, "its host cannot be one")


def _ipv4(host: str, text: str) -> str:
    # Resolvers read 127.1, 0x7f.1 and 017700000001 as addresses too; only the plain form is what it looks like.
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        _refuse(text, "its host is no plain IPv4 address")


def _ipv6(literal: str, text: str) -> str:
    if "%" in literal:
        _refuse(text, "it holds an IPv6 zone")
    try:
        return str(ipaddress.IPv6Address(literal))
    except ValueError:
        _refuse(text, "its host is no IPv6 address")


def _port(written: str | None, text: str) -> int | None:
    if written is None:
        return None
    if not _PORT.fullmatch(written) or not 0 < int(written) < 65_536:
        _refuse(text, f"{quoted(written)} is no port")
    return int(written)


def _prefix(path: str, text: str) -> str:
    segments = [segment for segment in path.split("/") if segment]
    for segment in segments:
        _check_segment(segment, text)
    for ending in (["api", "v1"], ["api"]):
        if segments[-len(ending) :] == ending:
            segments = segments[: -len(ending)]
            break
    return "".join(f"/{segment}" for segment in segments)


def _check_segment(segment: str, text: str) -> None:
    plain = unquote(segment)
    if not _SEGMENT.fullmatch(segment) or any(c in "/\\" or not c.isprintable() for c in plain):
        _refuse(text, f"{quoted(segment)} cannot be part of its path")
    if plain in {".", ".."}:
        _refuse(text, "its path holds '.' or '..'")
    if plain in _OPERATIONS:
        _refuse(text, f"it is the address of one operation ({quoted(plain)}); give the part before /api")


def _refuse(text: str, reason: str) -> NoReturn:
    raise SettingsError(f"Cannot use the address {quoted(text, 120)}: {reason}. {EXAMPLE}")


def _warn(sentence: str) -> None:
    # Counted from here: parse_address, the client's constructor, the user's line.
    warnings.warn(sentence, AddressWarning, stacklevel=4)
