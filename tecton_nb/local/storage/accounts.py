"""Service accounts in the store: made, listed, deleted and given roles while a server runs."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass

from ...exceptions import SettingsError, did_you_mean, listed, quoted
from ..keys import Account, ApiKey
from .database import Database

ROLES = ("consumer",)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What may be told about a service account."""

    id: str
    name: str
    description: str
    workspaces: tuple[str, ...]


class ServiceAccounts:
    """The service accounts of a store; what another process changes counts from the next look on.

    Parameters
    ----------
    database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: tuple[int, tuple[Account, ...]] = (-1, ())

    def create(self, name: str, description: str = "") -> tuple[ApiKey, str]:
        """Return the key and the id of a new account without any role; only the key's hash is kept.

        Raises
        ------
        SettingsError
            If the name is empty, or the store cannot be written.
        """
        if not name.strip():
            raise SettingsError("A service account needs a name; give one with --name.")
        key, account_id = ApiKey(), secrets.token_hex(16)
        with self._database.writing() as connection:
            row = (account_id, name, description, key.digest())
            connection.execute("INSERT INTO accounts VALUES (?, ?, ?, ?)", row)
        return key, account_id

    def assign_role(self, account_id: str, role: str, workspace: str) -> None:
        """Give an account a role on a workspace.

        Raises
        ------
        SettingsError
            If the account, the role or the workspace is unknown. Before anything was served from
            the store, any workspace will do.
        """
        if role not in ROLES:
            raise SettingsError(
                f"The embedded server knows no role {quoted(role)}; it has {listed(ROLES)}.{did_you_mean(role, ROLES)}"
            )
        workspaces = [name for (name,) in self._database.rows("SELECT name FROM workspaces ORDER BY name")]
        if workspaces and workspace not in workspaces:
            raise SettingsError(
                f"{self._where()} has no workspace {quoted(workspace)}; it has {listed(workspaces)}."
                f"{did_you_mean(workspace, workspaces)}"
            )
        with self._database.writing() as connection:
            if connection.execute("SELECT 1 FROM accounts WHERE id=?", (account_id,)).fetchone() is None:
                raise self._unknown(account_id)
            connection.execute("INSERT OR IGNORE INTO roles VALUES (?, ?, ?)", (account_id, workspace, role))

    def delete(self, account_id: str) -> None:
        """Delete an account; its key opens nothing from the next request on.

        Raises
        ------
        SettingsError
            If the account is unknown.
        """
        with self._database.writing() as connection:
            if connection.execute("DELETE FROM accounts WHERE id=?", (account_id,)).rowcount == 0:
                raise self._unknown(account_id)
            connection.execute("DELETE FROM roles WHERE account=?", (account_id,))

    def list(self) -> tuple[ServiceAccount, ...]:
        """Return the accounts, sorted by name."""
        rows = self._database.rows("SELECT id, name, description FROM accounts ORDER BY name, id")
        return tuple(
            ServiceAccount(key, name, description, tuple(sorted(self._workspaces(key))))
            for key, name, description in rows
        )

    def current(self) -> tuple[Account, ...]:
        """Return the accounts as they are in the store now, none if it cannot be read any more."""
        try:
            version = self._database.version()
            if self._known[0] != version:
                self._known = (version, self._read())
        except SettingsError as error:
            _log.warning("No service account can be let in: %s", error)
            return ()
        return self._known[1]

    def _read(self) -> tuple[Account, ...]:
        rows = self._database.rows("SELECT id, name, key_digest FROM accounts")
        return tuple(Account(name, digest, frozenset(self._workspaces(key))) for key, name, digest in rows)

    def _workspaces(self, account_id: str) -> set[str]:
        rows = self._database.rows("SELECT workspace FROM roles WHERE account=? AND role='consumer'", (account_id,))
        return {workspace for (workspace,) in rows}

    def _unknown(self, account_id: str) -> SettingsError:
        known = [key for (key,) in self._database.rows("SELECT id FROM accounts ORDER BY id")]
        return SettingsError(
            f"{self._where()} knows no service account {quoted(account_id)}."
            f"{did_you_mean(account_id, known)} List them with: tecton-nb service-account list."
        )

    def _where(self) -> str:
        name = self._database.name
        return name[:1].upper() + name[1:]
