"""What every configuration says: where the metrics are, and where the key is."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit

import yaml

from ...exceptions import SettingsError, quoted

PATH = "/api/v1/observability/metrics"
INTERVAL = "30s"
KEY_TYPE = "Tecton-key"

_EXAMPLE = "Write it like https://yourcluster.tecton.ai."
_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
# What service accounts get as a key; a name or path that looks like one is the key itself.
_KEY = re.compile("[0-9a-fA-F]{32,}")
# What stands before a key in an Authorization header.
_BEFORE_KEYS = {"authorization", KEY_TYPE.lower(), "bearer"}
_LINE = 10_000


@dataclass(frozen=True)
class Source:
    """The metrics endpoint, apart.

    Parameters
    ----------
    scheme
        ``https``, or ``http`` for this computer only.
    target
        Host, and port where one is stated.
    path
        Of the endpoint.
    """

    scheme: str
    target: str
    path: str

    @property
    def url(self) -> str:
        """The whole address of the endpoint."""
        return f"{self.scheme}://{self.target}{self.path}"


def source_of(url: str) -> Source:
    """Return the endpoint of a cluster.

    Parameters
    ----------
    url
        ``https://yourcluster.tecton.ai``, with or without ``/api``, ``/api/v1`` or the endpoint's whole path.

    Raises
    ------
    SettingsError
        If the address cannot be one, holds more than an address, or sends the key in clear.
    """
    if not isinstance(url, str):
        _refuse(f"The address must be text, not {type(url).__name__}")
    if any(mark in url for mark in "@?#\\") or any(not c.isprintable() or c.isspace() for c in url):
        # It may hold a password or a token, so it is not shown.
        _refuse("The address must hold no user name, query, fragment, backslash or space")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        _refuse("Cannot read the address: its host or its port cannot be one")
    if not host or parts.scheme not in {"https", "http"}:
        _refuse(f"Cannot use the address {quoted(url)}: it does not start with https:// and a host")
    if parts.scheme == "http" and not _is_here(host):
        _refuse(f"Cannot use the address {quoted(url)}: plain http would send the API key in clear")
    where = f"[{host}]" if ":" in host else host
    prefix = parts.path.rstrip("/")
    for ending in (PATH, "/api/v1", "/api"):
        prefix = prefix.removesuffix(ending)
    return Source(parts.scheme, f"{where}:{port}" if port else where, prefix.rstrip("/") + PATH)


def checked_file(path: str) -> str:
    """Return the path of a file that holds the key, unless it looks like the key itself."""
    if not path or not path.isprintable() or _holds_key(path):
        raise SettingsError("key_file must be the path of a file that holds the API key, and not the key itself.")
    return path


def _holds_key(path: str) -> bool:
    """Return whether a word of the path is a key, bare or behind the word that a header has before it."""
    words = path.split()
    is_header = len(words) > 1 and words[0].lower().rstrip(":") in _BEFORE_KEYS
    return is_header or any(_KEY.fullmatch(word) for word in words)


def checked_variable(name: str) -> str:
    """Return the name of a variable that holds the key, unless it looks like the key itself."""
    if _KEY.fullmatch(name) or not _VARIABLE.fullmatch(name):
        raise SettingsError(
            "key_env must be the name of an environment variable, such as TECTON_API_KEY, and not the key itself."
        )
    return name


def dumped(head: str, content: object) -> str:
    """Return YAML under a comment; text from outside is quoted where YAML would read it as something else."""
    comment = "".join(f"# {line}\n" for line in head.splitlines())
    return comment + yaml.safe_dump(content, sort_keys=False, width=_LINE, allow_unicode=True)


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse(reason: str) -> NoReturn:
    raise SettingsError(f"{reason}. {_EXAMPLE}") from None
