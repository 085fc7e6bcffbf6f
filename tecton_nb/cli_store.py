"""``tecton-nb ingest``, ``service-account`` and ``access-control``: work on the store file of the embedded server.

The commands may run while a server serves the same file; it sees what they did from its next request on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import orjson
import typer

from .exceptions import SettingsError, quoted, shown
from .local.definitions.data_files import column_types, file_digest, read_data
from .local.storage.accounts import ROLES, ServiceAccount, ServiceAccounts
from .local.storage.contents import kept_definitions
from .local.storage.database import Database
from .local.storage.store import Store

STORE = "TECTON_NB_STORE"

StorePath = Annotated[
    Path | None, typer.Option("--store", envvar=STORE, show_envvar=True, help="Store file of the embedded server.")
]
AccountId = Annotated[str, typer.Option("--service-account", metavar="ID", help="Id of the service account.")]

service_account = typer.Typer(no_args_is_help=True, help="Service accounts of the embedded server.")
access_control = typer.Typer(no_args_is_help=True, help="Roles of service accounts.")


def ingest(
    view: Annotated[str, typer.Argument(metavar="VIEW", help="Name of a batch or aggregated view.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or parquet file with rows or events.")],
    store: StorePath = None,
    again: Annotated[bool, typer.Option("--again", help="Add a file that was ingested before once more.")] = False,
) -> None:
    """Add the rows or events of a file to a view, all of them or none."""
    with _opened(store) as database:
        kept = Store(kept_definitions(database), database)
        types = column_types(kept.view(view))
        digest = None if again else file_digest(file)
        frame = read_data(file, types)
        if kept.append(view, frame, digest=digest):
            typer.echo(f"Added {len(frame):,} rows to view {view}.")
        else:
            typer.echo(
                f"Added nothing to view {view}: it has the {len(frame):,} rows of this file already. "
                "Use --again to add them once more."
            )


@service_account.command()
def create(
    name: Annotated[str, typer.Option(help="Name of the account.")],
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    store: StorePath = None,
) -> None:
    """Make a service account and print its API key, once; only the key's hash is kept."""
    with _opened(store, must_exist=False) as database:
        key, account_id = ServiceAccounts(database).create(name, description)
        typer.echo("Save this API Key - you will not be able to get it again.")
        typer.echo(f"API Key: {key.reveal()}")
        typer.echo(f"Service Account ID: {account_id}")


@service_account.command("list")
def list_accounts(
    store: StorePath = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the service accounts with their roles; no key is shown."""
    with _opened(store) as database:
        accounts = ServiceAccounts(database).list()
    if as_json:
        typer.echo(orjson.dumps(accounts, option=orjson.OPT_INDENT_2).decode())
        return
    for account in accounts:
        typer.echo(_told(account))
    if not accounts:
        typer.echo("none")


@service_account.command()
def delete(
    account_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the service account.")],
    store: StorePath = None,
) -> None:
    """Delete a service account; its key opens nothing from the next request on."""
    with _opened(store) as database:
        ServiceAccounts(database).delete(account_id)
    typer.echo("Successfully deleted service account.")


@access_control.command("assign-role")
def assign_role(
    role: Annotated[str, typer.Option(help=f"Role: {', '.join(ROLES)}.")],
    workspace: Annotated[str, typer.Option(help="Workspace the role is for.")],
    account_id: AccountId,
    store: StorePath = None,
) -> None:
    """Give a service account a role on a workspace."""
    with _opened(store) as database:
        ServiceAccounts(database).assign_role(account_id, role, workspace)
    typer.echo("Successfully updated role.")


def _told(account: ServiceAccount) -> str:
    roles = ", ".join(f"consumer of {shown(workspace, 80)}" for workspace in account.workspaces) or "no role"
    about = f"  ({shown(account.description, 120)})" if account.description else ""
    return f"{account.id}  {shown(account.name, 80)}  {roles}{about}"


@contextmanager
def _opened(store: Path | None, *, must_exist: bool = True) -> Iterator[Database]:
    if store is None:
        raise SettingsError(f"No store is named. Give its path with --store, or in the environment variable {STORE}.")
    if must_exist and not store.exists():
        raise SettingsError(f"There is no store {quoted(store, 200)}. Make it with: tecton-nb serve --store PATH.")
    database = Database(store)
    try:
        yield database
    finally:
        database.close()
