"""Where the server listens, and by which names clients may call it."""

from __future__ import annotations

import re
import socket
from ipaddress import ip_address

from ...exceptions import SettingsError, listed, quoted

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  # only with the caller's word that it is meant
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)


class Address:
    """A host to listen on.

    Parameters
    ----------
    host
        A loopback address; another address or a name only if `allow_remote`.

    Raises
    ------
    SettingsError
        If the host is no address, or not loopback without leave.
    """

    def __init__(self, host: str, *, allow_remote: bool = False) -> None:
        self.host = host
        self.is_remote = host not in _LOOPBACK
        if self.is_remote and not allow_remote:
            raise SettingsError(
                f"The feature server listens on {listed(_LOOPBACK)} only; got {quoted(host)}. "
                "To open it to the network all the same, add --allow-remote (in Python: allow_remote=True)."
            )
        if self.is_remote and not (_is_ip(host) or _NAME.fullmatch(host)):
            raise SettingsError(f"Cannot listen on {quoted(host)}: it is neither an IP address nor a host name.")

    @property
    def takes_any_address(self) -> bool:
        """Whether it listens on every address of the machine."""
        return self.host in _WILDCARDS

    @property
    def names(self) -> tuple[str, ...]:
        """How clients may call the machine, beside the loopback names."""
        if not self.is_remote:
            return ()
        return (socket.gethostname(),) if self.takes_any_address else (_bracketed(self.host),)

    @property
    def for_url(self) -> str:
        """The host as it stands in a URL that works on this machine."""
        return "127.0.0.1" if self.takes_any_address else _bracketed(self.host)

    @property
    def warning(self) -> str:
        """What to know before others are let in."""
        return (
            f"The feature server listens on {self.host}, so everyone who can reach this machine can ask it. "
            "API keys, join keys and features go over the network in clear (http): use it in a network "
            "that you trust, or put a proxy with https in front."
        )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
