"""Who may read what: API keys by their hash, and the workspaces behind them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from ..exceptions import SettingsError

_SCHEME = "tecton-key"


class ApiKey:
    """An API key that no repr, pickle or `vars` shows.

    Parameters
    ----------
    text
        The key; `None` makes a random one.

    Raises
    ------
    SettingsError
        If the key cannot stand in a header. The sentence tells its length, never the key.
    """

    __slots__ = ("_reveal",)

    def __init__(self, text: str | None = None) -> None:
        key = secrets.token_urlsafe(24) if text is None else text
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise SettingsError(
                f"The API key ({len(key)} characters) cannot be used: "
                "it must be printable ASCII text without spaces, and not empty."
            )
        # A closure keeps the text out of every attribute that a debugger or a repr walks.
        self._reveal: Callable[[], str] = lambda: key

    def reveal(self) -> str:
        """Return the key itself."""
        return self._reveal()

    def digest(self) -> bytes:
        """Return the hash that an `Account` keeps."""
        return _digest(self._reveal().encode())

    def __repr__(self) -> str:
        return "ApiKey(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("An API key cannot be pickled.")


@dataclass(frozen=True, slots=True)
class Account:
    """A service account: the hash of its key and the workspaces it may read (`None`: all of them)."""

    name: str
    key_digest: bytes = field(repr=False)
    workspaces: frozenset[str] | None = None

    def may_read(self, workspace: str) -> bool:
        """Whether the account has the Consumer role on the workspace."""
        return self.workspaces is None or workspace in self.workspaces


class AccountBook(Protocol):
    """Accounts that may change while the server runs."""

    def current(self) -> tuple[Account, ...]:
        """Return the accounts as they are now."""
        ...


class Access:
    """The service accounts of a server.

    Parameters
    ----------
    accounts
        Those that stay.
    kept
        Those that may come and go; asked anew for every request.
    """

    def __init__(self, accounts: Sequence[Account], kept: AccountBook | None = None) -> None:
        self._accounts = tuple(accounts)
        self._kept = kept

    def account(self, authorization: Sequence[str]) -> Account | None:
        """Return the account whose key the Authorization headers hold.

        Parameters
        ----------
        authorization
            Values of all Authorization headers of the request.

        Returns
        -------
        Account or None
            `None` unless there is one header, its scheme is ``Tecton-key`` in any case, and the
            key is known. Every account is compared, in constant time.
        """
        if len(authorization) != 1:
            return None
        scheme, _, key = authorization[0].strip().partition(" ")
        offered = _digest(key.strip().encode("utf-8", "surrogateescape"))
        accounts = self._accounts if self._kept is None else self._accounts + self._kept.current()
        matches = [hmac.compare_digest(account.key_digest, offered) for account in accounts]
        if scheme.lower() != _SCHEME or not any(matches):
            return None
        return accounts[matches.index(True)]


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
